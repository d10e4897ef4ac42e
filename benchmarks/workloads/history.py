"""Whether a file with millions of history rows makes a step, a list or a read dearer."""

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS
from benchmarks.filling import copies, filling
from benchmarks.load import Job
from benchmarks.processes import Child
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, turns

ORIGINALS = 20
READS = 300
PAGES = 100
SEED = 4711


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A file, and what is in it."""

    path: Path
    rows: int
    executions: int
    steps: int
    """Rows of one execution."""
    fill_seconds: float
    some: list[str]
    """Ids of executions all over it."""


def run(
    stage: Stage, *, rows: Sequence[int], rounds: int, seconds: float, in_flight: int
) -> Iterator[Figure]:
    """Fill a file for each number of rows, then load all servers in turns."""
    with ExitStack() as stack:
        field = []
        for count in rows:
            filled = fill(stage, count)
            server = contestants.serve(filled.path, stage.worker.url)
            field.append((filled, stack.enter_context(server)))
        for number in range(rounds):
            for filled, server in turns(field, number):
                yield measured(
                    stage, filled, server, number=number, seconds=seconds, in_flight=in_flight
                )


def fill(stage: Stage, rows: int) -> Filled:
    """Let some executions run, and copy them."""
    data, one = stage.file("history"), CONTESTANTS["goflow"]
    with one.start(data, stage.worker.url) as server:
        stage.load.run(one.job(server, clients=ORIGINALS, requests=ORIGINALS))
    began = time.monotonic()
    with filling(data) as database:
        originals = [id for (id,) in database.execute("SELECT id FROM executions")]
        (steps,) = database.execute(
            "SELECT count(*) FROM history WHERE execution = ?", originals[:1]
        ).fetchone()
        copies(database, originals, max(0, rows // steps - ORIGINALS))
    with closing(sqlite3.connect(data)) as database:
        (last,) = database.execute("SELECT max(n) FROM executions").fetchone()
        chosen = random.Random(SEED).sample(range(1, last + 1), min(READS, last))
        found = [
            database.execute("SELECT id FROM executions WHERE n = ?", (n,)).fetchone()
            for n in chosen
        ]
        (whole,) = database.execute("SELECT max(n) FROM history").fetchone()
    return Filled(
        path=data,
        rows=whole,
        executions=last,
        steps=steps,
        fill_seconds=time.monotonic() - began,
        some=[row[0] for row in found if row],
    )


def measured(
    stage: Stage, filled: Filled, server: Child, *, number: int, seconds: float, in_flight: int
) -> Figure:
    """Run executions, list the newest, read old ones."""
    sample = stage.sample(
        CONTESTANTS["goflow"], server, in_flight=in_flight, seconds=seconds, number=number
    )
    page = Job(
        url=f"{server.url}/v1/executions?limit=50", method="GET", expect='"items"', requests=PAGES
    )
    read = Job(
        url=server.url,
        method="GET",
        expect='"items"',
        paths=[f"/v1/executions/{id}/history" for id in filled.some],
    )
    listed, reads = stage.load.run(page), stage.load.run(read)
    return {
        "rows": filled.rows,
        "round": number,
        "executions": filled.executions,
        "file_mb": filled.path.stat().st_size / 1e6,
        "fill_s": filled.fill_seconds,
        "ready_s": server.ready_seconds,
        "step_cpu_us": sample["cpu_us"] / filled.steps,
        "step_p50_ms": sample["p50_ms"] / filled.steps,
        "step_p99_ms": sample["p99_ms"] / filled.steps,
        "rate_per_s": sample["rate_per_s"],
        "list_p50_ms": listed["p50_ms"],
        "list_p99_ms": listed["p99_ms"],
        "read_p50_ms": reads["p50_ms"],
        "read_p99_ms": reads["p99_ms"],
        "rss_mb": server.rss_bytes() / 1e6,
        "lost": sample["lost"],
        "doubled": sample["doubled"],
        "errors": sample["errors"] + listed["errors"] + reads["errors"],
        "error": sample["error"] or listed["error"] or reads["error"],
    }


WORKLOAD = Workload(
    name="history",
    about="A step, a page of the list and a history, in files of ever more history rows.",
    run=run,
    sizes={
        "quick": {"rows": (1_000,), "rounds": 1, "seconds": 0.3, "in_flight": 16},
        "bench": {"rows": (10_000, 300_000), "rounds": 3, "seconds": 1.5, "in_flight": 16},
        "full": {
            "rows": (10_000, 1_000_000, 10_000_000),
            "rounds": 5,
            "seconds": 4.0,
            "in_flight": 16,
        },
    },
)
