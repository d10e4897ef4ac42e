"""A process that keeps so many executions in flight by itself: no HTTP, the store is the limit.

It prints ``ready WHERE``, then reads a job a line and writes a line for what came of it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

LONG_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What to keep in flight, and for how long, or how often."""

    in_flight: int
    seconds: float = 0.0
    """Zero: until so many are done."""
    count: int = 0

    def line(self) -> str:
        """Return it as a line."""
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Commits:
    """How long commits took, and how much each held."""

    waits: list[float] = field(default_factory=list)
    rows: int = 0

    def add(self, began: float, rows: int = 1) -> None:
        """Note one that began at a moment of the monotonic clock, and ends now."""
        self.waits.append(time.monotonic() - began)
        self.rows += rows

    def told(self) -> dict[str, Any]:
        """Return what there is to say, and begin anew."""
        waits, rows = sorted(self.waits) or [0.0], self.rows
        self.waits, self.rows = [], 0
        return {
            "commits": len(waits),
            "batch": rows / len(waits),
            "commit_p50_ms": waits[len(waits) // 2] * 1e3,
            "commit_p99_ms": waits[len(waits) * 99 // 100] * 1e3,
        }


async def serve(
    where: str, do: Callable[[Work], Awaitable[dict[str, Any]]], commits: Commits
) -> None:
    """Do all the work that is asked for."""
    print(f"ready {where}", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        commits.told()
        cpu = time.process_time()
        told = await do(Work(**json.loads(line)))
        told["node_cpu_s"] = time.process_time() - cpu
        print(json.dumps({**told, **commits.told()}), flush=True)


async def keep(one: Callable[[], Awaitable[None]], work: Work) -> dict[str, Any]:
    """Do *one*, a whole execution, again and again, so many at a time.

    What is in flight in the end still ends, and is in ``done``.
    """
    began = time.monotonic()
    ends = began + (work.seconds or LONG_SECONDS)
    waits: list[float] = []
    begun = in_time = errors = 0

    async def client() -> None:
        nonlocal begun, in_time, errors
        while (started := time.monotonic()) < ends and (not work.count or begun < work.count):
            begun += 1
            try:
                await one()
            except Exception as error:  # noqa: BLE001 - counted, and said
                errors += 1
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                await asyncio.sleep(0.1)
                continue
            now = time.monotonic()
            in_time += now < ends
            waits.append(now - started)

    await asyncio.gather(*(client() for _ in range(work.in_flight)))
    waits.sort()
    return {
        "done": len(waits),
        "rate": in_time / (work.seconds or time.monotonic() - began),
        "p50_ms": waits[len(waits) // 2] * 1e3 if waits else 0.0,
        "p99_ms": waits[len(waits) * 99 // 100] * 1e3 if waits else 0.0,
        "errors": errors,
    }
