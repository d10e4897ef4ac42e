"""A due task becomes attempts over prioritised workers: whom to ask next, and when.

Choosing happens outside ``fsm.step``, just before the commit that records the attempt: it depends
on what this process knows of the endpoints (breakers, free slots), which is no part of the truth.
"""

from collections.abc import Callable
from typing import assert_never

from goflow_py.clock import Clock, Handle, uuid7
from goflow_py.domain.actions import CallAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.values import value
from goflow_py.domain.workers import Worker
from goflow_py.engine import attempts
from goflow_py.engine.attempts import Chosen, Closing
from goflow_py.engine.backoff import RetryDefaults, exhausted
from goflow_py.engine.breaker import PROBE_AFTER_SECONDS, Breaker, Breakers
from goflow_py.engine.slots import CALLS_IN_FLIGHT_MAX, Ask, Key, Slot, Slots
from goflow_py.engine.stand_ins import QUEUED, Workers, called_worker, used_of, workers_of
from goflow_py.engine.steps import Step
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict
from goflow_py.fsm import timers, work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.errands import NOTIFY
from goflow_py.fsm.inputs import task_ended
from goflow_py.fsm.rows import CALLS
from goflow_py.ports import Reply, shard_of

ROUNDS_MAX = 100
"""Tasks of one step that may end one after the other without a call; more are paced."""
PACE_MS = 1_000
PUSHED = frozenset({"sync", "async", "script", "emit", "activity", NOTIFY})
"""Types of work whose attempts the dispatcher opens."""
WATCH_SECONDS = 10.0
"""Beyond an errand's deadline: then it is looked whether a crash cut it."""
BUDGET_LOOK_SECONDS = 1.0
"""Between two looks at who waits for a budget of retries."""
TURNS_KEPT_MAX = 10_000


@value
class WaitUntil:
    """Every worker of the best priority has to be left alone until then."""

    at: int


@value
class NoSlot:
    """There are as many calls in flight as there may be; the task waits for one to end."""

    workers: tuple[Worker, ...]
    """Whom it would call."""
    again: frozenset[str] = frozenset()
    """Endpoints at which it would be a retry, their circuit being open."""


@value
class Claimable:
    """It stands on a queue: a pull worker or a person claims it."""


@value
class NoneLeft:
    """Every worker is exhausted, or there is none."""

    code: str
    message: str


Choice = Chosen | Claimable | WaitUntil | NoSlot | NoneLeft


class Dispatcher:
    """Chooses workers, and knows what they did lately."""

    def __init__(
        self,
        clock: Clock,
        *,
        defaults: RetryDefaults | None = None,
        in_flight_max: int = CALLS_IN_FLIGHT_MAX,
        open_max: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._defaults = defaults or RetryDefaults()
        self._turn: dict[Key, int] = {}
        self._counter = 0
        self._look: Handle | None = None
        self.breakers = Breakers(clock.monotonic)
        self.slots = Slots(in_flight_max, budget=self.breakers, open_max=open_max)
        self.wake_ready: Callable[[], object] = lambda: None
        """Is called when time alone may let somebody go on who waits for a slot."""

    # ------------------------------------------------------------ tasks to attempts

    def dispatch(self, step: Step) -> None:
        """Open an attempt, or set the time of the next one, for every task that has neither."""
        draft = step.draft
        if draft.after.paused:
            return
        for number in range(ROUNDS_MAX + 1):
            due = [task.name for task in _open_work(draft) if _is_due(draft, task)]
            if not due:
                return
            if number == ROUNDS_MAX:
                # Work that ends without a call led to more such work, again and again.
                self.put_off(draft)
                return
            moved = False
            for name in due:
                # One before it may have decided the join, or left the state.
                task = draft.after.work(name)
                if task is not None and _is_due(draft, task):
                    moved = self._dispatch_one(step.compiled, draft, task, step.workers) or moved
            if not moved:
                return

    def leave_row(self, draft: Draft) -> bool:
        """Take it out of those that wait for a slot; tell whether it was there, or was promised."""
        return not draft.after.paused and self.slots.leave_queue(draft.after.id)

    def put_off(self, draft: Draft) -> None:
        """Give due work a timer that finds it again: nothing begins now."""
        if draft.after.paused:
            return
        for task in _open_work(draft):
            if task.kind in PUSHED and _is_due(draft, task):
                attempts.wait_for_worker(draft, task, draft.now + PACE_MS)

    def _dispatch_one(self, compiled: Compiled, draft: Draft, task: Task, workers: Workers) -> bool:
        """Tell whether the state may have new work now: the task ended, and the machine went on."""
        choice = self._choose(compiled, draft, task, workers_of(compiled, task, workers))
        match choice:
            case Chosen() if task.kind == "activity":
                resumed = task.child if not task.used else None
                child = resumed or self.new_child(draft.after.id)
                attempts.open_attempt(draft, task, choice, child=child)
                return False
            case Chosen():
                attempts.open_attempt(draft, task, choice)
                self._watch(draft, task, choice.worker)
                self._take_slot(draft, task, choice.worker)
                return False
            case Claimable():
                return False
            case WaitUntil():
                attempts.wait_for_worker(draft, task, choice.at)
                return False
            case NoSlot():
                self._queue(draft.after, task, choice)
                if f"task:{task.name}:watch" not in draft.after.timers:
                    self._watch(draft, task, choice.workers[0])
                return False
            case NoneLeft():
                attempts.give_up(compiled, draft, task, choice.code, choice.message)
                if task.name not in draft.after.errands and task.name in draft.after.tasks:
                    task_ended(compiled, draft, task.name)
                return True
            case _:
                assert_never(choice)

    def _choose(
        self, compiled: Compiled, draft: Draft, task: Task, workers: tuple[Worker, ...]
    ) -> Choice:
        if not workers:
            return NoneLeft(code="no_worker", message=f"action '{task.action}' has no worker now")
        if task.kind in CALLS and not task.used and not task.waits and len(workers) == 1:
            # The usual first attempt, of which nothing has to be compared.
            [worker] = workers
            if worker.rate_limit is None and not self._breaker(draft, task, worker).is_open:
                free = self.slots.has(draft.after.project, task.action, worker)
                return Chosen(worker=worker) if free else NoSlot(workers=workers)
        elapsed = (draft.now - task.since) / 1000
        left = [
            worker
            for worker in workers
            if not exhausted(
                worker,
                used=used_of(task, worker.worker_endpoint),
                elapsed_seconds=elapsed,
                defaults=self._defaults,
            )
        ]
        action = None if task.kind == NOTIFY else compiled.actions[task.action]
        if not left and action is not None and work.is_parked(action, task):
            return Claimable()
        if not left:
            return NoneLeft(code="unreachable", message="every worker failed")
        if task.kind in QUEUED:
            return Claimable()
        now = self._clock.monotonic()
        up = [w for w in left if self._breaker(draft, task, w).lets_through(now)]
        if not up:
            model = None if action is None else action.model
            when_open = model.when_open if isinstance(model, CallAction) else "call"
            if when_open == "fail":
                return NoneLeft(code="unreachable", message="every worker's circuit is open")
            if when_open == "wait":
                probe = min(self._breaker(draft, task, w).next_probe() for w in left)
                return WaitUntil(at=draft.now + self._until_probe(probe - now))
        return self._best(draft, task, up or left, left)

    def _best(self, draft: Draft, task: Task, pool: list[Worker], left: list[Worker]) -> Choice:
        """Choose within the best priority of *pool*: due, failed least, and whose turn it is."""
        execution, now = draft.after.id, draft.now
        first = min(worker.priority for worker in pool)
        group = [worker for worker in pool if worker.priority == first]
        begins = {w.worker_endpoint: self._not_before(draft, task, w) for w in group}
        due = [w for w in group if begins[w.worker_endpoint] <= now]
        if not due:
            soonest = min(group, key=lambda w: begins[w.worker_endpoint])
            place = self.slots.reserve(execution, _key(draft, task, soonest), soonest, now)
            return WaitUntil(at=max(place, task.waits.get(soonest.worker_endpoint, 0)))
        free = due
        if task.kind != "activity":  # a child holds no connection
            again = frozenset(w.worker_endpoint for w in due if self._needs_budget(draft, task, w))
            free = [w for w in due if self._has_slot(draft.after.project, task, w, again)]
            if not free:
                return NoSlot(workers=tuple(due), again=again)
        worker = min(
            free,
            key=lambda w: (
                task.used.get(w.worker_endpoint, 0),
                self._turn.get(_key(draft, task, w), 0),
            ),
        )
        skipped = tuple(w.worker_endpoint for w in left if w.priority < worker.priority)
        return Chosen(worker=worker, skipped=skipped)

    def _until_probe(self, seconds: float) -> int:
        """Return the milliseconds until a probe that is due in *seconds*, or later at random.

        Who waits for a circuit would else come back in the very second in which it closes.
        """
        later = self._clock.random() * PROBE_AFTER_SECONDS / 2
        return max(PACE_MS, round((seconds + later) * 1000))

    def _needs_budget(self, draft: Draft, task: Task, worker: Worker) -> bool:
        """Tell whether a call is a retry at an endpoint that is known to be down."""
        tried = task.used.get(worker.worker_endpoint, 0) > 0
        return tried and self._breaker(draft, task, worker).is_open

    def _has_slot(self, project: str, task: Task, worker: Worker, again: frozenset[str]) -> bool:
        needs = worker.worker_endpoint in again
        return self.slots.has(project, task.action, worker, again=needs)

    def _not_before(self, draft: Draft, task: Task, worker: Worker) -> int:
        """Return when *worker* may be called for *task*: its back-off, and its rate limit."""
        pause = task.waits.get(worker.worker_endpoint, 0)
        begins = self.slots.begins(draft.after.id, _key(draft, task, worker), worker)
        return max(pause, begins)

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
        if isinstance(verdict, Definite) and attempts.may_wait(compiled, task):
            verdict = Failure(
                code=verdict.code, message=verdict.message, status=verdict.status, again=False
            )
        failed = isinstance(verdict, Failure)
        closing = Closing(
            worker=called_worker(compiled, workers, task) if failed else None,
            defaults=self._defaults,
            chance=self._clock.random() if failed else 0.0,
            reply=reply,
            via=via,
        )
        if not attempts.close_attempt(compiled, draft, task, verdict, closing):
            return
        assert isinstance(verdict, Success | Definite), "only these decide a task"
        if task.name in draft.after.errands:
            attempts.end_errand(compiled, draft, task, verdict)
        elif draft.after.paused:
            attempts.hold(draft, task, verdict)
        else:
            attempts.end_task(compiled, draft, task, verdict)
            task_ended(compiled, draft, task.name)

    def called(self, slot: Slot, verdict: Verdict, *, began: float) -> None:
        """Note what a call told about its endpoint. A definite no is an answer: it is up."""
        now, breaker = self._clock.monotonic(), self.breakers.of(slot.key)
        breaker.report(now, ok=not isinstance(verdict, Failure), by=slot)
        ms = round((now - began) * 1_000)
        breaker.lately.note(verdict, at=self._clock.now_ms(), ms=ms)

    def new_child(self, parent: str) -> str:
        """Return the id of a child to be: a family shares a shard."""
        return uuid7(self._clock, last_byte=shard_of(parent))

    def _watch(self, draft: Draft, task: Task, worker: Worker) -> None:
        """Let a timer look after an errand's attempt: an ended execution has nothing else."""
        if task.name in draft.after.errands:
            name = f"task:{task.name}:watch"
            timers.cancel_timer(draft, name)
            timers.set_timer(draft, name, worker.response_timeout + WATCH_SECONDS)

    # ------------------------------------------------------------ slots

    def _breaker(self, draft: Draft, task: Task, worker: Worker) -> Breaker:
        return self.breakers.of(_key(draft, task, worker))

    def _take_slot(self, draft: Draft, task: Task, worker: Worker) -> None:
        """Count the call of the attempt that was opened."""
        execution = draft.after
        opened = execution.work(task.name)
        assert opened is not None and opened.call is not None, "its attempt was opened"
        key = _key(draft, task, worker)
        slot = Slot(key, execution.id, opened.call.fence)
        self._counter += 1
        self._turn.pop(key, None)
        self._turn[key] = self._counter
        if len(self._turn) > TURNS_KEPT_MAX:
            del self._turn[next(iter(self._turn))]
        self.slots.use_place(execution.id, key, worker, draft.now)
        self.slots.take(slot)
        now, breaker = self._clock.monotonic(), self.breakers.of(key)
        retries = int(task.used.get(worker.worker_endpoint, 0) > 0)
        breaker.budget.add(now, calls=1 - retries, retries=retries)
        if breaker.is_open:
            breaker.called(now, by=slot)

    def slot_of(self, execution: Execution, task: Task, fence: int) -> Slot:
        """Return the slot of an attempt that was opened."""
        slot = self.slots.of(execution.id, fence)
        if slot is None:
            assert task.call is not None, "its attempt was opened"
            slot = Slot((execution.project, task.action, task.call.worker), execution.id, fence)
            self.slots.take(slot)
        return slot

    def free_slot(self, slot: Slot) -> None:
        """Give back the slot of a call that ended, or was never sent; once."""
        if self.slots.free(slot):
            self.breakers.of(slot.key).dropped(by=slot)

    def _queue(self, execution: Execution, task: Task, choice: NoSlot) -> None:
        self.slots.queue(
            Ask(
                execution=execution.id,
                project=execution.project,
                action=task.action,
                workers=choice.workers,
                since=task.since,
                again=choice.again,
            )
        )
        if choice.again:
            self._look_at_budgets()

    def _look_at_budgets(self) -> None:
        """Look every second at who waits for a budget, as long as somebody does."""
        if self._look is not None:
            return

        def look() -> None:
            self._look = None
            self.slots.tick()
            self.wake_ready()
            if self.slots.waits_for_budget:
                self._look_at_budgets()

        self._look = self._clock.call_later(BUDGET_LOOK_SECONDS, look)


def _key(draft: Draft, task: Task, worker: Worker) -> Key:
    return draft.after.project, task.action, worker.worker_endpoint


def _open_work(draft: Draft) -> list[Task]:
    after = draft.after
    if not after.errands:
        return [] if after.ended else after.open_tasks()
    errands = list(after.errands.values())
    return errands if after.ended else [*after.open_tasks(), *errands]


def _is_due(draft: Draft, task: Task) -> bool:
    """Tell whether *task* needs an attempt now: it has none, and no time for the next one."""
    if not task.open or task.call is not None or f"task:{task.name}:retry" in draft.after.timers:
        return False
    return task.kind in PUSHED or (task.kind in QUEUED and bool(task.used))
