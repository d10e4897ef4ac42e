"""Turns of projects whose expressions take the loop for long: meanwhile nobody else is served.

Every step is charged for what its expressions took. Once two steps of a project were slow, its
steps come one at a time, and before the next one others have as much time as the last one took. So
a project has half of the loop at most, and others wait for one step of it. One slow step alone
says nothing: a collection of garbage may have been in it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from goflow_py.clock import Clock
from goflow_py.errors import TooManyRequests
from goflow_py.expression import budget

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]

SLOW_SECONDS = 0.02
SLOW_STEPS = 2
FORGIVEN = 0.25
"""Of a slow step, by every step that is not."""
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
        self._suspects: dict[str, float] = {}
        """Projects that had a slow step lately, and how many."""
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
            return await work()
        if waits:
            return await self._in_turn(slow, work)
        if slow.is_looked_at:
            raise Busy
        slow.is_looked_at = True
        try:
            return await self._in_turn(slow, work)
        finally:
            slow.is_looked_at = False

    def charge(self, project: str) -> None:
        """Note what the step that has just computed took: before it waits for its commit."""
        seconds = budget.bill(project)
        if project in self._slow:
            self._note(self._slow[project], project, seconds)
        elif seconds >= SLOW_SECONDS:
            strikes = self._suspects.pop(project, 0.0) + 1
            if strikes < SLOW_STEPS:
                self._suspects[project] = strikes
            else:
                slow = self._slow[project] = _Slow(seconds)
                self._note(slow, project, seconds)
        elif project in self._suspects:
            self._suspects[project] -= FORGIVEN
            if self._suspects[project] <= 0:
                del self._suspects[project]

    async def _in_turn(self, slow: _Slow, work: Work[T]) -> T:
        slow.waiting += 1
        try:
            await slow.lock.acquire()
        finally:
            slow.waiting -= 1
        try:
            pause = slow.free_at - self._clock.monotonic()
            if pause > 0 and not self._hurries:
                await self._clock.sleep(pause)
            return await work()
        finally:
            slow.lock.release()

    def _note(self, slow: _Slow, project: str, seconds: float) -> None:
        slow.mean += (seconds - slow.mean) / 4
        slow.free_at = max(slow.free_at, self._clock.monotonic() + seconds)
        if slow.mean < SLOW_SECONDS:
            # Those who wait have these turns still; who comes now has none to wait for.
            del self._slow[project]
