"""A graph of tasks as the work of a state (section 6 of the language).

``advance`` is asked after every change: it begins what may begin, and tells when the join is
decided. All that it needs to know stands in the head: a task that is not there was not begun.
"""

from collections.abc import Mapping
from typing import Any

from goflow_py.domain.execution import Task
from goflow_py.domain.names import ERROR, SUCCESS
from goflow_py.domain.values import value
from goflow_py.errors import ExpressionFailed
from goflow_py.fsm import work
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import EACH, INSTANT, SKIPPED, CompiledAction, CompiledState, CompiledTask

ITEMS_MAX = 1_000
"""Items of one ``each``."""
VISIT_ITEMS_MAX = 10_000
"""Items of all tasks of a state together: each is part of the head."""


@value
class Joined:
    """The join is decided; *failure* is what it failed with."""

    failure: Mapping[str, Any] | None = None
    is_own: bool = False
    """The failure is the join's own: no task ended with it."""


def advance(compiled: Compiled, draft: Draft, state: CompiledState) -> Joined | None:
    """Begin every task that may begin; close the rest when the join is decided, and tell how.

    Raises ``ExpressionFailed`` from a ``when``.
    """
    graph = state.graph or ()
    while True:
        joined = _decide(draft, state)
        if joined is not None:
            work.close_open(draft, compiled.actions)  # the join is decided without it
            return joined
        if not any(_go_on(compiled, draft, task) for task in graph):
            return None


def begin_again(
    compiled: Compiled, draft: Draft, state: CompiledState, before: Mapping[str, Task]
) -> None:
    """Begin those of *before* anew that did not end well, with the inputs that they had."""
    for name, task in before.items():
        spec = state.task(name)
        if spec is None or task.single or task.ended_well:
            continue
        if task.kind == EACH:
            # A list that could not be made, or was too long, is made again.
            if task.input:
                _schedule_each(draft, spec, task.input)
            else:
                _begin_each(draft, spec)
        elif task.index is None or draft.after.tasks[spec.name].open:
            again = not work.has_no_input(task)
            _run(
                draft,
                spec,
                compiled.actions[task.action],
                name,
                index=None if again else task.index,
                again=again,
            )


# ---------------------------------------------------------------- the join


def _decide(draft: Draft, state: CompiledState) -> Joined | None:
    graph, tasks = state.graph or (), draft.after.tasks
    ended = [tasks[spec.name] for spec in graph if spec.name in tasks]
    if state.join is None or not graph:
        failed = next((task for task in ended if task.outcome == ERROR), None)
        if failed is not None:
            return Joined(failure=_failure(failed))
        whole = len(ended) == len(graph) and all(task.ended_well for task in ended)
        return Joined() if whole else None
    good = sum(task.ended_well and task.kind != SKIPPED for task in ended)
    if good >= state.join:
        return Joined()
    possible = len(graph) - sum(task.kind == SKIPPED for task in ended) - len(_lost(graph, tasks))
    if possible >= state.join:
        return None
    message = (
        f"{state.join} of the tasks of state '{state.name}' have to succeed, "
        f"and only {possible} still can"
    )
    return Joined(failure={"code": "join", "message": message}, is_own=True)


def _failure(task: Task) -> Mapping[str, Any]:
    return task.error or {"code": ERROR, "message": f"task '{task.name}' failed"}


def _lost(graph: tuple[CompiledTask, ...], tasks: Mapping[str, Task]) -> set[str]:
    """Return the tasks that failed, and those that can never begin because of them."""
    lost: set[str] = set()
    for _ in graph:  # a need may stand behind the task that needs it
        more = {
            spec.name
            for spec in graph
            if spec.name not in lost
            and (_failed(tasks.get(spec.name)) or any(need in lost for need in spec.needs))
        }
        if not more:
            break
        lost |= more
    return lost


def _failed(task: Task | None) -> bool:
    return task is not None and not task.open and not task.ended_well


# ---------------------------------------------------------------- tasks


def _go_on(compiled: Compiled, draft: Draft, spec: CompiledTask) -> bool:
    """Begin *spec*, or more of its items, if that is due; tell whether anything changed."""
    tasks = draft.after.tasks
    task = tasks.get(spec.name)
    if task is not None:
        return task.kind == EACH and task.open and _next_items(compiled, draft, spec, task)
    if not all(need in tasks and tasks[need].ended_well for need in spec.needs):
        return False
    if spec.when is not None and not spec.when.test(draft.document()):
        draft.add(
            "taskEnded",
            task=spec.name,
            action=spec.action,
            visit=draft.after.visit,
            outcome="skipped",
        )
    elif spec.each is not None:
        _begin_each(draft, spec)
    else:
        _run(draft, spec, compiled.actions[spec.action], spec.name)
    return True


def _run(
    draft: Draft,
    spec: CompiledTask,
    action: CompiledAction,
    name: str,
    *,
    index: int | None = None,
    again: bool = False,
) -> None:
    """Schedule one task, or one item of it; what is instant also ends at once."""
    fields = {} if again else _facts(draft, spec, index)
    sees = Task(name=name, action=spec.action, kind="", facts=fields).sees
    failure = None
    if spec.assigned_to is not None and not again:
        try:
            who = spec.assigned_to.render(draft.document(**sees))
            fields["assignedTo"] = None if who is None else work.as_text(who)
        except ExpressionFailed as broken:
            failure = broken
    task = work.schedule(draft, action, name=name, sees=sees, again=again, **fields)
    if failure is not None and task.open:
        work.end_with_error(draft, action, name, "expression", failure.detail)
    elif task.open and action.kind in INSTANT:
        work.run_instant(draft, action, task)


def _facts(draft: Draft, spec: CompiledTask, index: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if spec.ignore_failure is not None:
        facts["ignore"] = spec.ignore_failure
    if index is None:
        if spec.business_status is not None:
            facts["businessStatus"] = spec.business_status
        return facts
    facts |= {"index": index, "item": draft.after.tasks[spec.name].input[index]}
    if spec.item != "item":
        facts["called"] = spec.item
    return facts


# ---------------------------------------------------------------- items


def _begin_each(draft: Draft, spec: CompiledTask) -> None:
    assert spec.each is not None
    items: list[Any] = []
    error: work.ErrorValue | None = None
    try:
        items = _as_list(spec.each.render(draft.document()))
    except ExpressionFailed as broken:
        error = work.error_value(draft, "expression", broken.detail)
    others = sum(len(task.input) for task in draft.after.tasks.values() if task.kind == EACH)
    most = min(ITEMS_MAX, VISIT_ITEMS_MAX - others)
    if len(items) > most:
        message = f"task '{spec.name}' has {len(items)} items; at most {most} are possible here"
        items, error = [], work.error_value(draft, "too_large", message)
    _schedule_each(draft, spec, items)
    if error is not None:
        task = draft.after.tasks[spec.name]
        _end_each(draft, task, ERROR, error={**error, "action": spec.action, "task": spec.name})


def _schedule_each(draft: Draft, spec: CompiledTask, items: list[Any]) -> None:
    draft.add(
        "taskScheduled",
        task=spec.name,
        action=spec.action,
        kind=EACH,
        single=False,
        visit=draft.after.visit,
        input=items,
        **_facts(draft, spec, None),
    )


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _begun_items(draft: Draft, task: Task) -> list[Task]:
    """Return the items of *task* that were begun: they begin in order."""
    tasks, begun = draft.after.tasks, []
    for i in range(len(task.input)):
        item = tasks.get(f"{task.name}[{i}]")
        if item is None:
            break
        begun.append(item)
    return begun


def _next_items(compiled: Compiled, draft: Draft, spec: CompiledTask, task: Task) -> bool:
    """End the task if its items decide it, else begin as many more as may run at once."""
    begun, count = _begun_items(draft, task), len(task.input)
    still_open = [one for one in begun if one.outcome is None]
    failed = next((one for one in begun if one.outcome == ERROR), None)
    if failed is not None:
        action = compiled.actions[task.action]
        for one in still_open:
            work.close(draft, one, undo=action.model.undo)
        _end_each(draft, task, ERROR, error=_failure(failed))
        return True
    if len(begun) == count and not still_open:
        _end_each(draft, task, SUCCESS)
        return True
    places = max((spec.concurrency or ITEMS_MAX) - len(still_open), 0)
    waiting = range(len(begun), min(len(begun) + places, count))
    for i in waiting:
        _run(draft, spec, compiled.actions[spec.action], f"{task.name}[{i}]", index=i)
    return bool(waiting)


def _end_each(draft: Draft, task: Task, outcome: str, **fields: Any) -> None:
    if outcome == ERROR and task.ignores_failure:
        outcome, fields = SUCCESS, {**fields, "ignored": True}
    if outcome == SUCCESS and "businessStatus" in task.facts:
        fields["businessStatus"] = task.facts["businessStatus"]
    draft.add("taskEnded", task=task.name, visit=draft.after.visit, outcome=outcome, **fields)
