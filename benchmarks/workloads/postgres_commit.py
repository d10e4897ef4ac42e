"""Executions that the PostgreSQL store makes durable, so many of them in a commit.

What the engine once wrote for an execution of three calls is written for others: the store alone,
in this process. The database's processor time is that of all of its processes.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop

from benchmarks.database import Database
from benchmarks.node import of_another, recording
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us
from goflow_py.clock import SystemClock, uuid7
from goflow_py.ports import Committed, Write, shard_of
from goflow_py.store.postgres import PostgresStore

WARM_SECONDS = 0.5
NOW = 1_800_000_000_000


def run(_: Stage, *, batches: Sequence[int], rounds: int, seconds: float) -> Iterator[Figure]:
    """Commit batches of each size for so long, in turns."""
    with Database.running() as database, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        store = PostgresStore(database.create(), is_alone=True)
        loop.run(store.open(node="bench", now=NOW, ttl_ms=600_000))
        try:
            epochs = loop.run(store.claim(limit=256, now=NOW))
            writes = loop.run(recording())
            for number in range(rounds):
                for batch in batches:
                    loop.run(commits(store, epochs, writes, batch, WARM_SECONDS))
                    wal, cpu = database.wal_bytes(), database.cpu_seconds()
                    waits, lost = loop.run(commits(store, epochs, writes, batch, seconds))
                    cpu, wal = database.cpu_seconds() - cpu, database.wal_bytes() - wal
                    case = {"batch": batch, "round": number}
                    yield {**case, **figures(waits, batch, cpu, wal), "lost": lost}
        finally:
            loop.run(store.close())


async def commits(
    store: PostgresStore, epochs: dict[int, int], writes: list[Write], batch: int, seconds: float
) -> tuple[list[float], int]:
    """Start so many executions and step them to their end, again and again."""
    waits: list[float] = []
    lost, clock, ends = 0, SystemClock(), time.monotonic() + seconds
    while time.monotonic() < ends:
        ids = [uuid7(clock) for _ in range(batch)]
        for write in writes:
            given = [of_another(write, id_, epochs[shard_of(id_)]) for id_ in ids]
            began = time.monotonic()
            verdicts = await store.commit(given)
            waits.append(time.monotonic() - began)
            lost += sum(not isinstance(verdict, Committed) for verdict in verdicts)
    return waits, lost


def figures(waits: list[float], batch: int, cpu: float, wal: int) -> dict[str, Any]:
    """Return those of a record."""
    records = batch * len(waits)
    known = sorted(waits)
    return {
        "records_per_s": records / sum(waits),
        "commit_p50_ms": known[len(known) // 2] * 1e3,
        "commit_p99_ms": known[len(known) * 99 // 100] * 1e3,
        "database_cpu_us": each_us(cpu, records),
        "wal_bytes": wal / records,
    }


WORKLOAD = Workload(
    name="postgres_commit",
    about="The PostgreSQL store alone: records made durable, 1 to 1,000 in a commit.",
    run=run,
    sizes={
        "quick": {"batches": (1, 100), "rounds": 1, "seconds": 0.3},
        "bench": {"batches": (1, 10, 100, 1_000), "rounds": 3, "seconds": 2.0},
        "full": {"batches": (1, 10, 100, 1_000), "rounds": 5, "seconds": 4.0},
    },
)
