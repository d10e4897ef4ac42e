"""What wakes one who waits."""

import asyncio

from goflow_py.clock import Clock


class Ring:
    """Wakes one who waits; what rings before it waits is not lost, and many rings are one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake it."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when it rang since the last time, or after *seconds*."""
        if not self._rung.is_set():
            alarm = self._clock.call_later(seconds, self._rung.set)
            try:
                await self._rung.wait()
            finally:
                alarm.cancel()
        self._rung.clear()
