"""Graphs as answers: JSON for screens, texts for other tools."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from goflow_py.api import answers
from goflow_py.api.op import answer
from goflow_py.api.problems import SAFE_HEADERS
from goflow_py.fsm.diagram import dot, mermaid

_TEXTS: Mapping[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "mermaid": ("text/vnd.mermaid", mermaid),
    "dot": ("text/vnd.graphviz", dot),
}
GRAPH_ANSWERS = (answers.Graph, *(media for media, _ in _TEXTS.values()))


def drawing(graph: dict[str, Any], format: str) -> web.Response:  # noqa: A002  # the parameter's name
    """Return a graph in one of the formats."""
    if format == "json":
        return answer(graph)
    media, write = _TEXTS[format]
    headers = {**SAFE_HEADERS, "Content-Type": f"{media}; charset=utf-8"}
    return web.Response(body=write(graph).encode(), headers=headers)
