"""A worker is down, and hundreds want it: nobody comes back together, and it gets little to do."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from goflow_py.engine.breaker import PROBE_AFTER_SECONDS
from goflow_py.ports import Reply
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "work"}
MANY = 300
WELL = 700
"""So many that the circuit stays closed, and only the back-off spreads the others."""
INTERVAL_SECONDS = 30
DOWN_SECONDS = 60
A_SECOND = 5
"""Executions that begin in a second."""


class Storm:
    """An engine whose one worker is up or down, and when it was called."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = Engine(self.clock)
        self.engine.transport.script = self._serve
        self.down = False
        self.headers: dict[str, str] = {}
        self.calls: list[tuple[float, str]] = []
        """When, and for which execution."""

    def _serve(self, _: Any, body: dict[str, Any]) -> Reply:
        self.calls.append((self.clock.monotonic(), body["executionId"]))
        return answer(status=503, **self.headers) if self.down else answer(1)

    async def upload(self, *, when_open: str = "call", **worker: Any) -> None:
        await self.engine.upload(
            {
                "states": [{"name": "work", "on": {"success": "done"}}],
                "actions": [{"name": "work", "whenOpen": when_open}],
                "transitions": [START],
            },
            [{"name": "work", "workerEndpoint": "w", **worker}],
        )

    async def start(self, count: int) -> list[str]:
        return [
            one.id for one in await asyncio.gather(*(self.engine.start() for _ in range(count)))
        ]

    def between(self, begin: float, end: float) -> list[float]:
        return [at for at, _ in self.calls if begin <= at < end]


@pytest.fixture
async def storm() -> AsyncIterator[Storm]:
    found = Storm()
    await found.engine.it.start()
    yield found
    await found.engine.verify()
    await found.engine.it.stop()


@pytest.mark.parametrize(
    ("retry_after", "jitter", "spread"),
    [(0, "full", True), (60, "full", True), (0, "none", False)],
    ids=["full jitter", "full jitter after Retry-After", "none, as a control"],
)
async def test_those_that_failed_together_do_not_come_back_together(
    storm: Storm, retry_after: int, jitter: str, spread: bool
) -> None:
    retry = {"interval": INTERVAL_SECONDS, "jitter": jitter}
    await storm.upload(retryCount=1, retry=retry)
    await storm.start(WELL)
    storm.down, storm.headers = True, {"retry-after": str(retry_after)}
    failed = set(await storm.start(MANY))
    storm.down = False
    await storm.engine.advance(retry_after + INTERVAL_SECONDS + 1)
    again = Counter(int(at) for at, one in storm.calls[-MANY:] if one in failed)
    assert again.total() == MANY
    assert min(again) >= retry_after
    mean = MANY / INTERVAL_SECONDS
    assert (max(again.values()) <= 3 * mean) == spread


async def _begin_steadily(storm: Storm) -> list[str]:
    """Let executions begin as they do on any day, while the worker is down; return them."""
    began: list[str] = []
    storm.down = True
    for _ in range(DOWN_SECONDS):
        began += await storm.start(A_SECOND)
        await storm.engine.advance(1)
    return began


async def test_who_waits_for_the_circuit_leaves_a_dead_worker_alone(storm: Storm) -> None:
    await storm.upload(when_open="wait", retryCount=20, retry={"interval": 1})
    began = await _begin_steadily(storm)
    opened = storm.calls[9][0] + 2  # ten failures, and what was in the air
    probes = DOWN_SECONDS / PROBE_AFTER_SECONDS
    normal = A_SECOND * (DOWN_SECONDS - opened)
    assert len(storm.between(opened, DOWN_SECONDS)) <= 0.2 * normal + probes
    storm.down = False
    await storm.engine.advance(PROBE_AFTER_SECONDS)
    assert storm.between(DOWN_SECONDS, storm.clock.monotonic()), "a probe found it up"
    await storm.engine.advance(PROBE_AFTER_SECONDS)
    found = [await storm.engine.it.owner.memory.read(one) for one in began]
    assert {one.status for one in found} == {"completed"}


async def test_retries_at_a_dead_worker_are_a_fifth_of_its_calls_at_most(storm: Storm) -> None:
    await storm.upload(retryCount=3, retry={"interval": 1})
    began = await _begin_steadily(storm)
    opened = storm.calls[9][0] + 2
    calls = storm.between(opened, DOWN_SECONDS)
    normal = A_SECOND * (DOWN_SECONDS - opened)
    probes = DOWN_SECONDS / PROBE_AFTER_SECONDS
    least = 3 * DOWN_SECONDS / 10  # three in ten seconds are always allowed
    assert len(calls) <= 1.2 * normal + probes + least
    storm.down = False
    await storm.engine.advance(2 * PROBE_AFTER_SECONDS)
    found = [await storm.engine.it.owner.memory.read(one) for one in began]
    assert all(one.ended for one in found)


async def test_a_dead_worker_of_the_first_priority_gets_probes_alone(storm: Storm) -> None:
    await storm.upload(retryCount=0)
    both = [
        {"name": "work", "workerEndpoint": "w", "priority": 1},
        {"name": "work", "workerEndpoint": "other", "priority": 2},
    ]
    await storm.engine.upload(
        {
            "states": [{"name": "work", "on": {"success": "done"}}],
            "actions": [{"name": "work"}],
            "transitions": [START],
        },
        both,
    )

    def serve(request: Any, body: dict[str, Any]) -> Reply:
        if request.url.endswith("other"):
            return answer(1)
        return storm._serve(request, body)

    storm.engine.transport.script = serve
    began = await _begin_steadily(storm)
    opened = storm.calls[9][0] + 1
    during = storm.between(opened, DOWN_SECONDS)
    assert 1 <= len(during) <= DOWN_SECONDS / PROBE_AFTER_SECONDS
    found = [await storm.engine.it.owner.memory.read(one) for one in began]
    assert {one.status for one in found} == {"completed"}
    storm.down = False
    await storm.engine.advance(PROBE_AFTER_SECONDS)
    await storm.start(1)
    await storm.start(A_SECOND)
    assert len(storm.between(DOWN_SECONDS + PROBE_AFTER_SECONDS, 1e9)) == 1 + A_SECOND
