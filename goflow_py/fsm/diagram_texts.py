"""A graph as text for other tools: Mermaid, DOT. Whatever users wrote is escaped."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from goflow_py.domain.names import CONTINUE

Json = dict[str, Any]

_PLAIN = re.compile(r"[^A-Za-z0-9 _.,()=+*/'|?\[\]-]")
LABEL_CHARACTERS_MAX = 120


# ---------------------------------------------------------------- Mermaid


def mermaid(drawn: Json) -> str:
    """Return a graph as a Mermaid ``stateDiagram-v2``; graphs of tasks and machines are boxes."""
    lines = ["stateDiagram-v2", *_mermaid_part(drawn, "s", "    ")]
    machines = drawn.get("machines", {})
    ids = {name: f"m{number}" for number, name in enumerate(machines)}
    for name, machine in machines.items():
        lines.append(f'    state "{_entities(f"machine {name}")}" as {ids[name]}')
        inner = _mermaid_part(machine, f"{ids[name]}s", "        ")
        lines += [f"    state {ids[name]} {{", *inner, "    }"]
    # A box cannot be left from within: a link begins at the state, or the machine, around the task.
    own = {node["id"]: f"s{number}" for number, node in enumerate(drawn["nodes"])}
    links = [(own[node["id"]], *link) for node in drawn["nodes"] for link in _starts(node)]
    for name, machine in machines.items():
        links += [(ids[name], *link) for node in machine["nodes"] for link in _starts(node)]
    lines += [
        f"    {source} --> {ids[machine]} : {_entities(action)}"
        for source, action, machine in dict.fromkeys(links)
        if machine in ids
    ]
    if "current" in drawn:
        lines.append("    classDef visited stroke-width:3px")
        lines.append("    classDef current stroke-width:3px,fill:#fc6")
        for node in drawn["nodes"]:
            if node["current"] or node["visits"]:
                style = "current" if node["current"] else "visited"
                lines.append(f"    class {own[node['id']]} {style}")
    return "\n".join(lines) + "\n"


def _mermaid_part(drawn: Json, prefix: str, indent: str) -> list[str]:
    """Return the states and rows of a blueprint, or of one machine."""
    ids = {node["id"]: f"{prefix}{number}" for number, node in enumerate(drawn["nodes"])}
    lines = [
        f'{indent}state "{_entities(_title(node))}" as {ids[node["id"]]}' for node in drawn["nodes"]
    ]
    for node in drawn["nodes"]:
        if node.get("tasks"):
            lines += _mermaid_tasks(node["tasks"], ids[node["id"]], indent)
    lines.append(f"{indent}[*] --> {ids[drawn['initial']]}")
    for edge in drawn["edges"]:
        label = _entities(_label(edge))
        lines.append(f"{indent}{ids[edge['from']]} --> {ids[edge['to']]} : {label}")
    lines += [f"{indent}{ids[node['id']]} --> [*]" for node in drawn["nodes"] if node["final"]]
    return lines


def _mermaid_tasks(tasks: list[Json], state: str, indent: str) -> Iterator[str]:
    ids = {task["name"]: f"{state}t{number}" for number, task in enumerate(tasks)}
    yield f"{indent}state {state} {{"
    for task in tasks:
        yield f'{indent}    state "{_entities(_task_title(task))}" as {ids[task["name"]]}'
    for task in tasks:
        for need in task["needs"]:
            if need in ids:
                yield f"{indent}    {ids[need]} --> {ids[task['name']]}"
    yield f"{indent}}}"


def _entities(text: str) -> str:
    """Write what Mermaid may read as its own as numbers of characters."""
    return _PLAIN.sub(lambda found: f"#{ord(found.group())};", text)


# ---------------------------------------------------------------- DOT


def dot(drawn: Json) -> str:
    """Return a graph in the language of Graphviz; graphs of tasks and machines are clusters."""
    lines = [
        f"digraph {_quoted(drawn['project'] + '/' + drawn['activity'])} {{",
        "    rankdir=TB;",
        "    node [shape=box, style=rounded];",
        *_dot_part(drawn, "", "    "),
    ]
    machines = drawn.get("machines", {})
    for name, machine in machines.items():
        lines.append(f"    subgraph {_quoted(f'cluster_/{name}')} {{")
        lines.append(f"        label={_quoted(f'machine {name}')};")
        lines += [*_dot_part(machine, _within(name), "        "), "    }"]
    parts = [("", drawn), *((_within(name), machine) for name, machine in machines.items())]
    for prefix, part in parts:
        for node in part["nodes"]:
            lines += _dot_links(node, prefix, machines)
    return "\n".join([*lines, "}"]) + "\n"


def _within(machine: str) -> str:
    """Return how the ids in a machine begin: no name has a slash, so they are like no other."""
    return f"/{machine}/"


def _dot_part(drawn: Json, prefix: str, indent: str) -> Iterator[str]:
    for node in drawn["nodes"]:
        look = {"label": _title(node), **_SHAPES.get(node["kind"], {}), **_state_style(node)}
        line = f"{_quoted(prefix + node['id'])} [{_attributes(look)}];"
        if node.get("tasks"):
            yield f"{indent}subgraph {_quoted('cluster_' + prefix + node['id'])} {{"
            yield f"{indent}    {line}"
            yield from _dot_tasks(node, prefix, f"{indent}    ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{line}"
    for edge in drawn["edges"]:
        ends = f"{_quoted(prefix + edge['from'])} -> {_quoted(prefix + edge['to'])}"
        look = {"label": _label(edge)}
        if edge.get("taken"):
            look |= {"penwidth": "3"}
        yield f"{indent}{ends} [{_attributes(look)}];"


def _dot_tasks(node: Json, prefix: str, indent: str) -> Iterator[str]:
    state = prefix + node["id"]
    for task in node["tasks"]:
        look = {"label": _task_title(task), **_TASK_LOOKS.get(task.get("status", ""), {})}
        yield f"{indent}{_quoted(state + '/' + task['name'])} [{_attributes(look)}];"
    for task in node["tasks"]:
        to = _quoted(f"{state}/{task['name']}")
        for source in [f"{state}/{need}" for need in task["needs"]] or [state]:
            style = "solid" if task["needs"] else "dotted"
            yield f"{indent}{_quoted(source)} -> {to} [{_attributes({'style': style})}];"


def _dot_links(node: Json, prefix: str, machines: Mapping[str, Json]) -> Iterator[str]:
    """Yield a line from everything that starts a machine to where the machine begins."""
    state = prefix + node["id"]
    tasks = node.get("tasks", ())
    found = [(f"{state}/{task['name']}", task["machine"]) for task in tasks if "machine" in task]
    of_tasks = {task["action"] for task in tasks}
    found += [
        (state, work["machine"])
        for work in node["work"]
        if "machine" in work and work["action"] not in of_tasks
    ]
    for source, machine in found:
        if machine in machines:
            first = _within(machine) + machines[machine]["initial"]
            look = _attributes({"style": "dashed", "label": "runs"})
            yield f"    {_quoted(source)} -> {_quoted(first)} [{look}];"


_SHAPES: Mapping[str, Mapping[str, str]] = {
    "initial": {"shape": "circle"},
    "final": {"peripheries": "2"},
    "branch": {"shape": "diamond"},
}
_TASK_LOOKS: Mapping[str, Mapping[str, str]] = {
    "open": {"penwidth": "3", "style": "rounded,filled", "fillcolor": "#ffcc66"},
    "ended": {"style": "rounded,filled", "fillcolor": "#d5e8d4"},
    "failed": {"style": "rounded,filled", "fillcolor": "#f8cecc"},
    "skipped": {"style": "rounded,dashed"},
    "cancelled": {"style": "rounded,dashed"},
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


# ---------------------------------------------------------------- both


def _starts(node: Json) -> Iterator[tuple[str, str]]:
    """Yield (action, machine) of the work of a state that runs a machine."""
    for work in node["work"]:
        if "machine" in work:
            yield work["action"], work["machine"]


def _title(node: Json) -> str:
    visits = node.get("visits", 0)
    title = f"{node['id']} ({visits})" if visits > 1 else str(node["id"])
    return f"{title}, {node['join']} of {len(node['tasks'])}" if node.get("tasks") else title


def _task_title(task: Json) -> str:
    """Return ``name / action [when] * items, status``, on one line."""
    title = str(task["name"])
    if task["action"] != title:
        title += f" / {task['action']}"
    if "when" in task:
        title += f" [{' '.join(task['when'].split())}]"
    if "each" in task:
        title += " * each"
    shown = _cut(title)
    return f"{shown}, {task['status']}" if "status" in task else shown


def _label(edge: Json) -> str:
    """Return ``event [guard] / action``, on one line."""
    label = str(edge["event"])
    if "guard" in edge:
        label += f" [{' '.join(edge['guard'].split())}]"
    if edge["action"] != CONTINUE:
        label += f" / {edge['action']}"
    taken = edge.get("taken", 0)
    shown = _cut(label)
    return f"{shown} ({taken})" if taken > 1 else shown


def _cut(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS_MAX else f"{text[:LABEL_CHARACTERS_MAX]}..."
