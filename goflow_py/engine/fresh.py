"""Answers that take long to work out: one at a time, and kept for a few seconds."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.errors import Unavailable

FRESH_SECONDS = 5.0
"""A page that asks every second costs one reading in five."""
KEPT_BYTES_MAX = 8 * 1024 * 1024
"""Of answers; the oldest go first."""
WAITING_MAX = 16
"""Requests that have their turn or wait for it, half of them of one project; others are refused."""


class Fresh:
    """Works out answers in turn, so that one reader of the store is always left for the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting: Counter[str | None] = Counter()
        self._kept: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        """As JSON, which takes a tenth of the room."""
        self._bytes = 0

    async def get(
        self, key: Hashable, work: Callable[[], Awaitable[Any]], *, project: str | None = None
    ) -> Any:
        """Return the answer of *key*, at most ``FRESH_SECONDS`` old. Raises ``Unavailable``.

        *project*: whose executions are looked at, if of one alone.
        """
        if (known := self._known(key)) is not None:
            return orjson.loads(known)
        mine = 0 if project is None else self._waiting[project]
        if mine >= WAITING_MAX // 2 or self._waiting.total() >= WAITING_MAX:
            raise Unavailable(
                "too many statistics are being worked out; ask again in a few seconds",
                code="statistics_busy",
                retry_after=round(FRESH_SECONDS),
            )
        self._waiting[project] += 1
        try:
            async with self._turn:
                if (known := self._known(key)) is not None:
                    return orjson.loads(known)
                found = await work()
                self._keep(key, orjson.dumps(found))
                return found
        finally:
            self._waiting[project] -= 1
            if not self._waiting[project]:
                del self._waiting[project]

    def _known(self, key: Hashable) -> bytes | None:
        at, body = self._kept.get(key, (0.0, None))
        return body if self._clock.monotonic() - at < FRESH_SECONDS else None

    def _keep(self, key: Hashable, body: bytes) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            self._bytes -= len(old[1])
        self._kept[key] = (self._clock.monotonic(), body)
        self._bytes += len(body)
        while self._bytes > KEPT_BYTES_MAX:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
