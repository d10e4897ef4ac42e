"""The work of a state: scheduling it, running what is instant, ending it; and a state's timers."""

from typing import Any

from goflow_py.domain import durations
from goflow_py.domain.actions import DelayAction, MapAction
from goflow_py.domain.execution import Task
from goflow_py.errors import ExpressionFailed
from goflow_py.expression import MISSING
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import CompiledAction, CompiledState

ErrorValue = dict[str, Any]
CALLBACK_TIMEOUT_SECONDS = 86_400.0
"""Of an ``async`` attempt that was accepted, when the action names no ``timeout``."""
YEARS_TEN_MS = 315_600_000_000


def error_value(
    draft: Draft, code: str, message: str, task: Task | None = None, **more: Any
) -> ErrorValue:
    """Return an error as ``$.error`` shows it."""
    action = task.action if task else None
    return {"code": code, "message": message, "state": draft.after.state, "action": action, **more}


# ---------------------------------------------------------------- timers


def set_timer(draft: Draft, name: str, seconds: float, **fields: Any) -> None:
    """Promise an event in *seconds*."""
    set_timer_at(draft, name, draft.now + round(seconds * 1000), **fields)


def set_timer_at(draft: Draft, name: str, due: int, **fields: Any) -> None:
    """Promise an event at the time *due*. Raises ``ExpressionFailed`` beyond ten years."""
    if due > draft.now + YEARS_TEN_MS:
        raise ExpressionFailed(f"'{durations.rfc3339(due)}' is more than ten years from now")
    draft.add("timerSet", timer=name, due=due, **fields)


def cancel_timer(draft: Draft, name: str) -> None:
    """Take a promise back, if it was made."""
    if name in draft.after.timers:
        draft.add("timerCancelled", timer=name)


def arm_timers(draft: Draft, state: CompiledState) -> None:
    """Set all timers of a state that was just entered. Raises ``ExpressionFailed``."""
    for timer in state.timers:
        if timer.at is not None:
            due = _time(timer.at.render(draft.document()))
            set_timer_at(draft, timer.name, due)
        else:
            value = timer.delay
            seconds = (
                value
                if isinstance(value, float | int)
                else _seconds(value.render(draft.document()) if value is not None else 0)
            )
            set_timer(draft, timer.name, seconds)


def _seconds(value: Any) -> float:
    try:
        return durations.seconds(value)
    except (ValueError, TypeError) as error:
        raise ExpressionFailed(f"{value!r} is no duration: {error}") from None


def _time(value: Any) -> int:
    try:
        return durations.timestamp_ms(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ExpressionFailed(f"{value!r} is no time: {error}") from None


# ---------------------------------------------------------------- tasks


def schedule(draft: Draft, action: CompiledAction, *, again: bool = False) -> Task:
    """Add the task of *action*; an input that cannot be rendered ends it as an error at once.

    The input is resolved once, here: every attempt sends the same bytes.
    """
    name = action.model.name
    failure = None
    missing: list[str] = []
    value, target = draft.after.input, None
    old = draft.after.tasks.get(name)
    try:
        if again and old is not None and old.attempts > 0:
            value, target = old.input, old.target
        else:
            if action.input is not None:
                value = action.input.render(draft.document(), missing)
            target = _target(draft, action, missing)
    except ExpressionFailed as error:
        failure, value = error, None
    more: dict[str, Any] = {"missing": missing} if missing else {}
    if target is not None:
        more["target"] = target
    draft.add(
        "taskScheduled",
        task=name,
        action=name,
        kind=action.kind,
        single=True,
        visit=draft.after.visit,
        input=value,
        **more,
    )
    if failure is not None:
        end_with_error(draft, action, name, "expression", failure.detail)
    else:
        _arm(draft, action, name)
    return draft.after.tasks[name]


def _target(draft: Draft, action: CompiledAction, missing: list[str]) -> dict[str, Any] | None:
    """Return the path and the query that an action adds to its worker's URL, if any."""
    if "path" not in action.templates and not action.query:
        return None
    document = draft.document()
    query = {name: t.render(document, missing) for name, t in (action.query or {}).items()}
    path = action.templates["path"].render(document, missing) if "path" in action.templates else ""
    return {"path": path, "query": query}


def _arm(draft: Draft, action: CompiledAction, task: str) -> None:
    """Set the timers of a task that begins."""
    if action.model.timeout is not None:
        set_timer(draft, f"task:{task}:timeout", action.model.timeout)
    if not isinstance(action.model, DelayAction):
        return
    try:
        document = draft.document()
        if "until" in action.templates:
            due = _time(action.templates["until"].render(document))
        else:
            due = draft.now + round(_seconds(action.templates["seconds"].render(document)) * 1000)
        set_timer_at(draft, f"task:{task}:due", max(due, draft.now))
    except ExpressionFailed as failure:
        end_with_error(draft, action, task, "expression", failure.detail)


def run_instant(draft: Draft, action: CompiledAction, task: Task) -> None:
    """Evaluate a ``switch`` or a ``map``, and end its task."""
    try:
        document = draft.document()
        if action.expression is not None:
            _end_switch(draft, action, task, action.expression.evaluate(document))
            return
        changes = {name: t.render(document) for name, t in (action.set or {}).items()}
        value = action.templates["value"].render(document) if "value" in action.templates else None
    except ExpressionFailed as failure:
        end_with_error(draft, action, task.name, "expression", failure.detail)
        return
    if isinstance(action.model, MapAction) and changes:
        draft.add("dataChanged", data={**draft.after.data, **changes}, task=task.name)
    end(draft, action, task.name, "success", output=value)


def _end_switch(draft: Draft, action: CompiledAction, task: Task, value: Any) -> None:
    if value is MISSING or value is None or isinstance(value, list | dict):
        shown = "nothing" if value is MISSING or value is None else "a list or a map"
        message = f"the expression of '{task.action}' gave {shown}, where a branch was needed"
        end_with_error(draft, action, task.name, "no_branch", message)
    else:
        end(draft, action, task.name, _as_text(value), output=value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def end(draft: Draft, action: CompiledAction, task: str, outcome: str, *, output: Any) -> None:
    """End a task well, or with a label; its output template sees ``$.result``."""
    if action.output is not None:
        try:
            output = action.output.render(draft.document(result=output))
        except ExpressionFailed as failure:
            end_with_error(draft, action, task, "expression", failure.detail)
            return
    _drop_timers(draft, task)
    draft.add("taskEnded", task=task, visit=draft.after.visit, outcome=outcome, output=output)


def end_with_error(
    draft: Draft, action: CompiledAction, task: str, code: str, message: str, **more: Any
) -> None:
    """End a task as ``error``; with ``ignoreFailure`` it counts as ``success``."""
    error = error_value(draft, code, message, draft.after.tasks.get(task), **more)
    _drop_timers(draft, task)
    outcome = "success" if action.model.ignore_failure else "error"
    extra: dict[str, Any] = {"output": None, "ignored": True} if outcome == "success" else {}
    draft.add(
        "taskEnded", task=task, visit=draft.after.visit, outcome=outcome, error=error, **extra
    )


def close(draft: Draft, task: Task, outcome: str = "cancelled", **fields: Any) -> None:
    """Close an open task from outside: a call in flight is dropped, a late result ignored."""
    if task.call is not None:
        draft.add(
            "attemptEnded",
            task=task.name,
            attempt=task.call.attempt,
            worker=task.call.worker,
            visit=draft.after.visit,
            outcome="superseded",
            httpStatus=None,
            ms=draft.now - task.call.started_at,
        )
    _drop_timers(draft, task.name)
    draft.add("taskEnded", task=task.name, visit=draft.after.visit, outcome=outcome, **fields)


def _drop_timers(draft: Draft, task: str) -> None:
    prefix = f"task:{task}:"
    for name in [name for name in draft.after.timers if name.startswith(prefix)]:
        draft.add("timerCancelled", timer=name)


def leave(draft: Draft, *, everything: bool = False) -> None:
    """Leave the state, or fail in it (R8): its open work is closed, its timers are cancelled.

    The execution's own deadline goes on, unless *everything* ends.
    """
    for task in draft.after.open_tasks():
        close(draft, task)
    for name in list(draft.after.timers):
        if everything or name != "deadline":
            draft.add("timerCancelled", timer=name)
