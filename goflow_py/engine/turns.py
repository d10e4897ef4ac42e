"""Turns of projects whose steps take the loop for long: while one computes, nobody else does.

Every step is measured: only the time in which it ran, not what it waited for. As soon as one took
more than ``SLOW_SECONDS``, the steps of its project come one at a time, and before the next one
others have as much time as the last one took. So a project has half of the loop at most, and
others wait for one step of it.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from goflow_py.clock import Clock
from goflow_py.errors import TooManyRequests

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]

SLOW_SECONDS = 0.1
"""More than a collection of garbage or a first compilation takes: those are nobody's expressions."""
WAITING_MAX = 100
"""Steps of one slow project that wait before its starts are refused."""


class Busy(Exception):
    """The project is slow, and another that need not wait does so already."""


class _Slow:
    """The turns of a project that is slow."""

    __slots__ = ("free_at", "is_looked_at", "lock", "mean", "waiting")

    def __init__(self, mean: float) -> None:
        self.mean = mean
        """Seconds a step; the last ones count most."""
        self.free_at = 0.0
        self.waiting = 0
        self.is_looked_at = False
        self.lock = asyncio.Lock()


class Turns:
    """Does the steps of all projects; those of the slow ones in turn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slow: dict[str, _Slow] = {}
        self._hurries = False

    def is_slow(self, project: str) -> bool:
        """Tell whether the steps of *project* come one at a time."""
        return project in self._slow

    def hurry(self) -> None:
        """Let nobody wait any more: the server stops."""
        self._hurries = True

    def admit(self, project: str) -> None:
        """Refuse a start that would wait behind too many. Raises ``TooManyRequests``."""
        slow = self._slow.get(project)
        if slow is not None and slow.waiting >= WAITING_MAX:
            raise TooManyRequests(
                f"the steps of project '{project}' take long, and {slow.waiting} of them wait; "
                "make its expressions cheaper, or start fewer",
                code="too_many_requests",
                retryAfter=1,
            )

    async def run(self, project: str, work: Work[T], *, waits: bool = True) -> T:
        """Do *work*, a step of *project*, when it is its turn.

        Of those without *waits* one waits, and ``Busy`` is raised for the others.
        """
        slow = self._slow.get(project)
        if slow is None or self._hurries:
            return await self._measured(project, work)
        if waits:
            return await self._in_turn(project, slow, work)
        if slow.is_looked_at:
            raise Busy
        slow.is_looked_at = True
        try:
            return await self._in_turn(project, slow, work)
        finally:
            slow.is_looked_at = False

    async def _in_turn(self, project: str, slow: _Slow, work: Work[T]) -> T:
        slow.waiting += 1
        try:
            await slow.lock.acquire()
        finally:
            slow.waiting -= 1
        try:
            pause = slow.free_at - self._clock.monotonic()
            if pause > 0 and not self._hurries:
                await self._clock.sleep(pause)
            return await self._measured(project, work)
        finally:
            slow.lock.release()

    async def _measured(self, project: str, work: Work[T]) -> T:
        meter = _Meter(self._clock, lambda seconds: self._note(project, seconds))
        try:
            return await meter.run(work())
        finally:
            if project in self._slow:
                self._note(project, meter.seconds)

    def _note(self, project: str, seconds: float) -> None:
        slow = self._slow.get(project)
        if slow is None:
            slow = self._slow[project] = _Slow(seconds)
        else:
            slow.mean += (seconds - slow.mean) / 4
        slow.free_at = max(slow.free_at, self._clock.monotonic() + seconds)
        if slow.mean < SLOW_SECONDS:
            # Those who wait have these turns still; who comes now has none to wait for.
            del self._slow[project]


class _Meter:
    """Adds up the time in which a coroutine runs, and leaves out what it waits for."""

    __slots__ = ("_clock", "_tell", "seconds")

    def __init__(self, clock: Clock, tell: Callable[[float], None]) -> None:
        self._clock = clock
        self._tell = tell
        """At once: before it waits for its commit, since others compute meanwhile."""
        self.seconds = 0.0

    @types.coroutine
    def run(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Do *work* as if it were awaited."""
        busy = self._clock.busy
        resume: Callable[[Any], Any] = work.send
        came: Any = None
        while True:
            began = busy()
            try:
                awaited = resume(came)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                took = busy() - began
                self.seconds += took
                if took >= SLOW_SECONDS:
                    self._tell(took)
            try:
                came = yield awaited
                resume = work.send
            except BaseException as error:  # noqa: BLE001  # the work has to hear of all of them
                came, resume = error, work.throw
