"""Compensation: what was really done is undone one piece at a time, newest first.

A cancel without a row unwinds the whole execution so; an action of type ``undo`` does it on demand.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goflow_py.domain.execution import Task
from goflow_py.domain.names import ERROR, SUCCESS
from goflow_py.fsm import work
from goflow_py.fsm.rows import INSTANT

if TYPE_CHECKING:
    from goflow_py.fsm.step import Digest


def unwind(digest: "Digest") -> None:
    """Close the open work, wait for children to end, then undo what was done, and end."""
    draft = digest.draft
    children = draft.after.children()
    for task in draft.after.open_tasks():
        if task.child not in children:
            _close(digest, task)
    for errand in list(draft.after.errands.values()):
        if "replaces" in errand.facts:  # work done once more: it is undone like any other
            action = digest.compiled.actions[errand.action]
            work.close(draft, errand, undo=action.model.undo)
    for timer in list(draft.after.timers):
        if work.timer_task(timer) not in draft.after.errands:
            draft.add("timerCancelled", timer=timer)
    digest.noted = None
    go_on(digest)


def _close(digest: "Digest", task: Task) -> None:
    """Close open work; an outcome that came while the execution was paused is known already."""
    draft = digest.draft
    action = digest.compiled.actions.get(task.action)
    undo = action.model.undo if action is not None else None
    for held in draft.after.held:
        outcome = held["input"]
        if outcome["kind"] != "outcome" or outcome["task"] != task.name:
            continue
        if "code" in outcome:
            undo = None  # it was refused: nothing was done
        else:
            work.close(draft, task, undo=undo, output=outcome["output"])
            return
    work.close(draft, task, undo=undo)


def unwind_again(digest: "Digest", before: Mapping[str, Task]) -> None:
    """Go on with an undoing that failed: the children, or the compensation, that could not."""
    for task in before.values():
        if task.undoes is None and _is_failed_child(task):
            action = digest.compiled.actions[task.action]
            name = None if task.single else task.name
            work.schedule(digest.draft, action, name=name, again=True)
    go_on(digest)


def child_ended(digest: "Digest", _: Task) -> None:
    """Go on after a child of an execution that is being undone has ended."""
    go_on(digest)


def go_on(digest: "Digest") -> None:
    """Undo the newest piece of work that is left; at the end, end what asked for it."""
    draft = digest.draft
    while not draft.after.ended:
        if any(task.undoes is not None for task in draft.after.open_tasks()):
            return
        if draft.after.unwinding:
            if any(task.kind == "activity" for task in draft.after.open_tasks()):
                return
            failed = next(filter(_is_failed_child, draft.after.tasks.values()), None)
            if failed is not None:
                _failed(digest, failed)
                return
        if not draft.after.done:
            _finish(digest)
            return
        task = _begin(digest, draft.after.done[-1])
        if task.open:
            return
        if task.outcome == ERROR:
            _failed(digest, task)
            return


def _is_failed_child(task: Task) -> bool:
    """Tell whether a child that was to be undone could not be."""
    return task.child is not None and task.outcome == ERROR


def undone(digest: "Digest", task: Task) -> None:
    """Go on after a compensation, or a child of what is being undone, has ended."""
    asking = None if digest.draft.after.unwinding else _asking(digest)
    if task.undoes is not None and task.outcome == ERROR:
        _failed(digest, task)
    else:
        go_on(digest)
    if asking is not None and not asking.open:
        digest.outcome_of(asking)


def _begin(digest: "Digest", piece: dict[str, Any]) -> Task:
    action = digest.compiled.actions[piece["undo"]]
    done = {"input": piece["input"], "output": piece["output"]}
    sees = {"result": done}
    name = f"+undo:{piece['n']}"
    task = work.schedule(
        digest.draft,
        action,
        name=name,
        again=name in digest.draft.after.tasks,
        sees=sees,
        input=done,
        key=piece["key"],
        undoes=piece["n"],
    )
    if task.open and action.kind in INSTANT:
        work.run_instant(digest.draft, action, task, sees=sees)
    return task


def _asking(digest: "Digest") -> Task | None:
    """Return the task of type ``undo`` of this visit, if it is one that asked."""
    tasks = digest.draft.after.tasks.values()
    return next((task for task in tasks if task.kind == "undo" and task.single), None)


def _finish(digest: "Digest") -> None:
    if digest.draft.after.unwinding:
        digest.end("cancelled")
        return
    asking = _asking(digest)
    if asking is not None and asking.open:
        action = digest.compiled.actions[asking.action]
        work.end(digest.draft, action, asking.name, SUCCESS, output=None)


def _failed(digest: "Digest", task: Task) -> None:
    error = task.error or {}
    message = f"'{task.action}' could not undo its work: {error.get('message', 'it failed')}"
    if digest.draft.after.unwinding:
        value = work.error_value(digest.draft, "undo_failed", message, task)
        digest.fail(value, undigested={"unwind": True})
        return
    asking = _asking(digest)
    if asking is not None and asking.open:
        action = digest.compiled.actions[asking.action]
        work.end_with_error(digest.draft, action, asking.name, "undo_failed", message)
