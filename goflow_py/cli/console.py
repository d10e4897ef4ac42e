"""What the command line prints, and how it ends: results on stdout, all else on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from goflow_py.errors import GoFlowError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_UNREACHABLE = 4

WIDTH_OF_A_FILE = 240
"""Columns where there is no terminal to ask: a line in a pipe is not to be folded."""
AWAITED_SHOWN_MAX = 20

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}
_USAGE_CODES = frozenset({"bad_parameter", "unknown_parameter"})
_INVALID_STATUSES = frozenset({400, 413, 415, 422})


def console(*, stderr: bool = False) -> "Console":
    """Return where to print; markup is off, since names and data of users are printed."""
    from rich.console import Console

    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = WIDTH_OF_A_FILE
    return made


def show(*what: "RenderableType") -> None:
    """Print to stdout; texts are printed as they are, however long."""
    to = console()
    if to.is_terminal:
        for one in what:
            to.print(one, soft_wrap=isinstance(one, str))
        return
    with to.capture() as captured:
        for one in what:
            to.print(one, soft_wrap=isinstance(one, str))
    # Tables fill their last column with blanks, which only a terminal hides.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    sys.stdout.flush()


def show_json(value: Any) -> None:
    """Print a value as JSON to stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(plain(line) + "\n")
    sys.stderr.flush()


def plain(text: object) -> str:
    """Return *text* on one line and without what would steer a terminal."""
    line = str(text)
    if line.isprintable():
        return line
    shown = (c if c.isprintable() else " " if c in "\r\n\t" else f"\\x{ord(c):02x}" for c in line)
    return "".join(shown)


# ---------------------------------------------------------------- what went wrong


def exit_code(error: GoFlowError) -> int:
    """Return how the process ends for *error*."""
    if error.code == "unreachable":
        return EXIT_UNREACHABLE
    if error.reason in _USAGE_CODES:
        return EXIT_USAGE
    return EXIT_INVALID if error.status in _INVALID_STATUSES else EXIT_FAILED


def fail(error: GoFlowError, *, as_json: bool = False) -> NoReturn:
    """Say what went wrong, and end. With *as_json* the whole problem goes to stdout, too."""
    if as_json:
        facts = dict(error.facts)
        show_json({"code": error.reason, "status": error.status, "detail": error.detail, **facts})
    say(f"goflow: {error.detail} ({error.reason})")
    findings = error.facts.get("findings") or error.facts.get("errors")
    if isinstance(findings, list):
        for finding in findings:
            if isinstance(finding, Mapping):
                console(stderr=True).print(finding_line(finding), soft_wrap=True)
    awaiting = error.facts.get("awaiting")
    if isinstance(awaiting, list) and awaiting:
        say(f"  it accepts now: {awaited(awaiting)}")
    raise typer.Exit(exit_code(error))


def awaited(awaiting: Iterable[Any]) -> str:
    """Return the events of ``awaiting`` in words."""
    words = []
    for item in list(awaiting)[:AWAITED_SHOWN_MAX]:
        if isinstance(item, Mapping):
            role = f" (from {item['role']})" if item.get("role") else ""
            words.append(f"{item.get('event')}{role}")
    return ", ".join(words)


def finding_line(finding: Mapping[str, Any]) -> "RenderableType":
    """Return a finding as ``severity  pointer  message  [code]``, and what mends it."""
    from rich.text import Text

    severity = str(finding.get("severity", "error"))
    code = finding.get("code") or finding.get("kind")
    line = Text("  ")
    line.append(f"{severity:<8}", SEVERITY_STYLES.get(severity, "red"))
    line.append(f"{plain(finding.get('pointer') or '/')}  ", "bold")
    line.append(plain(finding.get("message", "")))
    line.append(f"  [{plain(code)}]" if code else "", "dim")
    if finding.get("fix"):
        line.append(f"\n          {plain(finding['fix'])}", "dim")
    return line
