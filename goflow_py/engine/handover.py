"""Giving shards up cleanly: no call of theirs is lost, and no step of theirs is cut in two.

First no new call begins in them, and those in flight have a while to end. What is left is closed as
abandoned, as at a drain. Then nobody enters their executions any more, the steps under way end, and
the shards are released. What comes meanwhile goes by the inbox, to whoever has them next.
"""

import logging
from collections.abc import Collection, Iterable, Sequence

from goflow_py.clock import Clock
from goflow_py.engine.flights import Flights
from goflow_py.engine.memory import Memory
from goflow_py.ports import Store

log = logging.getLogger(__name__)

CALLS_SECONDS = 5.0
"""For which calls in flight may go on before they are cut."""
LOOK_SECONDS = 0.1


class Handover:
    """Releases shards of this node."""

    def __init__(self, *, store: Store, memory: Memory, flights: Flights, clock: Clock) -> None:
        self._store = store
        self._memory = memory
        self._flights = flights
        self._clock = clock

    def quiet_first(self) -> list[int]:
        """Return the shards of this node, those without calls in flight first."""
        quiet = {*self.quiet()}
        return sorted(self._memory.epochs, key=lambda shard: (shard not in quiet, -shard))

    def quiet(self) -> list[int]:
        """Return the shards of this node that have no calls in flight."""
        busy = {live.shard for live in self._memory.all() if live.calls}
        return [shard for shard in self._memory.epochs if shard not in busy]

    async def give_up(self, shards: Sequence[int]) -> None:
        """Release *shards*.

        Raises ``Unavailable``: then they are this node's as before, but for those that are still
        ``leaving``. Nobody knows whose they are, nor enters them, until ``keep`` or ``gone``.
        """
        memory = self._memory
        memory.grounded |= {*shards}
        try:
            await self._end_calls(shards)
            await self._release(shards)
        finally:
            memory.grounded -= {*shards}

    async def _end_calls(self, shards: Sequence[int]) -> None:
        end = self._clock.monotonic() + CALLS_SECONDS
        while calling := [live for live in self._memory.of(shards) if live.calls]:
            if self._clock.monotonic() >= end:
                for live in calling:
                    await self._flights.abandon(live)
                return
            await self._clock.sleep(LOOK_SECONDS)

    async def _release(self, shards: Sequence[int]) -> None:
        memory = self._memory
        memory.leaving |= {*shards}
        try:
            for live in memory.of(shards):
                async with live.lock:  # a step that is being committed ends first
                    self._flights.drop(live)
                    memory.forget(live)
        except BaseException:
            self.keep(shards)
            raise
        await self._store.release(shards)
        self.gone(shards)

    def keep(self, shards: Iterable[int]) -> None:
        """Go on with shards that were not released after all."""
        self._memory.leaving -= {*shards}

    def gone(self, shards: Collection[int]) -> None:
        """Note that shards are released."""
        for shard in shards:
            del self._memory.epochs[shard]
        self._memory.leaving -= {*shards}
        log.info("shards were given up", extra={"count": len(shards)})
