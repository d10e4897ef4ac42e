"""Records a second that a SQLite store makes durable, by batch size. ``synchronous=FULL``.

    python benchmarks/store_commit.py [DIRECTORY] [SECONDS]

A record is one step: a history row and an updated head, 600 and 300 bytes. Trust the CPU times
and the ratios; the rates belong to the disk.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from goflow_py.ports import Committed, HeadRow, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore

EXECUTIONS = 2_000
NOW = 1_800_000_000_000


def start(number: int) -> Write:
    id_ = f"01900000-0000-7000-8000-{number:010x}{number % 256:02x}"
    head = HeadRow(
        id=id_, project="default", activity="order", version=1, status="running", state="init",
        key=None, labels={}, seq=0, wake=None, started_at=NOW, updated_at=NOW, finished_at=None,
        body=b"b" * 600,
    )  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="0" * 64, entries=b"e" * 300)
    return Write(head=head, epoch=1, records=[record], start=True)


def step(before: Write) -> Write:
    first = before.head.seq + 1
    head = replace(before.head, seq=first + 2, state="paid")
    record = replace(before.records[0], first_seq=first, seq=first + 2)
    return replace(before, head=head, records=[record], start=False)


async def measure(store: SqliteStore, work: list[Write], batch: int, seconds: float) -> None:
    waits, records, cpu = [], 0, 0.0
    places = itertools.cycle(range(len(work)))
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        chosen = list(itertools.islice(places, batch))
        for place in chosen:
            work[place] = step(work[place])
        before, cpu_before = time.perf_counter(), time.process_time()
        verdicts = await store.commit([work[place] for place in chosen])
        waits.append(time.perf_counter() - before)
        cpu += time.process_time() - cpu_before
        assert all(isinstance(verdict, Committed) for verdict in verdicts)
        records += batch
    wall = sum(waits)
    waits.sort()
    p99 = waits[len(waits) * 99 // 100]
    print(
        f"batch {batch:4}: {records / wall:7,.0f} records/s, {cpu / records * 1e6:6.1f} us CPU "
        f"a record, commit p50 {statistics.median(waits) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"
    )


async def main(folder: Path, seconds: float) -> None:
    store = SqliteStore(folder / "bench.db")
    began = time.perf_counter()
    await store.open(node="bench", now=NOW, ttl_ms=10_000)
    print(f"open, new file: {(time.perf_counter() - began) * 1e3:.1f} ms")
    await store.claim(limit=256, now=NOW)
    work = [start(number) for number in range(EXECUTIONS)]
    await store.commit(work[:1000])
    await store.commit(work[1000:])
    for batch in (1, 10, 100, 1000):
        await measure(store, work, batch, seconds)
    await store.close()
    began = time.perf_counter()
    await store.open(node="again", now=NOW, ttl_ms=10_000)
    size = (await store.stats())["bytes"]
    print(f"open and first read, {size / 1e6:.0f} MB: {(time.perf_counter() - began) * 1e3:.1f} ms")
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        asyncio.run(main(Path(directory), float(sys.argv[2]) if len(sys.argv) > 2 else 3.0))
