"""What is old goes, in small transactions with pauses; on the one node that has the shard of it."""

import itertools
import logging
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
from goflow_py.engine.batches import Batches
from goflow_py.engine.early import Early
from goflow_py.engine.supervisor import Supervisor
from goflow_py.ports import Store

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
SWEEP_PAUSE_SECONDS = 0.25
"""Between two batches: a commit waits for one of them at most."""
GENTLE_BATCHES = 200
"""After which a sweep is behind: then it takes one part in ``BEHIND_PARTS`` of the time."""
BEHIND_PARTS = 4
BEHIND_PAUSE_SECONDS_MIN = 0.005
SWEEP_SECONDS_MAX = 600.0
"""For one kind of thing: the others have their turn, too."""
PURGE_BATCH = 100
"""Executions: about 10 ms of the store's time."""
SWEEP_NAMES_BATCH = 1_000
SHARD = 0
"""Whoever owns this one sweeps for all: two that delete the same rows wait for each other."""


class Sweeps:
    """Takes one turn after the other."""

    def __init__(
        self,
        *,
        store: Store,
        early: Early,
        batches: Batches,
        supervisor: Supervisor,
        clock: Clock,
        owns: Callable[[int], bool],
    ) -> None:
        self._store = store
        self._early = early
        self._batches = batches
        self._supervisor = supervisor
        self._clock = clock
        self._owns = owns

    async def turn(self) -> None:
        """Remove all that is due."""
        if not self._owns(SHARD):
            await self._early.tidy()
            return
        # Each for itself: one that breaks must not keep the others from giving back space.
        for name, turn in (
            ("sweep of executions", self._purge),
            ("sweep of names", lambda: self._in_batches(self._store.sweep, SWEEP_NAMES_BATCH)),
            ("sweep of events", self._sweep_early),
            ("sweep of batches", lambda: self._in_batches(self._batches.sweep, SWEEP_NAMES_BATCH)),
        ):
            await self._supervisor.attempt(name, turn)

    async def _purge(self) -> None:
        purged = await self._in_batches(self._store.purge, PURGE_BATCH)
        if purged:
            log.info("ended executions were purged", extra={"count": purged})

    async def _sweep_early(self) -> None:
        await self._in_batches(self._store.sweep_early, SWEEP_NAMES_BATCH)
        await self._early.tidy()

    async def _in_batches(self, remove: Callable[..., Awaitable[int]], limit: int) -> int:
        """Remove what is due now, in small transactions with pauses; return how many."""
        now, began, count = self._clock.now_ms(), self._clock.monotonic(), 0
        for batch in itertools.count():
            asked = self._clock.monotonic()
            removed = await remove(before=now, limit=limit)
            count += removed
            took = self._clock.monotonic() - asked
            if removed == 0 or asked - began > SWEEP_SECONDS_MAX:
                break
            await self._clock.sleep(_pause(batch, took))
        return count


def _pause(batch: int, took: float) -> float:
    """Return the seconds behind a batch: whoever makes more than was removed must not win."""
    if batch < GENTLE_BATCHES:
        return SWEEP_PAUSE_SECONDS
    return max(BEHIND_PAUSE_SECONDS_MIN, took * (BEHIND_PARTS - 1))
