"""Timers of many executions that ring at one moment, and those who want something meanwhile."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import contestants, documents
from benchmarks.contestants import PARKED, WAIT_SECONDS, executions
from benchmarks.load import Job
from benchmarks.processes import Child, Load, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us, unfinished, until

CLIENTS = 128
PROBE = 500
"""Executions that tell how fast this machine accepts."""
MARGIN = 2.0
LEAD_SECONDS = 3.0
CALM_SECONDS = 1.0
DRAIN_SECONDS = 900.0
GRACE_SECONDS = 1_800.0
LOOK_SECONDS = 0.05
OTHER_EACH = 5
"""The other project starts one for so many starts and reads."""
OTHER = {**documents.steps(1), "project": "other", "activity": "one"}


def run(stage: Stage, *, executions: Sequence[int], every: float) -> Iterator[Figure]:
    """Let each number of timers ring, in a file of its own."""
    for due in executions:
        data = stage.file("storm")
        uploads = [documents.storm(), OTHER]
        with contestants.goflow(data, stage.worker.url, uploads) as server, ExitStack() as stack:
            asking = [stack.enter_context(Load()) for _ in range(3)]
            yield {"executions": due, **storm(stage, server, data, due, asking, every)}


def storm(
    stage: Stage, server: Child, data: Path, due: int, asking: Sequence[Load], every: float
) -> dict[str, Any]:
    """Start all with one moment; ask all the time from before it until the last has ended."""
    accepted, moment = started(stage, server, due)
    early = unfinished(data, "storm")
    time.sleep(max(0.0, moment - time.time() - CALM_SECONDS))
    ask(stage.worker.url, "/_counts")
    server.forget_peak()
    for load, job in zip(asking, requests(server, accepted["ids"][0], every), strict=True):
        load.begin(job)
    time.sleep(max(0.0, moment - time.time()))
    cpu, began = server.cpu_seconds(), time.monotonic()
    drained = until(lambda: not unfinished(data, "storm"), seconds=DRAIN_SECONDS, look=LOOK_SECONDS)
    cpu = server.cpu_seconds() - cpu
    told = [load.halt() for load in asking]
    counts = ask(stage.worker.url, "/_counts")
    seen = {
        f"{name}_{what}": one[what]
        for name, one in zip(("start", "read", "other"), told, strict=True)
        for what in ("p50_ms", "p99_ms", "worst_ms")
    }
    return {
        "due_at_once": early,
        "accepted_per_s": accepted["rate"],
        "drained_s": drained - began,
        "rate_per_s": due / (drained - began),
        "cpu_us": each_us(cpu, due),
        "peak_mb": server.rss_bytes("VmHWM") / 1e6,
        "asked": sum(one["done"] + one["errors"] for one in told),
        "refused": sum(one["errors"] for one in told) + accepted["errors"],
        "error": next((one["error"] for one in (*told, accepted) if one["error"]), None),
        **seen,
        "lost": unfinished(data, "storm") + max(0, due + told[2]["done"] - counts["keys"]),
        "doubled": counts["doubled"],
    }


def started(stage: Stage, server: Child, due: int) -> tuple[dict[str, Any], float]:
    """Start all; return what came of it, and the moment that they wait for."""
    probe = Job(
        url=server.url + PARKED,
        body='{"input":null}',
        expect='"status":"waiting"',
        clients=CLIENTS,
        requests=PROBE,
    )
    rate = stage.load.run(probe)["rate"] or 1.0
    moment = time.time() + LEAD_SECONDS + MARGIN * due / rate
    at = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    start = Job(
        url=server.url + executions("storm"),
        body=f'{{"input":{{"at":"{at}"}}}}',
        expect='"status":"waiting"',
        clients=CLIENTS,
        requests=due,
        keep=1,
        grace_seconds=GRACE_SECONDS,
    )
    return stage.load.run(start), float(int(moment))


def requests(server: Child, execution: str, every: float) -> list[Job]:
    """Return a start, a read, and a whole execution of another project, each every so often."""
    start = contestants.starts(server, every)
    read = f"{server.url}/v1/executions/{execution}"
    return [
        start,
        replace(start, url=read, method="GET", body="", expect='"id":'),
        replace(
            start,
            url=f"{server.url}/v1/activities/other/one/executions",
            expect='"status":"completed"',
            headers={"Prefer": f"wait={WAIT_SECONDS}"},
            every=OTHER_EACH * every,
        ),
    ]


WORKLOAD = Workload(
    name="storm",
    about="Timers of one moment, a call each; a client asks every 20 ms, another project works.",
    run=run,
    sizes={
        "quick": {"executions": (300,), "every": 0.02},
        "bench": {"executions": (10_000,), "every": 0.02},
        "full": {"executions": (10_000, 100_000), "every": 0.02},
    },
)
