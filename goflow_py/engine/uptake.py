"""What the store says is to be looked at, read in pages: all that was running, then timers."""

from collections.abc import Sequence

from goflow_py.clock import Clock
from goflow_py.domain.execution import id_of
from goflow_py.engine.memory import Memory
from goflow_py.engine.places import Places
from goflow_py.engine.timers import HORIZON_SECONDS, Timers
from goflow_py.engine.waker import Waker
from goflow_py.ports import Store

ADOPT_PAGE = 500
DUE_PAGE = 2_000
"""Few enough for the loop to take in one go: about 3 ms."""
POLL_SECONDS = HORIZON_SECONDS / 2


class Uptake:
    """Hands what waits in the store to the waker and the timers."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        memory: Memory,
        waker: Waker,
        timers: Timers,
        places: Places,
    ) -> None:
        self._store = store
        self._clock = clock
        self._memory = memory
        self._waker = waker
        self._timers = timers
        self._places = places

    async def recover(self, shards: Sequence[int]) -> int:
        """Take up every execution of *shards* that was running, in pages; return how many."""
        await self._places.load()
        count, after = 0, ""
        while page := await self._store.live(shards, after=after, limit=ADOPT_PAGE):
            before = after
            for body in page:
                after = id_of(body) or after
                count += 1
                self._waker.wake(after)
            if after == before:
                break  # nothing of the page can be read
            while len(self._waker) > ADOPT_PAGE:
                await self._clock.sleep(0.01)
        return count

    async def poll_timers(self) -> None:
        """Read the wake-ups of the next minute into memory, in pages."""
        await self._places.tick()
        await self.expect(list(self._memory.epochs))

    async def expect(self, shards: Sequence[int]) -> None:
        """Read the wake-ups of the next minute of *shards* into memory, in pages."""
        until, after = self._clock.now_ms() + round(HORIZON_SECONDS * 1000), (0, "")
        while page := await self._store.due(shards, until=until, limit=DUE_PAGE, after=after):
            for wake, execution, project in page:
                self._expect(execution, wake, project)
            after = page[-1][:2]

    def _expect(self, execution: str, wake: int, project: str) -> None:
        if execution in self._waker:
            return  # of a storm, most wait there for long; a look sets the timer anew
        live = self._memory.get(execution)
        if live is None:
            self._timers.expect(execution, wake, project)
        elif live.execution.seq >= 0:
            self._timers.set(execution, live.execution.wake, live.execution.project)
