"""How long a project's single call waits while another one has thousands due.

    python -m benchmarks.fairness [--due 10000] [--singles 20] [--answer-ms 20]

One engine, one SQLite file, ``synchronous=FULL``; the worker is in the same process and answers
after a while. All the executions of the crowd wait for a timer of one moment. Singles of another
project wait for the same moment, or are started while the crowd is busy. What counts is the time
from when a single's call is due to when the worker has it, without and with a crowd. On a machine
that others use, the processor time of this process meanwhile says more: it is the longest that the
wait could be on a free processor, but for the disk.
"""

import argparse
import asyncio
import bisect
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

from goflow_py.clock import SystemClock
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.ports import Answered, Reply, Request
from goflow_py.store.sqlite import SqliteStore

CROWD, QUIET = "crowd", "quiet"
LIMIT_MS = 100.0
STARTS_AT_ONCE = 64


class Meter(threading.Thread):
    """Knows how much processor time the process had used at any moment."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._at: list[float] = []
        self._used: list[float] = []

    def run(self) -> None:
        """Look every 2 ms."""
        while True:
            self._used.append(time.process_time() * 1000)
            self._at.append(time.time() * 1000)
            time.sleep(0.002)

    def between(self, begin: float, end: float) -> float:
        """Return the milliseconds used from *begin* to *end*."""
        first = max(0, bisect.bisect_left(self._at, begin) - 1)
        last = min(len(self._at) - 1, bisect.bisect_left(self._at, end))
        return self._used[last] - self._used[first]


Wait = tuple[float, float]
"""When a single's call was due, and when the worker had it; milliseconds since 1970."""


class Worker:
    """Answers every call after a while, and notes when it came."""

    def __init__(self, answer_seconds: float) -> None:
        self._seconds = answer_seconds
        self.came: dict[str, float] = {}
        self.crowd = 0

    async def send(self, request: Request) -> Reply:
        """Answer with nothing."""
        execution = request.headers["Goflow-Execution-Id"]
        if request.url.endswith(QUIET):
            self.came[execution] = time.time() * 1000
        else:
            self.crowd += 1
        await asyncio.sleep(self._seconds)
        return Answered(status=200, headers={"content-type": "application/json"}, body=b"{}")

    async def close(self) -> None:
        """Nothing is open."""


def blueprint(project: str) -> bytes:
    """Return an activity that makes one call."""
    return orjson.dumps(
        {
            "project": project,
            "activity": "a",
            "states": [{"name": "x", "do": "x"}],
            "transitions": [{"current": "init", "event": "start", "next": "x"}],
            "actions": [{"name": "x"}],
            "workers": [{"name": "x", "workerEndpoint": project}],
        }
    )


async def start(engine: Orchestrator, project: str, delay: float = 0.0) -> str:
    """Start an execution; return its id."""
    request = StartRequest(delay_seconds=delay)
    return (await engine.executions.start(project, "a", request)).execution.id


async def timers(engine: Orchestrator, worker: Worker, *, crowd: int, singles: int) -> list[Wait]:
    """Let the timers of singles ring with those of a crowd."""
    moment = time.time() + 3.0 + crowd / 1_000
    gate = asyncio.Semaphore(STARTS_AT_ONCE)

    async def one(project: str) -> str:
        async with gate:
            return await start(engine, project, moment - time.time())

    before = worker.crowd
    await asyncio.gather(*(one(CROWD) for _ in range(crowd)))
    quiet = await asyncio.gather(*(one(QUIET) for _ in range(singles)))
    left = moment - time.time()
    assert left > 0.2, f"the starts took too long: {left:.1f} s are left"
    heads = [await engine.owner.memory.read(execution) for execution in quiet]
    due = {head.id: min(head.timers.values()) for head in heads}
    await until(lambda: worker.crowd - before >= crowd and set(quiet) <= set(worker.came))
    return [(due[execution], worker.came[execution]) for execution in quiet]


async def starts(engine: Orchestrator, worker: Worker, *, crowd: int, singles: int) -> list[Wait]:
    """Start singles while a crowd is busy."""
    before, left = worker.crowd, iter(range(crowd))

    async def client() -> None:
        for _ in left:
            await start(engine, CROWD)

    hurry = [asyncio.create_task(client()) for _ in range(STARTS_AT_ONCE)]
    waits = []
    for _ in range(singles):
        begun = time.time() * 1000
        execution = await start(engine, QUIET)
        await until(lambda execution=execution: execution in worker.came)
        waits.append((begun, worker.came[execution]))
        await asyncio.sleep(0.02)
    busy = worker.crowd - before
    await asyncio.gather(*hurry)
    await until(lambda: worker.crowd - before >= crowd)
    if crowd:
        print(f"  ({busy} of the crowd's {crowd} calls were made while the singles were started)")
    return waits


async def until(condition: Any) -> None:
    """Return once *condition* holds; at most after two minutes."""
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.005)


def told(name: str, waits: Sequence[Wait], meter: Meter) -> tuple[float, float]:
    """Print how long the singles waited; return the median, and that of the processor time."""
    late = [end - begin for begin, end in waits]
    used = [meter.between(begin, end) for begin, end in waits]
    middle, longest = statistics.median(late), max(late)
    share = statistics.median(used)
    print(
        f"{name:36} median {middle:6.1f} ms, longest {longest:6.1f} ms; "
        f"of the processor {share:6.1f} ms, longest {max(used):6.1f} ms"
    )
    return middle, share


async def run(options: argparse.Namespace, folder: Path) -> int:
    """Measure without a crowd and with one; return 1 when one delays others too much."""
    worker, meter = Worker(options.answer_ms / 1000), Meter()
    meter.start()
    engine = Orchestrator(
        store=SqliteStore(folder / "goflow.db"),
        transport=worker,
        clock=SystemClock(),
        options=EngineOptions(
            token_key=b"k" * 32, fallback_url="http://worker", lease_seconds=3_600.0
        ),
    )
    await engine.start()
    try:
        for project in (CROWD, QUIET):
            await engine.uploads.upload(blueprint(project))
        delays = []
        for name, measure in (("timers of one moment", timers), ("started meanwhile", starts)):
            found = []
            for crowd in (0, options.due):
                waits = await measure(engine, worker, crowd=crowd, singles=options.singles)
                found.append(told(f"{name}, behind {crowd}", waits, meter))
            (alone, alone_used), (behind, behind_used) = found
            delays.append(min(behind - alone, behind_used - alone_used))
        print(f"the crowd delays another project by {max(delays):.0f} ms; the limit is 100")
        return int(max(delays) > LIMIT_MS)
    finally:
        await engine.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--due", type=int, default=10_000, help="calls that are due at once")
    parser.add_argument("--singles", type=int, default=20, help="calls of the other project")
    parser.add_argument("--answer-ms", type=float, default=20.0, help="how long a call takes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fairness-") as name:
        return uvloop.run(run(options, Path(name)))


if __name__ == "__main__":
    sys.exit(main())
