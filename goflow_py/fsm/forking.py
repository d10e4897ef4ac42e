"""A fork: a new execution that goes on from where another one once was."""

from typing import Any

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.domain.names import INIT, START
from goflow_py.errors import Conflict, Invalid
from goflow_py.fsm import timers
from goflow_py.fsm.commands import note
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.controls import merge_patch
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import finish
from goflow_py.fsm.guard import MicrostepLimit
from goflow_py.fsm.step import Digest

VERB = "fork"


def fork(compiled: Compiled, draft: Draft, original: Execution, command: Control) -> None:
    """Begin with the input, variables, outputs and visits of *original*; enter its state (R2).

    *original* is as it was then. Its open work, timers, kept events and what it could undo stay its
    own; so does its business key. Raises ``Invalid``, ``ExpressionFailed`` (422).
    """
    if original.machine is not None:
        raise Invalid(
            "a private machine is a part of its parent; fork the parent", code="machine_child"
        )
    blueprint = compiled.blueprint
    draft.add(
        "started",
        project=blueprint.project,
        activity=blueprint.activity,
        version=compiled.version,
        input=original.input,
        data=merge_patch(original.data, command.arguments.get("data") or {}),
        labels=dict(original.labels),
        traceparent=original.traceparent,
    )
    if blueprint.timeout is not None:
        timers.set_timer(draft, "deadline", blueprint.timeout)
    note(draft, command, **_inheritance(original))
    digest = Digest(compiled, draft)
    try:
        if original.state == INIT:
            draft.happens(START, original.input)
            digest.noted = {"start": True}
        else:
            draft.happens(VERB, None)
            # With the action of the row that led there, too: that was its work.
            digest.enter(original.state, event=VERB, action=original.entered_with)
        digest.settle()
    except MicrostepLimit:
        raise Conflict(
            f"the fork leads into a loop without end; see the rows of state '{original.state}'",
            code="microstep_limit",
        ) from None
    finish(digest)


def _inheritance(original: Execution) -> dict[str, Any]:
    optional = {"error": original.error, "businessStatus": original.business_status}
    return {
        "from": {"execution": original.id, "seq": original.seq},
        "outputs": dict(original.outputs),
        "visits": dict(original.visits),
        "lastVisits": dict(original.last_visits),
        "visit": original.visit,
        **{name: value for name, value in optional.items() if value is not None},
    }
