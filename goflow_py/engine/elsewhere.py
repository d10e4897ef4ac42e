"""What other nodes do, as far as somebody here waits for it; and what they may have changed.

While others live, a node looks: often at what its callers wait for, sooner when a hint says that
something was committed; now and then at what it keeps in memory of definitions, limits and jobs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from goflow_py.engine.heads import readable
from goflow_py.engine.memory import Memory
from goflow_py.engine.ownership import Ownership
from goflow_py.engine.queues import Queues
from goflow_py.engine.streams import Streams
from goflow_py.engine.supervisor import Supervisor
from goflow_py.ports import Store

LOOK_SECONDS = 0.25
"""Between two looks at what callers wait for."""
REFRESH_SECONDS = 2.0
"""After which a change that another node made is known here."""
HEADS_PAGE = 100

Refresh = Callable[[], Awaitable[object]]


class Elsewhere:
    """Looks at the store for those who wait here, and reads again what others may change."""

    def __init__(
        self,
        *,
        store: Store,
        memory: Memory,
        ownership: Ownership,
        queues: Queues,
        streams: Streams,
        supervisor: Supervisor,
        refreshes: Mapping[str, Refresh],
    ) -> None:
        self._store = store
        self._memory = memory
        self._ownership = ownership
        self._queues = queues
        self._streams = streams
        self._supervisor = supervisor
        self._refreshes = {**refreshes}
        self._always: dict[str, Refresh] = {}
        self._seen: dict[str, int] = {}
        """The seq of each execution that is followed here and owned elsewhere."""
        self._was_shared = False
        self._looking = asyncio.Lock()
        self._is_behind = False
        """Others may have changed something since the last reading."""

    async def look(self) -> None:
        """Wake who waits here for something that another node may have done."""
        if self._ownership.is_shared or self._was_shared:
            self._was_shared = self._ownership.is_shared
            await self.queued()
            await self.committed()

    async def queued(self) -> None:
        """Wake who waits here for work."""
        self._queues.ring_all()

    async def committed(self) -> None:
        """Wake who waits here for what an execution does."""
        self._streams.feed.committed()
        async with self._looking:
            await self._look_at_watched()

    async def _look_at_watched(self) -> None:
        # One that is this node's by now may have changed before it was: it is looked at once more.
        ids = self._memory.watched_elsewhere(self._seen)
        self._seen = {one: self._seen.get(one, -1) for one in ids if not self._memory.owns(one)}
        for start in range(0, len(ids), HEADS_PAGE):
            bodies = await self._store.heads(ids[start : start + HEADS_PAGE])
            for head in readable(body for body in bodies if body is not None):
                if self._seen.get(head.id) != head.seq:
                    if head.id in self._seen:
                        self._seen[head.id] = head.seq
                    self._memory.tell_followers(head.id)
                if head.ended:
                    self._memory.tell_end(head)

    def also(self, name: str, refresh: Refresh) -> None:
        """Let *refresh* read again what others may have changed, and commands beside the server."""
        self._always[name] = refresh

    async def refresh(self) -> None:
        """Read again what others may have changed; also what the last of them did before it left.

        Each for itself: one that breaks must not keep the others from what is new.
        """
        shared = self._refreshes if self._ownership.is_shared or self._is_behind else {}
        self._is_behind = self._ownership.is_shared
        for name, refresh in {**shared, **self._always}.items():
            if await self._supervisor.attempt(f"changes of {name}", refresh) is not None:
                self._is_behind = True
