"""Places: an activity that declares ``maxConcurrent`` has so many executions begun, and no more.

A start, and a verb that opens an ended execution, first asks for a place: by a timer ``place``, far
away, that says what is to be done once there is one. Who gives places, and when, is the engine's;
here is only what an execution is while it waits, and how it goes on.
"""

from collections.abc import Mapping
from typing import Any

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.domain.names import START
from goflow_py.fsm import timers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import finish
from goflow_py.fsm.guard import guarded
from goflow_py.fsm.step import Digest

PLACE = "place"
"""The timer of an execution that waits for a place."""


def needs_place(compiled: Compiled, execution: Execution) -> bool:
    """Tell whether an execution may only go on with a place.

    Private machines are parts of their parents. Below an execution of the same activity nobody
    waits: those above would wait for it, and keep the very places that it waits for.
    """
    if compiled.blueprint.max_concurrent is None or execution.machine is not None:
        return False
    above = () if execution.parent is None else execution.parent.get("places", ())
    return execution.activity not in above


def waits_for_place(execution: Execution) -> bool:
    """Tell whether an execution waits for a place."""
    return PLACE in execution.timers


def has_place(compiled: Compiled, execution: Execution) -> bool:
    """Tell whether an execution counts: it has begun, and has not ended."""
    if execution.seq < 0 or execution.ended or waits_for_place(execution):
        return False
    is_late = execution.visit == 0 and "delay" in execution.timers
    return not is_late and needs_place(compiled, execution)


def places_above(compiled: Compiled, parent: Execution) -> list[str]:
    """Return the activities of which a child of *parent* needs no place."""
    above = list((parent.parent or {}).get("places", ()))
    if has_place(compiled, parent) and parent.activity not in above:
        above.append(parent.activity)
    return above


def ask(draft: Draft, noted: Mapping[str, Any]) -> None:
    """Let an execution wait for a place; with it, what was *noted* is done."""
    due = draft.now + timers.YEARS_TEN_MS
    timers.set_timer_at(draft, PLACE, due, noted=dict(noted))


def ask_for_verb(draft: Draft, command: Control) -> None:
    """Let an ended execution wait for the place that *command* needs to open it again."""
    verb = {
        "verb": command.verb,
        "reason": command.reason,
        "principal": command.principal,
        "arguments": dict(command.arguments),
    }
    ask(draft, {"command": verb})


def noted_command(execution: Execution) -> Control | None:
    """Return the verb that waits for a place, if it is one."""
    if not waits_for_place(execution) or "command" not in (execution.noted or {}):
        return None
    return Control(**(execution.noted or {})["command"])


def withdraw(draft: Draft, reason: str) -> None:
    """Give up a verb that waits for a place; the history says why."""
    command = noted_command(draft.after)
    if command is not None:
        draft.add("timerCancelled", timer=PLACE)
        draft.add("eventIgnored", name=command.verb, id=None, reason=reason)
        draft.close_record()


def begin(compiled: Compiled, draft: Draft) -> None:
    """Start, now that there is a place."""
    draft.add("timerCancelled", timer=PLACE)
    start(compiled, draft)


def start(compiled: Compiled, draft: Draft) -> None:
    """Raise ``start``."""
    digest = Digest(compiled, draft)
    draft.happens(START, draft.after.input)

    def note() -> None:
        digest.noted = {"start": True}

    guarded(digest, note, {"noted": {"start": True}})
    finish(digest)
