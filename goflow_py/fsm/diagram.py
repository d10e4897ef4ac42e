"""A blueprint as a graph to be drawn, and where an execution went in it: JSON, Mermaid, DOT."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from goflow_py.domain.actions import ActivityAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.history import Entry
from goflow_py.domain.names import CANCELLED, CONTINUE, ERROR, INIT, RESERVED_STATES
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.diagram_texts import dot, mermaid
from goflow_py.fsm.graph import Edge, edges_of, works_of
from goflow_py.fsm.paths import accepted
from goflow_py.fsm.rows import SKIPPED, CompiledState, CompiledTimer
from goflow_py.fsm.table import graph_view

Json = dict[str, Any]


def graph(compiled: Compiled) -> Json:
    """Return nodes and edges, and the same of every private machine by its name.

    A node's id is its state's name; an edge's, its place in the table. The four reserved states are
    there when the blueprint declares them or something leads there.
    """
    machines = {name: _part(machine) for name, machine in compiled.machines.items()}
    return {**_part(compiled), "machines": machines}


def _part(compiled: Compiled) -> Json:
    works = works_of(compiled)
    work, edges = works.open, edges_of(compiled, works.single)
    accepts = accepted(compiled)
    declared = {state.name for state in compiled.blueprint.state_objects()} | {INIT}
    declared |= {edge.target for found in edges.values() for edge in found}
    nodes = [
        _node(compiled, state, work[name], accepts.get(name, []))
        for name, state in compiled.states.items()
        if name in declared or name not in RESERVED_STATES
    ]
    shown = [_edge(edge) for node in nodes for edge in edges[node["id"]]]
    blueprint = compiled.blueprint
    return {
        "project": blueprint.project,
        "activity": blueprint.activity,
        "version": compiled.version,
        "initial": INIT,
        "nodes": nodes,
        "edges": shown,
    }


def _node(
    compiled: Compiled, state: CompiledState, work: Iterable[str], accepts: list[str]
) -> Json:
    done = [_work(compiled, name) for name in work]
    node: Json = {
        "id": state.name,
        "kind": _kind(state, done),
        "work": done,
        "own": state.work,
        "final": state.final,
        "timers": [_timer(timer) for timer in state.timers],
        "accepts": accepts,
        "defers": sorted(state.defer),
        "source": state.source,
    }
    more = {
        "stage": state.stage,
        "businessStatus": state.business_status,
        "maxVisits": state.max_visits,
        "setup": state.subscribe.setup if state.subscribe is not None else None,
        "teardown": state.subscribe.teardown if state.subscribe is not None else None,
    }
    node |= {name: value for name, value in more.items() if value is not None}
    tasks = graph_view(state)
    for task in tasks.get("tasks", ()):
        task |= _work(compiled, task["action"])
    return {**node, **tasks}


def _work(compiled: Compiled, name: str) -> Json:
    """Return an action with its type, and what a child of it runs."""
    action = compiled.actions.get(name)
    if action is None:
        return {"action": name, "type": None}
    found: Json = {"action": name, "type": action.kind}
    if isinstance(action.model, ActivityAction):
        model = action.model
        found |= {"activity": model.activity} if model.activity else {"machine": model.machine}
    return found


def _kind(state: CompiledState, work: list[Json]) -> str:
    """Return one word for how a state is to be drawn."""
    if state.name == INIT:
        return "initial"
    if state.final:
        return "final"
    if work:
        return "branch" if _branches(state, work) else "work"
    return "wait" if state.waits and state.graph is None else "pass"


def _branches(state: CompiledState, work: list[Json]) -> bool:
    return state.graph is None and all(one["type"] == "switch" for one in work)


def _timer(timer: CompiledTimer) -> Json:
    time = timer.delay if timer.at is None else timer.at
    value = time if isinstance(time, float | int) or time is None else time.value
    return {"event": timer.event, "delay" if timer.at is None else "at": value}


def _edge(edge: Edge) -> Json:
    shown: Json = {
        "id": edge.id,
        "from": edge.source,
        "to": edge.target,
        "event": edge.event,
        "action": CONTINUE,
        "enters": edge.enters,
    }
    row = edge.row
    if row is None:
        return {**shown, "rule": "R4"}
    shown["action"] = row.action or CONTINUE
    if row.when is not None:
        shown["guard"] = row.when.text
    if row.set:
        shown["sets"] = list(row.set)
    if row.delay is not None:
        shown["delay"] = row.delay
    return {**shown, "source": row.source}


# ---------------------------------------------------------------- an execution


class Walk:
    """The path that an execution took through a graph, as its history is gone through."""

    def __init__(self, drawn: Json) -> None:
        self._drawn = drawn
        self._edges: dict[tuple[str, str, str, str], str] = {}
        for edge in drawn["edges"]:
            row = edge["from"], edge["event"], edge["action"], edge["to"]
            self._edges.setdefault(row, edge["id"])
        self._taken: Counter[str] = Counter()

    def steps(self, entries: Iterable[Entry]) -> list[Json]:
        """Go on by *entries*; return the steps among them, each with its edge."""
        steps = [_step(entry) for entry in entries if entry["type"] == "transition"]
        for step in steps:
            edge = self._edges.get((step["from"], step["event"], step["action"], step["to"]))
            step["edge"] = edge
            if edge is not None:
                self._taken[edge] += 1
        return steps

    def shown(self, execution: Execution, path: Any) -> Json:
        """Return the graph with *path*, the visits of each node, and where the execution is.

        The state in which it is has the status of each task of this visit, and the ids of children.
        """
        drawn, visits = self._drawn, {INIT: 1, **execution.visits}
        return {
            **drawn,
            "execution": execution.id,
            "status": str(execution.status),
            "current": execution.state,
            "path": path,
            "nodes": [
                {
                    **node,
                    "visits": visits.get(node["id"], 0),
                    "current": node["id"] == execution.state,
                    **(_now(node, execution) if node["id"] == execution.state else {}),
                }
                for node in drawn["nodes"]
            ],
            "edges": [{**edge, "taken": self._taken[edge["id"]]} for edge in drawn["edges"]],
        }


def _now(node: Json, execution: Execution) -> Json:
    """Return what is known of the work of the current visit."""
    tasks = execution.tasks
    children = [{"task": task.name, "id": task.child} for task in tasks.values() if task.child]
    found: Json = {"children": children} if children else {}
    if "tasks" in node:
        found["tasks"] = [_task_now(task, execution) for task in node["tasks"]]
    return found


def _task_now(drawn: Json, execution: Execution) -> Json:
    task = execution.tasks.get(drawn["name"])
    if task is None or task.single:
        return {**drawn, "status": "pending"}
    found = {**drawn, "status": _status(task)}
    if task.child is not None:
        found["child"] = task.child
    prefix = f"{task.name}["
    items = [one for name, one in execution.tasks.items() if name.startswith(prefix)]
    if "each" in drawn and task.kind != SKIPPED:
        counts = Counter(_status(one) for one in items)
        found["items"] = {"all": len(task.input or ()), **counts}
    return found


def _status(task: Task) -> str:
    if task.outcome is None:
        return "open"
    if task.kind == SKIPPED:
        return "skipped"
    return {ERROR: "failed", CANCELLED: "cancelled"}.get(task.outcome, "ended")


def _step(entry: Entry) -> Json:
    names = ("seq", "at", "visit", "from", "event", "action", "to", "entered")
    return {name: entry[name] for name in names}


__all__ = ["Walk", "dot", "graph", "mermaid"]
