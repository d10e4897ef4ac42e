"""Which endpoints are known to be down: a circuit breaker for each action and endpoint.

While a circuit is open, retries are held to a budget: a dead worker gets little more than the calls
that would have come anyway, however many executions want to try again.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from goflow_py.engine.lately import Lately

WINDOW_SECONDS = 30.0
CALLS_MIN = 10
FAILURE_SHARE = 0.5
PROBE_AFTER_SECONDS = 10.0
CALLS_KEPT_MAX = 1_000
BUDGET_SECONDS = 10
"""The window of a budget."""
RETRY_SHARE = 0.2
"""Retries for each call that is none."""
RETRIES_MIN = 3
"""In a window there may always be so many retries."""
BREAKERS_MAX = 10_000
"""Endpoints that are known; the address of a notification may be made of an execution's data."""

Key = tuple[str, str, str]
"""A project, an action and an endpoint: no project learns of another by what it shows."""


@dataclass(slots=True)
class RetryBudget:
    """Counts calls and retries of the last ten seconds, second by second."""

    seconds: deque[list[int]] = field(default_factory=deque)
    """Each a second, its calls that are no retries, its retries."""
    calls: int = 0
    retries: int = 0

    def has(self, now: float) -> bool:
        """Tell whether one more retry may go out."""
        self._forget(int(now))
        return self.retries < max(RETRIES_MIN, int(self.calls * RETRY_SHARE))

    def add(self, now: float, *, calls: int = 0, retries: int = 0) -> None:
        """Count what goes out; below 0 what did not, after all."""
        second = int(now)
        self._forget(second)
        if not self.seconds or self.seconds[-1][0] != second:
            self.seconds.append([second, 0, 0])
        self.seconds[-1][1] += calls
        self.seconds[-1][2] += retries
        self.calls += calls
        self.retries += retries

    def _forget(self, second: int) -> None:
        while self.seconds and self.seconds[0][0] <= second - BUDGET_SECONDS:
            _, calls, retries = self.seconds.popleft()
            self.calls -= calls
            self.retries -= retries


@dataclass(slots=True)
class Breaker:
    """Opens at 10 or more ended calls with half or more failures within 30 s; probes after 10 s."""

    ended: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT_MAX))
    failures: int = 0
    opened_at: float | None = None
    probe: object | None = None
    """The call that is the probe."""
    budget: RetryBudget = field(default_factory=RetryBudget)
    lately: Lately = field(default_factory=Lately)
    """What people are shown; it opens and closes nothing."""

    def lets_through(self, now: float) -> bool:
        """Tell whether a call may go out as usual: closed, or a probe is due."""
        return self.opened_at is None or (self.probe is None and now >= self.next_probe())

    @property
    def is_open(self) -> bool:
        """Tell whether the endpoint is known to be down."""
        return self.opened_at is not None

    def window(self, now: float) -> tuple[int, int]:
        """Return how many calls ended within ``WINDOW_SECONDS``, and how many of them failed."""
        while self.ended and self.ended[0][0] < now - WINDOW_SECONDS:
            self._forget_oldest()
        return len(self.ended), self.failures

    def next_probe(self) -> float:
        """Return when the next probe may go out, on the monotonic clock."""
        return (self.opened_at or 0.0) + PROBE_AFTER_SECONDS

    def called(self, now: float, *, by: object) -> None:
        """Note that a call goes out; of an open breaker it is the probe."""
        if self.opened_at is not None and self.lets_through(now):
            self.probe = by

    def dropped(self, *, by: object) -> None:
        """Note that a call ended without telling anything about the endpoint."""
        if self.probe == by:
            self.probe = None

    def report(self, now: float, *, ok: bool, by: object) -> None:
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
        calls, failures = self.window(now)
        if calls >= CALLS_MIN and failures >= calls * FAILURE_SHARE:
            self.opened_at = now

    def _forget_oldest(self) -> None:
        _, ok = self.ended.popleft()
        self.failures -= not ok


class Breakers:
    """All breakers by project, action and endpoint, and the budgets of retries of the open ones."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._all: OrderedDict[Key, Breaker] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def get(self, key: Key, default: Breaker) -> Breaker:
        """Return a breaker, or *default* where nothing was called yet."""
        return self._all.get(key, default)

    def of(self, key: Key) -> Breaker:
        """Return a breaker; with very many of them, the closed one that was made first goes."""
        found = self._all.get(key)
        if found is None:
            found = self._all[key] = Breaker()
            if len(self._all) > BREAKERS_MAX:
                oldest = next(iter(self._all))
                if self._all[oldest].is_open:
                    self._all.move_to_end(oldest)
                else:
                    del self._all[oldest]
        return found

    # ------------------------------------------------------------ retries

    def has(self, key: Key) -> bool:
        """Tell whether one more retry may go out."""
        breaker = self._all.get(key)
        return breaker is None or not breaker.is_open or breaker.budget.has(self._monotonic())

    def withdraw(self, key: Key) -> None:
        """Count a retry."""
        self.of(key).budget.add(self._monotonic(), retries=1)

    def refund(self, key: Key) -> None:
        """Count a retry less: it was not made."""
        self.of(key).budget.add(self._monotonic(), retries=-1)
