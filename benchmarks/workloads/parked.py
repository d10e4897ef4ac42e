"""Executions that wait for an event: what each costs, and how soon a server has them again."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS, PARKED
from benchmarks.load import Job
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us, tallies, unfinished, until

CLIENTS = 128
WAKES = 200
WAKE_CLIENTS = 8
SETTLE_SECONDS = 1.0
GRACE_SECONDS = 1_800.0
BUSY_CLIENTS = 16
BUSY_SECONDS = 30.0
DISPATCH_SECONDS = 120.0


def run(stage: Stage, *, executions: Sequence[int], idle_seconds: float) -> Iterator[Figure]:
    """Park each number in a file of its own."""
    for count in executions:
        yield {"executions": count, **parked(stage, count, idle_seconds)}


def parked(stage: Stage, count: int, idle_seconds: float) -> dict[str, Any]:
    """Park, look, wake some, crash in the midst of work, and start again."""
    data = stage.file("parked")
    with contestants.goflow(data, stage.worker.url) as server:
        figures, ids = accepted(stage, server, count)
        figures["idle_cpu_percent"] = idle_percent(server, idle_seconds)
        half = len(ids) // 2
        woken = stage.load.run(wakes(server, ids[:half]))
        busy = replace(CONTESTANTS["goflow"].job(server, clients=BUSY_CLIENTS), seconds=3_600.0)
        stage.load.begin(busy)
        until(lambda: tallies(data, "three").get("completed"), seconds=BUSY_SECONDS)
        server.kill()
        stage.load.end()
    figures["restart_cut"] = unfinished(data, "three")
    ask(stage.worker.url, "/_first")
    with contestants.serve(data, stage.worker.url) as server:
        again = restarted(stage, server)
        cold = stage.load.run(wakes(server, ids[half:]))
        server.stop()
        waiting = tallies(data, "parked").get("waiting", 0)
    ask(stage.worker.url, "/_counts")
    return {
        **figures,
        "disk_bytes_each": data.stat().st_size / count,
        "woken": woken["done"],
        "woken_s": woken["seconds"],
        "wake_p50_ms": woken["p50_ms"],
        "wake_p99_ms": woken["p99_ms"],
        **again,
        "woken_cold": cold["done"],
        "woken_cold_s": cold["seconds"],
        "lost": count - waiting - woken["done"] - cold["done"],
        "refused": figures["refused"] + woken["errors"] + cold["errors"],
    }


def accepted(stage: Stage, server: Child, count: int) -> tuple[dict[str, Any], list[str]]:
    """Start them: the first tenth gives buffers and caches their size, the rest is measured."""
    start = Job(
        url=server.url + PARKED,
        body='{"input":{"order":4711}}',
        expect='"status":"waiting"',
        clients=CLIENTS,
        requests=count // 10,
        grace_seconds=GRACE_SECONDS,
    )
    first = stage.load.run(start)
    time.sleep(SETTLE_SECONDS)
    before, cpu = server.rss_bytes(), server.cpu_seconds()
    rest = count - count // 10
    told = stage.load.run(replace(start, requests=rest, keep=min(2 * WAKES, rest)))
    cpu = server.cpu_seconds() - cpu
    time.sleep(SETTLE_SECONDS)
    rss = server.rss_bytes()
    figures = {
        "accepted_per_s": told["rate"],
        "accept_p50_ms": told["p50_ms"],
        "accept_p99_ms": told["p99_ms"],
        "accept_cpu_us": each_us(cpu, told["done"]),
        "rss_bytes_each": (rss - before) / max(told["done"], 1),
        "rss_mb": rss / 1e6,
        "refused": first["errors"] + told["errors"],
    }
    return figures, told["ids"]


def idle_percent(server: Child, seconds: float) -> float:
    """Return the share of a core that the server uses while nobody asks it anything."""
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return 100 * (server.cpu_seconds() - before) / (time.monotonic() - began)


def wakes(server: Child, ids: Sequence[str]) -> Job:
    """Return the work that sends each its event, and sees its end."""
    return Job(
        url=server.url,
        body='{"name":"go"}',
        expect='"status":"completed"',
        clients=WAKE_CLIENTS,
        paths=[f"/v1/executions/{id}/events" for id in ids],
    )


def restarted(stage: Stage, server: Child) -> dict[str, Any]:
    """Return how soon a server was there, and how soon it called a worker for what was cut."""
    firsts: list[float] = []

    def called() -> bool:
        at = ask(stage.worker.url, "/_first")["first_at"]
        firsts.extend([at] if at else [])
        return bool(firsts)

    until(called, seconds=DISPATCH_SECONDS)
    time.sleep(SETTLE_SECONDS)
    return {
        "restart_ready_s": server.ready_seconds,
        "restart_dispatch_s": firsts[0] - server.began if firsts else None,
        "restart_rss_mb": server.rss_bytes() / 1e6,
    }


WORKLOAD = Workload(
    name="parked",
    about="Executions that wait for an event: accepted, kept, woken; and a crash with all of them.",
    run=run,
    sizes={
        "quick": {"executions": (500,), "idle_seconds": 0.5},
        "bench": {"executions": (10_000,), "idle_seconds": 10.0},
        "full": {"executions": (10_000, 100_000, 1_000_000), "idle_seconds": 10.0},
    },
)
