"""What a purge costs those who start executions meanwhile, and what it gives back.

    python -m benchmarks.retention [--ended 20000] [--starts 20] [--directory DIRECTORY]

So many ended executions are purged while others are started, so many a second. Trust the ratio of
the two latencies, which are of one run.
"""

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import orjson

from benchmarks.recovery import copies
from goflow_py.clock import SystemClock
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.store.sqlite import SqliteStore
from goflow_py.testing import StubTransport

BLUEPRINT = {
    "project": "p",
    "activity": "a",
    "states": ["call"],
    "actions": [{"name": "call"}],
    "transitions": [{"current": "init", "event": "start", "next": "call"}],
    "workers": [{"name": "call", "workerEndpoint": "w"}],
}
WITHOUT_SECONDS = 15.0
TIDY_SECONDS = 20.0


def orchestrator(path: Path) -> Orchestrator:
    options = EngineOptions(token_key=b"k" * 32, fallback_url="http://mock", lease_seconds=1e6)
    return Orchestrator(
        store=SqliteStore(path), transport=StubTransport(), clock=SystemClock(), options=options
    )


async def ended_ones(path: Path, count: int) -> None:
    """Fill a file with ended executions whose time is over."""
    it = orchestrator(path)
    await it.start()
    await it.uploads.upload(orjson.dumps(BLUEPRINT))
    one = (await it.executions.start("p", "a", StartRequest(input={"n": 1}))).execution.id
    await it.owner.memory.wait_end(one, 30.0)
    await it.stop()
    connection = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(connection):
        copies(connection, one, count, 0)
        connection.execute("UPDATE executions SET purge_at = 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


async def starts(it: Orchestrator, rate: float, stop: asyncio.Event) -> list[float]:
    """Start executions at a rate until it is told to stop; return how long each took, in ms."""
    took = []
    while not stop.is_set():
        began = time.perf_counter()
        await it.executions.start("p", "a", StartRequest(input={"n": 1}))
        took.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - began)))
    return sorted(took)


async def beside(it: Orchestrator, rate: float, seconds: float | None) -> tuple[list[float], float]:
    """Return the latencies beside a pause of so many seconds, or beside a purge, and its time."""
    stop, began = asyncio.Event(), time.perf_counter()
    loading = asyncio.ensure_future(starts(it, rate, stop))
    await (it._purge() if seconds is None else asyncio.sleep(seconds))
    stop.set()
    return await loading, time.perf_counter() - began


def shown(took: list[float]) -> str:
    p99 = took[len(took) * 99 // 100]
    return f"p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms, worst {took[-1]:.1f} ms"


async def main(folder: Path, count: int, rate: float) -> None:
    path = folder / "goflow.db"
    await ended_ones(path, count)
    before = path.stat().st_size
    it = orchestrator(path)
    await it.start()
    alone, _ = await beside(it, rate, WITHOUT_SECONDS)
    purging, seconds = await beside(it, rate, None)
    ratio = purging[len(purging) * 99 // 100] / alone[len(alone) * 99 // 100]
    print(f"starts alone:          {shown(alone)}")
    print(f"beside a purge:        {shown(purging)}; the p99 is {ratio:.2f} times that")
    print(f"{count:,} purged in {seconds:.0f} s")
    await asyncio.sleep(TIDY_SECONDS)
    await it.stop()
    print(f"file: {before / 1e6:.1f} MB before, {path.stat().st_size / 1e6:.1f} MB after")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ended", type=int, default=20_000)
    parser.add_argument("--starts", type=float, default=20.0)
    parser.add_argument("--directory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        asyncio.run(main(Path(directory), given.ended, given.starts))
