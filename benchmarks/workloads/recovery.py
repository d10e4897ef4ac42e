"""``kill -9`` under load: how soon all that was open has ended, and which calls came twice.

At a worker that answers at once, clients keep so many in flight: some starts, some calls, some
ends. A worker that takes its time holds its answers until the kill: each of so many executions has
a call in flight then, which is cut, and is made a second time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, tallies, unfinished, until
from benchmarks.workloads.inflight import PATIENT

PATIENCE_SECONDS = 120.0
CLIENTS = 64


def run(stage: Stage, *, in_flight: int, worker_ms: Sequence[int], rounds: int) -> Iterator[Figure]:
    """Crash with each worker, and start again."""
    for milliseconds in worker_ms:
        with Child("worker", "benchmarks.worker", str(milliseconds / 1e3)) as worker:
            for number in range(rounds):
                data = stage.file("recovery")
                with PATIENT.start(data, worker.url) as server:
                    if milliseconds:
                        done = cut_calls(stage, worker, server, in_flight)
                    else:
                        done = cut_clients(stage, server, data, in_flight)
                figures = recovered(worker, data, done)
                yield {
                    "in_flight": in_flight,
                    "worker_ms": milliseconds,
                    "round": number,
                    **figures,
                }


def cut_clients(stage: Stage, server: Child, data: Path, in_flight: int) -> int:
    """Kill the server under its clients; return how many ends they have seen."""
    stage.load.begin(PATIENT.job(server, clients=in_flight, seconds=3_600.0))
    until(lambda: tallies(data).get("completed", 0) > in_flight, seconds=PATIENCE_SECONDS)
    server.kill()
    return int(stage.load.end()["done"])


def cut_calls(stage: Stage, worker: Child, server: Child, in_flight: int) -> int:
    """Kill the server with a call of each execution in flight; return how many it has promised."""
    ask(worker.url, "/_hold")
    job = PATIENT.job(server, clients=CLIENTS, requests=in_flight, wait=False)
    started = stage.load.run(replace(job, grace_seconds=PATIENCE_SECONDS))
    until(lambda: ask(worker.url, "/_calls")["calls"] >= started["done"], seconds=PATIENCE_SECONDS)
    server.kill()
    ask(worker.url, "/_release")
    return int(started["done"])


def recovered(worker: Child, data: Path, done: int) -> dict[str, Any]:
    """Start again, and wait until nothing is open; *done* have to be there."""
    ask(worker.url, "/_first")
    cut = unfinished(data)
    with contestants.serve(data, worker.url) as server:
        finished = until(lambda: not unfinished(data), seconds=PATIENCE_SECONDS)
        left, ended = unfinished(data), tallies(data).get("completed", 0)
    counts, first = ask(worker.url, "/_counts"), ask(worker.url, "/_first")["first_at"]
    return {
        "cut": cut,
        "ready_s": server.ready_seconds,
        "first_call_s": first - server.began if first else None,
        "finished_s": finished - server.began,
        "calls": counts["calls"],
        "doubled_calls": counts["doubled"],
        "lost": left + max(0, done - ended) + max(0, PATIENT.calls * ended - counts["keys"]),
    }


WORKLOAD = Workload(
    name="recovery",
    about="kill -9 with 500 in flight, a restart: all ended how soon, which calls came twice.",
    run=run,
    sizes={
        "quick": {"in_flight": 50, "worker_ms": (20,), "rounds": 1},
        "bench": {"in_flight": 500, "worker_ms": (0, 100), "rounds": 2},
        "full": {"in_flight": 500, "worker_ms": (0, 100), "rounds": 5},
    },
)
