"""Thousands of executions in flight at workers that take their time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import contestants, documents
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us, tallies, turns, until

CLIENTS = 128
PATIENCE_SECONDS = 600.0
COMMIT_SECONDS = 10.0
PATIENT = replace(
    CONTESTANTS["goflow"],
    path=contestants.executions("patient"),
    start=partial(contestants.goflow, documents=[documents.patient(PATIENCE_SECONDS)]),
)
"""goflow, with calls that may take long."""
BOTH = (PATIENT, CONTESTANTS["floor"])


def run(stage: Stage, *, in_flight: Sequence[int], worker_ms: int, rounds: int) -> Iterator[Figure]:
    """Have so many in flight, goflow and the floor in turns."""
    with Child("worker", "benchmarks.worker", str(worker_ms / 1e3)) as worker:
        for number in range(rounds):
            for count in in_flight:
                for one in turns(BOTH, number):
                    data = stage.file(one.name)
                    with one.start(data, worker.url) as server:
                        sample = measured(stage, one, server, worker, data, count)
                    yield {"worker_ms": worker_ms, "round": number, **sample}


def measured(
    stage: Stage, one: Contestant, server: Child, worker: Child, data: Path, count: int
) -> dict[str, Any]:
    """Start all while the worker holds its answers; let it go, and see when each has ended."""
    for what in ("counts", "ends", "hold"):
        ask(worker.url, f"/_{what}")
    server.forget_peak()
    before = server.cpu_seconds()
    job = one.job(server, clients=CLIENTS, requests=count, wait=False)
    started = stage.load.run(replace(job, grace_seconds=PATIENCE_SECONDS))
    done = started["done"]
    released = ask(worker.url, "/_release")["at"]
    until(lambda: ask(worker.url, "/_ended")["ended"] >= done, seconds=PATIENCE_SECONDS, look=0.05)
    missing = not_committed(one, data, done)
    cpu = server.cpu_seconds() - before
    counts, ends = ask(worker.url, "/_counts"), ask(worker.url, "/_ends")["ends"]
    waits = sorted(at - released for at in ends.values()) or [0.0]
    return {
        "contestant": one.name,
        "in_flight": count,
        "accepted_per_s": started["rate"],
        "rate_per_s": len(ends) / max(waits[-1], 1e-9),
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
        "cpu_us": each_us(cpu, len(ends)),
        "peak_mb": server.rss_bytes("VmHWM") / 1e6,
        "lost": max(missing, one.calls * done - counts["keys"]),
        "doubled": counts["doubled"],
        "errors": started["errors"],
        "error": started["error"],
    }


def not_committed(one: Contestant, data: Path, count: int) -> int:
    """Return how many ends do not come into goflow's file; of the floor it is not asked."""
    if one.kind != "goflow":
        return 0
    missing: Callable[[], int] = lambda: count - tallies(data).get("completed", 0)  # noqa: E731
    until(lambda: missing() <= 0, seconds=COMMIT_SECONDS)
    return max(0, missing())


WORKLOAD = Workload(
    name="inflight",
    about="1,000 and 10,000 executions in flight at once; workers take 200 ms a call.",
    run=run,
    sizes={
        "quick": {"in_flight": (50,), "worker_ms": 50, "rounds": 1},
        "bench": {"in_flight": (1_000, 10_000), "worker_ms": 200, "rounds": 1},
        "full": {"in_flight": (1_000, 10_000), "worker_ms": 200, "rounds": 3},
    },
)
