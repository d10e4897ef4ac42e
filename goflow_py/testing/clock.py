"""A clock that stands still until it is moved."""

import asyncio
import heapq
import random  # noqa: TID251  # chance that can be repeated, from a seed
from collections.abc import Callable
from dataclasses import dataclass, field

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
TURNS = 20
"""Turns of the event loop after each promise that is kept, so that what it woke can go on."""


@dataclass(order=True, slots=True)
class _Promise:
    due: float
    number: int
    callback: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time moves by ``advance`` alone; chance and ids come from *seed*."""

    def __init__(self, *, start_ms: int = START_MS, seed: int = 0) -> None:
        self._start_ms = start_ms
        self._seconds = 0.0
        self._promises: list[_Promise] = []
        self._number = 0
        self._random = random.Random(seed)  # chance that can be repeated

    def now_ms(self) -> int:
        """Return the time, in milliseconds since 1970."""
        return self._start_ms + round(self._seconds * 1000)

    def now_us(self) -> int:
        """Return the same in microseconds; only whole milliseconds pass."""
        return self.now_ms() * 1_000

    def monotonic(self) -> float:
        """Return the seconds that were advanced."""
        return self._seconds

    def busy(self) -> float:
        """Return the same: whoever moves the clock in a step makes it a slow one."""
        return self._seconds

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _Promise:
        """Call *callback* when the clock was moved that far."""
        self._number += 1
        promise = _Promise(self._seconds + max(0.0, seconds), self._number, callback)
        heapq.heappush(self._promises, promise)
        return promise

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, no time
            return
        done = asyncio.Event()
        promise = self.call_later(seconds, done.set)
        try:
            await done.wait()
        finally:
            promise.cancel()

    def random(self) -> float:
        """Return a number of [0, 1)."""
        return self._random.random()

    def token_bytes(self, count: int) -> bytes:
        """Return *count* bytes."""
        return self._random.randbytes(count)

    async def advance(self, seconds: float) -> None:
        """Move the clock; every promise is kept at its own time, in order."""
        end = self._seconds + seconds
        await self._turns()
        while self._promises and self._promises[0].due <= end:
            promise = heapq.heappop(self._promises)
            if promise.cancelled:
                continue
            self._seconds = max(self._seconds, promise.due)
            promise.callback()
            await self._turns()
        self._seconds = end
        await self._turns()

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, no time
