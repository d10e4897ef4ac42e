"""One node of goflow without its doors: the engine and its store, and a worker that is in it.

    python -m benchmarks.node URL [engine|store [LEASE_SECONDS]]

``store`` leaves the engine's thinking out: what it once wrote for an execution is written for
others, so that the store is the limit.
"""

import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.driven import Commits, keep, serve
from benchmarks.worker import ANSWER
from goflow_py.bootstrap import GC_THRESHOLDS
from goflow_py.clock import SystemClock
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.ports import Answered, Committed, Reply, Request, Store, Verdict, Write
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore

BLUEPRINT = Path(__file__).with_name("blueprints") / "three.json"
INPUT = {"customer": "C-4711", "amount": 120.5, "items": ["lamp", "bulb"]}
WAIT_SECONDS = 60.0


class Inside:
    """A worker that answers at once, in the node."""

    _answer = Answered(status=200, headers={"content-type": "application/json"}, body=ANSWER)

    async def send(self, request: Request) -> Reply:
        """Answer."""
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


async def main(url: str, what: str = "engine", lease: str = "10") -> None:
    store = TimedStore(url, is_alone=False)
    node = orchestrator(store, float(lease))
    await node.start()
    await node.uploads.upload(BLUEPRINT.read_bytes())
    one = partial(step_through, node, await recording()) if what == "store" else partial(run, node)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        await serve(node.ownership.node, partial(keep, one), store.timed)
    finally:
        await node.stop()


def orchestrator(store: Store, lease: float | None = None) -> Orchestrator:
    """Return an engine whose workers answer at once; without a lease it is alone."""
    options = EngineOptions(
        token_key=b"k" * 32,
        endpoints={"worker": "http://worker"},
        is_alone=lease is None,
        lease_seconds=lease or 10.0,
    )
    return Orchestrator(store=store, transport=Inside(), clock=SystemClock(), options=options)


async def run(node: Orchestrator) -> None:
    """Start an execution, and wait for its end."""
    started = await node.executions.start("bench", "three", StartRequest(input=INPUT))
    ended = await node.owner.memory.wait_end(started.execution.id, WAIT_SECONDS)
    if ended.status != "completed":
        raise RuntimeError(f"{ended.id} is {ended.status}")


async def recording() -> list[Write]:
    """Return the writes of one execution, as the engine makes them."""
    store = Keeping()
    node = orchestrator(store)
    await node.start()
    try:
        await node.uploads.upload(BLUEPRINT.read_bytes())
        await run(node)
    finally:
        await node.stop()
    return store.writes


async def step_through(node: Orchestrator, writes: Sequence[Write]) -> None:
    """Have the same written for another execution, each when the one before is durable."""
    id_ = node.owner.memory.mint()
    epoch = node.owner.memory.epoch(id_)
    for write in writes:
        head = replace(write.head, id=id_)
        records = [replace(record, execution=id_) for record in write.records]
        verdict = await node.batcher.submit(replace(write, head=head, records=records, epoch=epoch))
        if not isinstance(verdict, Committed):
            raise RuntimeError(f"{id_} was refused: {verdict}")


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
