"""Commands for queued work: the inbox, claim, complete, fail, release."""

from typing import Annotated, Any

import typer

from goflow_py.cli.console import say, show
from goflow_py.cli.root import Group
from goflow_py.cli.session import Session, remote
from goflow_py.cli.values import value_of
from goflow_py.cli.words import moment, shown

tasks = typer.Typer(cls=Group, help="Work for pull workers and people.", no_args_is_help=True)

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")]
Token = Annotated[str, typer.Argument(metavar="TOKEN", help="What the claim printed.")]


@tasks.command("list")
@remote
async def list_tasks(
    session: Session,
    queue: Annotated[str | None, typer.Option("--queue", help="Only of this queue.")] = None,
    assigned_to: Annotated[
        str | None, typer.Option("--assigned-to", help="Only for this person or role.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", "-s", help="Only with this status: queued, claimed.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only pull, or only human.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Only of this project.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on from there.")] = None,
) -> None:
    """List what stands on queues or is claimed, oldest first."""
    answer = await session.client.get(
        "/v1/tasks",
        {
            "queue": queue,
            "assignedTo": assigned_to,
            "status": status,
            "type": kind,
            "project": project,
            "limit": limit,
            "cursor": cursor,
        },
    )
    if session.shown_as_json(answer.body):
        return
    if answer.body["items"]:
        show(_table(answer.body["items"]))
    else:
        say("no tasks")
    if answer.body.get("next"):
        say(f"there are more: --cursor {answer.body['next']}")


@tasks.command("claim")
@remote
async def claim(
    session: Session,
    task: TaskId,
    worker: Annotated[str, typer.Option("--as", metavar="NAME", help="Who takes it.")],
) -> None:
    """Claim a task for a person; prints the token that ends it, and what is to be done."""
    answer = await _post(session, task, "claim", worker=worker)
    if session.shown_as_json(answer):
        return
    from goflow_py.cli import screens

    payload = answer["payload"]
    rows = [
        ("token", answer["token"]),
        ("until", moment(answer["leaseUntil"])),
        ("task", f"{payload['task']} of {payload['project']}/{payload['activity']}"),
        ("input", shown(payload["input"], 1_000)),
        ("form", shown(payload["form"], 1_000) if payload.get("form") is not None else None),
        ("outcomes", ", ".join(payload["labels"])),
    ]
    show(screens.pairs(rows))


@tasks.command("complete")
@remote
async def complete(
    session: Session,
    task: TaskId,
    token: Token,
    output: Annotated[
        str | None, typer.Option("--output", metavar="JSON|TEXT", help="What came of it.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="How it ended; else success.")
    ] = None,
) -> None:
    """End a claimed task well, or with one of its outcomes."""
    said = None if output is None else value_of(output)
    answer = await _post(session, task, "complete", token=token, output=said, event=event)
    _tell(session, answer, "completed")


@tasks.command("fail")
@remote
async def fail(
    session: Session,
    task: TaskId,
    token: Token,
    message: Annotated[str, typer.Option("--message", "-m", help="What went wrong.")],
    code: Annotated[str, typer.Option("--code", help="The error's code.")] = "error",
    again: Annotated[
        bool, typer.Option("--retry", help="Only this attempt failed: another may be made.")
    ] = False,
) -> None:
    """End a claimed task as an error."""
    answer = await _post(
        session, task, "fail", token=token, code=code, message=message, retry=again or None
    )
    _tell(session, answer, "failed")


@tasks.command("release")
@remote
async def release(session: Session, task: TaskId, token: Token) -> None:
    """Give a claimed task back to its queue."""
    _tell(session, await _post(session, task, "release", token=token), "released")


async def _post(session: Session, task: str, verb: str, **facts: Any) -> Any:
    from goflow_py.client import path

    body = {name: value for name, value in facts.items() if value is not None}
    return (await session.client.post(path("tasks", task, f":{verb}"), body)).body


def _tell(session: Session, answer: Any, done: str) -> None:
    if not session.shown_as_json(answer):
        say("it was said before; nothing was changed" if answer.get("duplicate") else done)


def _table(items: list[Any]) -> Any:
    from goflow_py.cli import screens

    made = screens.table("task", "queue", "status", "for", "by", "since", "id", fold=("id",))
    for item in items:
        made.add_row(
            screens.cell(f"{item['project']}/{item['activity']} {item['task']}"),
            screens.cell(item["queue"]),
            screens.cell(item["status"]),
            screens.cell(item["assignedTo"]),
            screens.cell(item["claimedBy"]),
            screens.cell(moment(item["since"]), "dim"),
            screens.cell(item["id"]),
        )
    return made
