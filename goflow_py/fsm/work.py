"""The work of a state: scheduling it, running what is instant, ending it."""

from collections.abc import Mapping
from typing import Any

from goflow_py.domain.actions import QueuedAction
from goflow_py.domain.execution import Task
from goflow_py.domain.history import AttemptOutcome
from goflow_py.domain.names import ERROR, SUCCESS
from goflow_py.errors import ExpressionFailed
from goflow_py.expression import MISSING
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import UNKNOWN_AFTER, CompiledAction
from goflow_py.fsm.timers import duration, moment, set_timer, set_timer_at

ErrorValue = dict[str, Any]
CALLBACK_TIMEOUT_SECONDS = 86_400.0
"""Of an ``async`` attempt that was accepted, when the action names no ``timeout``."""


def error_value(
    draft: Draft, code: str, message: str, task: Task | None = None, **more: Any
) -> ErrorValue:
    """Return an error as ``$.error`` shows it."""
    action = task.action if task else None
    if task is not None and not task.single:
        more = {"task": task.name, **more}
    return {"code": code, "message": message, "state": draft.after.state, "action": action, **more}


# ---------------------------------------------------------------- scheduling


def schedule(
    draft: Draft,
    action: CompiledAction,
    *,
    name: str | None = None,
    sees: Mapping[str, Any] | None = None,
    again: bool = False,
    **fields: Any,
) -> Task:
    """Add a task of *action*; an input that cannot be rendered ends it as an error at once.

    Without *name* it is the state's only work. The input is resolved once: every attempt sends the
    same. *sees* is what its templates see beside the context; *again* keeps the input it had.
    """
    single, task = name is None, name or action.model.name
    failure, missing = None, list[str]()
    old = draft.after.tasks.get(task) if again else None
    seen = sees if old is None else {**old.sees, **(sees or {})}
    value = fields.pop("input", draft.after.input)
    try:
        if old is not None and (old.attempts > 0 or not (single or has_no_input(old))):
            value, fields = old.input, old.facts | fields
        elif action.input is not None or action.templates or action.query:
            document = _seen(draft, seen)
            if action.input is not None:
                value = action.input.render(document, missing)
            if action.templates or action.query:
                fields |= _target(action, document, missing)
    except ExpressionFailed as error:
        failure, value = error, None
    if missing:
        fields["missing"] = missing
    if action.model.ignore_failure and "ignore" not in fields:
        fields["ignore"] = True
    draft.add(
        "taskScheduled",
        task=task,
        action=action.model.name,
        kind=action.kind,
        single=single,
        visit=draft.after.visit,
        input=value,
        **fields,
    )
    scheduled = draft.after.tasks.get(task) or draft.after.errands[task]
    if failure is None:
        _begin(draft, action, scheduled, seen)
    else:
        end_with_error(draft, action, task, "expression", failure.detail)
    return scheduled


def _seen(draft: Draft, *more: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the context, and what only this work sees beside it."""
    document = draft.document()
    for one in more:
        if one:
            document = {**document, **one}
    return document


def _begin(
    draft: Draft, action: CompiledAction, task: Task, sees: Mapping[str, Any] | None
) -> None:
    if action.kind == "undo" and not task.single:
        message = f"'{task.name}' cannot be of type 'undo': that is the whole work of a state"
        end_with_error(draft, action, task.name, "undo_failed", message)
        return
    if action.model.timeout is not None and action.kind != "script":
        set_timer(draft, f"task:{task.name}:timeout", action.model.timeout)
    if action.kind == "delay":
        _arm_delay(draft, action, task.name, _seen(draft, sees))


def has_no_input(task: Task) -> bool:
    """Tell whether the input could not be rendered when the task was scheduled."""
    return task.attempts == 0 and task.error is not None and task.error["code"] == "expression"


def _target(
    action: CompiledAction, document: Mapping[str, Any], missing: list[str]
) -> dict[str, Any]:
    """Return what the work goes to: the path and query of a call, or whom an event is for."""
    if action.kind == "emit":
        return {"target": _addressee(action, document, missing)}
    found: dict[str, Any] = {}
    if "assignedTo" in action.templates:
        found["assignedTo"] = _text(action.templates["assignedTo"].render(document, missing))
    if "path" in action.templates or action.query:
        query = {name: t.render(document, missing) for name, t in (action.query or {}).items()}
        path = ""
        if "path" in action.templates:
            path = action.templates["path"].render(document, missing)
        found["target"] = {"path": path, "query": query}
    return found


def _addressee(
    action: CompiledAction, document: Mapping[str, Any], missing: list[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("execution", "key"):
        if name in action.templates:
            found[name] = _text(action.templates[name].render(document, missing))
            if not found[name]:
                raise ExpressionFailed(f"the '{name}' that the event is for is empty")
    if "data" in action.templates:
        found["data"] = action.templates["data"].render(document, missing)
    return found


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


def _arm_delay(
    draft: Draft, action: CompiledAction, task: str, document: Mapping[str, Any]
) -> None:
    try:
        if "until" in action.templates:
            due = moment(action.templates["until"].render(document))
        else:
            due = draft.now + round(duration(action.templates["seconds"].render(document)) * 1000)
        set_timer_at(draft, f"task:{task}:due", max(due, draft.now))
    except ExpressionFailed as failure:
        end_with_error(draft, action, task, "expression", failure.detail)


# ---------------------------------------------------------------- instant work


def run_instant(
    draft: Draft, action: CompiledAction, task: Task, *, sees: Mapping[str, Any] | None = None
) -> None:
    """Evaluate a ``switch`` or a ``map``, and end its task; *sees* as for ``schedule``."""
    try:
        document = _seen(draft, task.sees, sees)
        if action.expression is not None:
            _end_switch(draft, action, task, action.expression.evaluate(document))
            return
        changes = {name: t.render(document) for name, t in (action.set or {}).items()}
        value = action.templates["value"].render(document) if "value" in action.templates else None
    except ExpressionFailed as failure:
        end_with_error(draft, action, task.name, "expression", failure.detail)
        return
    if changes:
        draft.add("dataChanged", data={**draft.after.data, **changes}, task=task.name)
    end(draft, action, task.name, "success", output=value)


def _end_switch(draft: Draft, action: CompiledAction, task: Task, value: Any) -> None:
    if value is MISSING or value is None or isinstance(value, list | dict):
        shown = "nothing" if value is MISSING or value is None else "a list or a map"
        message = f"the expression of '{task.action}' gave {shown}, where a branch was needed"
        end_with_error(draft, action, task.name, "no_branch", message)
    else:
        label = as_text(value)
        if label == ERROR and not task.single:
            # The value is often a user's: beside the rows of a state it moves nothing.
            label = SUCCESS
        end(draft, action, task.name, label, output=value)


def as_text(value: Any) -> str:
    """Return *value* as text; integers are written without a point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


# ---------------------------------------------------------------- ends


def end(draft: Draft, action: CompiledAction, task: str, outcome: str, *, output: Any) -> None:
    """End a task well, or with a label; its output template sees ``$.result``."""
    known = draft.after.work(task)
    facts = known.facts if known is not None else {}
    if action.output is not None:
        sees = known.sees if known is not None else {}
        try:
            output = action.output.render(_seen(draft, sees, {"result": output}))
        except ExpressionFailed as failure:
            end_with_error(draft, action, task, "expression", failure.detail)
            return
    drop_timers(draft, task)
    more = _undo_of(draft, action, known, output)
    if "businessStatus" in facts:
        more["businessStatus"] = facts["businessStatus"]
    draft.add(
        "taskEnded", task=task, visit=draft.after.visit, outcome=outcome, output=output, **more
    )


def end_with_error(
    draft: Draft, action: CompiledAction, task: str, code: str, message: str, **more: Any
) -> None:
    """End a task as ``error``; with ``ignoreFailure`` it counts as ``success``."""
    known = draft.after.work(task)
    error = error_value(draft, code, message, known, **more)
    drop_timers(draft, task)
    extra: dict[str, Any] = {}
    outcome = "error"
    if known is not None and known.ignores_failure:
        outcome, extra = "success", {"output": None, "ignored": True}
    if known is not None and known.attempts > 0 and (code in UNKNOWN_AFTER or known.is_unknown):
        extra |= _undo_of(draft, action, known, None)
    draft.add(
        "taskEnded", task=task, visit=draft.after.visit, outcome=outcome, error=error, **extra
    )


def close(
    draft: Draft, task: Task, outcome: str = "cancelled", *, undo: str | None = None, **fields: Any
) -> None:
    """Close an open task from outside: a call in flight is dropped, a late result ignored.

    *undo* is the action that compensates it, for work that was begun and may have been done.
    """
    if task.call is not None:
        close_attempt(draft, task, "superseded")
    drop_timers(draft, task.name)
    if undo is not None and task.attempts > 0 and _can_be_undone(draft, task):
        fields["undo"] = _undoing(draft, undo, task, fields.get("output"))
    draft.add("taskEnded", task=task.name, visit=draft.after.visit, outcome=outcome, **fields)


def is_parked(action: CompiledAction, task: Task) -> bool:
    """Tell whether work failed for good, and waits for somebody to retry it."""
    model = action.model
    return (
        isinstance(model, QueuedAction)
        and model.when_failed == "wait"
        and not task.ignores_failure
        and task.call is None
        and task.outcome is None
        and sum(task.used.values()) > model.retry_count
    )


def close_attempt(draft: Draft, task: Task, outcome: AttemptOutcome) -> None:
    """Close an open attempt that nobody answered."""
    assert task.call is not None, "only an open attempt is closed"
    draft.add(
        "attemptEnded",
        task=task.name,
        attempt=task.call.attempt,
        worker=task.call.worker,
        visit=draft.after.visit,
        outcome=outcome,
        httpStatus=None,
        ms=draft.now - task.call.started_at,
    )


def _undo_of(
    draft: Draft, action: CompiledAction, task: Task | None, output: Any
) -> dict[str, Any]:
    """Return what the end of a task notes for its compensation, if it has one."""
    if action.model.undo is None or task is None or not _can_be_undone(draft, task):
        return {}
    return {"undo": _undoing(draft, action.model.undo, task, output)}


def _can_be_undone(draft: Draft, task: Task) -> bool:
    """Tell whether *task* is work of the execution: no compensation, and no teardown."""
    return task.undoes is None and (
        task.name not in draft.after.errands or "replaces" in task.facts
    )


def _undoing(draft: Draft, undo: str, task: Task, output: Any) -> dict[str, Any]:
    visit = draft.after.visit
    key = task.facts.get("key") or (f"{visit}" if task.single else f"{visit}/{task.name}")
    return {
        "undo": undo,
        "key": f"{key}/undo",
        "task": task.name,
        "input": task.input,
        "output": output,
    }


def drop_timers(draft: Draft, task: str) -> None:
    """Take back every promise that was made to a task."""
    if not draft.after.timers:
        return
    prefix = f"task:{task}:"
    for name in list(draft.after.timers):
        # Names of tasks may hold colons: 'task:a:' also begins the timers of the task 'a:b'.
        if name.startswith(prefix) and ":" not in name[len(prefix) :]:
            draft.add("timerCancelled", timer=name)


def timer_task(timer: str) -> str | None:
    """Return the task that a timer is of, if it is one's."""
    return timer[len("task:") :].rsplit(":", 1)[0] if timer.startswith("task:") else None


def close_open(draft: Draft, actions: Mapping[str, CompiledAction]) -> None:
    """Close all work that is open, noting what may have to be undone."""
    for task in list(draft.after.tasks.values()):
        if task.outcome is not None:
            continue
        action = actions.get(task.action)
        close(draft, task, undo=action.model.undo if action is not None else None)


def leave(draft: Draft, actions: Mapping[str, CompiledAction], *, everything: bool = False) -> None:
    """Leave the state, or fail in it (R8): its open work is closed, its timers are cancelled.

    The execution's own deadline goes on, unless *everything* ends; errands go on in any case.
    """
    close_open(draft, actions)
    for name in list(draft.after.timers):
        if timer_task(name) in draft.after.errands:
            continue
        if everything or name != "deadline":
            draft.add("timerCancelled", timer=name)
