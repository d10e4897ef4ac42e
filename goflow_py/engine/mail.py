"""What other nodes asked of one execution, and who here waits for that to be done first."""

import asyncio
from collections import deque

from goflow_py.engine.waiting import tell
from goflow_py.ports import Message


class Mail:
    """The messages for an execution that are in hand, in their order."""

    __slots__ = ("_dealt_with", "_taken", "_waiting", "messages", "tries", "work")

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.work: asyncio.Task[None] | None = None
        """Who carries them out."""
        self.tries = 0
        """How often the first of them broke."""
        self._taken = 0
        self._dealt_with = 0
        self._waiting: deque[tuple[int, asyncio.Future[bool]]] = deque()

    def take_in(self, message: Message) -> None:
        """Add a message behind the others."""
        self.messages.append(message)
        self._taken += 1

    def deal_with_first(self) -> Message:
        """Take the first message out: it is done."""
        self.tries = 0
        self._dealt_with += 1
        while self._waiting and self._waiting[0][0] <= self._dealt_with:
            tell(self._waiting.popleft()[1], what=True)
        return self.messages.popleft()

    def done_so_far(self) -> asyncio.Future[bool]:
        """Return what is told once all that is in hand now is done; not what comes after it."""
        over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._taken, over))
        return over

    def close(self) -> None:
        """Let nobody wait any more: whoever owns the execution now has what is left."""
        while self._waiting:
            tell(self._waiting.popleft()[1], what=True)
