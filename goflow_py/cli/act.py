"""Commands that change a running execution: send, and the operators' verbs."""

from typing import Annotated, Any

import typer

from goflow_py.cli.console import show
from goflow_py.cli.session import ExecutionId, Session, remote
from goflow_py.cli.values import json_of, value_of
from goflow_py.cli.words import shown

Reason = Annotated[str | None, typer.Option("--reason", "-r", help="Why; it stays in the history.")]


@remote
async def send(
    session: Session,
    execution: ExecutionId,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its name.")],
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="JSON|@FILE|-", help="What comes with it.")
    ] = None,
    number: Annotated[
        str | None, typer.Option("--id", help="Your own id: the same one twice is applied once.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only for this task.")] = None,
) -> None:
    """Send an event to an execution."""
    from goflow_py.client import path

    body = {"name": event, "id": number, "task": task}
    if data is not None:
        body["data"] = json_of(data, "--data")
    answer = await session.client.post(
        path("executions", execution, "events"),
        {field: value for field, value in body.items() if value is not None},
    )
    if session.shown_as_json(answer.body):
        return
    if answer.body.get("deferred"):
        show("kept for later")
        return
    from goflow_py.cli import screens

    show(screens.end(answer.body["execution"]))
    if answer.body.get("respond") is not None:
        show(f"answer   {shown(answer.body['respond'], 1_000)}")


@remote
async def retry(
    session: Session,
    execution: ExecutionId,
    new_visit: Annotated[
        bool, typer.Option("--new-visit", help="Enter the state anew, with new keys.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Let a failed execution go on where it failed."""
    await _control(session, execution, "retry", reason, newVisit=new_visit or None)


@remote
async def pause(session: Session, execution: ExecutionId, reason: Reason = None) -> None:
    """Take no row and begin no call until it is resumed."""
    await _control(session, execution, "pause", reason)


@remote
async def resume(session: Session, execution: ExecutionId, reason: Reason = None) -> None:
    """Go on after a pause."""
    await _control(session, execution, "resume", reason)


@remote
async def cancel(session: Session, execution: ExecutionId, reason: Reason = None) -> None:
    """Cancel an execution: its own row for cancel is taken, or all its work is closed."""
    await _control(session, execution, "cancel", reason)


@remote
async def terminate(session: Session, execution: ExecutionId, reason: Reason = None) -> None:
    """End an execution at once, whatever its blueprint says."""
    await _control(session, execution, "terminate", reason)


@remote
async def skip(
    session: Session,
    execution: ExecutionId,
    output: Annotated[
        str | None, typer.Option("--output", metavar="JSON|TEXT", help="What it is to have said.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="How it is to have ended; else success.")
    ] = None,
    reason: Reason = None,
) -> None:
    """Close the work of the state as if it had ended well."""
    said = None if output is None else value_of(output)
    await _control(session, execution, "skip", reason, output=said, event=event)


@remote
async def goto(
    session: Session,
    execution: ExecutionId,
    state: Annotated[str, typer.Argument(metavar="STATE", help="Where to.")],
    reason: Reason = None,
) -> None:
    """Leave the state and enter another one."""
    await _control(session, execution, "goto", reason, state=state)


@remote
async def replay(
    session: Session,
    execution: ExecutionId,
    state: Annotated[str, typer.Argument(metavar="STATE", help="A state that it was in.")],
    only_there: Annotated[
        bool, typer.Option("--only-there", help="Do that state's work again, and move nothing.")
    ] = False,
    task: Annotated[
        str | None, typer.Option("--task", help="Only that task of it; with --only-there.")
    ] = None,
    reason: Reason = None,
) -> None:
    """Go back to a state that it was in, and forget what came of the states since."""
    body: dict[str, Any] = {"from": state}
    if task is not None and not only_there:
        raise typer.BadParameter("say --only-there, too", param_hint="--task")
    if only_there:
        body |= {"downstream": False, "task": task}
    await _control(session, execution, "replay", reason, **body)


async def _control(
    session: Session, execution: str, verb: str, reason: str | None, **facts: Any
) -> None:
    from goflow_py.client import path

    body = {"reason": reason, **facts}
    answer = await session.client.post(
        path("executions", execution, f":{verb}"),
        {field: value for field, value in body.items() if value is not None},
    )
    if not session.shown_as_json(answer.body):
        from goflow_py.cli import screens

        show(screens.end(answer.body))
