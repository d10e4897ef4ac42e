"""What an upload proves of tasks, machines, and the work around a state."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping

from goflow_py.domain.actions import (
    ActivityAction,
    AnyAction,
    EmitAction,
    HumanAction,
    WaitAction,
)
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.names import ENGINE_EVENTS, ROOTS, did_you_mean
from goflow_py.domain.states import GraphTask, State
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.findings import Finding, error, warning
from goflow_py.fsm.rows import CompiledAction
from goflow_py.fsm.schemas import schema_problem

RESERVED_TASK = "output"
SEEN_THROUGH = frozenset({"sync", "async", "script", "emit"})
"""Types of work that may stand around a state: the engine sees them through by itself."""


def task_findings(blueprint: Blueprint, compiled: Compiled) -> Iterator[Finding]:
    """Yield what is wrong with the graphs, and with what their actions refer to."""
    for i, state in blueprint.written_states():
        pointer = f"/states/{i}"
        if state.tasks is not None:
            yield from _graph(state, pointer, compiled)
        yield from _around(state, pointer, compiled)
    for i, action in enumerate(blueprint.actions):
        yield from _action(action, f"/actions/{i}", compiled)


def undeclared(what: str, name: str, pointer: str, known: Iterable[str]) -> Finding:
    """Return the finding that something is referred to and not there."""
    message = f"{what} '{name}' is not declared{did_you_mean(name, known)}"
    return error(f"undeclared_{what}", pointer, message, fix=f"declare it in '{what}s'")


# ---------------------------------------------------------------- graphs


def _graph(state: State, pointer: str, compiled: Compiled) -> Iterator[Finding]:
    tasks = state.tasks or []
    if state.do is not None:
        message = f"state '{state.name}' has both 'do' and 'tasks'; give one of them"
        yield error("two_works", f"{pointer}/tasks", message)
    yield from _join(state, tasks, pointer)
    counted = Counter(task.name for task in tasks)
    for i, task in enumerate(tasks):
        where = f"{pointer}/tasks/{i}"
        if counted[task.name] > 1:
            counted[task.name] = 1
            message = f"task '{task.name}' of state '{state.name}' is declared twice"
            yield error("duplicate_task", where, message)
        yield from _task(task, where, counted, compiled)
    cycle = _cycle(tasks)
    if cycle:
        shown = " -> ".join(cycle)
        message = f"these tasks wait for one another, so none ever begins: {shown}"
        yield error("needs_cycle", f"{pointer}/tasks", message, path=cycle)


def _join(state: State, tasks: list[GraphTask], pointer: str) -> Iterator[Finding]:
    if state.join == "all" or (state.join == "any" and not tasks):
        return
    wanted = 1 if state.join == "any" else state.join
    where = f"{pointer}/join"
    if wanted > len(tasks):
        message = f"{wanted} tasks have to succeed, but state '{state.name}' has {len(tasks)}"
        yield error("join_out_of_reach", where, message)
        return
    sure = sum(task.when is None for task in tasks)
    if sure < wanted:
        few = f"{sure} of the tasks" if sure else "none of the tasks"
        message = (
            f"{wanted} of the {len(tasks)} tasks of state '{state.name}' have to succeed, and "
            f"{few} {'begins' if sure < 2 else 'begin'} in any case: with their 'when' false the "
            "state fails, code 'join'"
        )
        fix = "ask for fewer in 'join', or add a task without 'when'"
        yield warning("join_may_be_out_of_reach", where, message, fix=fix)


def _task(
    task: GraphTask, pointer: str, names: Mapping[str, int], compiled: Compiled
) -> Iterator[Finding]:
    if task.name == RESERVED_TASK:
        message = "no task may be called 'output': expressions use the word"
        yield error("reserved_name", pointer, message)
    for i, need in enumerate(task.needs):
        if need not in names:
            yield undeclared("task", need, f"{pointer}/needs/{i}", names)
    name = task.do or task.name
    action = compiled.actions.get(name)
    if action is None:
        yield undeclared("action", name, f"{pointer}/do", compiled.actions)
    elif action.kind == "undo":
        message = "work of type 'undo' stands alone in a state: it undoes what came before"
        yield error("bad_undo", pointer, message)
    if task.each is None:
        return
    if task.as_ in ROOTS or task.as_ == "index" or task.as_ in compiled.states:
        message = f"the items cannot be called '{task.as_}': expressions use the word"
        yield error("reserved_name", f"{pointer}/as", message)


def _cycle(tasks: Iterable[GraphTask]) -> tuple[str, ...]:
    """Return the names along a cycle of ``needs``; nothing when there is none."""
    needs = {task.name: list(task.needs) for task in tasks}
    done: set[str] = set()
    for first in needs:
        path: list[str] = []
        stack = [(first, iter(needs[first]))] if first not in done else []
        while stack:
            name, left = stack[-1]
            if len(path) < len(stack):
                path.append(name)
            for need in left:
                if need in path:
                    return (*path[path.index(need) :], need)
                if need in needs and need not in done:
                    stack.append((need, iter(needs[need])))
                    break
            else:
                done.add(name)
                stack.pop()
                path.pop()
    return ()


# ---------------------------------------------------------------- around a state


def _around(state: State, pointer: str, compiled: Compiled) -> Iterator[Finding]:
    if state.subscribe is None:
        return
    around = {"setup": state.subscribe.setup, "teardown": state.subscribe.teardown}
    for what, name in around.items():
        if name is None:
            continue
        where = f"{pointer}/subscribe/{what}"
        action = compiled.actions.get(name)
        if action is None:
            yield undeclared("action", name, where, compiled.actions)
        elif action.kind not in SEEN_THROUGH:
            message = f"a {what} is a call, a script or an emit, and '{name}' is a {action.kind}"
            yield error("bad_subscription", where, message)


# ---------------------------------------------------------------- actions


def _action(action: AnyAction, pointer: str, compiled: Compiled) -> Iterator[Finding]:
    if action.undo is not None:
        undo = compiled.actions.get(action.undo)
        if undo is None:
            yield undeclared("action", action.undo, f"{pointer}/undo", compiled.actions)
        elif undo.kind == "undo":
            message = "what undoes an action is work of its own, not of type 'undo'"
            yield error("bad_undo", f"{pointer}/undo", message)
    if isinstance(action, ActivityAction) and action.machine is not None:
        if action.machine not in compiled.machines:
            yield undeclared("machine", action.machine, f"{pointer}/machine", compiled.machines)
    yield from _events(action, pointer)
    if isinstance(action, HumanAction) and action.form is not None:
        problem = schema_problem(action.form)
        if problem:
            message = f"this is no JSON Schema to be used: {problem}"
            yield error("bad_schema", f"{pointer}/form", message)


def _events(action: AnyAction, pointer: str) -> Iterator[Finding]:
    """Yield the names of events that no execution takes from outside."""
    if isinstance(action, EmitAction) and action.endpoint is None and action.event in ENGINE_EVENTS:
        message = f"no execution takes '{action.event}' from outside: the engine raises it"
        yield error("reserved_event", f"{pointer}/event", message, fix="give it another name")
    if isinstance(action, WaitAction):
        for name in action.awaited:
            if name in ENGINE_EVENTS:
                message = f"'{name}' never comes from outside: the engine raises it"
                yield error("reserved_event", pointer, message, fix="await another event")


def endpoints_of(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Yield (pointer, endpoint) of everything but workers that is called."""
    for i, state in blueprint.written_states():
        if state.notify is not None:
            told = state.notify
            for what, endpoint in (
                ("entered", told.entered),
                ("failed", told.failed),
                ("left", told.left),
            ):
                if endpoint is not None:
                    yield f"/states/{i}/notify/{what}", endpoint
    for i, action in enumerate(blueprint.actions):
        if isinstance(action, EmitAction) and action.endpoint is not None:
            yield f"/actions/{i}/endpoint", action.endpoint


def compensating(actions: Mapping[str, CompiledAction], used: Container[str]) -> set[str]:
    """Return the actions that can be asked to undo those *used*."""
    undos = {name: undo for name, action in actions.items() if (undo := action.model.undo)}
    return {undo for name, undo in undos.items() if name in used}
