"""What an upload proves of outcomes: which a state can have, and which of them have no row."""

from collections.abc import Iterator

from goflow_py.domain.actions import QueuedAction
from goflow_py.domain.names import ALWAYS, ERROR, RESERVED_STATES, SUCCESS, TIMEOUT
from goflow_py.fsm.compile import Compiled, awaited
from goflow_py.fsm.findings import Finding, warning
from goflow_py.fsm.graph import Paths, reverse, search
from goflow_py.fsm.rows import BUSY, CompiledAction, CompiledState, CompiledTask

FAILING = BUSY | {"pull", "human", "activity", "undo"}
"""Types of work whose failure does not depend on the blueprint."""


def outcome_findings(paths: Paths) -> Iterator[Finding]:
    """Yield what the outcomes of the states' work lead to, where that may surprise."""
    yield from _unmatched(paths)
    yield from _parked(paths)
    yield from _nothing_to_undo(paths)


def _unmatched(paths: Paths) -> Iterator[Finding]:
    """Warn where an outcome has no row: R4 decides then, and the author should know how."""
    compiled = paths.compiled
    for state in compiled.states.values():
        if state.name in RESERVED_STATES or state.final or not paths.work[state.name]:
            continue
        if (state.name, ALWAYS) in compiled.table:
            continue
        pointer = state.source
        single = [compiled.actions[name] for name in paths.single[state.name]]
        if not _has(compiled, state, SUCCESS) and _may_succeed(compiled, state, single):
            message = f"state '{state.name}' has no row for 'success': it leads to 'done'"
            yield warning("unmatched_success", pointer, message, fix="add a row, or keep it so")
        if not _has(compiled, state, ERROR) and _may_fail(compiled, state, single):
            message = f"state '{state.name}' has no row for 'error': the execution fails there"
            yield warning("unmatched_error", pointer, message, fix="add a row, or keep it so")
        if not _has(compiled, state, TIMEOUT) and _may_time_out(state, single):
            message = f"state '{state.name}' has no row for 'timeout': it counts as 'error'"
            yield warning("unmatched_timeout", pointer, message)


def _has(compiled: Compiled, state: CompiledState, event: str) -> bool:
    return (state.name, event) in compiled.table


def _may_succeed(compiled: Compiled, state: CompiledState, single: list[CompiledAction]) -> bool:
    if state.graph:
        return True
    awaits_all = all(_has(compiled, state, event) for one in single for event in awaited(one))
    others = {action.kind for action in single} - {"switch"}
    return bool(others - {"wait"} if awaits_all else others)


# ---------------------------------------------------------------- failures


def _may_fail(compiled: Compiled, state: CompiledState, single: list[CompiledAction]) -> bool:
    """Tell whether ``error`` can be raised, whatever the blueprint's own expressions do."""
    if state.subscribe is not None and state.subscribe.setup is not None:
        single = [*single, compiled.actions[state.subscribe.setup]]
    for action in single:
        if _fails(action):
            return True
    if state.graph is None:
        return False
    graph = state.graph
    sound = [task for task in graph if not _task_fails(compiled, task)]
    if state.join is None:
        return len(sound) < len(graph)
    # One that is skipped does not count.
    return sum(task.when is None for task in sound) < min(state.join, len(graph))


def _fails(action: CompiledAction) -> bool:
    return action.kind in FAILING and not action.model.ignore_failure and not _is_patient(action)


def _task_fails(compiled: Compiled, task: CompiledTask) -> bool:
    """Tell whether a task may fail: in a graph, its time-out is a failure."""
    action = compiled.actions[task.action]
    ignores = task.ignore_failure
    if ignores if ignores is not None else action.model.ignore_failure:
        return False
    if action.model.timeout is not None:
        return True
    return action.kind in FAILING and not _is_patient(action)


def _is_patient(action: CompiledAction) -> bool:
    """Tell whether failed work stays open until somebody retries it."""
    return isinstance(action.model, QueuedAction) and action.model.when_failed == "wait"


def _may_time_out(state: CompiledState, single: list[CompiledAction]) -> bool:
    """Tell whether ``timeout`` is raised; where ``error`` is as well, that warning says enough."""
    if state.timers and any(timer.event == TIMEOUT for timer in state.timers):
        return True
    for action in single:
        if action.kind in ("wait", "delay") or _is_patient(action):
            if action.model.timeout is not None:
                return True
    return False


def _parked(paths: Paths) -> Iterator[Finding]:
    """Tell where a row for ``error`` is nearly never taken: the work waits for a retry instead."""
    compiled = paths.compiled
    if not any(_is_patient(action) for action in compiled.actions.values()):
        return
    for state in compiled.states.values():
        work = [compiled.actions[name] for name in paths.work[state.name]]
        if not work or not all(_is_patient(action) for action in work):
            continue
        single = [compiled.actions[name] for name in paths.single[state.name]]
        timed = _may_time_out(state, single) and not _has(compiled, state, TIMEOUT)
        if timed or _may_fail(compiled, state, single):
            continue
        for row in compiled.table.get((state.name, ERROR), ()):
            if row.current == state.name:
                message = (
                    f"the work of '{state.name}' waits for a retry when it failed: this row is "
                    "taken only when an expression fails"
                )
                yield Finding(
                    code="parked_work", severity="info", pointer=row.source, message=message
                )


# ---------------------------------------------------------------- compensation


def _nothing_to_undo(paths: Paths) -> Iterator[Finding]:
    """Warn of states that undo what was done, where nothing before them can be undone."""
    actions = paths.compiled.actions
    if all(action.kind != "undo" for action in actions.values()):
        return
    undoing = [
        name for name in paths.before if any(actions[w].kind == "undo" for w in paths.work[name])
    ]
    if not undoing:
        return
    back = reverse(paths.links)
    undone = {
        name
        for name, work in paths.work.items()
        if any(actions[one].model.undo is not None for one in work)
    }
    for name in undoing:
        come_before = search(back, [name])
        if undone.isdisjoint(come_before):
            yield warning(
                "nothing_to_undo",
                paths.compiled.states[name].source,
                f"state '{name}' undoes what was done, and nothing that comes before has an 'undo'",
                path=paths.to(name),
                fix="give the actions that are to be undone an 'undo'",
            )
