"""Which endpoints are known to be down: a circuit breaker for each (action, endpoint)."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 30.0
CALLS_MIN = 10
FAILURE_SHARE = 0.5
PROBE_AFTER_SECONDS = 10.0
CALLS_KEPT_MAX = 1_000


@dataclass(slots=True)
class Breaker:
    """Opens at 10 or more ended calls with half or more failures within 30 s; probes after 10 s."""

    ended: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT_MAX))
    failures: int = 0
    opened_at: float | None = None
    probe: str | None = None
    """The execution whose call is the probe."""

    def lets_through(self, now: float) -> bool:
        """Tell whether a call may go out as usual: closed, or a probe is due."""
        return self.opened_at is None or (self.probe is None and now >= self.next_probe())

    def next_probe(self) -> float:
        """Return when the next probe may go out, on the monotonic clock."""
        return (self.opened_at or 0.0) + PROBE_AFTER_SECONDS

    def called(self, now: float, *, by: str) -> None:
        """Note that a call goes out; of an open breaker it is the probe."""
        if self.opened_at is not None and self.lets_through(now):
            self.probe = by

    def dropped(self, *, by: str) -> None:
        """Note that a call ended without telling anything about the endpoint."""
        if self.probe == by:
            self.probe = None

    def report(self, now: float, *, ok: bool, by: str) -> None:
        """Note how a call ended; of an open breaker, only the probe counts."""
        if self.opened_at is not None:
            if self.probe != by:
                return
            self.probe = None
            if ok:
                self.opened_at = None
                self.ended.clear()
                self.failures = 0
            else:
                self.opened_at = now
            return
        if len(self.ended) == CALLS_KEPT_MAX:
            self._forget_oldest()
        self.ended.append((now, ok))
        self.failures += not ok
        while self.ended and self.ended[0][0] < now - WINDOW_SECONDS:
            self._forget_oldest()
        if self.opened_at is None and len(self.ended) >= CALLS_MIN:
            if self.failures >= len(self.ended) * FAILURE_SHARE:
                self.opened_at = now

    def _forget_oldest(self) -> None:
        _, ok = self.ended.popleft()
        self.failures -= not ok
