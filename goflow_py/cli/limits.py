"""Commands for the limits of projects."""

from typing import Annotated, Any

import typer

from goflow_py.cli.console import show
from goflow_py.cli.root import Group
from goflow_py.cli.session import Session, remote
from goflow_py.cli.words import shown

limits = typer.Typer(
    cls=Group, help="What projects may have at most, and what they have.", no_args_is_help=True
)

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project.")]
ROWS = (
    ("maxRunning", "running", "running"),
    ("startsPerSecond", None, "starts a second"),
    ("maxOpenCalls", "openCalls", "open calls"),
    ("maxStoredBytes", "storedBytes", "stored bytes"),
)


@limits.command("ls")
@remote
async def list_limits(session: Session) -> None:
    """List the projects: what each has, and of how much at most."""
    items = (await session.client.get("/v1/projects")).body
    if session.shown_as_json(items):
        return
    from goflow_py.cli import screens

    titles = [title for _, _, title in ROWS]
    made = screens.table("project", *titles, right=tuple(titles))
    for item in items["items"]:
        made.add_row(screens.cell(item.get("project")), *map(screens.cell, _row(item)))
    show(made)


@limits.command("show")
@remote
async def show_limits(session: Session, project: Project) -> None:
    """Show the limits that hold for a project, and what it has."""
    from goflow_py.client import path

    _print(session, (await session.client.get(path("projects", project, "limits"))).body)


@limits.command("set")
@remote
async def set_limits(
    session: Session,
    project: Project,
    max_running: Annotated[
        int | None, typer.Option("--max-running", help="Executions that have not ended.")
    ] = None,
    starts_per_second: Annotated[
        float | None, typer.Option("--starts-per-second", help="Starts in a second.")
    ] = None,
    max_open_calls: Annotated[
        int | None, typer.Option("--max-open-calls", help="Calls in flight; more wait.")
    ] = None,
    max_stored_bytes: Annotated[
        int | None, typer.Option("--max-stored-bytes", help="Bytes of all that it has stored.")
    ] = None,
) -> None:
    """Set the limits of a project, all of them: what is left out is the server's."""
    from goflow_py.client import path

    body = {
        "maxRunning": max_running,
        "startsPerSecond": starts_per_second,
        "maxOpenCalls": max_open_calls,
        "maxStoredBytes": max_stored_bytes,
    }
    given = {name: value for name, value in body.items() if value is not None}
    if not given:
        raise typer.BadParameter("name at least one limit, or use 'goflow limits rm'")
    answer = await session.client.call("PUT", path("projects", project, "limits"), body=given)
    _print(session, answer.body)


@limits.command("rm")
@remote
async def remove_limits(session: Session, project: Project) -> None:
    """Let the server's limits hold for a project again."""
    from goflow_py.client import path

    await session.client.call("DELETE", path("projects", project, "limits"))
    if not session.shown_as_json({"project": project, "removed": True}):
        show(f"{shown(project)} has the server's limits again")


def _print(session: Session, item: Any) -> None:
    if session.shown_as_json(item):
        return
    show(shown(item.get("project")))
    for (_, _, title), text in zip(ROWS, _row(item), strict=True):
        show(f"  {title}: {text}")


def _row(item: dict[str, Any]) -> list[str]:
    """Return each limit as "has / may have"."""
    has, may = item.get("use") or {}, item.get("limits") or {}
    found = []
    for limit, use, _ in ROWS:
        most = "no limit" if may.get(limit) is None else f"{may[limit]}"
        found.append(most if use is None else f"{has.get(use)} / {most}")
    return found
