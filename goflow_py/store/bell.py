"""Hints inside one process: something may be in the store."""

import asyncio
from collections.abc import AsyncIterator
from weakref import WeakSet

from goflow_py.ports import Hint


class Bell:
    """Wakes its listeners; many rings before they look are one."""

    def __init__(self) -> None:
        self._listeners: WeakSet[_Listener] = WeakSet()

    def ring(self, about: Hint = Hint.ANYTHING) -> None:
        """Wake who listens for any of that. From the event loop only."""
        for listener in self._listeners:
            if listener.about & about:
                listener.rung.set()

    def listen(self, about: Hint = Hint.ANYTHING) -> AsyncIterator[None]:
        """Yield at once, for what came before, and then after each ring, until ``close``."""
        listener = _Listener(about)
        self._listeners.add(listener)
        return listener

    def close(self) -> None:
        """End every iteration."""
        for listener in self._listeners:
            listener.ended = True
            listener.rung.set()


class _Listener:
    def __init__(self, about: Hint) -> None:
        self.about = about
        self.ended = False
        self.rung = asyncio.Event()
        self.rung.set()

    def __aiter__(self) -> AsyncIterator[None]:
        return self

    async def __anext__(self) -> None:
        await self.rung.wait()
        if self.ended:
            raise StopAsyncIteration
        self.rung.clear()
