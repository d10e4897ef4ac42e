"""What all verbs share: their entry in the history, and how they are refused."""

from typing import Any

from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.errors import Conflict
from goflow_py.fsm.draft import Draft


def note(draft: Draft, command: Control, **fields: Any) -> None:
    """Record that a verb is carried out, by whom and why."""
    draft.add(
        "control",
        verb=command.verb,
        reason=command.reason,
        principal=command.principal,
        **fields,
    )


def refuse_orphan(command: Control, execution: Execution) -> None:
    """Refuse to open an ended child: the work that it was is over in its parent."""
    if command.arguments.get("byParent"):
        return
    parent = (execution.parent or {}).get("id")
    raise Conflict(
        f"this is a child that has ended, and its parent {parent} went on without it; "
        f"{command.verb} the parent",
        code="parent_moved_on",
        parent=parent,
    )


def refuse(command: Control, execution: Execution, what: str) -> None:
    """Raise ``Conflict``: the verb makes no sense in this status."""
    status = str(execution.status)
    raise Conflict(
        f"cannot {command.verb} an execution that is {status}{what}",
        code="wrong_status",
        state=execution.state,
        executionStatus=status,
    )
