"""Events from outside: whom they reach (section 6 of the language), and which are kept for later.

An input that is refused raises and leaves the draft to be thrown away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from goflow_py.domain import durations
from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.names import ENGINE_EVENTS
from goflow_py.errors import Conflict, EventNotAccepted, ExpressionFailed, Forbidden, Invalid
from goflow_py.fsm import work
from goflow_py.fsm.bytes_bound import KEPT_EVENTS_BYTES_MAX
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.guard import MicrostepLimit
from goflow_py.fsm.rows import CompiledRow
from goflow_py.fsm.schemas import check_schema
from goflow_py.fsm.step import Digest

DEFERRED_EVENTS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The event was taken; *respond* is what the sender gets back."""

    respond: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The event was kept for later: it is deferred, or the execution is paused."""


class Kin(Protocol):
    """The open machine children of an execution, as far as an event can reach them."""

    def offer(self, task: Task, event: Outside) -> Applied | Kept | None:
        """Let the child of *task* take the event; None: it does not accept it, and is as before."""

    def awaiting(self) -> list[dict[str, Any]]:
        """Return the events that they accept now, each with its task."""


Target = CompiledRow | Sequence[Task]
"""What takes an event: a row, or open tasks that await it."""


# ---------------------------------------------------------------- events from outside


def take_outside(
    compiled: Compiled, draft: Draft, event: Outside, kin: Kin | None = None
) -> Applied | Kept:
    """Apply an event that somebody sent, or keep it; *kin* are its children that may take it.

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
    offered: list[tuple[Task, Applied | Kept]] = []
    if kin is not None and not isinstance(target, CompiledRow):
        offered = _offer(digest, event, kin)
    if target is None and offered:
        target = ()
    if target is None:
        if event.name in digest.state.defer and event.task is None:
            _keep(draft, event, "defer")
            return Kept()
        raise EventNotAccepted(
            f"no transition for event '{event.name}' in state '{execution.state}'; "
            "'awaiting' lists the events that it accepts now",
            awaiting=[*awaiting(compiled, execution), *(kin.awaiting() if kin else ())],
            state=execution.state,
        )
    _apply(digest, event, target, passed_to=[task.name for task, _ in offered])
    finish(digest)
    return Applied(respond=_respond(digest, offered))


def _offer(digest: Digest, event: Outside, kin: Kin) -> list[tuple[Task, Applied | Kept]]:
    """Offer the event to every open machine, in the order of the tasks; or to the one named."""
    found: list[tuple[Task, Applied | Kept]] = []
    name, _, inner = (event.task or "").partition("/")
    for task in digest.draft.after.open_tasks():
        if name and task.name != name:
            continue
        if is_machine(digest.compiled, task) and task.call is not None:
            taken = kin.offer(task, replace(event, task=inner or None))
            if taken is not None:
                found.append((task, taken))
    return found


def is_machine(compiled: Compiled, task: Task) -> bool:
    """Tell whether a task is a private machine: events for its parent reach it."""
    action = compiled.actions.get(task.action)
    model = action.model if action is not None else None
    return isinstance(model, ActivityAction) and model.machine is not None


def _respond(digest: Digest, offered: Iterable[tuple[Task, Applied | Kept]]) -> Any:
    if digest.respond is not None:
        return digest.respond
    responses = (taken.respond for _, taken in offered if isinstance(taken, Applied))
    return next((respond for respond in responses if respond is not None), None)


def _admit(compiled: Compiled, execution: Execution, event: Outside) -> None:
    if "place" in execution.timers and not execution.ended:
        raise EventNotAccepted(
            "the execution has not begun: it waits for a place, since its activity runs only so "
            "many at a time; it accepts no event yet",
            awaiting=[],
            state=execution.state,
        )
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
    if execution.unwinding:
        raise Conflict(
            "the execution was cancelled, and what it did is being undone; it accepts no event",
            code="cancelling",
            state=execution.state,
        )
    declared = (compiled.blueprint.events or {}).get(event.name)
    if declared is None:
        return
    if declared.role and event.roles is not None and declared.role not in event.roles:
        raise Forbidden(f"event '{event.name}' needs the role '{declared.role}'", code="role")
    if declared.schema_ is not None:
        what = f"the data of event '{event.name}'"
        check_schema(declared.schema_, event.data, what, payer=execution.project)


def _target(digest: Digest, event: Outside) -> Target | None:
    """Return what takes the event (section 6): the named task, else a row, else every open wait.

    A state whose only work is a wait is different in one thing: its event ends that work, and only
    then finds its row (R7).
    """
    waiting = [task for task in digest.draft.after.open_tasks() if _awaits(digest, task, event)]
    if event.task is not None or (waiting and waiting[0].single):
        return waiting or None
    row = None
    if digest.compiled.takes_from_outside(event.name):
        row = digest.row_for(event.name)
    return row or waiting or None


def _awaits(digest: Digest, task: Task, event: Outside) -> bool:
    return (
        task.kind == "wait"
        and event.task in (None, task.name)
        and event.name in awaited(digest.compiled.actions[task.action])
    )


def _apply(
    digest: Digest,
    event: Outside,
    target: Target,
    *,
    deferred: int | None = None,
    passed_to: Sequence[str] = (),
) -> None:
    """Digest an accepted event. Raises ``ExpressionFailed``: the sender's 422, nothing changes."""
    draft = digest.draft
    optional = {"id": event.id, "principal": event.principal, "task": event.task}
    fields: dict[str, Any] = {"name": event.name, "data": event.data}
    fields |= {name: value for name, value in optional.items() if value is not None}
    if deferred is not None:
        fields["deferred"] = deferred
    if passed_to:
        fields["passedTo"] = list(passed_to)
    draft.add("eventApplied", **fields)
    mark = draft.mark()
    try:
        if isinstance(target, CompiledRow):
            digest.take(target, event.name, internal=_is_internal(draft.after, target))
        else:
            _end_waits(digest, event, target)
        digest.settle()
    except MicrostepLimit:
        draft.roll_back(mark)
        digest.fail_at_limit()


def _end_waits(digest: Digest, event: Outside, waiting: Sequence[Task]) -> None:
    """End every task that awaited the event, one at a time: one may decide the join."""
    draft = digest.draft
    visit = draft.after.visit
    for task in waiting:
        now = draft.after.tasks.get(task.name)
        if draft.after.ended or draft.after.visit != visit or now is None or not now.open:
            return
        action = digest.compiled.actions[task.action]
        work.end(draft, action, task.name, event.name, output=event.data)
        digest.outcome_of(draft.after.tasks[task.name])


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
    if execution.deferred or execution.held:
        kept = [event.data, execution.deferred, execution.held]
        if len(orjson.dumps(kept)) > KEPT_EVENTS_BYTES_MAX:
            raise Conflict(
                f"the events that the execution keeps have {KEPT_EVENTS_BYTES_MAX} bytes already; "
                "send it again later",
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
    if execution.ended or execution.unwinding or "place" in execution.timers:
        return []
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    state = compiled.states[execution.state]
    for task in execution.open_tasks():
        for name in awaited(compiled.actions[task.action]) if task.kind == "wait" else ():
            since = durations.rfc3339(task.since)
            own = None if task.single else task.name
            found[name, own] = {"event": name, "task": task.name, "since": since}
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


def take_deferred(compiled: Compiled, draft: Draft, kin: Kin | None = None) -> None:
    """Take every kept event that the state accepts now, oldest first, a record each."""
    while not draft.after.ended and _take_deferred_in_order(compiled, draft, kin):
        pass


def _take_deferred_in_order(compiled: Compiled, draft: Draft, kin: Kin | None) -> bool:
    """Offer each kept event to the state, oldest first; tell whether to begin again."""
    for kept in list(draft.after.deferred):
        if draft.after.ended:
            return False
        digest = Digest(compiled, draft)
        if _take_deferred(digest, kept, kin):
            draft.close_record()
            if draft.after.visit != digest.visit_before:
                return True
    return False


def _take_deferred(digest: Digest, kept: Mapping[str, Any], kin: Kin | None) -> bool:
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
        offered: list[tuple[Task, Applied | Kept]] = []
        if kin is not None and not isinstance(target, CompiledRow):
            offered = _offer(digest, event, kin)
        if target is None and not offered:
            return False
        names = [task.name for task, _ in offered]
        _apply(digest, event, target or (), deferred=kept["seq"], passed_to=names)
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
