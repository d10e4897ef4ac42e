"""Graphs as answers: JSON for screens, texts for other tools."""

from collections.abc import Mapping
from typing import Any

from goflow_py.api import answers
from goflow_py.api.op import answer
from goflow_py.api.replies import SAFE_HEADERS, Reply, lines

_TEXTS: Mapping[str, str] = {"mermaid": "text/vnd.mermaid", "dot": "text/vnd.graphviz"}
GRAPH_ANSWERS = (answers.Graph, *_TEXTS.values())


def drawing(graph: dict[str, Any], format: str) -> Reply:  # noqa: A002  # the parameter's name
    """Return a graph in one of the formats."""
    if format == "json":
        return answer(graph)
    from goflow_py.fsm.diagram import dot, mermaid  # with its searches 10 ms of a start

    write = mermaid if format == "mermaid" else dot
    head = lines({**SAFE_HEADERS, "Content-Type": f"{_TEXTS[format]}; charset=utf-8"})
    return Reply(body=write(graph).encode(), head=head)
