"""The operators' verbs, exactly as section 10 of the language has them.

Each returns whether it changed anything; a verb that makes no sense now raises ``Conflict``.
"""

from collections.abc import Callable
from typing import Any

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution, Status
from goflow_py.domain.names import CANCEL
from goflow_py.errors import Conflict, Invalid
from goflow_py.fsm import places, work
from goflow_py.fsm.commands import note, refuse, refuse_orphan
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import Kin, finish, take_outside
from goflow_py.fsm.guard import MicrostepLimit
from goflow_py.fsm.reopening import goto, replay, retry, skip
from goflow_py.fsm.step import Digest
from goflow_py.fsm.undo import unwind


def control(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Carry out *command*. Raises ``Conflict`` (409), ``Invalid``, ``ExpressionFailed`` (422)."""
    execution = draft.before
    if places.waits_for_place(execution) and _withdraw(draft, command):
        return True
    reopens = command.verb in REOPENING and command.arguments.get("downstream") is not False
    if reopens and execution.ended and execution.parent is not None:
        refuse_orphan(command, execution)
    if execution.unwinding and command.verb in ("skip", "goto", "replay"):
        raise Conflict(
            "the execution was cancelled, and what it did is being undone; "
            + ("retry it" if execution.ended else "wait for its end, or terminate it"),
            code="cancelling",
            state=execution.state,
        )
    if reopens and execution.ended and places.needs_place(compiled, execution):
        if not command.arguments.get("byParent"):
            if places.waits_for_place(execution):
                return _is_noted_already(command, execution)
            # What could not be done now is refused now, not when there is a place.
            if not carry_out(compiled, Draft(execution, draft.now), command):
                return False
            places.ask_for_verb(draft, command)
            return True
    return carry_out(compiled, draft, command)


def _is_noted_already(command: Control, execution: Execution) -> bool:
    """Return False for the verb that waits for a place already; refuse any other."""
    noted = places.noted_command(execution)
    if noted is None or (noted.verb, noted.arguments) != (command.verb, command.arguments):
        refuse(command, execution, ": another verb waits for a place; cancel that first")
    return False


def carry_out(compiled: Compiled, draft: Draft, command: Control) -> bool:
    """Carry out a verb that waits for nothing any more."""
    try:
        return _VERBS[command.verb](compiled, draft, command)
    except MicrostepLimit:
        raise Conflict(
            f"{command.verb} leads into a loop without end; see the rows of state "
            f"'{draft.before.state}'",
            code="microstep_limit",
        ) from None


def _withdraw(draft: Draft, command: Control) -> bool:
    """Take back a verb that waits for a place; tell whether *command* asked for that.

    One that has not begun cannot be retried, nor led elsewhere.
    """
    if not draft.before.ended:
        if command.verb in REOPENING:
            refuse(command, draft.before, ": it has not begun, and waits for a place")
        return False
    if command.verb not in ("cancel", "terminate"):
        return False
    note(draft, command)
    places.withdraw(draft, command.verb)
    return True


# ---------------------------------------------------------------- pause and resume


def _pause(_: Compiled, draft: Draft, command: Control) -> bool:
    execution = draft.after
    if execution.ended:
        refuse(command, execution, "")
    if execution.paused:
        return False
    note(draft, command)
    draft.close_record()
    return True


def _resume(_: Compiled, draft: Draft, command: Control) -> bool:
    """Go on; the engine then takes what was held, and due timers, by their own time."""
    execution = draft.after
    if execution.ended:
        refuse(command, execution, "")
    if not execution.paused:
        return False
    note(draft, command)
    draft.close_record()
    return True


def take_held_event(
    compiled: Compiled, draft: Draft, held: dict[str, Any], kin: Kin | None = None
) -> None:
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
        take_outside(compiled, draft, event, kin)
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
        refuse(command, execution, "")
    digest = Digest(compiled, draft)
    draft.happens(CANCEL, {"reason": command.reason})
    is_plain = command.arguments.get("plain") or places.waits_for_place(execution)
    row = None if is_plain else digest.row_for(CANCEL)
    if row is None:
        note(draft, command, unwinding=True)
        unwind(digest)
    else:
        note(draft, command)
        digest.take(row, CANCEL)
        digest.settle()
    finish(digest)
    return True


def _terminate(compiled: Compiled, draft: Draft, command: Control) -> bool:
    execution = draft.after
    if execution.status is Status.CANCELLED:
        return False
    if execution.ended:
        refuse(command, execution, "")
    digest = Digest(compiled, draft)
    note(draft, command)
    message = command.reason or "terminated by an operator"
    digest.end("cancelled", error=work.error_value(draft, "terminated", message))
    finish(digest)
    return True


# ---------------------------------------------------------------- data


def _patch(_: Compiled, draft: Draft, command: Control) -> bool:
    """Change variables by a JSON merge patch (RFC 7396)."""
    execution = draft.after
    if execution.ended and execution.status is not Status.FAILED:
        refuse(command, execution, "")
    changed = merge_patch(execution.data, command.arguments["patch"])
    note(draft, command)
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


REOPENING = frozenset({"retry", "skip", "goto", "replay"})

_VERBS: dict[str, Callable[[Compiled, Draft, Control], bool]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "terminate": _terminate,
    "retry": retry,
    "skip": skip,
    "goto": goto,
    "replay": replay,
    "data": _patch,
}
