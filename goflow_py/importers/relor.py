"""relor: a graph of operations whose workers choose the edge by its label.

A node is a state with ``pull`` work on the queue of its operation, a label is the event of a row.
A leaf is a final state: relor completes there and never runs the operation.
"""

from typing import Annotated, Any, Final

from pydantic import AliasChoices, BeforeValidator, Field

from goflow_py.domain import durations
from goflow_py.importers.names import ACTIONS_TAKEN, LABELS_TAKEN, STATES_TAKEN, Names, meta_of
from goflow_py.importers.result import (
    Foreign,
    Imported,
    Losses,
    our_name,
    pointer,
    read,
    refuse,
    report_unknown,
)

WHAT: Final = "a relor graph"
PROJECT: Final = "relor"
LEASE_SECONDS: Final = 60.0
"""relor's own timeout of an operation where the graph names none."""
RETRIES_MAX: Final = 1_000
"""relor issues a job until somebody completes it; no action can ask for more retries than this."""


def _duration(value: Any) -> Any:
    return durations.seconds(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0)]


class Operation(Foreign):
    """What the worker of a node does."""

    name: str = ""
    timeout: Duration | None = None


class Node(Foreign):
    """A place in the graph."""

    id: str
    op: Operation | None = None


class Condition(Foreign):
    """When an edge is taken: the operation ended with this label."""

    result: Annotated[str, Field(min_length=1)] = Field(
        validation_alias=AliasChoices("operationResult", "operation_result")
    )


class Edge(Foreign):
    """A way from a node to another one."""

    from_id: str = Field(validation_alias=AliasChoices("fromId", "from_id"))
    to_id: str = Field(validation_alias=AliasChoices("toId", "to_id"))
    condition: Condition


class Config(Foreign):
    """What holds for all nodes."""

    default_timeout: Duration | None = Field(
        default=None, validation_alias=AliasChoices("defaultTimeout", "default_timeout")
    )


class Graph(Foreign):
    """The definition, as the JSON form of relor's protobuf message."""

    name: str | None = None
    id: str | None = None
    config: Config | None = None
    start: str
    nodes: list[Node]
    edges: list[Edge] = Field(default_factory=list)


def import_document(document: Any, *, project: str | None, activity: str | None) -> Imported:
    """Return a relor graph as a blueprint. Raises ``Invalid``.

    A graph has no name: it is the ``activity`` that is given, else the document's ``name`` or
    ``id``.
    """
    graph = read(Graph, document, what=WHAT)
    _check(graph)
    losses = Losses()
    _report(graph, losses)
    name = graph.name or graph.id
    activity_name = our_name(activity, name, field="activity", what=WHAT)
    labels = Names((edge.condition.result for edge in graph.edges), taken=LABELS_TAKEN)
    nodes = Names((node.id for node in graph.nodes), taken=STATES_TAKEN | ACTIONS_TAKEN)
    inner = {edge.from_id for edge in graph.edges}
    meta = meta_of(name, activity_name) if name else {}
    if labels.changed():
        meta["labels"] = labels.changed()
        message = f"workers answer with the names of this blueprint: {labels.changed()}"
        losses.drops("/edges", message)
    blueprint: dict[str, Any] = {
        "project": our_name(project, PROJECT, field="project", what=WHAT),
        "activity": activity_name,
        "states": [_state(node, nodes, is_leaf=node.id not in inner) for node in graph.nodes],
        "actions": list(_actions(graph, nodes, inner)),
        "transitions": _transitions(graph, nodes, labels),
    }
    if meta:
        blueprint["meta"] = meta
    return Imported(blueprint=blueprint, findings=losses.findings())


def _check(graph: Graph) -> None:
    """Refuse what relor refuses."""
    known: set[str] = set()
    for i, node in enumerate(graph.nodes):
        if node.id in known:
            refuse(pointer("nodes", i), f"the node '{node.id}' is there twice", what=WHAT)
        known.add(node.id)
    if graph.start not in known:
        refuse("/start", f"there is no node '{graph.start}'", what=WHAT)
    chosen: set[tuple[str, str]] = set()
    for i, edge in enumerate(graph.edges):
        for node_id in (edge.from_id, edge.to_id):
            if node_id not in known:
                refuse(pointer("edges", i), f"there is no node '{node_id}'", what=WHAT)
        choice = (edge.from_id, edge.condition.result)
        if choice in chosen:
            message = f"the node '{choice[0]}' has two edges for '{choice[1]}'"
            refuse(pointer("edges", i), message, what=WHAT)
        chosen.add(choice)


def _report(graph: Graph, losses: Losses) -> None:
    report_unknown(graph, losses, what=WHAT)
    for i, node in enumerate(graph.nodes):
        report_unknown(node, losses, "nodes", i, what=WHAT)
    for i, edge in enumerate(graph.edges):
        report_unknown(edge, losses, "edges", i, what=WHAT)


def _state(node: Node, nodes: Names, *, is_leaf: bool) -> dict[str, Any] | str:
    state: dict[str, Any] = {"name": nodes.of(node.id)}
    if is_leaf:
        # It has no action of its name, so there is no work that it could run.
        state["final"] = "completed"
    if nodes.meta(node.id):
        state["meta"] = nodes.meta(node.id)
    return state if len(state) > 1 else nodes.of(node.id)


def _actions(graph: Graph, nodes: Names, inner: set[str]) -> Any:
    queues = Names(_operation(node) for node in graph.nodes)
    default = (graph.config and graph.config.default_timeout) or LEASE_SECONDS
    for node in graph.nodes:
        if node.id not in inner:
            continue
        queue = _operation(node)
        action: dict[str, Any] = {
            "name": nodes.of(node.id),
            "type": "pull",
            "queue": queues.of(queue),
            "lease": (node.op and node.op.timeout) or default,
            "retryCount": RETRIES_MAX,
            # relor issues the job again one second after its time is over.
            "retry": {"interval": 1, "backoffRate": 1, "jitter": "none"},
        }
        if queues.meta(queue):
            action["meta"] = queues.meta(queue)
        yield action


def _operation(node: Node) -> str:
    return (node.op.name if node.op else "") or node.id


def _transitions(graph: Graph, nodes: Names, labels: Names) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"current": "init", "event": "start", "next": nodes.of(graph.start)}
    ]
    for edge in graph.edges:
        row: dict[str, Any] = {
            "current": nodes.of(edge.from_id),
            "event": labels.of(edge.condition.result),
            "next": nodes.of(edge.to_id),
        }
        if edge.from_id == edge.to_id:
            # A label may come from outside as well (relor's Update): it issues a new job, too.
            row["reenter"] = True
        rows.append(row)
    if graph.edges:
        # relor refuses a completion without a label; the language would take it for the end.
        rows.append({"current": "*", "event": "success", "next": "failed"})
    return rows
