"""Commands for batches: one verb for many executions."""

from typing import Annotated, Any

import typer

from goflow_py.cli.act import Reason
from goflow_py.cli.console import say, show
from goflow_py.cli.look import BusinessKey, Labels, Name, Part, Since, State, Statuses, Until
from goflow_py.cli.root import Group
from goflow_py.cli.session import Session, remote
from goflow_py.cli.values import json_of, pairs, time_of
from goflow_py.cli.words import moment, shown

batch = typer.Typer(cls=Group, help="One verb for many executions.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
Action = Annotated[
    str,
    typer.Argument(
        metavar="ACTION",
        help="pause, resume, cancel, terminate, retry, skip, goto, replay, data or delete.",
    ),
]
Ids = Annotated[list[str] | None, typer.Option("--id", help="This execution. Repeatable.")]
Everything = Annotated[
    bool, typer.Option("--all", help="All executions; else something has to be asked.")
]
Arguments = Annotated[
    str | None,
    typer.Option("--arguments", "-a", metavar="JSON|@FILE|-", help="What the verb needs."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count, and say which they are.")]
COUNTS = ("total", "done", "changed", "skipped", "failed")


@batch.command("run")
@remote
async def run(
    session: Session,
    action: Action,
    name: Name = None,
    status: Statuses = None,
    state: State = None,
    business_key: BusinessKey = None,
    label: Labels = None,
    since: Since = None,
    until: Until = None,
    text: Part = None,
    execution: Ids = None,
    everything: Everything = False,
    arguments: Arguments = None,
    dry_run: DryRun = False,
    reason: Reason = None,
) -> None:
    """Carry out a verb over all executions that are meant, in the background."""
    which = {
        **_names(name),
        "status": status or None,
        "state": state,
        "key": business_key,
        "labels": pairs(label, "--label") if label else None,
        "q": text,
        **_times(since, until),
    }
    which = _given(which)
    if bool(which) + bool(execution) + everything != 1:
        raise typer.BadParameter("say whose executions, or --id, or --all; one of these")
    body: dict[str, Any] = {"action": action, "reason": reason, "dryRun": dry_run or None}
    body |= {"ids": execution} if execution else {"filter": which}
    if arguments is not None:
        body["arguments"] = json_of(arguments, "--arguments")
    answer = await session.client.post("/v1/batches", _given(body))
    if not session.shown_as_json(answer.body):
        _show_made(answer.body)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if value is not None}


def _names(name: str | None) -> dict[str, Any]:
    project, _, activity = (name or "").partition("/")
    return {"project": project or None, "activity": activity or None}


def _times(since: str | None, until: str | None) -> dict[str, Any]:
    from goflow_py.clock import SystemClock

    now = SystemClock().now_ms()
    return {
        "since": time_of(since, "--since", now_ms=now, sign=-1) if since else None,
        "until": time_of(until, "--until", now_ms=now, sign=-1) if until else None,
    }


def _show_made(body: dict[str, Any]) -> None:
    if "ids" not in body:
        show(shown(body["id"]))
        say(f"{body['total']} executions; goflow batch show {shown(body['id'])}")
        return
    for execution in body["ids"]:
        show(shown(execution))
    left = body["total"] - len(body["ids"])
    say(f"{body['total']} executions{f', {left} of them not shown' if left else ''}")


@batch.command("ls")
@remote
async def list_batches(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on from there.")] = None,
) -> None:
    """List batches, newest first."""
    answer = await session.client.get("/v1/batches", {"limit": limit, "cursor": cursor})
    if session.shown_as_json(answer.body):
        return
    from goflow_py.cli import screens

    made = screens.table("id", "action", "status", *COUNTS, "created", "reason", right=COUNTS)
    for item in answer.body["items"]:
        made.add_row(
            *(screens.cell(item.get(name)) for name in ("id", "action", "status", *COUNTS)),
            screens.cell(moment(item.get("createdAt"))),
            screens.cell(item.get("reason")),
        )
    show(made)
    if answer.body.get("next"):
        say(f"there are more: --cursor {answer.body['next']}")


@batch.command("show")
@remote
async def show_batch(session: Session, number: BatchId) -> None:
    """Show how far a batch is, and what it could not do."""
    from goflow_py.client import path

    body = (await session.client.get(path("batches", number))).body
    if session.shown_as_json(body):
        return
    counts = ", ".join(f"{body[name]} {name}" for name in COUNTS)
    show(f"{shown(body['action'])} is {shown(body['status'])}: {counts}")
    for error in body["errors"]:
        message = shown(error["message"], 500)
        show(f"{shown(error['execution'])}  {shown(error['code'])}: {message}")


@batch.command("stop")
@remote
async def stop(session: Session, number: BatchId) -> None:
    """Stop a batch; what it has done stays done."""
    from goflow_py.client import path

    await session.client.call("DELETE", path("batches", number))
    if not session.shown_as_json({"id": number, "stopped": True}):
        show(f"{shown(number)} is stopped")
