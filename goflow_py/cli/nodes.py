"""``goflow nodes``: the servers that share the data, once or again and again."""

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goflow_py.cli.console import console, show
from goflow_py.cli.session import Session, remote
from goflow_py.cli.words import length, short, took

if TYPE_CHECKING:
    from rich.console import RenderableType

WATCH_SECONDS = 2.0
AWAY_SECONDS_MAX = 60.0
"""How long the server may be away that is asked, once it has answered."""
STATUS_STYLES = {"ok": "green", "late": "yellow", "draining": "magenta", "lost": "bold red"}
NUMBERS = ("up", "lease", "shards", "running", "inbox", "oldest")

Json = Mapping[str, Any]


@remote
async def nodes(
    session: Session,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again and again, until it is interrupted.")
    ] = False,
) -> None:
    """List the servers that share the data: leases, shards, what runs and what waits there.

    The one with a star was asked.
    """
    found = await _look(session)
    if watch:
        await _watch(session, found)
    elif not session.shown_as_json(found):
        show(screen(found))


async def _look(session: Session) -> Json:
    answer: Json = (await session.client.get("/v1/admin/nodes")).body
    return answer


async def _watch(session: Session, found: Json) -> None:
    """Show what there is until somebody interrupts it; a line of JSON each time, if so asked."""
    from rich.live import Live

    from goflow_py.client import ServerUnreachable
    from goflow_py.clock import SystemClock
    from goflow_py.errors import Unavailable

    clock = SystemClock()
    until = clock.monotonic() + AWAY_SECONDS_MAX
    is_live = not session.as_json and console().is_terminal
    with Live(console=console(), auto_refresh=False) if is_live else nullcontext() as live:
        while True:
            if live is not None:
                live.update(screen(found), refresh=True)
            elif session.as_json:
                sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
                sys.stdout.flush()
            else:
                show(screen(found), "")
            await clock.sleep(WATCH_SECONDS)
            try:
                found = await _look(session)
                until = clock.monotonic() + AWAY_SECONDS_MAX
            except (ServerUnreachable, Unavailable):
                if clock.monotonic() > until:
                    raise


def screen(found: Json) -> "RenderableType":
    """Return the nodes as a table, and what needs somebody below it."""
    from rich.console import Group

    from goflow_py.cli import screens

    made = screens.table(
        "node", "address", "version", *NUMBERS, "status", right=NUMBERS, fold=("address",)
    )
    made.padding = (0, 1, 0, 0)  # so that 80 columns are enough for all but long addresses
    for item in found["items"]:
        status = str(item.get("status"))
        made.add_row(
            screens.cell(short(str(item.get("id"))) + ("*" if item.get("self") else "")),
            screens.cell((item.get("address") or "").removeprefix("http://")),
            screens.cell(item.get("version"), "dim"),
            screens.cell(length(took(item.get("startedAt"), found.get("at")))),
            screens.cell(_lease(item.get("leaseLeftSeconds"))),
            screens.cell(item.get("shards")),
            *(screens.cell(text) for text in _work(item)),
            screens.cell(status, STATUS_STYLES.get(status, "")),
        )
    left = found.get("unowned") or {}
    if not left.get("shards"):
        return made
    running, inbox, oldest = _work(left)
    since = f", the oldest for {oldest}" if oldest else ""
    shards = "1 shard has" if left["shards"] == 1 else f"{left['shards']} shards have"
    words = f"{shards} no owner: {running} running, {inbox} in the inbox{since}"
    return Group(made, screens.cell(words, "bold red"))


def _lease(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return length(seconds) if seconds > 0 else f"over for {length(-seconds)}"


def _work(item: Json) -> tuple[str, str, str]:
    """Return running executions, messages, and the age of the oldest of them."""
    running = item.get("running")
    oldest = length(item.get("oldestSeconds"))
    return ("many" if running is None else f"{running}", f"{item.get('inbox')}", oldest)
