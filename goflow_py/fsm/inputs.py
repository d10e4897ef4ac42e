"""The doors of a step: a start, an event from outside, the end of a task, a timer.

Each takes a draft and adds to it; nothing is durable, called or sent before the engine has
committed the draft. An input that is refused raises and leaves the draft to be thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goflow_py.domain import durations
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.names import ENGINE_EVENTS, START, SUCCESS, TIMEOUT
from goflow_py.errors import Conflict, EventNotAccepted, ExpressionFailed, Forbidden, Invalid
from goflow_py.fsm import work
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import CompiledRow
from goflow_py.fsm.schemas import check_schema
from goflow_py.fsm.step import Digest, MicrostepLimit, guarded

DEFERRED_EVENTS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The event was taken; *respond* is what the sender gets back."""

    respond: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The event was kept for later: it is deferred, or the execution is paused."""


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
        work.set_timer(draft, "deadline", blueprint.timeout)
    digest = Digest(compiled, draft)
    draft.happens(START, draft.after.input)
    if delay_seconds > 0:
        work.set_timer(draft, "delay", delay_seconds, noted={"start": True})
        finish(digest)
        return
    guarded(digest, lambda: _note(digest, {"start": True}), {"noted": {"start": True}})
    finish(digest)


def _note(digest: Digest, noted: Mapping[str, Any]) -> None:
    digest.noted = noted


# ---------------------------------------------------------------- events from outside


def take_outside(compiled: Compiled, draft: Draft, event: Outside) -> Applied | Kept:
    """Apply an event that somebody sent, or keep it.

    Raises ``EventNotAccepted`` (409), ``Invalid`` (422: reserved name, schema, an expression of the
    row), ``Forbidden`` (403: role), ``Conflict`` (409: too many kept).
    """
    execution = draft.after
    _admit(compiled, execution, event)
    if execution.paused:
        _keep(draft, event, "paused")
        return Kept()
    digest = Digest(compiled, draft)
    draft.happens(event.name, event.data)
    target = _target(digest, event)
    if target is None:
        if event.name in digest.state.defer and event.task is None:
            _keep(draft, event, "defer")
            return Kept()
        raise EventNotAccepted(
            f"no transition for event '{event.name}' in state '{execution.state}'; "
            "'awaiting' lists the events that it accepts now",
            awaiting=awaiting(compiled, execution),
            state=execution.state,
        )
    _apply(digest, event, target)
    finish(digest)
    return Applied(respond=digest.respond)


def _admit(compiled: Compiled, execution: Execution, event: Outside) -> None:
    if event.name in ENGINE_EVENTS:
        raise Invalid(
            f"'{event.name}' is raised by the engine and never accepted from outside",
            code="reserved_event",
        )
    if execution.ended:
        raise EventNotAccepted(
            f"the execution has ended ({execution.status}); it accepts no event",
            awaiting=[],
            state=execution.state,
        )
    declared = (compiled.blueprint.events or {}).get(event.name)
    if declared is None:
        return
    if declared.role and event.roles is not None and declared.role not in event.roles:
        raise Forbidden(f"event '{event.name}' needs the role '{declared.role}'", code="role")
    if declared.schema_ is not None:
        check_schema(declared.schema_, event.data, f"the data of event '{event.name}'")


def _target(digest: Digest, event: Outside) -> CompiledRow | Task | None:
    """Return what takes the event: an open wait that it ends, or the first row that fires."""
    waiting = _waiting_task(digest, event)
    if waiting is not None or event.task is not None:
        return waiting
    if not digest.compiled.takes_from_outside(event.name):
        return None
    return digest.row_for(event.name)


def _waiting_task(digest: Digest, event: Outside) -> Task | None:
    for task in digest.draft.after.open_tasks():
        if event.task not in (None, task.name):
            continue
        if task.kind == "wait" and event.name in awaited(digest.compiled.actions[task.action]):
            return task
    return None


def _apply(
    digest: Digest, event: Outside, target: CompiledRow | Task, *, deferred: int | None = None
) -> None:
    """Digest an accepted event. Raises ``ExpressionFailed``: the sender's 422, nothing changes."""
    draft = digest.draft
    optional = {"id": event.id, "principal": event.principal, "task": event.task}
    fields: dict[str, Any] = {"name": event.name, "data": event.data}
    fields |= {name: value for name, value in optional.items() if value is not None}
    if deferred is not None:
        fields["deferred"] = deferred
    draft.add("eventApplied", **fields)
    mark = draft.mark()
    try:
        if isinstance(target, Task):
            action = digest.compiled.actions[target.action]
            work.end(draft, action, target.name, event.name, output=event.data)
            digest.outcome_of(draft.after.tasks[target.name])
        else:
            digest.take(target, event.name, internal=_is_internal(draft.after, target))
        digest.settle()
    except MicrostepLimit:
        draft.roll_back(mark)
        digest.fail_at_limit()


def _is_internal(execution: Execution, row: CompiledRow) -> bool:
    """Tell whether *row* only changes data while work and timers go on (R7)."""
    if row.reenter or row.action is not None:
        return False
    if row.next is None:
        return True
    busy = bool(execution.open_tasks()) or execution.noted is not None
    return row.next == execution.state and busy


def _keep(draft: Draft, event: Outside, reason: str) -> None:
    execution = draft.after
    if len(execution.deferred) + len(execution.held) >= DEFERRED_EVENTS_MAX:
        raise Conflict(
            f"the execution keeps {DEFERRED_EVENTS_MAX} events already; send it again later",
            code="too_many_deferred",
        )
    fields: dict[str, Any] = {"name": event.name, "data": event.data, "reason": reason}
    if event.id is not None:
        fields["id"] = event.id
    if event.principal is not None:
        fields["principal"] = event.principal
    if reason == "paused":
        fields["input"] = {
            "kind": "event",
            "name": event.name,
            "data": event.data,
            "id": event.id,
            "task": event.task,
            "principal": event.principal,
        }
    draft.add("eventDeferred", **fields)
    draft.close_record()


def awaiting(compiled: Compiled, execution: Execution) -> list[dict[str, Any]]:
    """Return the events that the execution accepts now, as the API lists them."""
    if execution.ended:
        return []
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    state = compiled.states[execution.state]
    for task in execution.open_tasks():
        for name in awaited(compiled.actions[task.action]) if task.kind == "wait" else ():
            since = durations.rfc3339(task.since)
            found[name, None] = {"event": name, "task": task.name, "since": since}
    for name in state.outside:
        since = durations.rfc3339(execution.entered_at)
        found.setdefault((name, None), {"event": name, "since": since})
    for (name, _), item in found.items():
        declared = (compiled.blueprint.events or {}).get(name)
        if declared and declared.schema_ is not None:
            item["schema"] = declared.schema_
        if declared and declared.role:
            item["role"] = declared.role
    return list(found.values())


# ---------------------------------------------------------------- the end of work


def task_ended(compiled: Compiled, draft: Draft, task: str) -> None:
    """Go on after the engine ended a task (``work.end`` or ``work.end_with_error``)."""
    digest = Digest(compiled, draft)
    ended = draft.after.tasks[task]
    output = draft.after.outputs.get(draft.after.state, {}).get("output")
    draft.happens(ended.outcome, ended.error if ended.outcome == "error" else output)
    guarded(digest, lambda: digest.outcome_of(ended), {"task": task})
    finish(digest)


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
    task = draft.after.tasks.get(name)
    if task is None or not task.open:
        return
    if what == "due":
        work.end(draft, digest.compiled.actions[task.action], name, "success", output=None)
        ended = draft.after.tasks[name]
        draft.happens(ended.outcome, None)
        guarded(digest, lambda: digest.outcome_of(ended), {"task": name})
    else:
        message = f"'{task.action}' took longer than its timeout"
        error = work.error_value(draft, TIMEOUT, message, task)
        ignored = digest.compiled.actions[task.action].model.ignore_failure
        outcome = SUCCESS if ignored else TIMEOUT
        more = {"output": None, "ignored": True} if ignored else {}
        work.close(draft, task, outcome, error=error, **more)
        draft.happens(outcome, None)
        guarded(digest, lambda: digest.outcome(outcome, task), {"event": outcome})


# ---------------------------------------------------------------- after a digest


def finish(digest: Digest) -> None:
    """When the visit changed, take the kept events, a record each; the digest's own comes first.

    Otherwise its record stays open: the attempts that it leads to are part of it.
    """
    draft = digest.draft
    if draft.after.visit == digest.visit_before or draft.after.paused or not draft.after.deferred:
        return
    draft.close_record()
    take_deferred(digest.compiled, draft)


def take_deferred(compiled: Compiled, draft: Draft) -> None:
    """Take every kept event that the state accepts now, oldest first, a record each."""
    while not draft.after.ended and _take_deferred_in_order(compiled, draft):
        pass


def _take_deferred_in_order(compiled: Compiled, draft: Draft) -> bool:
    """Offer each kept event to the state, oldest first; tell whether to begin again."""
    for kept in list(draft.after.deferred):
        if draft.after.ended:
            return False
        digest = Digest(compiled, draft)
        if _take_deferred(digest, kept):
            draft.close_record()
            if draft.after.visit != digest.visit_before:
                return True
    return False


def _take_deferred(digest: Digest, kept: Mapping[str, Any]) -> bool:
    """Apply one kept event, if it is accepted now; one whose row breaks is ignored."""
    draft = digest.draft
    event = Outside(
        name=kept["name"],
        data=kept.get("data"),
        id=kept.get("id"),
        principal=kept.get("principal"),
    )
    mark = draft.mark()
    draft.happens(event.name, event.data)
    try:
        target = _target(digest, event)
        if target is None:
            return False
        _apply(digest, event, target, deferred=kept["seq"])
    except ExpressionFailed as failure:
        draft.roll_back(mark)
        draft.add(
            "eventIgnored",
            name=event.name,
            id=event.id,
            reason="expression",
            message=failure.detail,
            deferred=kept["seq"],
        )
    return True
