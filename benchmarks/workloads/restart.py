"""How soon a killed server calls its first worker, with all that lies in its file.

The file is made of two executions of a real server, which are copied so many times. Promise G12:
2 s with 10,000 that are open, 10 s with 1,000,000 more that only wait.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.contestants import PARKED, THREE
from benchmarks.filling import FIRST, copies, filling
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, until

NEVER_SECONDS = 3_600.0
PATIENCE_SECONDS = 120.0


def run(
    stage: Stage, *, open_and_parked: Sequence[tuple[int, int]], rounds: int
) -> Iterator[Figure]:
    """Kill servers with so many open and so many parked, and start them again."""
    for running, parked in open_and_parked:
        with Child("worker", "benchmarks.worker", str(NEVER_SECONDS)) as worker:
            data = stage.file("restart")
            make(data, worker, running=running, parked=parked)
            size = data.stat().st_size / 1e6
            for number in range(rounds):
                figures = restarted(data, worker)
                yield {
                    "open": running,
                    "parked": parked,
                    "round": number,
                    "file_mb": size,
                    **figures,
                }


def make(data: Path, worker: Child, *, running: int, parked: int) -> None:
    """Write a file with so many open and so many parked executions."""
    with contestants.goflow(data, worker.url, env={"GOFLOW_DRAIN_TIMEOUT": "0"}) as server:
        busy = ask(server.url, THREE, b'{"input":null}')["id"]
        idle = ask(server.url, PARKED, b'{"input":null}')["id"]
        called(worker)
    with filling(data) as database:
        copies(database, [busy], running - 1)
        copies(database, [idle], parked, first=FIRST + running)


def restarted(data: Path, worker: Child) -> dict[str, Any]:
    """Start the server; return the seconds to ready and to the first call."""
    with contestants.serve(data, worker.url) as server:
        first = called(worker)
        rss = server.rss_bytes()
        server.kill()
    return {
        "ready_s": server.ready_seconds,
        "first_call_s": first - server.began if first else None,
        "rss_mb": rss / 1e6,
        "lost": int(first is None),
    }


def called(worker: Child) -> float | None:
    """Wait for the first call; return its moment."""
    found: list[float] = []

    def look() -> bool:
        at = ask(worker.url, "/_first")["first_at"]
        found.extend([at] if at else [])
        return bool(found)

    until(look, seconds=PATIENCE_SECONDS)
    return found[0] if found else None


WORKLOAD = Workload(
    name="restart",
    about="A killed server with 10,000 open executions, and with 1,000,000 parked besides.",
    run=run,
    sizes={
        "quick": {"open_and_parked": ((100, 0),), "rounds": 1},
        "bench": {"open_and_parked": ((10_000, 0), (10_000, 100_000)), "rounds": 2},
        "full": {"open_and_parked": ((10_000, 0), (10_000, 1_000_000)), "rounds": 3},
    },
)
