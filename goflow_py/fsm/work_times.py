"""How long one piece of work takes at most: an action, or a graph of tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from goflow_py.domain import durations
from goflow_py.domain.actions import (
    ActivityAction,
    CallAction,
    DelayAction,
    EmitAction,
    HumanAction,
    PullAction,
    RetriedAction,
    ScriptAction,
    WaitAction,
)
from goflow_py.domain.workers import Retry, Worker
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.rows import INSTANT, CompiledAction, CompiledState, CompiledTask
from goflow_py.fsm.tasks import ITEMS_MAX
from goflow_py.fsm.work import CALLBACK_TIMEOUT_SECONDS

ATTEMPT_SECONDS = 30.0
"""Of an attempt to bring an event somewhere."""
SCRIPT_SECONDS = 0.25
"""Of one evaluation of a script that names no ``timeout``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """For workers that declare no interval of their own, in seconds."""

    interval: float = 1.0
    max_interval: float = 60.0


@dataclass(frozen=True, slots=True)
class Unbounded:
    """Why a piece of work, or a visit, may take for ever."""

    why: str


Time = float | Unbounded


def longest(times: Sequence[Time]) -> Time:
    """Return the longest of *times*: the first that has no bound, if there is one."""
    found = 0.0
    for time in times:
        if isinstance(time, Unbounded):
            return time
        found = max(found, time)
    return found


def added(first: Time, second: Time) -> Time:
    """Return the time of one after the other."""
    if isinstance(first, Unbounded):
        return first
    return second if isinstance(second, Unbounded) else first + second


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTimes:
    """The longest that the work of a blueprint, or of one machine, takes."""

    compiled: Compiled
    workers: Mapping[str, Sequence[Worker]]
    back_off: BackOff
    machine_time: Callable[[str], Time]
    """Returns the longest that a run of a private machine takes."""

    def of_action(self, name: str) -> Time:
        """Return the longest that an action takes."""
        action = self.compiled.actions[name]
        time = self._untimed(action)
        limit = action.model.timeout
        if limit is None or isinstance(action.model, ScriptAction):
            return time
        return limit if isinstance(time, Unbounded) else min(limit, time)

    def of_own(self, state: CompiledState) -> Time | None:
        """Return the longest that the own work of a state takes; None: it has none."""
        if state.graph is not None:
            return self.of_graph(state.graph)
        return None if state.work is None else self.of_action(state.work)

    def of_graph(self, graph: Sequence[CompiledTask]) -> Time:
        """Return the longest way through the needs; a join of N can only be sooner."""
        tasks = {task.name: task for task in graph}
        ends: dict[str, float] = {}
        for name in TopologicalSorter({n: task.needs for n, task in tasks.items()}).static_order():
            time = self._of_task(tasks[name])
            if isinstance(time, Unbounded):
                return time
            ends[name] = time + max((ends[need] for need in tasks[name].needs), default=0.0)
        return max(ends.values(), default=0.0)

    def _of_task(self, task: CompiledTask) -> Time:
        time = self.of_action(task.action)
        if task.each is None or isinstance(time, Unbounded):
            return time
        items = ITEMS_MAX
        if task.each.constant:
            value = task.each.value
            items = len(value) if isinstance(value, list) else int(value is not None)
        rounds = -(-items // (task.concurrency or ITEMS_MAX))
        return time * rounds

    # ------------------------------------------------------------ actions

    def _untimed(self, action: CompiledAction) -> Time:
        model = action.model
        match model:
            case CallAction():
                return self._call(model)
            case DelayAction():
                return _delay(action)
            case WaitAction():
                return Unbounded(f"the wait '{model.name}' has no 'timeout'")
            case PullAction() | HumanAction():
                who = "somebody" if isinstance(model, HumanAction) else "a worker"
                why = f"'{model.name}' waits for {who} to claim it; give it a 'timeout'"
                return Unbounded(why)
            case ScriptAction():
                return self._attempts(model, model.timeout or SCRIPT_SECONDS)
            case EmitAction():
                return self._attempts(model, ATTEMPT_SECONDS)
            case ActivityAction():
                return self._activity(model)
            case _ if action.kind in INSTANT:
                return 0.0
            case _ if action.kind == "undo":
                why = f"'{model.name}' undoes all that was done before it; give it a 'timeout'"
                return Unbounded(why)
            case _:
                return Unbounded(f"'{model.name}' has no 'timeout'")

    def _call(self, model: CallAction) -> Time:
        name = model.name
        workers = self.workers.get(name, ())
        if not workers:
            return Unbounded(f"action '{name}' has no worker")
        callback = 0.0
        if model.type == "async":
            if model.heartbeat_timeout is not None:
                return Unbounded(f"heartbeats keep '{name}' open for ever; give it a 'timeout'")
            callback = CALLBACK_TIMEOUT_SECONDS
        if model.when_open == "wait":
            return Unbounded(f"'{name}' waits while circuits are open; give it a 'timeout'")
        return sum(
            (1 + worker.retry_count) * (worker.response_timeout + callback)
            + pauses(worker, self.back_off)
            for worker in workers
        )

    def _activity(self, model: ActivityAction) -> Time:
        if model.machine is None:
            why = f"how long activity '{model.activity}' takes is its own affair"
            return Unbounded(f"{why}; give '{model.name}' a 'timeout'")
        time = self.machine_time(model.machine)
        return time if isinstance(time, Unbounded) else self._attempts(model, time)

    def _attempts(self, model: RetriedAction, seconds: float) -> float:
        attempts = (1 + model.retry_count) * seconds
        return attempts + all_pauses(model.retry, model.retry_count, self.back_off)


def _delay(action: CompiledAction) -> Time:
    seconds = action.templates.get("seconds")
    if seconds is not None and seconds.constant:
        try:
            return durations.seconds(seconds.value)
        except (ValueError, TypeError):
            return 0.0  # it is an error at once
    return Unbounded(f"the delay '{action.model.name}' depends on the execution's data")


def pauses(worker: Worker, back_off: BackOff) -> float:
    """Return the longest that a worker's back-off takes: the ceiling between all attempts."""
    return all_pauses(worker.retry, worker.retry_count, back_off)


def all_pauses(retry: Retry, retry_count: int, back_off: BackOff) -> float:
    """Return the sum of the ceilings of *retry_count* pauses."""
    pause = back_off.interval if retry.interval is None else retry.interval
    most = back_off.max_interval if retry.max_interval is None else retry.max_interval
    total = 0.0
    for number in range(retry_count):
        if pause >= most or pause == 0.0:
            return total + (retry_count - number) * min(pause, most)
        total += pause
        pause *= retry.backoff_rate
    return total
