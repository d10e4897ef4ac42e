"""The next minute's wake-ups: a heap and one promise of the clock; the rest are rows."""

import heapq
from collections.abc import Callable
from sys import intern

from goflow_py.clock import Clock, Handle

HORIZON_SECONDS = 60.0
"""Wake-ups within this time are in memory."""
LOOK_SECONDS = 1.0
"""The wall clock is read this often: one that was wrong, and is set right, delays nobody longer."""
DUE_PER_TURN_MAX = 5_000
"""About 10 ms: with fewer, a crowd of them keeps what is due behind it waiting for many turns."""


class Timers:
    """Calls *wake* with an execution's id and project when its time has come; never early."""

    def __init__(self, clock: Clock, wake: Callable[[str, str | None], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._heap: list[tuple[int, str, str]] = []
        self._known: dict[str, int] = {}
        self._promise: Handle | None = None
        self._promised: int | None = None

    def __len__(self) -> int:
        return len(self._known)

    def set(self, execution: str, due: int | None, project: str = "") -> None:
        """Wake *execution* at *due*, and at no other time; None or far away: not from here."""
        if due is None or due > self._clock.now_ms() + HORIZON_SECONDS * 1000:
            self._known.pop(execution, None)
            return
        if self._known.get(execution) == due:
            return
        self._known[execution] = due
        # Interned, because every row of the store brings its project as a text of its own.
        heapq.heappush(self._heap, (due, execution, intern(project)))
        if self._promised is None or due < self._promised:
            self._arm(due)

    def expect(self, execution: str, due: int, project: str = "") -> None:
        """Wake *execution* at *due*, or before if that is known: what the store said is old."""
        known = self._known.get(execution)
        if known is None or due < known:
            self.set(execution, due, project)

    def stop(self) -> None:
        """Wake nobody any more."""
        self._heap.clear()
        self._known.clear()
        if self._promise is not None:
            self._promise.cancel()

    def _arm(self, due: int) -> None:
        if self._promise is not None:
            self._promise.cancel()
        self._promised = due
        seconds = min(LOOK_SECONDS, max(0.0, (due - self._clock.now_ms()) / 1000))
        self._promise = self._clock.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._promise = self._promised = None
        now = self._clock.now_ms()
        for _ in range(DUE_PER_TURN_MAX):
            if not self._heap or self._heap[0][0] > now:
                break
            due, execution, project = heapq.heappop(self._heap)
            # An entry whose execution has another time by now is stale.
            if self._known.get(execution) == due:
                del self._known[execution]
                self._wake(execution, project or None)
        if self._heap:
            self._arm(max(self._heap[0][0], now))
