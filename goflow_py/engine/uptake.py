"""What the store says is to be looked at, read in pages: all that was running, then timers."""

from goflow_py.clock import Clock
from goflow_py.domain.execution import id_of
from goflow_py.engine.memory import Memory
from goflow_py.engine.places import Places
from goflow_py.engine.timers import HORIZON_SECONDS, Timers
from goflow_py.engine.waker import Waker
from goflow_py.ports import Store

ADOPT_PAGE = 500
DUE_PAGE = 10_000
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

    async def recover(self) -> int:
        """Take up every execution that was running, in pages; return how many there were."""
        await self._places.load()
        count, after = 0, ""
        shards = list(self._memory.epochs)
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

    async def poll_timers(self) -> bool:
        """Read the wake-ups of the next minute into memory; tell whether there are more."""
        await self._places.tick()
        until = self._clock.now_ms() + round(HORIZON_SECONDS * 1000)
        due = await self._store.due(list(self._memory.epochs), until=until, limit=DUE_PAGE)
        projects = await self._store.projects_of([execution for _, execution in due])
        for (at, execution), project in zip(due, projects, strict=True):
            live = self._memory.get(execution)
            if live is None:
                self._timers.expect(execution, at, project or "")
            elif live.execution.seq >= 0:
                self._timers.set(execution, live.execution.wake, live.execution.project)
        return len(due) == DUE_PAGE
