"""Looking at executions whose time has come, a bounded number at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
from goflow_py.errors import NotFound, Unavailable

log = logging.getLogger(__name__)

WAKERS_MAX = 128
"""Executions that are woken at the same time."""
AGAIN_SECONDS = 0.5


class Waker:
    """Runs *look* for every execution that was asked for, in order, and goes on when one breaks."""

    def __init__(self, clock: Clock, look: Callable[[str], Awaitable[object]]) -> None:
        self._clock = clock
        self._look = look
        self._due: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._due)

    def wake(self, execution: str) -> None:
        """Look at *execution* soon."""
        self._due.append(execution)
        if len(self._tasks) < WAKERS_MAX:
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Look at nothing any more."""
        self._due.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while self._due:
            execution = self._due.popleft()
            try:
                await self._look(execution)
            except NotFound:
                continue
            except Unavailable:
                await self._clock.sleep(AGAIN_SECONDS)
                self._due.append(execution)
            except Exception:
                # One that breaks must not keep the others from waking.
                log.exception("an execution could not be woken", extra={"execution": execution})
