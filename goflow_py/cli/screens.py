"""Tables and blocks of text: how results look in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from goflow_py.cli.console import awaited, plain
from goflow_py.cli.words import (
    OUTCOME_STYLES,
    STATUS_STYLES,
    Visit,
    entry_words,
    error_line,
    length,
    moment,
    shown,
    took,
)

Json = Mapping[str, Any]
ATTEMPTS_SHOWN_MAX = 50


def table(*columns: str, right: Sequence[str] = (), fold: Sequence[str] = ()) -> Table:
    """Return a table without frames; only columns in *fold* take more than one line."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name not in fold,
            overflow="fold" if name in fold else "ellipsis",
        )
    return made


def cell(value: Any, style: str = "") -> Text:
    """Return a value of the API as a cell."""
    return Text("" if value is None else plain(value), style=style)


def status(execution: Json) -> Text:
    """Return the status in its colour."""
    name = str(execution.get("status"))
    return cell(name, STATUS_STYLES.get(name, ""))


def pairs(rows: Iterable[tuple[str, Any]]) -> Table:
    """Return names and values; those without a value are left out."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, "", {}, []):
            made.add_row(name, value if isinstance(value, Text) else cell(value))
    return made


def block(title: str, inside: RenderableType) -> RenderableType:
    """Return something below its title."""
    return Group(Text(f"\n{title}", style="bold"), Padding(inside, (0, 0, 0, 2), expand=False))


# ---------------------------------------------------------------- executions


def title(execution: Json) -> Text:
    """Return an execution's status and name in one line."""
    line = Text.assemble(status(execution), "  ")
    name = f"{execution.get('project')}/{execution.get('activity')}"
    line.append(plain(name), "bold")
    line.append(f" v{execution.get('version')}", "dim")
    return line.append(f"  {execution.get('id')}")


def executions(items: Iterable[Json]) -> Table:
    """Return a list of executions."""
    made = table("id", "activity", "status", "state", "key", "started", "took", right=("took",))
    for item in items:
        end = item.get("finishedAt") or item.get("updatedAt")
        made.add_row(
            cell(item.get("id")),
            cell(f"{item.get('project')}/{item.get('activity')}"),
            status(item),
            cell(item.get("state")),
            cell(shown(item.get("key") or "", 40)),
            cell(moment(item.get("startedAt")), "dim"),
            cell(length(took(item.get("startedAt"), end))),
        )
    return made


def end(execution: Json) -> RenderableType:
    """Return how an execution stands, as short as it can be said."""
    return Group(title(execution), standing(execution))


def standing(execution: Json) -> RenderableType:
    """Return the same without its name."""
    last = execution.get("finishedAt") or execution.get("updatedAt")
    result = None if execution.get("output") is None else shown(execution["output"], 1_000)
    error = execution.get("error")
    return pairs(
        [
            ("state", execution.get("state")),
            ("waits for", awaited(execution.get("awaiting") or ())),
            ("took", length(took(execution.get("startedAt"), last))),
            ("error", cell(error_line(error), "red") if error else None),
            ("output", result),
        ]
    )


def execution_screen(
    execution: Json, path: Sequence[Visit], attempts: Sequence[Json], why: Json
) -> RenderableType:
    """Return all that ``show`` shows."""
    labels = execution.get("labels") or {}
    error = execution.get("error")
    has_output = execution.get("output") is not None
    head = pairs(
        [
            ("why", why.get("why")),
            ("state", f"{execution.get('state')} (visit {execution.get('visit')})"),
            ("stage", execution.get("stage")),
            ("business", execution.get("businessStatus")),
            ("key", execution.get("key")),
            ("labels", ", ".join(f"{name}={value}" for name, value in labels.items())),
            ("started", moment(execution.get("startedAt"))),
            ("ended", moment(execution.get("finishedAt"))),
            ("deadline", moment(execution.get("deadline"))),
            ("waits for", awaited(execution.get("awaiting") or ())),
            ("error", cell(error_line(error), "red") if error else None),
            ("input", shown(execution.get("input"), 1_000)),
            ("data", shown(execution["data"], 1_000) if execution.get("data") else None),
            ("output", shown(execution["output"], 1_000) if has_output else None),
        ]
    )
    parts: list[RenderableType] = [title(execution), head]
    if path:
        parts.append(block("path", visit_table(path)))
    if attempts:
        parts.append(block(_attempts_title(attempts), attempt_table(attempts)))
    return Group(*parts)


def visit_table(path: Sequence[Visit]) -> Table:
    """Return the path taken."""
    made = table("#", "state", "on", "action", "at", "for", right=("#", "for"))
    for visit in path:
        made.add_row(
            cell(visit.number, "dim"),
            cell(visit.state, "" if visit.seconds is not None else "bold"),
            cell(visit.event),
            cell(visit.action),
            cell(moment(visit.at, date=False), "dim"),
            cell(length(visit.seconds)),
        )
    return made


def _attempts_title(attempts: Sequence[Json]) -> str:
    hidden = len(attempts) - ATTEMPTS_SHOWN_MAX
    return "attempts" if hidden <= 0 else f"attempts (the last {ATTEMPTS_SHOWN_MAX})"


def attempt_table(attempts: Sequence[Json]) -> Table:
    """Return the newest attempts, oldest first."""
    made = table("task", "#", "worker", "outcome", "http", "took", "error", right=("#", "took"))
    for item in attempts[-ATTEMPTS_SHOWN_MAX:]:
        outcome = str(item.get("outcome") or "running")
        ms = item.get("ms")
        made.add_row(
            cell(item.get("task")),
            cell(item.get("attempt"), "dim"),
            cell(shown(item.get("worker") or "", 60)),
            cell(outcome, OUTCOME_STYLES.get(outcome, "yellow")),
            cell(item.get("httpStatus")),
            cell("" if ms is None else length(ms / 1000)),
            cell(error_line(item["error"]) if item.get("error") else "", "red"),
        )
    return made


def task_table(tasks: Sequence[Json]) -> Table:
    """Return the work of the state that it is in."""
    made = table("task", "type", "status", "attempts", "worker", "since", right=("attempts",))
    for item in tasks:
        made.add_row(
            cell(item.get("task")),
            cell(item.get("type"), "dim"),
            cell(item.get("outcome") or item.get("status")),
            cell(item.get("attempts")),
            cell(shown(item.get("worker") or "", 60)),
            cell(moment(item.get("since"), date=False), "dim"),
        )
    return made


def history_table(entries: Iterable[Json]) -> Table:
    """Return history entries."""
    made = table("seq", "at", "type", "what", right=("seq",), fold=("what",))
    for entry in entries:
        made.add_row(
            cell(entry.get("seq")),
            cell(moment(entry.get("at"), date=False), "dim"),
            cell(entry.get("type")),
            cell(entry_words(entry)),
        )
    return made
