"""What time and crashes do to an execution before anybody else's input is taken."""

from collections.abc import Container
from typing import Any

from goflow_py.domain.actions import CallAction
from goflow_py.domain.execution import Task
from goflow_py.engine import attempts
from goflow_py.engine.dispatcher import WATCH_SECONDS, Dispatcher
from goflow_py.engine.stand_ins import Workers
from goflow_py.engine.steps import Result, Step
from goflow_py.engine.verdict import Failure
from goflow_py.expression import budget
from goflow_py.fsm import timers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.controls import take_held_event
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import take_deferred
from goflow_py.fsm.inputs import take_timer, task_ended

TIMERS_A_STEP_MAX = 1_000
VISITS_A_STEP_MAX = 100
"""States that timers lead to in one step; a loop without a pause lets others go first."""
ATTEMPT_TIMERS = frozenset({"retry", "callback", "lease", "watch"})
"""Timers of attempts, which are the engine's; all others are the machine's."""


def abandon_lost(draft: Draft, calls: Container[int]) -> None:
    """Close attempts whose call (by fence) is not in flight: a crash or a drain cut them."""
    after = draft.after
    for task in [*after.tasks.values(), *after.errands.values()]:
        call = task.call
        if call is not None and not call.accepted and call.fence not in calls:
            attempts.abandon(draft, task)


def catch_up(step: Step, dispatcher: Dispatcher, *, until: int) -> None:
    """Fire every timer that is due by *until*, earliest first, a record each.

    None before the draft's own time: *until* may have been read off a clock that has been set back.
    """
    draft = step.draft
    if not draft.after.timers:
        return
    until = min(until, draft.now)
    most = draft.before.visit + VISITS_A_STEP_MAX
    spent = budget.seconds_ever() + budget.DIGEST_FUSE_SECONDS
    for _ in range(TIMERS_A_STEP_MAX):
        timers = draft.after.timers
        if draft.after.visit > most or budget.seconds_ever() > spent:
            return
        if draft.after.paused or not timers:
            return
        due, name = min((due, name) for name, due in timers.items())
        if due > until:
            return
        _fire(step.compiled, draft, dispatcher, step.workers, name)
        draft.close_record()


def take_results(step: Step, dispatcher: Dispatcher, results: list[tuple[int, Result]]) -> int:
    """Take what came of calls; return how much of it: what is left has a step of its own."""
    until = budget.seconds_ever() + budget.DIGEST_FUSE_SECONDS
    taken = 0
    for arrived, take in results:
        if taken and budget.seconds_ever() > until:
            break
        taken += 1
        catch_up(step, dispatcher, until=arrived)
        take(step)
    return taken


def _fire(
    compiled: Compiled, draft: Draft, dispatcher: Dispatcher, workers: Workers, timer: str
) -> None:
    what = timer.rsplit(":", 1)[-1] if timer.startswith("task:") else ""
    if what not in ATTEMPT_TIMERS:
        take_timer(compiled, draft, timer)
        return
    task = draft.after.work(timer.removeprefix("task:").rsplit(":", 1)[0])
    draft.add("timerFired", timer=timer, due=draft.after.timers[timer])
    if task is None or task.call is None:
        return
    if what == "callback":
        failure = Failure(code="timeout", message=_silence(compiled, task))
        dispatcher.close(compiled, draft, task, failure, workers=workers)
    elif what == "lease":
        message = f"'{task.call.worker}' claimed it, and did not complete it in time"
        failure = Failure(code="lease_expired", message=message)
        dispatcher.close(compiled, draft, task, failure, workers=workers)
    elif what == "watch":
        # Its call is in the air, though a clock that was set forward says it cannot be.
        timers.set_timer(draft, timer, WATCH_SECONDS)


def _silence(compiled: Compiled, task: Task) -> str:
    model = compiled.actions[task.action].model
    if isinstance(model, CallAction) and model.heartbeat_timeout is not None:
        return f"no heartbeat came for {model.heartbeat_timeout:g} s"
    return "no callback came in time"


def take_held(step: Step, dispatcher: Dispatcher) -> None:
    """After a resume: take what came meanwhile, and due timers, by their own time."""
    compiled, draft = step.compiled, step.draft
    for held in sorted(draft.before.held, key=lambda item: (item["at"], item["seq"])):
        catch_up(step, dispatcher, until=held["at"])
        what = held["input"]
        if what["kind"] == "event":
            take_held_event(compiled, draft, what, step.kin)
        else:
            _take_held_outcome(compiled, draft, what)
        draft.close_record()
    take_deferred(compiled, draft, step.kin)
    catch_up(step, dispatcher, until=draft.now)


def _take_held_outcome(compiled: Compiled, draft: Draft, held: dict[str, Any]) -> None:
    task = draft.after.tasks.get(held["task"])
    if task is not None and task.open and draft.after.visit == held["visit"]:
        attempts.end_task(compiled, draft, task, attempts.held_verdict(held))
        task_ended(compiled, draft, task.name)
    else:
        late = {"task": held["task"], "visit": held["visit"], "what": "outcome"}
        draft.add("lateIgnored", attempt=None, **late)
