"""A blueprint as a graph to be drawn, and where an execution went in it: JSON, Mermaid, DOT."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from goflow_py.domain.execution import Execution
from goflow_py.domain.history import Entry
from goflow_py.domain.names import CONTINUE, INIT, RESERVED_STATES
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.graph import Edge, edges_of, works_of
from goflow_py.fsm.paths import accepted
from goflow_py.fsm.rows import CompiledState, CompiledTimer

Json = dict[str, Any]


def graph(compiled: Compiled) -> Json:
    """Return nodes and edges. A node's id is its state's name; an edge's, its place in the table.

    The four reserved states are there when the blueprint declares them or something leads there.
    """
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
    done = [{"action": name, "type": compiled.actions[name].kind} for name in work]
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
    }
    return {**node, **{name: value for name, value in more.items() if value is not None}}


def _kind(state: CompiledState, work: list[Json]) -> str:
    """Return one word for how a state is to be drawn."""
    if state.name == INIT:
        return "initial"
    if state.final:
        return "final"
    if work:
        return "branch" if all(one["type"] == "switch" for one in work) else "work"
    return "wait" if state.waits else "pass"


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


def walked(drawn: Json, execution: Execution, entries: Iterable[Entry]) -> Json:
    """Return the graph with the path that an execution took, its visits, and where it is."""
    steps = [_step(entry) for entry in entries if entry["type"] == "transition"]
    edges: dict[tuple[str, str, str, str], str] = {}
    for edge in drawn["edges"]:
        edges.setdefault((edge["from"], edge["event"], edge["action"], edge["to"]), edge["id"])
    taken: dict[str, int] = {}
    for step in steps:
        edge_id = edges.get((step["from"], step["event"], step["action"], step["to"]))
        step["edge"] = edge_id
        if edge_id is not None:
            taken[edge_id] = taken.get(edge_id, 0) + 1
    visits = {INIT: 1, **execution.visits}
    return {
        **drawn,
        "execution": execution.id,
        "status": str(execution.status),
        "current": execution.state,
        "path": steps,
        "nodes": [
            {
                **node,
                "visits": visits.get(node["id"], 0),
                "current": node["id"] == execution.state,
            }
            for node in drawn["nodes"]
        ],
        "edges": [{**edge, "taken": taken.get(edge["id"], 0)} for edge in drawn["edges"]],
    }


def _step(entry: Entry) -> Json:
    names = ("seq", "at", "visit", "from", "event", "action", "to", "entered")
    return {name: entry[name] for name in names}


# ---------------------------------------------------------------- texts

_PLAIN = re.compile(r"[^A-Za-z0-9 _.,()=+*/'|?\[\]-]")
LABEL_CHARACTERS_MAX = 120


def mermaid(drawn: Json) -> str:
    """Return a graph as a Mermaid ``stateDiagram-v2``."""
    ids = {node["id"]: f"s{number}" for number, node in enumerate(drawn["nodes"])}
    lines = ["stateDiagram-v2"]
    lines += [
        f'    state "{_entities(_title(node))}" as {ids[node["id"]]}' for node in drawn["nodes"]
    ]
    lines.append(f"    [*] --> {ids[drawn['initial']]}")
    for edge in drawn["edges"]:
        label = _entities(_label(edge))
        lines.append(f"    {ids[edge['from']]} --> {ids[edge['to']]} : {label}")
    lines += [f"    {ids[node['id']]} --> [*]" for node in drawn["nodes"] if node["final"]]
    if "current" in drawn:
        lines.append("    classDef visited stroke-width:3px")
        lines.append("    classDef current stroke-width:3px,fill:#fc6")
        for node in drawn["nodes"]:
            if node["current"] or node["visits"]:
                style = "current" if node["current"] else "visited"
                lines.append(f"    class {ids[node['id']]} {style}")
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Write what Mermaid may read as its own as numbers of characters."""
    return _PLAIN.sub(lambda found: f"#{ord(found.group())};", text)


def dot(drawn: Json) -> str:
    """Return a graph in the language of Graphviz."""
    lines = [
        f"digraph {_quoted(drawn['project'] + '/' + drawn['activity'])} {{",
        "    rankdir=TB;",
        "    node [shape=box, style=rounded];",
    ]
    for node in drawn["nodes"]:
        look = {"label": _title(node), **_SHAPES.get(node["kind"], {}), **_state_style(node)}
        lines.append(f"    {_quoted(node['id'])} [{_attributes(look)}];")
    for edge in drawn["edges"]:
        ends = f"{_quoted(edge['from'])} -> {_quoted(edge['to'])}"
        look = {"label": _label(edge)}
        if edge.get("taken"):
            look |= {"penwidth": "3"}
        lines.append(f"    {ends} [{_attributes(look)}];")
    return "\n".join([*lines, "}"]) + "\n"


_SHAPES: Mapping[str, Mapping[str, str]] = {
    "initial": {"shape": "circle"},
    "final": {"peripheries": "2"},
    "branch": {"shape": "diamond"},
}


def _state_style(node: Json) -> dict[str, str]:
    if node.get("current"):
        return {"penwidth": "3", "style": "rounded,filled", "fillcolor": "#ffcc66"}
    return {"penwidth": "3"} if node.get("visits") else {}


def _attributes(look: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in look.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]+", " ", escaped) + '"'


def _title(node: Json) -> str:
    visits = node.get("visits", 0)
    return f"{node['id']} ({visits})" if visits > 1 else str(node["id"])


def _label(edge: Json) -> str:
    """Return ``event [guard] / action``, on one line."""
    label = str(edge["event"])
    if "guard" in edge:
        label += f" [{' '.join(edge['guard'].split())}]"
    if edge["action"] != CONTINUE:
        label += f" / {edge['action']}"
    taken = edge.get("taken", 0)
    shown = label if len(label) <= LABEL_CHARACTERS_MAX else f"{label[:LABEL_CHARACTERS_MAX]}..."
    return f"{shown} ({taken})" if taken > 1 else shown
