"""What a purge costs those who start executions meanwhile, and what it gives back.

The server looks for ended executions whose time is over a minute after its start: until then the
starts are alone.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS
from benchmarks.filling import copies, filling
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, tallies, until

ALONE_SECONDS = 30.0
BEGIN_SECONDS = 90.0
PURGE_SECONDS = 600.0
TIDY_SECONDS = 20.0
LOOK_SECONDS = 0.1
OVER = "UPDATE executions SET purge_at = 1 WHERE activity = 'three'"


def run(stage: Stage, *, ended: int, every: float) -> Iterator[Figure]:
    """Start executions alone, and beside a purge."""
    data = stage.file("purge")
    fill(stage, data, ended)
    before = data.stat().st_size
    with contestants.serve(data, stage.worker.url) as server:
        figures = measured(stage, server, data, ended, every)
        time.sleep(TIDY_SECONDS)
    ask(stage.worker.url, "/_counts")
    after = data.stat().st_size
    yield {
        "ended": ended,
        **figures,
        "file_before_mb": before / 1e6,
        "file_after_mb": after / 1e6,
    }


def fill(stage: Stage, data: Path, ended: int) -> None:
    """Make ended executions whose time is over."""
    one = CONTESTANTS["goflow"]
    with one.start(data, stage.worker.url) as server:
        stage.load.run(one.job(server, requests=1))
    with filling(data) as database:
        (original,) = database.execute("SELECT id FROM executions").fetchone()
        copies(database, [original], ended - 1)
        database.execute(OVER)


def measured(stage: Stage, server: Child, data: Path, ended: int, every: float) -> dict[str, Any]:
    """Start one every so often, before the purge and while it is at work."""
    job = contestants.starts(server, every)
    stage.load.begin(job)
    time.sleep(ALONE_SECONDS)
    alone = stage.load.halt()

    def left() -> int:
        return tallies(data, "three").get("completed", 0)

    until(lambda: left() < ended, seconds=BEGIN_SECONDS, look=LOOK_SECONDS)
    began, some = time.monotonic(), left()
    stage.load.begin(job)
    over = until(lambda: not left(), seconds=PURGE_SECONDS, look=LOOK_SECONDS)
    beside = stage.load.halt()
    return {
        "purged_per_s": (some - left()) / (over - began),
        **{f"alone_{what}": alone[what] for what in ("p50_ms", "p99_ms", "worst_ms")},
        **{f"beside_{what}": beside[what] for what in ("p50_ms", "p99_ms", "worst_ms")},
        "left": left(),
        "refused": alone["errors"] + beside["errors"],
        "error": alone["error"] or beside["error"],
    }


WORKLOAD = Workload(
    name="purge",
    about="20 starts a second, alone and beside the purge of 20,000 ended executions.",
    run=run,
    sizes={"full": {"ended": 20_000, "every": 0.05}},
)
