"""A due task becomes attempts over prioritised workers: whom to ask next, and when.

Choosing happens outside ``fsm.step``, just before the commit that records the attempt: it depends
on what this process knows of the endpoints (breakers, free slots), which is no part of the truth.
"""

from collections import OrderedDict
from typing import assert_never

from goflow_py.clock import Clock
from goflow_py.domain.blueprint import CallAction, Worker
from goflow_py.domain.execution import Task
from goflow_py.domain.values import value
from goflow_py.engine import attempts
from goflow_py.engine.attempts import Chosen, Closing
from goflow_py.engine.backoff import RetryDefaults, exhausted
from goflow_py.engine.breaker import Breaker
from goflow_py.engine.verdict import Acceptance, Definite, Failure, Success, Verdict
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.inputs import task_ended
from goflow_py.ports import Reply

CALLS_IN_FLIGHT_MAX = 2_000
WORKER_KINDS = ("sync", "async")

Workers = dict[str, tuple[Worker, ...]]
"""By action, by priority."""


@value
class WaitUntil:
    """Every worker of the best priority has to be left alone until then."""

    at: int


@value
class NoSlot:
    """There are as many calls in flight as there may be; the task waits for one to end."""

    queue: tuple[str, int] | None
    """Whose: the workers of an (action, priority), or None: the server's."""


@value
class NoneLeft:
    """Every worker is exhausted, or there is none."""

    code: str
    message: str


Choice = Chosen | WaitUntil | NoSlot | NoneLeft


class Dispatcher:
    """Chooses workers, and knows what they did lately."""

    def __init__(
        self,
        clock: Clock,
        *,
        defaults: RetryDefaults | None = None,
        in_flight_max: int = CALLS_IN_FLIGHT_MAX,
    ) -> None:
        self._clock = clock
        self._defaults = defaults or RetryDefaults()
        self._in_flight_max = in_flight_max
        self._in_flight: dict[tuple[str, str], int] = {}
        self._turn: dict[tuple[str, str], int] = {}
        self._next_call: dict[tuple[str, str], int] = {}
        self._priority: dict[tuple[str, str], int] = {}
        self._counter = 0
        self.total_in_flight = 0
        self.breakers: dict[tuple[str, str], Breaker] = {}
        self._queues: dict[tuple[str, int] | None, OrderedDict[str, None]] = {}

    # ------------------------------------------------------------ tasks to attempts

    def dispatch(self, compiled: Compiled, draft: Draft, workers: Workers) -> None:
        """Open an attempt, or set the time of the next one, for every task that has neither."""
        if draft.after.paused or draft.after.ended:
            return
        rounds = True
        while rounds:
            rounds = False
            for task in draft.after.open_tasks():
                if task.kind in WORKER_KINDS and task.call is None:
                    if f"task:{task.name}:retry" not in draft.after.timers:
                        rounds = self._dispatch_one(compiled, draft, task, workers) or rounds

    def _dispatch_one(self, compiled: Compiled, draft: Draft, task: Task, workers: Workers) -> bool:
        """Tell whether the state may have new work now: the task ended, and the machine went on."""
        choice = self._choose(compiled, draft, task, workers.get(task.action, ()))
        match choice:
            case Chosen():
                attempts.open_attempt(draft, task, choice)
                self._take_slot(task.action, choice.worker, draft.now)
                return False
            case WaitUntil():
                attempts.wait_for_worker(draft, task, choice.at)
                return False
            case NoSlot():
                self._queues.setdefault(choice.queue, OrderedDict())[draft.after.id] = None
                return False
            case NoneLeft():
                attempts.give_up(compiled, draft, task, choice.code, choice.message)
                task_ended(compiled, draft, task.name)
                return True
            case _:
                assert_never(choice)

    def _choose(
        self, compiled: Compiled, draft: Draft, task: Task, workers: tuple[Worker, ...]
    ) -> Choice:
        if not workers:
            return NoneLeft(code="no_worker", message=f"action '{task.action}' has no worker now")
        elapsed = (draft.now - task.since) / 1000
        left = [
            worker
            for worker in workers
            if not exhausted(
                worker,
                used=task.used.get(worker.worker_endpoint, 0),
                elapsed_seconds=elapsed,
                defaults=self._defaults,
            )
        ]
        if not left:
            return NoneLeft(code="unreachable", message="every worker failed")
        now = self._clock.monotonic()
        up = [w for w in left if self._breaker(task.action, w).lets_through(now)]
        if not up:
            model = compiled.actions[task.action].model
            when_open = model.when_open if isinstance(model, CallAction) else "call"
            if when_open == "fail":
                return NoneLeft(code="unreachable", message="every worker's circuit is open")
            if when_open == "wait":
                probe = min(self._breaker(task.action, w).next_probe() for w in left)
                return WaitUntil(at=draft.now + max(100, round((probe - now) * 1000)))
        return self._best(task, up or left, left, draft.now)

    def _best(self, task: Task, pool: list[Worker], left: list[Worker], now: int) -> Choice:
        """Choose within the best priority of *pool*: due, failed least, and whose turn it is."""
        first = min(worker.priority for worker in pool)
        group = [worker for worker in pool if worker.priority == first]
        begins = {w.worker_endpoint: self._not_before(task, w) for w in group}
        due = [w for w in group if begins[w.worker_endpoint] <= now]
        if not due:
            return WaitUntil(at=min(begins.values()))
        free = [w for w in due if self._has_slot(task.action, w)]
        if not free:
            full = self.total_in_flight >= self._in_flight_max
            return NoSlot(queue=None if full else (task.action, first))
        worker = min(
            free,
            key=lambda w: (
                task.used.get(w.worker_endpoint, 0),
                self._turn.get((task.action, w.worker_endpoint), 0),
            ),
        )
        skipped = tuple(w.worker_endpoint for w in left if w.priority < worker.priority)
        return Chosen(worker=worker, skipped=skipped)

    def _not_before(self, task: Task, worker: Worker) -> int:
        """Return when *worker* may be called for *task*: its back-off, and its rate limit."""
        pause = task.waits.get(worker.worker_endpoint, 0)
        return max(pause, self._next_call.get((task.action, worker.worker_endpoint), 0))

    # ------------------------------------------------------------ replies

    def close(
        self,
        compiled: Compiled,
        draft: Draft,
        task: Task,
        verdict: Verdict,
        *,
        workers: Workers,
        reply: Reply | None = None,
        via: str | None = None,
    ) -> None:
        """Close the open attempt of *task* by *verdict*, and go on if the task ended with it."""
        endpoint = task.call.worker if task.call else ""
        found = [w for w in workers.get(task.action, ()) if w.worker_endpoint == endpoint]
        closing = Closing(
            worker=found[0] if found else None,
            defaults=self._defaults,
            chance=self._clock.random(),
            reply=reply,
            via=via,
        )
        if not attempts.close_attempt(compiled, draft, task, verdict, closing):
            return
        assert isinstance(verdict, Success | Definite), "only these decide a task"
        if draft.after.paused:
            attempts.hold(draft, task, verdict)
        else:
            attempts.end_task(compiled, draft, task, verdict)
            task_ended(compiled, draft, task.name)

    def called(self, action: str, endpoint: str, verdict: Verdict) -> None:
        """Note what a call told about its endpoint. A definite no is an answer: it is up."""
        breaker = self.breakers.setdefault((action, endpoint), Breaker())
        match verdict:
            case Success() | Acceptance() | Definite():
                breaker.report(self._clock.monotonic(), ok=True)
            case Failure():
                breaker.report(self._clock.monotonic(), ok=False)
            case _:
                assert_never(verdict)

    # ------------------------------------------------------------ slots

    def _breaker(self, action: str, worker: Worker) -> Breaker:
        return self.breakers.setdefault((action, worker.worker_endpoint), Breaker())

    def _has_slot(self, action: str, worker: Worker) -> bool:
        if self.total_in_flight >= self._in_flight_max:
            return False
        limit = worker.max_concurrent
        return limit is None or self._in_flight.get((action, worker.worker_endpoint), 0) < limit

    def _take_slot(self, action: str, worker: Worker, now: int) -> None:
        key = (action, worker.worker_endpoint)
        if worker.rate_limit is not None:
            self._next_call[key] = now + round(1000 / worker.rate_limit)
        self._counter += 1
        self._turn[key] = self._counter
        self._in_flight[key] = self._in_flight.get(key, 0) + 1
        self._priority[key] = worker.priority
        self.total_in_flight += 1
        self._breaker(action, worker).called(self._clock.monotonic())

    @property
    def waiting(self) -> int:
        """Return how many executions have a task that waits for a slot."""
        return sum(len(queue) for queue in self._queues.values())

    def free_slot(self, action: str, endpoint: str) -> list[str]:
        """Give back the slot of a call that ended, or was never sent; return who may go on."""
        key = (action, endpoint)
        self._in_flight[key] = max(0, self._in_flight.get(key, 0) - 1)
        self.total_in_flight = max(0, self.total_in_flight - 1)
        breaker = self.breakers.get(key)
        if breaker is not None:
            breaker.dropped()
        queues = [self._queues.get((action, self._priority.get(key, 0))), self._queues.get(None)]
        return [queue.popitem(last=False)[0] for queue in queues if queue]
