"""Records a second that the SQLite store makes durable, by batch size. ``synchronous=FULL``.

A record is one step: a history row of 600 bytes and an updated head of 300. The store alone, in
this process. Trust the CPU times and the ratios; the rates belong to the disk.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us
from goflow_py.ports import Committed, HeadRow, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore

EXECUTIONS = 2_000
NOW = 1_800_000_000_000


def run(stage: Stage, *, batches: Sequence[int], seconds: float) -> Iterator[Figure]:
    """Commit batches of each size for so long."""
    yield from asyncio.run(measure(stage.file("commit"), batches, seconds))


async def measure(data: Path, batches: Sequence[int], seconds: float) -> list[Figure]:
    """Measure one store."""
    store = SqliteStore(data)
    await store.open(node="bench", now=NOW, ttl_ms=10_000)
    try:
        await store.claim(limit=256, now=NOW)
        work = [start(number) for number in range(EXECUTIONS)]
        for some in (work[:1000], work[1000:]):
            await store.commit(some)
        return [{"batch": batch, **await commits(store, work, batch, seconds)} for batch in batches]
    finally:
        await store.close()


async def commits(
    store: SqliteStore, work: list[Write], batch: int, seconds: float
) -> dict[str, Any]:
    """Commit the next step of so many, again and again."""
    waits, cpu, lost = [], 0.0, 0
    places = itertools.cycle(range(len(work)))
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        chosen = list(itertools.islice(places, batch))
        for place in chosen:
            work[place] = step(work[place])
        before, cpu_before = time.monotonic(), time.process_time()
        verdicts = await store.commit([work[place] for place in chosen])
        waits.append(time.monotonic() - before)
        cpu += time.process_time() - cpu_before
        lost += sum(not isinstance(verdict, Committed) for verdict in verdicts)
    records = batch * len(waits)
    waits.sort()
    return {
        "records_per_s": records / sum(waits),
        "record_cpu_us": each_us(cpu, records),
        "commit_p50_ms": statistics.median(waits) * 1e3,
        "commit_p99_ms": waits[len(waits) * 99 // 100] * 1e3,
        "lost": lost,
    }


def start(number: int) -> Write:
    """Return the start of an execution."""
    id_ = f"01900000-0000-7000-8000-{number:010x}{number % 256:02x}"
    head = HeadRow(
        id=id_, project="default", activity="order", version=1, status="running", state="init",
        key=None, labels={}, seq=0, wake=None, started_at=NOW, updated_at=NOW, finished_at=None,
        body=b"b" * 300,
    )  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="0" * 64, entries=b"e" * 600)
    return Write(head=head, epoch=1, records=[record], start=True)


def step(before: Write) -> Write:
    """Return the next step of an execution."""
    first = before.head.seq + 1
    head = replace(before.head, seq=first + 2, state="paid")
    record = replace(before.records[0], first_seq=first, seq=first + 2)
    return replace(before, head=head, records=[record], start=False)


WORKLOAD = Workload(
    name="commit",
    about="The store alone: records made durable, 1 to 1,000 in a transaction.",
    run=run,
    sizes={
        "quick": {"batches": (1, 100), "seconds": 0.2},
        "bench": {"batches": (1, 10, 100, 1_000), "seconds": 1.0},
        "full": {"batches": (1, 10, 100, 1_000), "seconds": 3.0},
    },
)
