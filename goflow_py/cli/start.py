"""``goflow run``: start an execution, and wait for its end if asked to."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from goflow_py.cli.console import EXIT_FAILED, plain, say, show, show_json
from goflow_py.cli.session import Session, remote
from goflow_py.cli.values import activity_of, input_of, pairs, seconds_of
from goflow_py.cli.words import is_open, is_stuck

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0


Parts = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        metavar="K=V|@FILE",
        help="Part of the input: a name and a value (JSON if it is, else text), "
        "or a file with an object. May be repeated.",
    ),
]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="[SECONDS]",
        help="Wait for its end (for so long at most); exits 1 if it failed. "
        "Stops waiting when somebody outside has to do something.",
    ),
]
Whole = Annotated[
    str | None,
    typer.Option("--input", metavar="JSON|@FILE|-", help="The whole input; -i adds to it."),
]
BusinessKey = Annotated[
    str | None,
    typer.Option("--business-key", "-k", help="While one runs with it, there is no second."),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="May be repeated.")
]


@remote
async def run(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="PROJECT/ACTIVITY", help="What to run.")],
    parts: Parts = None,
    whole: Whole = None,
    business_key: BusinessKey = None,
    number: Annotated[str | None, typer.Option("--id", help="A UUID of your own for it.")] = None,
    label: Labels = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Not the latest version.")
    ] = None,
    wait: Wait = None,
) -> None:
    """Start an execution."""
    project, activity = activity_of(name)
    longest = None if wait is None else seconds_of(wait, "--wait") if wait else float("inf")
    body = {
        "input": input_of(whole, parts or ()),
        "key": business_key,
        "id": number,
        "labels": pairs(label or (), "--label"),
        "version": version,
    }
    from goflow_py.client import path

    answer = await session.client.post(
        path("activities", project, activity, "executions"),
        {field: value for field, value in body.items() if value is not None},
    )
    execution: Mapping[str, Any] = answer.body
    if answer.status == 200 and not session.as_json:
        say("it existed already")
    if longest is not None:
        execution = await _wait(session, execution, longest)
    _report(session, execution, waited=longest is not None)


async def _wait(
    session: Session, execution: Mapping[str, Any], longest: float
) -> Mapping[str, Any]:
    """Return the execution at its end, when it needs somebody, or when the time is over."""
    from goflow_py.client import path
    from goflow_py.clock import SystemClock

    clock = SystemClock()
    until = clock.monotonic() + longest
    wait = FIRST_WAIT_SECONDS
    while is_open(execution) and not is_stuck(execution):
        left = until - clock.monotonic()
        if left <= 0:
            break
        wait = min(wait, left)
        # The server answers at once at the end; only what it waits for needs short steps.
        answer = await session.client.get(
            path("executions", str(execution["id"])), {"wait": f"{wait:.3f}s"}, wait_seconds=wait
        )
        execution = answer.body
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
    return execution


def _report(session: Session, execution: Mapping[str, Any], *, waited: bool) -> None:
    if session.as_json:
        show_json(execution)
    elif not waited:
        show(plain(execution["id"]))
    else:
        from goflow_py.cli import screens

        show(screens.end(execution))
        if is_open(execution):
            say(f"it goes on: goflow watch {execution['id']}")
    if waited and not is_open(execution) and execution["status"] != "completed":
        raise typer.Exit(EXIT_FAILED)
