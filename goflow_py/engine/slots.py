"""How many calls may be in flight, who waits for one to end, and whose turn it is then.

Projects have their turns one after the other, however much each has to do; within a project the
oldest task comes first. A slot that becomes free is promised to who is woken for it, so that
nobody who comes meanwhile takes it.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from goflow_py.domain.values import value
from goflow_py.domain.workers import Worker

CALLS_IN_FLIGHT_MAX = 2_000
SHARE = 16
"""A project may hold that many times the slots that are free: alone 16 of 17, so that another
finds one at once."""
PLACES_KEPT_MAX = 100_000
STALE_MAX = 64
"""Left entries of a row that are not cleared away yet, beside as many as there are others."""

Key = tuple[str, str, str]
"""A project, an action and an endpoint."""
LaneKey = tuple[str, str, tuple[str, ...], frozenset[str]]


@dataclass(slots=True, eq=False)
class Slot:
    """One of the calls that may be in flight at once: that of an attempt, named by its fence."""

    key: Key
    """What it counts for."""
    execution: str
    fence: int
    taken: bool = True


@value
class Ask:
    """A task that found no slot, and whom it would call."""

    execution: str
    project: str
    action: str
    workers: tuple[Worker, ...]
    since: int
    """When the task was scheduled."""
    again: frozenset[str] = frozenset()
    """Endpoints at which the call is a retry that needs the budget of its endpoint."""


class Budget(Protocol):
    """How many retries an endpoint may get."""

    def has(self, key: Key) -> bool:
        """Tell whether one more retry may go out."""

    def withdraw(self, key: Key) -> None:
        """Count a retry."""

    def refund(self, key: Key) -> None:
        """Count a retry less: it was not made."""


@dataclass(slots=True, eq=False)
class _Lane:
    """Executions of one project that wait for the same workers, oldest first."""

    key: LaneKey
    action: str
    workers: tuple[Worker, ...]
    again: frozenset[str]
    members: dict[str, int] = field(default_factory=dict)
    """Execution to its newest entry: an older one is stale."""
    row: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, execution: str, since: int, number: int) -> None:
        if execution not in self.members:
            self.members[execution] = number
            heapq.heappush(self.row, (since, number, execution))
            if len(self.row) > 2 * len(self.members) + STALE_MAX:
                self.row = [one for one in self.row if self.members.get(one[2]) == one[1]]
                heapq.heapify(self.row)

    def first(self) -> tuple[int, int, str]:
        """Return who waits longest; somebody does."""
        while self.members.get(self.row[0][2]) != self.row[0][1]:
            heapq.heappop(self.row)
        return self.row[0]


@value
class _Promise:
    """A free slot that is kept for an execution until it was looked at."""

    key: Key
    again: bool


class Slots:
    """Counts calls; a waiting execution is named by id and asks again when it is woken."""

    def __init__(
        self,
        in_flight_max: int = CALLS_IN_FLIGHT_MAX,
        *,
        budget: Budget,
        open_max: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._max = in_flight_max
        self._open_max = open_max
        self._budget = budget
        self._numbers = count()
        self._taken: dict[str, dict[int, Slot]] = {}
        self._promises: dict[str, list[_Promise]] = {}
        # Both count what is taken and what is promised.
        self._in_flight: dict[Key, int] = {}
        self._held: dict[str, int] = {}
        self._promised = 0
        self._lanes: dict[LaneKey, _Lane] = {}
        self._turns: OrderedDict[str, dict[LaneKey, _Lane]] = OrderedDict()
        """Project to its rows that may go on, whose turn is next first."""
        self._stuck: dict[Key, dict[LaneKey, _Lane]] = {}
        """Rows all of whose workers have as many calls as they may, by each of these."""
        self._asked: dict[str, set[LaneKey]] = {}
        self._next_call: dict[Key, int] = {}
        self._places: OrderedDict[tuple[str, Key], int] = OrderedDict()
        self.total = 0

    # ------------------------------------------------------------ calls in flight

    def has(self, project: str, action: str, worker: Worker, *, again: bool = False) -> bool:
        """Tell whether *project* may make one more call to *worker*; *again*: a retry."""
        return self._admits(project) and self._fits(
            (project, action, worker.worker_endpoint), worker, again
        )

    def _admits(self, project: str) -> bool:
        free = self._max - self.total - self._promised
        held = self._held.get(project, 0)
        if free <= 0 or held >= SHARE * free:
            return False
        limit = self._open_max(project)
        return limit is None or held < limit

    def _fits(self, key: Key, worker: Worker, again: bool) -> bool:
        limit = worker.max_concurrent
        if limit is not None and self._in_flight.get(key, 0) >= limit:
            return False
        return not again or self._budget.has(key)

    def take(self, slot: Slot) -> None:
        """Count a call."""
        self._taken.setdefault(slot.execution, {})[slot.fence] = slot
        self._hold(slot.key)
        self.total += 1

    def of(self, execution: str, fence: int) -> Slot | None:
        """Return the slot of a call."""
        return self._taken.get(execution, {}).get(fence)

    def lost(self, execution: str, fences: Container[int]) -> list[Slot]:
        """Return the slots of an execution whose calls are none of *fences*: to be freed."""
        taken = self._taken.get(execution)
        return [slot for fence, slot in taken.items() if fence not in fences] if taken else []

    def free(self, slot: Slot) -> bool:
        """Count a call less; False when that was done."""
        if not slot.taken:
            return False
        slot.taken = False
        mine = self._taken.get(slot.execution)
        if mine is not None and mine.get(slot.fence) is slot:
            del mine[slot.fence]
            if not mine:
                del self._taken[slot.execution]
        self.total -= 1
        self._release(slot.key)
        return True

    def open_calls(self, project: str) -> int:
        """Return how many calls of a project are in flight."""
        return self._held.get(project, 0)

    def in_flight(self, key: Key) -> int:
        """Return how many calls of an endpoint are in flight, or promised."""
        return self._in_flight.get(key, 0)

    def _hold(self, key: Key) -> None:
        self._in_flight[key] = self._in_flight.get(key, 0) + 1
        self._held[key[0]] = self._held.get(key[0], 0) + 1

    def _release(self, key: Key) -> None:
        self._in_flight[key] -= 1
        if not self._in_flight[key]:
            del self._in_flight[key]
        self._held[key[0]] -= 1
        if not self._held[key[0]]:
            del self._held[key[0]]
        if key in self._stuck:
            self._unstick(key)

    # ------------------------------------------------------------ waiting for one

    @property
    def waiting(self) -> int:
        """Return how many executions wait for a slot."""
        return len(self._asked)

    @property
    def waits_for_budget(self) -> bool:
        """Tell whether time alone may let somebody go on."""
        return any(lane.again for lane in self._lanes.values())

    def queue(self, ask: Ask) -> None:
        """Note that an execution waits until one of the workers may be called."""
        endpoints = tuple(worker.worker_endpoint for worker in ask.workers)
        key = (ask.project, ask.action, endpoints, ask.again)
        lane = self._lanes.get(key)
        if lane is None:
            lane = _Lane(key, ask.action, ask.workers, ask.again)
            self._lanes[key] = lane
        lane.workers = ask.workers  # their limits may have changed
        lane.add(ask.execution, ask.since, next(self._numbers))
        self._asked.setdefault(ask.execution, set()).add(key)
        self._open(lane)

    def leave_queue(self, execution: str) -> bool:
        """Forget that *execution* waits, and what it was promised: it looks for itself now.

        Tell whether there was anything to forget.
        """
        if execution not in self._asked and execution not in self._promises:
            return False
        for key in self._asked.pop(execution, ()):
            lane = self._lanes[key]
            del lane.members[execution]
            if not lane.members:
                self._drop(lane)
        self.unpromise(execution)
        return True

    def unpromise(self, execution: str) -> None:
        """Let others have what was promised to *execution*."""
        for promise in self._promises.pop(execution, ()):
            self._promised -= 1
            if promise.again:
                self._budget.refund(promise.key)
            self._release(promise.key)

    def next_ready(self) -> list[tuple[str, str]]:
        """Return who may go on now, with its project; each is promised a slot.

        The promise holds until ``leave_queue`` or ``unpromise``: one of these has to come once it
        was looked at, for one that does not take its slot must not keep it from the others.
        """
        ready = []
        while self._turns and self.total + self._promised < self._max:
            found = self._next()
            if found is None:
                break
            ready.append(found)
        return ready

    def tick(self) -> None:
        """Look anew at who waits for a budget: time has passed."""
        for lane in [lane for lane in self._lanes.values() if lane.again]:
            self._open(lane)

    # ------------------------------------------------------------ whose turn it is

    def _next(self) -> tuple[str, str] | None:
        for project in list(self._turns):
            self._turns.move_to_end(project)
            if not self._admits(project):
                continue
            for lane in sorted(self._turns[project].values(), key=_Lane.first):
                for worker in lane.workers:
                    key = (project, lane.action, worker.worker_endpoint)
                    again = worker.worker_endpoint in lane.again
                    if self._fits(key, worker, again):
                        return self._promise(lane, _Promise(key=key, again=again))
                self._stick(lane)
        return None

    def _promise(self, lane: _Lane, promise: _Promise) -> tuple[str, str]:
        execution = lane.first()[2]
        self.leave_queue(execution)
        self._promises[execution] = [promise]
        self._promised += 1
        self._hold(promise.key)
        if promise.again:
            self._budget.withdraw(promise.key)
        return execution, promise.key[0]

    def _open(self, lane: _Lane) -> None:
        self._turns.setdefault(lane.key[0], {})[lane.key] = lane
        for key in _keys(lane.key):
            stuck = self._stuck.get(key)
            if stuck is not None:
                stuck.pop(lane.key, None)
                if not stuck:
                    del self._stuck[key]

    def _stick(self, lane: _Lane) -> None:
        """Let a row not be looked at before a call to one of its workers ends."""
        self._close(lane)
        for key in _keys(lane.key):
            self._stuck.setdefault(key, {})[lane.key] = lane

    def _unstick(self, key: Key) -> None:
        for lane in list(self._stuck[key].values()):
            self._open(lane)

    def _close(self, lane: _Lane) -> None:
        mine = self._turns.get(lane.key[0])
        if mine is not None:
            mine.pop(lane.key, None)
            if not mine:
                del self._turns[lane.key[0]]

    def _drop(self, lane: _Lane) -> None:
        self._open(lane)
        self._close(lane)
        del self._lanes[lane.key]

    # ------------------------------------------------------------ rate limits

    def begins(self, execution: str, key: Key, worker: Worker) -> int:
        """Return when the rate limit lets *execution* call *worker*."""
        if worker.rate_limit is None:
            return 0
        place = self._places.get((execution, key))
        return self._next_call.get(key, 0) if place is None else place

    def reserve(self, execution: str, key: Key, worker: Worker, now: int) -> int:
        """Give *execution* its place in the row of a rate limit; return its time."""
        place = self._places.get((execution, key))
        if place is None and worker.rate_limit is not None:
            place = max(now, self._next_call.get(key, 0))
            self._next_call[key] = place + round(1000 / worker.rate_limit)
            self._places[execution, key] = place
            if len(self._places) > PLACES_KEPT_MAX:
                self._places.popitem(last=False)
        return place or now

    def use_place(self, execution: str, key: Key, worker: Worker, now: int) -> None:
        """Take the place: the call goes out now."""
        if worker.rate_limit is not None:
            self.reserve(execution, key, worker, now)
            self._places.pop((execution, key), None)


def _keys(lane: LaneKey) -> Iterator[Key]:
    project, action, endpoints, _ = lane
    return ((project, action, endpoint) for endpoint in endpoints)
