"""Work that goes on in the background for ever: what breaks is said and counted, and goes on.

A loop that dies unseen leaves a server that looks well and does half of its work. So every loop has
a name here. Its mistakes are logged and it goes on within a second; if a loop itself ends, which
nothing here explains, the process has to end.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from goflow_py.clock import Clock
from goflow_py.errors import Unavailable

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""After the first mistake; each further one in a row doubles it."""
AGAIN_SECONDS_MAX = 8.0
FAILING_TURNS = 3
"""Mistakes in a row after which work counts as broken, and not as unlucky."""

Turn = Callable[[], Awaitable[object]]
"""One turn of some work; a number that it returns is the pause that it wants, in seconds."""


class Supervisor:
    """Runs the loops of a process, and watches over them; *on_lost* has to end the process."""

    def __init__(self, clock: Clock, *, on_lost: Callable[[], object]) -> None:
        self._clock = clock
        self._on_lost = on_lost
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._in_a_row: dict[str, int] = {}
        self._again_max: dict[str, float] = {}
        self._stopping = False
        self.failures: Counter[str] = Counter()
        """Turns that broke, by name."""

    def every(
        self,
        name: str,
        turn: Turn,
        *,
        seconds: float,
        first: float | None = None,
        again_max: float = AGAIN_SECONDS_MAX,
    ) -> None:
        """Take turns for ever, *seconds* apart; the first one after *first*.

        One that breaks is followed by another after *again_max* at most.
        """
        self._again_max[name] = again_max
        self._begin(name, self._turns(name, turn, seconds, seconds if first is None else first))

    def once(self, name: str, turn: Turn) -> None:
        """Take one turn now; when it breaks, another, until one is good."""
        self._begin(name, self._until_done(name, turn))

    @property
    def broken(self) -> list[str]:
        """Return the work whose latest turns all broke."""
        return sorted(name for name, count in self._in_a_row.items() if count >= FAILING_TURNS)

    async def attempt(self, name: str, turn: Turn) -> float | None:
        """Take one turn, and note how it went; return the pause that is wanted, if any is."""
        try:
            wanted = await turn()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._stopping or (task is not None and task.cancelling()):
                raise
            # Something that it waited for was cancelled: that is no reason to end.
            return self._broke(name, "it waited for something that was cancelled")
        except Unavailable as error:
            return self._broke(name, error.detail)  # the disk may be full
        except Exception:
            log.exception("background work failed", extra={"work": name})
            return self._broke(name)
        self._in_a_row.pop(name, None)
        return wanted if isinstance(wanted, float) else None

    async def stop(self) -> None:
        """End all loops."""
        self._stopping = True
        loops = list(self._loops.values())
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    # ------------------------------------------------------------ loops

    def _begin(self, name: str, loop: Awaitable[None]) -> None:
        task = asyncio.ensure_future(loop)
        self._loops[name] = task
        task.add_done_callback(lambda task: self._ended(name, task))

    async def _turns(self, name: str, turn: Turn, seconds: float, first: float) -> None:
        await self._clock.sleep(first)
        while not self._stopping:
            wanted = await self.attempt(name, turn)
            await self._clock.sleep(seconds if wanted is None else wanted)

    async def _until_done(self, name: str, turn: Turn) -> None:
        while not self._stopping:
            pause = await self.attempt(name, turn)
            if name not in self._in_a_row:
                return
            await self._clock.sleep(AGAIN_SECONDS if pause is None else pause)

    def _broke(self, name: str, why: str | None = None) -> float:
        """Count a turn that broke, and return the pause after it."""
        if why is not None:
            log.warning("background work failed", extra={"work": name, "why": why})
        self.failures[name] += 1
        self._in_a_row[name] = count = self._in_a_row.get(name, 0) + 1
        most = self._again_max.get(name, AGAIN_SECONDS_MAX)
        return min(AGAIN_SECONDS * 2.0 ** min(count - 1, 16), most)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._loops.get(name) is task:
            del self._loops[name]
        if self._stopping or (not task.cancelled() and task.exception() is None):
            return
        error = None if task.cancelled() else task.exception()
        log.critical(
            "background work ended; the process has to end", extra={"work": name}, exc_info=error
        )
        self._on_lost()
