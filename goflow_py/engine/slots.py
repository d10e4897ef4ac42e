"""How many calls may be in flight, who waits for one to end, whose turn a rate limit says it is."""

from collections import OrderedDict
from dataclasses import dataclass, field

from goflow_py.domain.workers import Worker

CALLS_IN_FLIGHT_MAX = 2_000
PLACES_KEPT_MAX = 100_000

Key = tuple[str, str]
"""An action and an endpoint."""


@dataclass(slots=True, eq=False)
class Slot:
    """One of the calls that may be in flight at once."""

    action: str
    endpoint: str
    execution: str
    taken: bool = True


@dataclass(slots=True)
class _Queue:
    """Executions with a task of one action that found no slot, oldest first."""

    waiting: OrderedDict[str, None] = field(default_factory=OrderedDict)
    workers: tuple[Worker, ...] = ()
    """Whom the last of them would have called: when one is free, the first may go on."""


class Slots:
    """Counts calls; a waiting execution is named by id and asks again when it is woken."""

    def __init__(self, in_flight_max: int = CALLS_IN_FLIGHT_MAX) -> None:
        self._max = in_flight_max
        self._in_flight: dict[Key, int] = {}
        self._queues: dict[str, _Queue] = {}
        self._queued: dict[str, set[str]] = {}
        self._next_call: dict[Key, int] = {}
        self._places: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self.total = 0

    # ------------------------------------------------------------ calls in flight

    def has(self, action: str, worker: Worker) -> bool:
        """Tell whether one more call to *worker* may be in flight."""
        if self.total >= self._max:
            return False
        limit = worker.max_concurrent
        return limit is None or self._in_flight.get((action, worker.worker_endpoint), 0) < limit

    def take(self, action: str, worker: Worker) -> None:
        """Count a call to *worker*."""
        key = (action, worker.worker_endpoint)
        self._in_flight[key] = self._in_flight.get(key, 0) + 1
        self.total += 1

    def free(self, action: str, endpoint: str) -> None:
        """Count a call less."""
        left = self._in_flight.get((action, endpoint), 1) - 1
        if left > 0:
            self._in_flight[action, endpoint] = left
        else:
            self._in_flight.pop((action, endpoint), None)
        self.total = max(0, self.total - 1)

    # ------------------------------------------------------------ waiting for one

    @property
    def waiting(self) -> int:
        """Return how many executions wait for a slot."""
        return len(self._queued)

    def queue(self, execution: str, action: str, workers: tuple[Worker, ...]) -> None:
        """Note that *execution* waits until one of *workers* may be called."""
        queue = self._queues.setdefault(action, _Queue())
        queue.waiting[execution] = None
        queue.workers = workers
        self._queued.setdefault(execution, set()).add(action)

    def leave_queue(self, execution: str) -> None:
        """Forget that *execution* waits: it was woken, or moved on by itself."""
        for action in self._queued.pop(execution, ()):
            queue = self._queues[action]
            queue.waiting.pop(execution, None)
            if not queue.waiting:
                del self._queues[action]

    def next_ready(self) -> list[str]:
        """Return who may go on now, at most one of each action.

        To be asked again after each of them was looked at, whatever came of it: one that does not
        take its slot must not keep it from the others.
        """
        ready = []
        for action in list(self._queues):
            queue = self._queues.get(action)
            if queue is None:
                continue  # its last one left with the queue before
            if any(self.has(action, worker) for worker in queue.workers):
                execution = next(iter(queue.waiting))
                self.leave_queue(execution)
                ready.append(execution)
        return ready

    # ------------------------------------------------------------ rate limits

    def begins(self, execution: str, action: str, worker: Worker) -> int:
        """Return when the rate limit lets *execution* call *worker*."""
        if worker.rate_limit is None:
            return 0
        place = self._places.get((execution, action, worker.worker_endpoint))
        return self._next_call.get((action, worker.worker_endpoint), 0) if place is None else place

    def reserve(self, execution: str, action: str, worker: Worker, now: int) -> int:
        """Give *execution* its place in the row of a rate limit; return its time."""
        name = (execution, action, worker.worker_endpoint)
        place = self._places.get(name)
        if place is None and worker.rate_limit is not None:
            key = (action, worker.worker_endpoint)
            place = max(now, self._next_call.get(key, 0))
            self._next_call[key] = place + round(1000 / worker.rate_limit)
            self._places[name] = place
            if len(self._places) > PLACES_KEPT_MAX:
                self._places.popitem(last=False)
        return place or now

    def use_place(self, execution: str, action: str, worker: Worker, now: int) -> None:
        """Take the place: the call goes out now."""
        if worker.rate_limit is not None:
            self.reserve(execution, action, worker, now)
            self._places.pop((execution, action, worker.worker_endpoint), None)
