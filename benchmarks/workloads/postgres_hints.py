"""How soon one server on PostgreSQL knows what another did: told, and by polling alone.

Two servers of each contestant share a database; one owns the executions, the other is asked. One
request at a time. Both contestants run all the while and take turns; ``polling`` is goflow too, but
its servers do not tell each other anything.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import asyncpg

from benchmarks.contestants import BLUEPRINTS, PARKED, executions
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, turns, until
from tests.postgres import server

MODULES = {"goflow": "goflow_py", "polling": "benchmarks.polling"}
PULL = executions("pull")
SPREAD_SECONDS = 120.0
GOLDEN = 0.618
"""Pauses that are its multiples, less their whole seconds, are spread evenly over a poll."""


class Pair:
    """Two servers on one database: the owner, and the one that is asked."""

    def __init__(self, module: str, url: str, stack: ExitStack) -> None:
        self._url = url
        flags = ["--data", url, "--port", "0", "--log-level", "warning"]
        env = {"GOFLOW_LEASE": "5"}
        self.here, self.there = [
            stack.enter_context(Child("goflow", module, "serve", *flags, env=env)) for _ in range(2)
        ]
        for name in ("parked", "pull"):
            ask(self.here.url, "/v1/blueprints", (BLUEPRINTS / f"{name}.json").read_bytes())
        until(self._is_even, seconds=SPREAD_SECONDS, look=0.5)

    def _is_even(self) -> bool:
        return asyncio.run(shares(self._url)) == [128, 128]


async def shares(url: str) -> list[int]:
    """Return how many shards each server has."""
    session = await asyncpg.connect(url)
    try:
        rows = await session.fetch("SELECT count(*) FROM shards GROUP BY owner")
    finally:
        await session.close()
    return [count for (count,) in rows]


def run(_: Stage, *, count: int, rounds: int) -> Iterator[Figure]:
    """Ask each pair so often for each thing."""
    with ExitStack() as stack:
        database = stack.enter_context(server())
        pairs: dict[str, Pair] = {}
        for name, module in MODULES.items():
            asyncio.run(database.execute(f"CREATE DATABASE {name} TEMPLATE template0"))
            pairs[name] = Pair(module, database.url(name), stack)
        waiting = stack.enter_context(ThreadPoolExecutor(1))
        for number in range(rounds):
            for name in turns([*pairs], number):
                yield {
                    "contestant": name,
                    "round": number,
                    **figures("event", [event(pairs[name], turn) for turn in range(count)]),
                    **figures("wait", [wait(pairs[name], turn, waiting) for turn in range(count)]),
                    **figures("poll", [poll(pairs[name], turn, waiting) for turn in range(count)]),
                }


def event(pair: Pair, turn: int) -> float:
    """Send an event to the other server; return the seconds to the owner's answer."""
    id_ = ask(pair.here.url, PARKED, b'{"input":null}')["id"]
    pause(turn)
    began = time.monotonic()
    answer = ask(pair.there.url, f"/v1/executions/{id_}/events", b'{"id":"go","name":"go"}')
    assert answer["execution"]["status"] == "completed", answer
    return time.monotonic() - began


def wait(pair: Pair, turn: int, waiting: ThreadPoolExecutor) -> float:
    """Await an end at the other server; return the seconds from the event that brings it."""
    id_ = ask(pair.here.url, PARKED, b'{"input":null}')["id"]
    path = f"/v1/executions/{id_}"
    return after(
        lambda: ask(pair.there.url, f"{path}?wait=20s"),
        lambda: ask(pair.here.url, f"{path}/events", b'{"id":"go","name":"go"}'),
        turn,
        waiting,
    )


def poll(pair: Pair, turn: int, waiting: ThreadPoolExecutor) -> float:
    """Ask the other server for work; return the seconds from the start that brings some."""
    asked = json.dumps({"queues": ["work"], "worker": "w", "wait": 20}).encode()
    found: list[Any] = []

    def look() -> None:
        found.extend(ask(pair.there.url, "/v1/tasks:poll", asked)["tasks"])

    seconds = after(look, lambda: ask(pair.here.url, PULL, b'{"input":null}'), turn, waiting)
    [task] = found
    done = json.dumps({"token": task["token"]}).encode()
    assert ask(pair.here.url, f"/v1/tasks/{task['id']}:complete", done)["applied"]
    return seconds


def after(
    awaited: Callable[[], Any],
    cause: Callable[[], Any],
    turn: int,
    waiting: ThreadPoolExecutor,
) -> float:
    """Await something; return the seconds from the beginning of its cause to it."""

    def end() -> float:
        awaited()
        return time.monotonic()

    ended = waiting.submit(end)
    pause(turn)
    began = time.monotonic()
    cause()
    return ended.result() - began


def pause(turn: int) -> None:
    """Let a poll that nothing hastens be at any place."""
    time.sleep(0.1 + 0.5 * (turn * GOLDEN % 1))


def figures(what: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, and the slow end."""
    found = sorted(seconds)
    return {
        f"{what}_p50_ms": statistics.median(found) * 1e3,
        f"{what}_p99_ms": found[len(found) * 99 // 100] * 1e3,
    }


WORKLOAD = Workload(
    name="postgres_hints",
    about="Two servers on one PostgreSQL: how soon one knows what the other did, told or polling.",
    run=run,
    sizes={
        "quick": {"count": 3, "rounds": 1},
        "bench": {"count": 40, "rounds": 2},
        "full": {"count": 100, "rounds": 5},
    },
)
