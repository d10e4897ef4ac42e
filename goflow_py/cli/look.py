"""Commands that look at executions: ls, show, why, history."""

from typing import Annotated, Any

import typer

from goflow_py.cli.console import say, show, show_json
from goflow_py.cli.session import ExecutionId, Session, remote
from goflow_py.cli.values import pairs, time_of

HISTORY_PAGE = 500
ENTRIES_MAX = 100_000


Name = Annotated[str | None, typer.Argument(metavar="PROJECT[/ACTIVITY]", help="Whose executions.")]
Statuses = Annotated[
    list[str] | None, typer.Option("--status", "-s", help="Only with this status. Repeatable.")
]
State = Annotated[str | None, typer.Option("--state", help="Only in this state.")]
BusinessKey = Annotated[
    str | None, typer.Option("--business-key", "-k", help="Only with this business key.")
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="Only with this label.")
]
Since = Annotated[
    str | None, typer.Option("--since", help="Started since: a time, or how long ago (1h).")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Started before: a time, or how long ago.")
]
Part = Annotated[
    str | None, typer.Option("--query", "-q", help="Part of the id or of the business key.")
]


@remote
async def list_executions(
    session: Session,
    name: Name = None,
    status: Statuses = None,
    state: State = None,
    business_key: BusinessKey = None,
    label: Labels = None,
    since: Since = None,
    until: Until = None,
    text: Part = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on from there.")] = None,
) -> None:
    """List executions, newest first."""
    from goflow_py.clock import SystemClock

    now = SystemClock().now_ms()
    project, _, activity = (name or "").partition("/")
    labels = pairs(label or (), "--label")
    answer = await session.client.get(
        "/v1/executions",
        {
            "project": project or None,
            "activity": activity or None,
            "status": ",".join(status) if status else None,
            "state": state,
            "key": business_key,
            "since": time_of(since, "--since", now_ms=now, sign=-1) if since else None,
            "until": time_of(until, "--until", now_ms=now, sign=-1) if until else None,
            "q": text,
            "limit": limit,
            "cursor": cursor,
            **{f"label.{key}": value for key, value in labels.items()},
        },
    )
    if session.shown_as_json(answer.body):
        return
    from goflow_py.cli import screens

    if answer.body["items"]:
        show(screens.executions(answer.body["items"]))
    else:
        say("no executions")
    if answer.body.get("next"):
        say(f"there are more: --cursor {answer.body['next']}")


@remote
async def show_execution(session: Session, execution: ExecutionId) -> None:
    """Show an execution: its state, why, the path taken, every attempt, the error."""
    from goflow_py.client import path

    found = (await session.client.get(path("executions", execution))).body
    history = await entries(session, execution)
    attempts = (await session.client.get(path("executions", execution, "attempts"))).body["items"]
    why = (await session.client.get(path("executions", execution, "why"))).body
    whole = {"execution": found, "why": why, "history": history, "attempts": attempts}
    if session.shown_as_json(whole):
        return
    from goflow_py.cli import screens, words

    taken = words.visits(history, ended=not words.is_open(found))
    show(screens.execution_screen(found, taken, attempts, why))


@remote
async def why(session: Session, execution: ExecutionId) -> None:
    """Say in one sentence what an execution waits for, since when, and who can release it."""
    from goflow_py.client import path

    answer = await session.client.get(path("executions", execution, "why"))
    if not session.shown_as_json(answer.body):
        from goflow_py.cli.console import plain

        show(plain(answer.body["why"]))


@remote
async def history(
    session: Session,
    execution: ExecutionId,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Only what came behind this seq.")
    ] = None,
) -> None:
    """Print the whole history, oldest first."""
    found = await entries(session, execution, after=after)
    if session.as_json:
        show_json(found)
        return
    from goflow_py.cli import screens

    show(screens.history_table(found))


async def entries(session: Session, execution: str, *, after: int | None = None) -> list[Any]:
    """Return the history behind seq *after*, page by page."""
    from goflow_py.client import path

    found: list[Any] = []
    while len(found) < ENTRIES_MAX:
        page = await session.client.get(
            path("executions", execution, "history"), {"after": after, "limit": HISTORY_PAGE}
        )
        found += page.body["items"]
        if page.body.get("next") is None:
            break
        after = int(page.body["next"])
    return found
