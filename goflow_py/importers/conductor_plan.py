"""Where each task of a Conductor workflow will be, decided before anything is written.

References may look forward (in a loop) and across (from a branch to the outside), so all places
have to be known first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from goflow_py.domain.states import TASKS_MAX
from goflow_py.importers.asl_paths import Value, place, quoted
from goflow_py.importers.conductor_models import Task, TaskDef
from goflow_py.importers.conductor_refs import Scope
from goflow_py.importers.names import (
    ACTIONS_TAKEN,
    EVENTS_TAKEN,
    STATES_TAKEN,
    TASKS_TAKEN,
    Names,
)
from goflow_py.importers.result import Losses, pointer, read, refuse

WHAT: Final = "a workflow of Conductor"
TAKEN: Final = STATES_TAKEN | ACTIONS_TAKEN | EVENTS_TAKEN | TASKS_TAKEN | {"item", "index"}
NESTING_MAX: Final = 16
IN_GRAPH: Final = frozenset(
    {"SIMPLE", "USER_DEFINED", "HTTP", "SUB_WORKFLOW", "HUMAN", "EVENT", "INLINE", "LAMBDA"}
    | {"SET_VARIABLE"}
)
"""The types that a task of a graph can have; a branch with others is a machine."""

At = tuple[str | int, ...]


@dataclass(kw_only=True)
class Whole:
    """What all machines of one document share."""

    losses: Losses
    names: Names
    definitions: dict[str, TaskDef]
    variables: Names
    machine_names: Names = field(default_factory=Names)
    workers: list[dict[str, Any]] = field(default_factory=list)
    machines: dict[str, Any] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)
    refs: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Node:
    """One task, with what is nested in it."""

    task: Task
    name: str
    at: At
    parts: dict[str, list["Node"]] = field(default_factory=dict)
    """The cases of a SWITCH (the default is ``""``), or the body of a loop."""
    branches: list["Branch"] = field(default_factory=list)


@dataclass(kw_only=True)
class Branch:
    """A branch of a fork: tasks of its graph, or, with a *scope* of its own, a machine."""

    name: str
    nodes: list[Node]
    scope: Scope | None = None


def plan(
    tasks: Sequence[dict[str, Any]], at: At, scope: Scope, whole: Whole, depth: int = 0
) -> list[Node]:
    """Read tasks that follow each other, and enter the places of their outcomes in *scope*."""
    if depth > NESTING_MAX:
        refuse(pointer(*at), f"it is nested more than {NESTING_MAX} deep", what=WHAT)
    nodes: list[Node] = []
    for i, document in enumerate(tasks):
        where = (*at, i)
        task = read(Task, document, what=f"{WHAT}{pointer(*where)}")
        node = _node(task, where, scope, whole, depth)
        if task.type == "JOIN":
            _joined(node, nodes[-1] if nodes else None, scope)
        nodes.append(node)
    return nodes


def _node(task: Task, at: At, scope: Scope, whole: Whole, depth: int) -> Node:
    if task.ref in whole.refs:
        message = f"the taskReferenceName '{task.ref[:80]}' is used twice"
        refuse(pointer(*at, "taskReferenceName"), message, what=WHAT)
    whole.refs.add(task.ref)
    node = Node(task=task, name=whole.names.of(task.ref), at=at)
    scope.outputs[task.ref] = place(node.name, "output")
    if task.type == "SET_VARIABLE":
        for name in task.input_parameters:
            whole.variables.of(name)
    match task.type:
        case "SWITCH" | "DECISION":
            node.parts = _cases(node, scope, whole, depth)
        case "DO_WHILE":
            node.parts["body"] = _body(node, scope, whole, depth)
        case "FORK_JOIN_DYNAMIC":
            scope.outputs[task.ref] = place(node.name, "items", "output")
        case "FORK_JOIN" | "FORK":
            if len(task.fork_tasks) > TASKS_MAX:
                refuse(pointer(*at), f"it has more than {TASKS_MAX} branches", what=WHAT)
            for i, branch in enumerate(task.fork_tasks):
                _branch(node, branch, (*at, "forkTasks", i), scope, whole, depth)
        case _:
            pass
    return node


def _cases(switch: Node, scope: Scope, whole: Whole, depth: int) -> dict[str, list[Node]]:
    task, at = switch.task, switch.at
    cases = {
        f"={case}": plan(inner, (*at, "decisionCases", case), scope, whole, depth + 1)
        for case, inner in task.decision_cases.items()
    }
    return cases | {"": plan(task.default_case, (*at, "defaultCase"), scope, whole, depth + 1)}


def _body(loop: Node, scope: Scope, whole: Whole, depth: int) -> list[Node]:
    """Plan a loop's body; the loop's outcome is the number of its iterations."""
    counter = place("data", whole.variables.new(f"{loop.name}_iteration"))
    scope.counters[loop.task.ref] = counter
    scope.outputs[loop.task.ref] = Value(
        text=f'({{"iteration": {counter.text}}})',
        written={"iteration": counter.template},
        fields={"iteration": counter},
    )
    return plan(loop.task.loop_over, (*loop.at, "loopOver"), scope, whole, depth + 1)


def _branch(
    fork: Node, tasks: list[dict[str, Any]], at: At, scope: Scope, whole: Whole, depth: int
) -> None:
    """Plan a branch: its outcomes are below the state of the fork."""
    if not tasks:
        return
    types = [one.get("type", "SIMPLE") for one in tasks]
    number = len(fork.branches) + 1
    if all(isinstance(one, str) and one in IN_GRAPH for one in types):
        nodes = plan(tasks, at, scope, whole, depth + 1)
        for node in nodes:
            scope.outputs[node.task.ref] = place(fork.name, node.name, "output")
        fork.branches.append(Branch(name=nodes[-1].name, nodes=nodes))
        return
    inner = Scope(scope.losses, scope)
    nodes = plan(tasks, at, inner, whole, depth + 1)
    name = whole.names.new(f"{fork.name}_{number}")
    for ref in inner.outputs:
        scope.outputs[ref] = place(fork.name, name, "output").below(ref, "output")
    fork.branches.append(Branch(name=name, nodes=nodes, scope=inner))


def _joined(node: Node, fork: Node | None, scope: Scope) -> None:
    """Let a join's outcome be those of the tasks that it joins."""
    if fork is None or fork.task.type == "FORK_JOIN_DYNAMIC":
        # Theirs is a map by names that are made up; ours is the list of the fork's task.
        del scope.outputs[node.task.ref]
        return
    joined = node.task.join_on or sorted(branch_ends(fork))
    refs = [ref for ref in joined if ref in scope.outputs]
    values = {ref: scope.outputs[ref] for ref in refs}
    fields = ", ".join(f"{quoted(ref)}: {value.text}" for ref, value in values.items())
    scope.outputs[node.task.ref] = Value(
        text=f"({{{fields}}})",
        written={ref: value.template for ref, value in values.items()},
        fields=values,
    )


def branch_ends(fork: Node) -> set[str]:
    """Return the references of the last tasks of the branches."""
    return {branch.nodes[-1].task.ref for branch in fork.branches}
