"""The operators' verbs, exactly as section 10 of the language has them.

Each returns whether it changed anything; a verb that makes no sense now raises ``Conflict``.
"""

from collections.abc import Callable
from typing import Any

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution, Status
from goflow_py.domain.names import ALWAYS, CANCEL, ERROR, INIT, START, SUCCESS, TIMEOUT
from goflow_py.errors import Conflict, Invalid
from goflow_py.fsm import work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.inputs import finish, take_outside
from goflow_py.fsm.step import Digest, MicrostepLimit


def control(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Carry out *command*. Raises ``Conflict`` (409), ``Invalid``, ``ExpressionFailed`` (422)."""
    try:
        return _VERBS[command.verb](compiled, draft, command)
    except MicrostepLimit:
        raise Conflict(
            f"{command.verb} leads into a loop without end; see the rows of state "
            f"'{draft.before.state}'",
            code="microstep_limit",
        ) from None


def _note(draft: Draft, command: Control, **fields: Any) -> None:
    draft.add(
        "control",
        verb=command.verb,
        reason=command.reason,
        principal=command.principal,
        **fields,
    )


def _refuse(command: Control, execution: Execution, what: str) -> None:
    status = str(execution.status)
    raise Conflict(
        f"cannot {command.verb} an execution that is {status}{what}",
        code="wrong_status",
        state=execution.state,
        executionStatus=status,
    )


# ---------------------------------------------------------------- pause and resume


def _pause(_: Compiled, draft: Draft, command: Control) -> bool:
    execution = draft.after
    if execution.ended:
        _refuse(command, execution, "")
    if execution.paused:
        return False
    _note(draft, command)
    draft.close_record()
    return True


def _resume(_: Compiled, draft: Draft, command: Control) -> bool:
    """Go on; the engine then takes what was held, and due timers, by their own time."""
    execution = draft.after
    if execution.ended:
        _refuse(command, execution, "")
    if not execution.paused:
        return False
    _note(draft, command)
    draft.close_record()
    return True


def take_held_event(compiled: Compiled, draft: Draft, held: dict[str, Any]) -> None:
    """Apply an event that came while the execution was paused; one not accepted now is ignored."""
    event = Outside(
        name=held["name"],
        data=held.get("data"),
        id=held.get("id"),
        task=held.get("task"),
        principal=held.get("principal"),
    )
    mark = draft.mark()
    try:
        take_outside(compiled, draft, event)
    except (Conflict, Invalid) as refusal:
        draft.roll_back(mark)
        draft.add("eventIgnored", name=event.name, id=event.id, reason=refusal.reason)
        draft.close_record()


# ---------------------------------------------------------------- ends


def _cancel(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Take the row for ``cancel``, once; without one, close the work and end as cancelled."""
    execution = draft.after
    if execution.status is Status.CANCELLED or (execution.cancelling and not execution.ended):
        return False
    if execution.ended:
        _refuse(command, execution, "")
    digest = Digest(compiled, draft)
    draft.happens(CANCEL, {"reason": command.reason})
    row = digest.row_for(CANCEL)
    _note(draft, command)
    if row is None:
        digest.end("cancelled")
    else:
        digest.take(row, CANCEL)
        digest.settle()
    finish(digest)
    return True


def _terminate(compiled: Compiled, draft: Draft, command: Control) -> bool:
    execution = draft.after
    if execution.status is Status.CANCELLED:
        return False
    if execution.ended:
        _refuse(command, execution, "")
    digest = Digest(compiled, draft)
    _note(draft, command)
    message = command.reason or "terminated by an operator"
    digest.end("cancelled", error=work.error_value(draft, "terminated", message))
    finish(digest)
    return True


# ---------------------------------------------------------------- going on elsewhere


def _refuse_when_paused(command: Control, execution: Execution) -> None:
    if execution.paused:
        _refuse(command, execution, "; resume it first")


def _reopen(compiled: Compiled, draft: Draft) -> None:
    """Renew the execution's own timeout: an ended one has none."""
    timeout = compiled.blueprint.timeout
    if timeout is not None and "deadline" not in draft.after.timers:
        work.set_timer(draft, "deadline", timeout)


def _retry(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Go on in the same state, visit and keys; only work that did not end well runs again."""
    before = draft.before
    if before.status is not Status.FAILED:
        _refuse(command, before, "; only a failed one can be retried")
    if compiled.states[before.state].final == "failed":
        raise _final(before)
    digest = Digest(compiled, draft)
    _note(draft, command)
    _reopen(compiled, draft)
    if command.arguments.get("newVisit") and before.state != INIT:
        digest.enter(before.state, event="retry", action=before.entered_with)
        digest.settle()
    else:
        work.arm_timers(draft, digest.state)
        _again(compiled, digest, before)
    finish(digest)
    return True


def _again(compiled: Compiled, digest: Digest, before: Execution) -> None:
    """Take up what failed: the input that broke, the work that did not end well, or the start."""
    undigested = before.undigested or {}
    if "task" in undigested:
        task = before.tasks[undigested["task"]]
        digest.draft.happens(task.outcome, before.outputs.get(before.state, {}).get("output"))
        digest.outcome_of(task)
    elif "event" in undigested:
        digest.draft.happens(undigested["event"], None)
        digest.outcome(undigested["event"])
    elif "noted" in undigested:
        digest.noted = undigested["noted"]
    else:
        for task in before.tasks.values():
            if task.outcome != SUCCESS and not _issue_again(compiled, digest, task.action):
                return
        if not digest.draft.after.open_tasks() and digest.noted is None:
            digest.noted = {"start": True}
    digest.settle()


def _issue_again(compiled: Compiled, digest: Digest, name: str) -> bool:
    """Issue the work *name* with the very input that it had; tell whether the digest goes on."""
    action = compiled.actions.get(name)
    if action is None or action.kind not in ("sync", "async"):
        digest.noted = {"action": name}
        return True
    work.schedule(digest.draft, action, again=True)
    return False


def _skip(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Close the work and raise an event, ``success`` by default, as if it had ended so."""
    execution = draft.after
    _refuse_when_paused(command, execution)
    if execution.ended and execution.status is not Status.FAILED:
        _refuse(command, execution, "")
    name = command.arguments.get("event") or SUCCESS
    if name in (START, ALWAYS, CANCEL):
        raise Invalid(
            f"'{name}' is not an outcome of work; skip with another", code="reserved_event"
        )
    if compiled.states[execution.state].final == "failed":
        raise _final(execution)
    output = command.arguments.get("output")
    digest = Digest(compiled, draft)
    was_failed = execution.ended
    open_tasks = execution.open_tasks() or list(execution.tasks.values())
    _note(draft, command, event=name)
    if was_failed:
        _reopen(compiled, draft)
    for task in open_tasks:
        if task.open:
            work.close(draft, task, name, output=output)
        else:
            fields = {"task": task.name, "visit": execution.visit, "outcome": name}
            draft.add("taskEnded", **fields, output=output)
    draft.happens(name, output)
    if not digest.raise_event(name):
        if name not in (SUCCESS, ERROR, TIMEOUT):
            raise Conflict(
                f"state '{execution.state}' has no row for '{name}'; skip with one that it has",
                code="no_row",
                state=execution.state,
            )
        digest.outcome(name, draft.after.tasks[open_tasks[0].name] if open_tasks else None)
    digest.settle()
    finish(digest)
    return True


def _final(execution: Execution) -> Conflict:
    return Conflict(
        f"'{execution.state}' is a final state, entered by a row; use goto",
        code="final_state",
        state=execution.state,
    )


def _goto(compiled: Compiled, draft: Draft, command: Control) -> bool:
    target = command.arguments["state"]
    _check_target(compiled, draft.before, command, target)
    digest = Digest(compiled, draft)
    _note(draft, command, state=target)
    _reopen(compiled, draft)
    draft.happens("goto", None)
    digest.enter(target, event="goto")
    digest.settle()
    finish(digest)
    return True


def _replay(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Go back to a visited state and forget the outputs of the states entered since."""
    target = command.arguments["from"]
    before = draft.before
    _check_target(compiled, before, command, target)
    if target not in before.last_visits:
        raise Conflict(f"state '{target}' was never entered; use goto", code="not_visited")
    since = before.last_visits[target]
    forget = [state for state, visit in before.last_visits.items() if visit >= since]
    digest = Digest(compiled, draft)
    _note(draft, command, state=target, forget=forget)
    _reopen(compiled, draft)
    draft.happens("replay", None)
    digest.enter(target, event="replay")
    digest.settle()
    finish(digest)
    return True


def _check_target(compiled: Compiled, execution: Execution, command: Control, state: str) -> None:
    _refuse_when_paused(command, execution)
    if state not in compiled.states or state == "init":
        raise Invalid(
            f"the blueprint has no state '{state}' that can be entered",
            code="unknown_state",
            states=[name for name in compiled.states if name != "init"][:100],
        )


# ---------------------------------------------------------------- data


def _patch(_: Compiled, draft: Draft, command: Control) -> bool:
    """Change variables by a JSON merge patch (RFC 7396)."""
    execution = draft.after
    if execution.ended and execution.status is not Status.FAILED:
        _refuse(command, execution, "")
    changed = merge_patch(execution.data, command.arguments["patch"])
    _note(draft, command)
    draft.add("dataChanged", data=changed)
    draft.close_record()
    return True


def merge_patch(target: Any, patch: Any, depth: int = 0) -> Any:
    """Return *target* changed by *patch* (RFC 7396); bodies are at most 64 deep already."""
    if not isinstance(patch, dict) or depth > 64:
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value, depth + 1)
    return result


_VERBS: dict[str, Callable[[Compiled, Draft, Control], bool]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "terminate": _terminate,
    "retry": _retry,
    "skip": _skip,
    "goto": _goto,
    "replay": _replay,
    "data": _patch,
}
