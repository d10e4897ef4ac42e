"""So many may work at a time; when more want to, projects have their turns one by one."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairTurns:
    """So many may work at once; when there are more, projects have their turns one by one."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()
        """By project; whose turn is next is first. Nobody waits while somebody is free."""

    @asynccontextmanager
    async def of(self, project: str | None) -> AsyncIterator[None]:
        """Work for *project* when it is its turn."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(project)
        try:
            yield
        finally:
            self._next()

    async def _wait(self, project: str | None) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(project, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it came, and nobody is there to take it
            raise

    def _next(self) -> None:
        while self._waiting:
            project, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[project] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
