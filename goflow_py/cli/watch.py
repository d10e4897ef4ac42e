"""``goflow watch``: an execution as it goes on, in place on a terminal, line by line elsewhere."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import typer

from goflow_py.cli.console import EXIT_FAILED, console, show
from goflow_py.cli.look import entries
from goflow_py.cli.session import ExecutionId, Session, remote
from goflow_py.cli.words import entry_words, is_open, moment, visits

POLL_SECONDS = 0.5
LOST_SECONDS_MAX = 60.0
"""How long a server may be away, once it has answered: restarts are seen through."""
AWAY_SECONDS = 0.5
PATH_SHOWN_MAX = 20


@remote
async def watch(session: Session, execution: ExecutionId) -> None:
    """Follow an execution until it has ended; exits 1 when it has not completed."""
    seen = _Seen(session, execution)
    await seen.look(wait=False)
    if session.as_json or not console().is_terminal:
        await _lines(seen)
    else:
        await _live(seen)
    if seen.execution["status"] != "completed":
        raise typer.Exit(EXIT_FAILED)


class _Seen:
    """What is known of the execution; a server that is away for a while is waited for."""

    def __init__(self, session: Session, number: str) -> None:
        self.session = session
        self.number = number
        self.execution: Mapping[str, Any] = {}
        self.entries: list[Any] = []
        self.fresh: list[Any] = []
        self.away = False

    @property
    def open(self) -> bool:
        """Tell whether there is more to see."""
        return is_open(self.execution) or bool(self.fresh)

    async def look(self, *, wait: bool = True) -> None:
        """Read what is new, after its end or some time at most."""
        from goflow_py.client import path

        query = {"wait": f"{POLL_SECONDS}s"} if wait and is_open(self.execution) else None
        answer = await self.session.client.get(
            path("executions", self.number), query, wait_seconds=POLL_SECONDS
        )
        after = self.entries[-1]["seq"] if self.entries else None
        self.fresh = await entries(self.session, self.number, after=after)
        self.entries += self.fresh
        self.execution = answer.body

    async def look_again(self) -> None:
        """Do the same, seeing a restart of the server through."""
        from goflow_py.client import ServerUnreachable
        from goflow_py.clock import SystemClock
        from goflow_py.errors import Unavailable

        clock = SystemClock()
        until = clock.monotonic() + LOST_SECONDS_MAX
        while True:
            try:
                await self.look()
            except (ServerUnreachable, Unavailable):
                if clock.monotonic() >= until:
                    raise
                self.away = True
                await clock.sleep(AWAY_SECONDS)
            else:
                self.away = False
                return


async def _lines(seen: _Seen) -> None:
    while seen.open:
        for entry in seen.fresh:
            if seen.session.as_json:
                sys.stdout.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
            else:
                at = moment(entry.get("at"), date=False)
                show(f"{at}  {entry.get('type'):<15} {entry_words(entry)}")
        sys.stdout.flush()
        await seen.look_again()
    if not seen.session.as_json:
        from goflow_py.cli import screens

        show(screens.end(seen.execution))


async def _live(seen: _Seen) -> None:
    from rich.live import Live

    from goflow_py.cli import screens

    with Live(_screen(seen), console=console(), refresh_per_second=10, transient=True) as live:
        while is_open(seen.execution):
            await seen.look_again()
            live.update(_screen(seen))
    show(_still(seen), "", screens.standing(seen.execution))


def _screen(seen: _Seen) -> Any:
    from rich.console import Group
    from rich.spinner import Spinner
    from rich.text import Text

    from goflow_py.cli import screens

    now = "the server is away; trying again" if seen.away else _doing(seen.execution)
    parts: list[Any] = [_still(seen)]
    tasks = [task for task in seen.execution.get("tasks") or () if task.get("status") != "ended"]
    if tasks:
        parts.append(screens.block("work", screens.task_table(tasks)))
    return Group(*parts, Text(""), Spinner("dots", text=Text(f" {now}"), style="blue"))


def _still(seen: _Seen) -> Any:
    from rich.console import Group

    from goflow_py.cli import screens

    taken = visits(seen.entries, ended=not is_open(seen.execution))[-PATH_SHOWN_MAX:]
    return Group(screens.title(seen.execution), screens.block("path", screens.visit_table(taken)))


def _doing(execution: Mapping[str, Any]) -> str:
    from goflow_py.cli.console import awaited, plain

    waits = awaited(execution.get("awaiting") or ())
    state = plain(execution.get("state"))
    return f"in {state}, waits for {waits}" if waits else f"in {state}"
