"""The machine children of an execution, ready to be offered an event in the parent's step."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Task
from goflow_py.engine.steps import Step
from goflow_py.errors import Conflict
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import Applied, Kept, awaiting, take_outside


class Children:
    """Open machine children by id, each with children of its own."""

    def __init__(self, found: Mapping[str, tuple[Step, "Children"]], parent: Draft) -> None:
        self._found = found
        self._parent = parent

    def offer(self, task: Task, event: Outside) -> Applied | Kept | None:
        """Let the child of *task* take the event; None: it does not accept it, and is as before."""
        found = self._found.get(task.child or "")
        if found is None:
            return None
        step, own = found
        # The sender's id is the parent's: there it is remembered.
        passed = replace(event, id=None)
        if step.draft.after.paused and not _awaits(step, own, event):
            return None
        mark = step.draft.mark()
        try:
            return take_outside(step.compiled, step.draft, passed, own)
        except Conflict:
            step.draft.roll_back(mark)
            return None

    def awaiting(self) -> list[dict[str, Any]]:
        """Return the events that they accept now, each with its task."""
        found: list[dict[str, Any]] = []
        for child, task in self._parent.after.children().items():
            if child in self._found:
                step, own = self._found[child]
                for item in [*awaiting(step.compiled, step.draft.after), *own.awaiting()]:
                    inner = item.get("task")
                    place = task.name if inner is None else f"{task.name}/{inner}"
                    found.append({**item, "task": place})
        return found


def _awaits(step: Step, own: Children, event: Outside) -> bool:
    accepted = [*awaiting(step.compiled, step.draft.after), *own.awaiting()]
    return any(item["event"] == event.name for item in accepted)
