"""Long polls: pull workers ask for work, and wait where there is none."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from goflow_py.clock import Clock
from goflow_py.engine.claims import Claims
from goflow_py.engine.desks import Desk, Desks, Row, row_of
from goflow_py.engine.offers import Claimed
from goflow_py.engine.queues import Queues
from goflow_py.engine.refusals import NO_ANSWER
from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.ports import QueueRow, Store, shard_of

log = logging.getLogger(__name__)

POLL_QUEUES_MAX = 20
POLL_TASKS_MAX = 100
POLL_SECONDS_MAX = 60.0
POLLS_MAX = 1_000
"""Polls that wait at a time; half of them may be of one project."""

SILENT_SECONDS = 3.0
"""For which the tasks of a shard are passed over whose owner did not answer: it may be dead."""
PASSED_OVER_MAX = 100
"""By one look; the next one comes soon enough."""

Step = asyncio.Task[Claimed | None]
"""One claim under way."""


class Polls:
    """Claims for pull workers what stands on their queues."""

    def __init__(self, *, store: Store, claims: Claims, queues: Queues, clock: Clock) -> None:
        self._claims = claims
        self._queues = queues
        self._clock = clock
        self._desks = Desks(store=store, clock=clock)
        self._busy: set[Row] = set()
        """Rows that a poll of this process is claiming now."""
        self._silent: dict[int, float] = {}
        """By shard, until when it is passed over."""
        self._returning: set[asyncio.Task[None]] = set()
        self._count = 0
        self._of: Counter[str] = Counter()
        """How many of them are of which project."""
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Return how many polls are under way."""
        return self._count

    async def poll(
        self,
        queues: Sequence[str],
        *,
        max_tasks: int,
        wait_seconds: float,
        worker: str,
        project: str | None = None,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> list[Claimed]:
        """Claim up to *max_tasks* for *worker*, oldest first; wait until there is at least one.

        Nothing after *wait_seconds*, while the server drains, and once the caller *is_gone*.
        Raises ``Unavailable`` (too many polls, the store is full).
        """
        self._refuse_too_many(project)
        end = self._clock.monotonic() + min(wait_seconds, POLL_SECONDS_MAX)
        self._count += 1
        if project is not None:
            self._of[project] += 1
        try:
            with self._desks.at(queues, project) as desk:
                while not (self._stopped or is_gone()):
                    # Listening begins before looking: what comes between the two is not missed.
                    bell = self._queues.listen(queues)
                    try:
                        found = await self._take(desk, max_tasks, worker)
                        left = end - self._clock.monotonic()
                        if found or left <= 0:
                            return found
                        await self._wait(bell, desk.next_due, left)
                    finally:
                        self._queues.leave(queues, bell)
        finally:
            self._count -= 1
            if project is not None:
                self._of[project] -= 1
                if not self._of[project]:
                    del self._of[project]
        return []

    def _refuse_too_many(self, project: str | None) -> None:
        most, whose = POLLS_MAX, "polls"
        if project is not None and self._of[project] >= POLLS_MAX // 2:
            most, whose = POLLS_MAX // 2, f"polls of the project {project}"
        elif self._count < POLLS_MAX:
            return
        raise Unavailable(
            f"{most} {whose} wait already; ask again, or for more tasks at once",
            code="too_many_polls",
        )

    async def _wait(self, bell: asyncio.Future[None], due: int | None, seconds: float) -> None:
        """Wait until something comes onto a queue, becomes due there, or the time is over."""
        if due is not None:
            seconds = min(seconds, max(0.0, (due - self._clock.now_ms()) / 1000))
        alarm = self._clock.call_later(seconds, lambda: _ring(bell))
        try:
            await bell
        finally:
            alarm.cancel()

    # ------------------------------------------------------------ claiming

    async def _take(self, desk: Desk, count: int, worker: str) -> list[Claimed]:
        """Claim what is ready; where another was first, try the next row."""
        tried: set[Row] = set()
        passed_over = 0
        while rows := await desk.take(count, busy=self._busy, tried=tried):
            tried.update(map(row_of, rows))
            others = [row for row in rows if not self._is_silent(row)]
            passed_over += len(rows) - len(others)
            found = await self._claim(others, worker) if others else []
            if found or passed_over >= PASSED_OVER_MAX:
                return found
        return []

    def _is_silent(self, row: QueueRow) -> bool:
        return self._clock.monotonic() < self._silent.get(shard_of(row.execution), 0.0)

    async def _claim(self, rows: Sequence[QueueRow], worker: str) -> list[Claimed]:
        steps = [self._begin(row, worker) for row in rows]
        try:
            await asyncio.wait(steps)
        except asyncio.CancelledError:
            # Nobody is there to work on what they claim: it goes back as soon as it is known.
            self._return_later(steps)
            raise
        found = _claimed_by(steps)
        if not found:
            for step in steps:
                refusal = step.exception()
                if isinstance(refusal, Unavailable) and refusal.reason != NO_ANSWER:
                    raise refusal
        return found

    def _begin(self, row: QueueRow, worker: str) -> Step:
        self._busy.add(row_of(row))
        step = asyncio.get_running_loop().create_task(self._claims.take(row, worker))

        def ended(step: Step) -> None:
            self._busy.discard(row_of(row))
            error = None if step.cancelled() else step.exception()
            if isinstance(error, Unavailable) and error.reason == NO_ANSWER:
                self._silent[shard_of(row.execution)] = self._clock.monotonic() + SILENT_SECONDS
            if error is not None and not isinstance(error, GoFlowError):
                log.error("a task could not be claimed", exc_info=error)

        step.add_done_callback(ended)
        return step

    # ------------------------------------------------------------ the end

    def _return_later(self, steps: Sequence[Step]) -> None:
        async def give_back() -> None:
            await asyncio.wait(steps)
            await self._claims.give_back(_claimed_by(steps))

        returning = asyncio.get_running_loop().create_task(give_back())
        self._returning.add(returning)
        returning.add_done_callback(self._returning.discard)

    def end(self) -> None:
        """Let no poll wait any more: the server is about to end."""
        self._stopped = True
        self._queues.stop()

    async def stop(self) -> None:
        """End all polls, and wait until what they claimed in vain is back."""
        self.end()
        await asyncio.gather(*self._returning, return_exceptions=True)


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)


def _claimed_by(steps: Sequence[Step]) -> list[Claimed]:
    """Return what steps claimed, in order."""
    good = [step for step in steps if not step.cancelled() and step.exception() is None]
    return [claimed for step in good if (claimed := step.result()) is not None]
