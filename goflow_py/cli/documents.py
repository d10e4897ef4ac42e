"""Commands over blueprint files: check (without a server), upload, schema."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py import __version__
from goflow_py.cli.console import (
    EXIT_INVALID,
    exit_code,
    finding_line,
    plain,
    say,
    show,
    show_json,
)
from goflow_py.cli.reports import Report, github, sarif
from goflow_py.cli.session import Json, Session, remote
from goflow_py.cli.values import documents_of, read
from goflow_py.errors import GoFlowError, InvalidBlueprint, MalformedRequest, TooLarge

if TYPE_CHECKING:
    from rich.console import RenderableType

    from goflow_py.engine.submissions import Syntax

Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Blueprints; a folder has many, - is stdin.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What became of one file."""

    file: str
    ok: bool
    said: str
    """``goflow/inquiry v1``, or what is wrong."""
    findings: Sequence[Mapping[str, Any]]
    code: int = 0
    facts: Mapping[str, Any] | None = None
    """More for ``--json``."""

    def as_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        whole = {"file": self.file, "ok": self.ok, "detail": self.said}
        return {**whole, **(self.facts or {}), "findings": list(self.findings)}


# ---------------------------------------------------------------- check


class CheckFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def check(
    files: Files,
    *,
    strict: Strict = False,
    format: Annotated[CheckFormat, typer.Option("--format", "-f")] = CheckFormat.TEXT,  # noqa: A002  # the flag's name
    as_json: Json = False,
) -> None:
    """Check blueprints here, without a server. Exits 3 when one would be refused."""
    bodies = [(name, read(name)) for name in documents_of(files)]
    checked = [_check(name, body, strict=strict) for name, body in bodies]
    if format in (CheckFormat.TEXT, CheckFormat.JSON):
        _report(checked, as_json=as_json or format is CheckFormat.JSON)
        return
    reports = [_report_of(one, body) for one, (_, body) in zip(checked, bodies, strict=True)]
    if format is CheckFormat.SARIF:
        show_json(sarif(reports, __version__))
    else:
        show(*github(reports))
    if code := max(one.code for one in checked):
        raise typer.Exit(code)


def _report_of(one: "_Checked", body: bytes) -> Report:
    """Return what was found for other tools; a file that cannot be read is a finding, too."""
    findings = one.findings
    if not one.ok and not findings:
        findings = [{"code": "unreadable", "severity": "error", "pointer": "", "message": one.said}]
    # A report finds its lines in JSON: in YAML it would find wrong ones.
    text = body.decode("utf-8", "replace") if syntax_of(one.file, body) == "json" else ""
    return Report(file=one.file, text=text, findings=findings)


def syntax_of(name: str, body: bytes) -> "Syntax":
    """Tell how a file is written: its name says it, and standard input how it begins."""
    if name == "-":
        return "json" if body.lstrip()[:1] in (b"", b"{", b"[") else "yaml"
    return "yaml" if Path(name).suffix.lower() in (".yaml", ".yml") else "json"


def _check(file: str, body: bytes, *, strict: bool) -> _Checked:
    try:
        name, findings = check_document(body, syntax=syntax_of(file, body))
    except InvalidBlueprint as error:
        findings = [dict(finding) for finding in error.facts["findings"]]
        return _Checked(
            file=file, ok=False, said=_count(findings), findings=findings, code=EXIT_INVALID
        )
    except (MalformedRequest, TooLarge) as error:
        return _Checked(file=file, ok=False, said=error.detail, findings=(), code=EXIT_INVALID)
    refused = {"error", "warning"} if strict else {"error"}
    ok = not any(finding["severity"] in refused for finding in findings)
    said = ", ".join(part for part in (name, _count(findings)) if part)
    return _Checked(file=file, ok=ok, said=said, findings=findings, code=0 if ok else EXIT_INVALID)


def check_document(body: bytes, *, syntax: "Syntax" = "json") -> tuple[str, list[dict[str, Any]]]:
    """Return the name of a blueprint, and every finding of it as the server would show it.

    Aliases are taken to lead somewhere: that is the server's to know. Raises
    ``InvalidBlueprint``, ``MalformedRequest``, ``TooLarge``.
    """
    from goflow_py.engine.submissions import comma_finding, read_documents
    from goflow_py.fsm.check import check as check_blueprint

    blueprint, workers, commas = read_documents(body, syntax=syntax)
    _, found = check_blueprint(
        blueprint,
        workers=workers or (),
        workers_in_body=workers is not None,
        is_resolved=lambda _: True,
    )
    findings = [*found, *(comma_finding(comma) for comma in commas)]
    name = f"{blueprint.project}/{blueprint.activity}"
    return name, [finding.as_json() for finding in findings]


# ---------------------------------------------------------------- upload


@remote
async def upload(
    session: Session,
    files: Files,
    strict: Strict = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, but store nothing.")] = False,
    origin: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="SYSTEM",
            help="Definitions of another system: orchy, relor, swm, asl or conductor.",
        ),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="For definitions that name none.")
    ] = None,
    activity: Annotated[
        str | None, typer.Option("--activity", help="For a definition that names none.")
    ] = None,
) -> None:
    """Upload blueprints: each is a new version, unless it equals the latest one."""
    query = {
        "strict": "1" if strict else None,
        "dryRun": "1" if dry_run else None,
        "format": origin,
        "project": project,
        "activity": activity,
    }
    done = [await _upload(session, name, query) for name in documents_of(files)]
    _report(done, as_json=session.as_json)


async def _upload(session: Session, file: str, query: Mapping[str, Any]) -> _Checked:
    body = read(file)
    try:
        answer = await session.client.post(
            "/v1/blueprints",
            body,
            query=query,
            headers={"Content-Type": f"application/{syntax_of(file, body)}"},
        )
    except GoFlowError as error:
        if error.code == "unreachable":
            raise
        findings = error.facts.get("findings") or ()
        said = _count(findings) if findings else f"{error.detail} ({error.reason})"
        facts = {"code": error.reason, "status": error.status}
        return _Checked(
            file=file,
            ok=False,
            said=said,
            findings=findings,
            code=exit_code(error),
            facts=facts,
        )
    done = answer.body
    version = done.get("version")
    what = "checked, not stored" if query["dryRun"] else "new" if answer.status == 201 else "known"
    number = "" if version is None else f" v{version}"
    said = f"{done['project']}/{done['activity']}{number} ({what})"
    count = _count(done["findings"])
    return _Checked(
        file=file,
        ok=True,
        said=f"{said}, {count}" if count else said,
        findings=done["findings"],
        facts={name: done[name] for name in ("project", "activity", "version", "hash")},
    )


# ---------------------------------------------------------------- both


def _report(checked: Sequence[_Checked], *, as_json: bool) -> None:
    """Print what became of every file; end with the worst of their codes."""
    if as_json:
        show_json([one.as_json() for one in checked])
    else:
        for one in checked:
            show(_line(one), *(finding_line(finding) for finding in one.findings))
    code = max(one.code for one in checked)
    if code:
        if as_json:
            say(f"goflow: {sum(not one.ok for one in checked)} of {len(checked)} files are refused")
        raise typer.Exit(code)


def _line(one: _Checked) -> "RenderableType":
    from rich.text import Text

    mark, style = ("ok     ", "green") if one.ok else ("refused", "bold red")
    return Text.assemble((mark, style), " ", (plain(one.file), "bold"), f"  {plain(one.said)}")


def _count(findings: Iterable[Mapping[str, Any]]) -> str:
    found = [finding.get("severity", "error") for finding in findings]
    words = []
    for severity in ("error", "warning"):
        number = found.count(severity)
        if number:
            words.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return ", ".join(words)


def schema() -> None:
    """Print the JSON Schema of blueprints, for editors."""
    from goflow_py.domain.blueprint import json_schema

    show_json(json_schema())
