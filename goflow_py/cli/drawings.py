"""Commands that draw and compare: graph, diff; of files here, or of what a server has."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli.console import plain, show, show_json
from goflow_py.cli.session import Session, remote
from goflow_py.cli.values import activity_of, read

if TYPE_CHECKING:
    from goflow_py.fsm.compile import Compiled


class GraphFormat(StrEnum):
    """How a graph is written."""

    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


Version = Annotated[
    int | None, typer.Option("--version", min=1, help="Of the server's; the latest if none.")
]


@remote
async def graph(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(metavar="FILE|PROJECT/ACTIVITY|ID", help="A blueprint, or an execution."),
    ],
    format: Annotated[GraphFormat, typer.Option("--format", "-f")] = GraphFormat.MERMAID,  # noqa: A002  # the flag's name
    version: Version = None,
) -> None:
    """Draw a blueprint, or an execution with the path that it took."""
    from goflow_py.fsm.diagram import dot, mermaid

    drawn = await _drawn(session, what, version)
    if session.as_json or format is GraphFormat.JSON:
        show_json(drawn)
    else:
        write = mermaid if format is GraphFormat.MERMAID else dot
        show(write(drawn).rstrip("\n"))


async def _drawn(session: Session, what: str, version: int | None) -> Any:
    if _is_file(what):
        from goflow_py.fsm.diagram import graph as graph_of

        return graph_of(_compiled(what)[0])
    from goflow_py.client import path

    if "/" in what:
        place = path("blueprints", *activity_of(what), "graph")
        return (await session.client.get(place, {"version": version})).body
    return (await session.client.get(path("executions", what, "graph"))).body


@remote
async def diff(
    session: Session,
    what: Annotated[str, typer.Argument(metavar="FILE|PROJECT/ACTIVITY", help="The old one.")],
    other: Annotated[str | None, typer.Argument(metavar="FILE", help="The new one.")] = None,
    before: Annotated[int | None, typer.Option("--from", min=1, help="Version.")] = None,
    after: Annotated[int | None, typer.Option("--to", min=1, help="Version.")] = None,
) -> None:
    """Compare two blueprint files, or two versions that a server has."""
    if other is not None:
        from goflow_py.fsm.table import diff as diff_of

        (old, old_names), (new, new_names) = _compiled(what), _compiled(other)
        found: Any = diff_of(old, new, workers=(old_names, new_names))
    else:
        from goflow_py.client import path

        place = path("blueprints", *activity_of(what), "diff")
        found = (await session.client.get(place, {"from": before, "to": after})).body
    if not session.shown_as_json(found):
        show("\n".join(_lines(found)) or "no difference")


def _is_file(what: str) -> bool:
    return what == "-" or Path(what).is_file()


def _compiled(file: str) -> tuple["Compiled", list[str]]:
    """Return a blueprint of a file, and the names of its workers."""
    from goflow_py.cli.documents import syntax_of
    from goflow_py.engine.submissions import read_documents
    from goflow_py.fsm.compile import compile_blueprint

    body = read(file)
    blueprint, workers, _ = read_documents(body, syntax=syntax_of(file, body))
    names = sorted({worker.name for worker in workers or ()})
    return compile_blueprint(blueprint, workers=names), names


# ---------------------------------------------------------------- differences in words


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    for end in ("from", "to"):
        if end in found:
            counts = ", ".join(
                f"{found[end][name]} {name}"
                for name in ("running", "waiting", "paused", "failed")
                if found[end][name]
            )
            yield f"{end:<4} version {found[end]['version']}: {counts or 'nothing runs on it'}"
    yield from _part(found)
    yield from _named("worker", found["workers"])
    machines = found.get("machines", _NOTHING)
    yield from _named("machine", machines)
    for machine in machines["changed"]:
        yield from (f"    {line}" for line in _part(machine))


_NOTHING: Mapping[str, Any] = {"added": (), "removed": (), "changed": ()}
"""What a server tells that does not know of a part."""


def _part(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs in a blueprint, or in one of its machines."""
    yield from _named("state", found["states"])
    yield from _named("task", found.get("tasks", _NOTHING))
    yield from _named("action", found["actions"])
    for mark, part in (("-", "removed"), ("+", "added")):
        yield from (f"{mark} row     {_row(row)}" for row in found["rows"][part])
    for change in found["rows"]["changed"]:
        yield f"~ row     {_rows(change['from'])}  =>  {_rows(change['to'])}"
    yield from (f"~ {name}" for name in found["fields"])


def _named(what: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {what:<7} {name}" for name in part["removed"])
    yield from (f"+ {what:<7} {name}" for name in part["added"])
    yield from (f"~ {what:<7} {change['name']}" for change in part.get("changed", ()))


def _rows(value: Any) -> str:
    rows: Iterable[Mapping[str, Any]] = value if isinstance(value, list) else [value]
    return "; ".join(_row(row) for row in rows)


def _row(row: Mapping[str, Any]) -> str:
    when = f" [{row['when']}]" if "when" in row else ""
    return plain(
        f"({row['current']}, {row['event']}){when} -> {row['action']}, {row.get('next', '(stays)')}"
    )
