"""From exec to ready, to the first finished execution, and what a server takes at rest."""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS, INPUT, WAIT_SECONDS, Contestant
from benchmarks.processes import Child, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, turns

SETTLE_SECONDS = 1.0
ACK_PAUSE_SECONDS = 0.02
FILL_CLIENTS = 64


def run(stage: Stage, *, rounds: int, finished: int, acks: int) -> Iterator[Figure]:
    """Start all in turns; goflow on a file with finished executions, the others on a new one."""
    used, goflow = stage.file("start"), CONTESTANTS["goflow"]
    with goflow.start(used, stage.worker.url) as server:
        stage.load.run(goflow.job(server, clients=FILL_CLIENTS, requests=finished))
    for number in range(rounds):
        for one in turns(list(CONTESTANTS.values()), number):
            if one is goflow:
                before = finished
                figures = first_finished(one, contestants.serve(used, stage.worker.url))
            else:
                before = 0
                server = one.start(stage.file(one.name), stage.worker.url)
                figures = first_finished(one, server)
            yield {
                "contestant": one.name,
                "round": number,
                "finished_before": before,
                **figures,
                **at_rest(stage, one, acks),
            }
    ask(stage.worker.url, "/_counts")


def first_finished(one: Contestant, server: Child) -> dict[str, Any]:
    """Let one execution run as soon as the server is ready."""
    with server:
        body = f'{{"input":{INPUT}}}'.encode()
        ended = ask(server.url, one.path, body, Prefer=f"wait={WAIT_SECONDS}")
        took = time.monotonic() - server.began
    lost = int(ended["status"] != "completed")
    return {"ready_s": server.ready_seconds, "first_finished_s": took, "lost": lost}


def at_rest(stage: Stage, one: Contestant, acks: int) -> dict[str, Any]:
    """Look at a new server that nobody asks anything, then ask a little."""
    with one.start(stage.file(one.name), stage.worker.url) as server:
        time.sleep(SETTLE_SECONDS)
        rss = server.rss_bytes()
        job = one.job(server, requests=acks, pause=ACK_PAUSE_SECONDS, wait=False)
        stage.load.run(job)
        told = stage.load.run(job)
    return {
        "idle_mb": rss / 1e6,
        "ack_p50_ms": told["p50_ms"],
        "ack_p99_ms": told["p99_ms"],
        "errors": told["errors"],
    }


WORKLOAD = Workload(
    name="start",
    about="exec to ready, to the first finished execution with 1,000 before it; memory at rest.",
    run=run,
    sizes={
        "quick": {"rounds": 1, "finished": 50, "acks": 5},
        "bench": {"rounds": 3, "finished": 1_000, "acks": 40},
        "full": {"rounds": 7, "finished": 1_000, "acks": 100},
    },
)
