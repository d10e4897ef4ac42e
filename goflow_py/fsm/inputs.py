"""The doors of a step beside events: a start, the end of a task, a timer.

Each takes a draft and adds to it; nothing is durable, called or sent before the engine has
committed the draft.
"""

from collections.abc import Mapping
from typing import Any

from goflow_py.domain.execution import Task
from goflow_py.domain.names import SUCCESS, TIMEOUT
from goflow_py.fsm import places, timers, work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import finish
from goflow_py.fsm.guard import guarded
from goflow_py.fsm.rows import CompiledAction
from goflow_py.fsm.step import Digest
from goflow_py.fsm.undo import child_ended

# ---------------------------------------------------------------- start


def start(compiled: Compiled, draft: Draft, *, delay_seconds: float = 0.0, **facts: Any) -> None:
    """Begin an execution; *facts* are the other fields of ``started``."""
    blueprint = compiled.blueprint
    draft.add(
        "started",
        project=blueprint.project,
        activity=blueprint.activity,
        version=compiled.version,
        data=blueprint.data,
        **facts,
    )
    if blueprint.timeout is not None:
        timers.set_timer(draft, "deadline", blueprint.timeout)
    if delay_seconds > 0:
        timers.set_timer(draft, "delay", delay_seconds, noted={"start": True})
    elif places.needs_place(compiled, draft.after):
        places.ask(draft, {"start": True})
    else:
        places.start(compiled, draft)


def _note(digest: Digest, noted: Mapping[str, Any]) -> None:
    digest.noted = noted


# ---------------------------------------------------------------- the end of work


def task_ended(compiled: Compiled, draft: Draft, task: str) -> None:
    """Go on after the engine ended a task (``work.end`` or ``work.end_with_error``)."""
    digest = Digest(compiled, draft)
    ended = draft.after.tasks[task]
    draft.happens(
        ended.outcome, ended.error if ended.outcome == "error" else output_of(draft, ended)
    )
    guarded(digest, lambda: digest.outcome_of(ended), {"task": task})
    finish(digest)


def child_gone(compiled: Compiled, draft: Draft, task: str) -> None:
    """Go on with an undoing after an open child was cancelled with it."""
    digest = Digest(compiled, draft)
    work.close(draft, draft.after.tasks[task])
    child_ended(digest, draft.after.tasks[task])
    finish(digest)


def output_of(draft: Draft, task: Task) -> Any:
    """Return what a task of this visit ended with."""
    outputs = draft.after.outputs.get(draft.after.state) or {}
    if task.single:
        return outputs.get("output")
    own = outputs.get(task.name.partition("[")[0]) or {}
    output = own.get("output")
    return output if task.index is None or output is None else output[task.index]


# ---------------------------------------------------------------- timers


def take_timer(compiled: Compiled, draft: Draft, timer: str) -> None:
    """Fire a timer of the state or of the execution. Timers of attempts are the engine's."""
    due = draft.after.timers[timer]
    noted = draft.after.noted
    draft.add("timerFired", timer=timer, due=due)
    digest = Digest(compiled, draft)
    if timer == "deadline":
        message = f"the execution took longer than its {compiled.blueprint.timeout:g} s"
        digest.fail(work.error_value(draft, "execution_timeout", message))
    elif timer == "delay" and not draft.after.visit and places.needs_place(compiled, draft.after):
        places.ask(draft, {"start": True})
    elif timer == places.PLACE:
        places.start(compiled, draft)
    elif timer == "delay":
        again = noted or {"start": True}
        guarded(digest, lambda: _note(digest, again), {"noted": dict(again)})
    elif timer.startswith("after:"):
        name = next(t.event for t in digest.state.timers if t.name == timer)
        draft.happens(name, None)
        guarded(digest, lambda: digest.outcome(name), {"event": name})
    else:
        _task_timer(digest, timer)
    finish(digest)


def _task_timer(digest: Digest, timer: str) -> None:
    draft = digest.draft
    name, what = timer.removeprefix("task:").rsplit(":", 1)
    task = draft.after.work(name)
    if task is None or not task.open:
        return
    action = digest.compiled.actions[task.action]
    if name in draft.after.errands:
        if task.call is not None:
            work.close_attempt(draft, task, "timeout")
        work.end_with_error(draft, action, name, TIMEOUT, f"'{task.action}' took too long")
        return
    if what == "timeout" and task.single:
        _time_out(digest, task, action)
        return
    if what == "due":
        work.end(draft, action, name, SUCCESS, output=None)
    else:
        if task.call is not None:
            work.close_attempt(draft, task, "timeout")
        message = f"'{task.action}' took longer than its timeout"
        work.end_with_error(draft, action, name, TIMEOUT, message)
    ended = draft.after.tasks[name]
    draft.happens(ended.outcome, None)
    guarded(digest, lambda: digest.outcome_of(ended), {"task": name})


def _time_out(digest: Digest, task: Task, action: CompiledAction) -> None:
    """Close the state's only work, and raise ``timeout`` (section 5)."""
    draft = digest.draft
    message = f"'{task.action}' took longer than its timeout"
    error = work.error_value(draft, TIMEOUT, message, task)
    outcome = SUCCESS if task.ignores_failure else TIMEOUT
    more: dict[str, Any] = {"error": error}
    if task.ignores_failure:
        more |= {"output": None, "ignored": True}
    work.close(draft, task, outcome, undo=action.model.undo, **more)
    draft.happens(outcome, None)
    guarded(digest, lambda: digest.outcome(outcome, task), {"event": outcome})
