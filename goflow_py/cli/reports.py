"""What ``check`` found, for other tools: SARIF 2.1.0, and GitHub's workflow commands."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
SARIF_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
GITHUB_WORDS = {"error": "error", "warning": "warning", "info": "notice"}

Finding = Mapping[str, Any]
Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one file."""

    file: str
    text: str
    findings: Sequence[Finding]

    def located(self) -> Iterator[tuple[Finding, Place]]:
        """Yield each finding with its place: its pointer's value, or the nearest one around it."""
        offsets = dict(pointers(self.text))
        for finding in self.findings:
            yield finding, _place(self.text, _offset(str(finding.get("pointer", "")), offsets))


# ---------------------------------------------------------------- formats


def github(reports: Iterable[Report]) -> Iterator[str]:
    """Yield a workflow command for each finding: GitHub shows it at its line."""
    for report in reports:
        for finding, (line, column) in report.located():
            word = GITHUB_WORDS[str(finding.get("severity", "error"))]
            facts = {
                "file": report.file,
                "line": line,
                "col": column,
                "title": f"goflow {finding['code']}",
            }
            shown = ",".join(f"{name}={_property(str(value))}" for name, value in facts.items())
            yield f"::{word} {shown}::{_data(message_of(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(reports: Sequence[Report], version: str) -> dict[str, Any]:
    """Return a SARIF log with one run."""
    codes = sorted({str(f["code"]) for report in reports for f in report.findings})
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "goflow",
                        "version": version,
                        "rules": [
                            {"id": code, "shortDescription": {"text": code.replace("_", " ")}}
                            for code in codes
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(report.file, finding, place, codes)
                    for report in reports
                    for finding, place in report.located()
                ],
            }
        ],
    }


def _result(file: str, finding: Finding, place: Place, codes: Sequence[str]) -> dict[str, Any]:
    line, column = place
    return {
        "ruleId": finding["code"],
        "ruleIndex": codes.index(str(finding["code"])),
        "level": SARIF_LEVELS[str(finding.get("severity", "error"))],
        "message": {"text": message_of(finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(file)},
                    "region": {"startLine": line, "startColumn": column},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.get("pointer") or "/"}],
            }
        ],
    }


def message_of(finding: Finding) -> str:
    """Return a finding's message with its path and what mends it."""
    message = str(finding.get("message", ""))
    if finding.get("path"):
        message += f" ({' -> '.join(finding['path'])})"
    return f"{message}; {finding['fix']}" if finding.get("fix") else message


# ---------------------------------------------------------------- places

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def pointers(text: str) -> Iterator[tuple[str, int]]:
    """Yield where each value of the documents in *text* begins; a pointer starts with its number.

    The text need not be good JSON: what cannot be read has no pointer.
    """
    stack: list[str | int] = []
    document, last, key_next = -1, "", False
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token in "]}":
            if stack:
                stack.pop()
        elif token == ",":
            if stack and isinstance(stack[-1], int):
                stack[-1] += 1
            key_next = bool(stack) and isinstance(stack[-1], str)
        elif token == ":":
            if stack:
                stack[-1] = _name(last)
            key_next = False
        elif not key_next:
            document += not stack
            yield "/".join([str(document), *map(str, stack)]), found.start()
            if token in "[{":
                stack.append(0 if token == "[" else "")
                key_next = token == "{"
        last = token


def _name(token: str) -> str:
    try:
        name = str(json.loads(token))
    except ValueError:
        return ""
    return name.replace("~", "~0").replace("/", "~1")


def _offset(pointer: str, offsets: Mapping[str, int]) -> int:
    # Workers may be a document of their own, behind the blueprint.
    second = f"1{pointer}" if pointer.startswith("/workers") else pointer.removeprefix("/")
    while pointer:
        for known in (f"0{pointer}", second):
            if known in offsets:
                return offsets[known]
        pointer, second = pointer.rpartition("/")[0], second.rpartition("/")[0]
    return 0


def _place(text: str, offset: int) -> Place:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
