"""One node of goflow without its doors: the engine and its store, and a worker that is in it.

    python -m benchmarks.node URL [engine|store|starts|parked|held]

``store`` leaves the engine's thinking out: what it once wrote for an execution is written for
others, so that the store is the limit. ``starts`` writes the first step alone: the call that it
leads to is made by whoever takes the execution up. ``parked`` writes the start of what waits for
ever. With ``held`` no worker answers, and a line tells how much the engine has in memory.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import uvloop

from benchmarks.contestants import BLUEPRINTS
from benchmarks.driven import Commits, Work, keep, serve
from benchmarks.worker import ANSWER
from goflow_py.bootstrap import GC_THRESHOLDS
from goflow_py.clock import SystemClock
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.slots import CALLS_IN_FLIGHT_MAX
from goflow_py.ports import Answered, Committed, Reply, Request, Store, Verdict, Write
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore

INPUT = {"customer": "C-4711", "amount": 120.5, "items": ["lamp", "bulb"]}
WAIT_SECONDS = 60.0
ENDLESS = 1_000_000


class Inside:
    """A worker that answers at once, in the node, or never."""

    _answer = Answered(status=200, headers={"content-type": "application/json"}, body=ANSWER)

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers

    async def send(self, request: Request) -> Reply:
        """Answer."""
        if not self._answers:
            await asyncio.Event().wait()
        return self._answer

    async def close(self) -> None:
        """Have nothing to close."""


class Keeping(MemoryStore):
    """A store that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        """Commit, and keep it."""
        self.writes += writes
        return await super().commit(writes)


class TimedStore(PostgresStore):
    """The store as it is, with a watch."""

    timed = Commits()

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        """Commit, and note how long it took."""
        began = time.monotonic()
        try:
            return await super().commit(writes)
        finally:
            self.timed.add(began, sum(1 + len(write.family) for write in writes))


async def main(url: str, what: str = "engine") -> None:
    store = TimedStore(url, is_alone=False)
    node = orchestrator(store, answers=what != "held")
    await node.start()
    await upload(node)
    do = partial(keep, partial(run, node))
    if what in ("store", "starts", "parked"):
        writes = await recording("parked" if what == "parked" else "three")
        do = partial(keep, partial(step_through, node, writes if what == "store" else writes[:1]))
    elif what == "held":
        do = partial(look, node)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        await serve(node.ownership.node, do, store.timed)
    finally:
        await node.stop()


def orchestrator(store: Store, *, is_alone: bool = False, answers: bool = True) -> Orchestrator:
    """Return an engine whose workers answer at once, or never."""
    options = EngineOptions(
        token_key=b"k" * 32,
        endpoints={"worker": "http://worker"},
        is_alone=is_alone,
        # Calls that are never answered must not keep others from being made.
        calls_in_flight_max=CALLS_IN_FLIGHT_MAX if answers else ENDLESS,
    )
    transport = Inside(answers=answers)
    return Orchestrator(store=store, transport=transport, clock=SystemClock(), options=options)


async def upload(node: Orchestrator) -> None:
    """Upload what is to run."""
    for name in ("three", "parked"):
        await node.uploads.upload((BLUEPRINTS / f"{name}.json").read_bytes())


async def look(node: Orchestrator, _: Work) -> dict[str, Any]:
    """Tell how many executions are in memory, and the processor time until now."""
    return {"known": len(node.owner.memory), "cpu_s": time.process_time()}


async def run(node: Orchestrator) -> None:
    """Start an execution, and wait for its end."""
    started = await node.executions.start("bench", "three", StartRequest(input=INPUT))
    ended = await node.owner.memory.wait_end(started.execution.id, WAIT_SECONDS)
    if ended.status != "completed":
        raise RuntimeError(f"{ended.id} is {ended.status}")


async def recording(activity: str = "three") -> list[Write]:
    """Return the writes of one execution, as the engine makes them."""
    store = Keeping()
    node = orchestrator(store, is_alone=True)
    await node.start()
    try:
        await upload(node)
        if activity == "three":
            await run(node)
        else:
            await node.executions.start("bench", activity, StartRequest(input=INPUT))
    finally:
        await node.stop()
    return store.writes


async def step_through(node: Orchestrator, writes: Sequence[Write]) -> None:
    """Have the same written for another execution, each when the one before is durable."""
    id_ = node.owner.memory.mint()
    epoch = node.owner.memory.epoch(id_)
    for write in writes:
        verdict = await node.batcher.submit(of_another(write, id_, epoch))
        if not isinstance(verdict, Committed):
            raise RuntimeError(f"{id_} was refused: {verdict}")


def of_another(write: Write, id_: str, epoch: int) -> Write:
    """Return the same write of another execution."""
    own, new = write.head.id.encode(), id_.encode()
    head = replace(write.head, id=id_, body=write.head.body.replace(own, new))
    records = [
        replace(record, execution=id_, entries=record.entries.replace(own, new))
        for record in write.records
    ]
    return replace(write, head=head, records=records, epoch=epoch)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
