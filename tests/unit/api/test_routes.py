"""Paths and the routes that they lead to."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from goflow_py.api.app import OPS
from goflow_py.api.routes import Handler, Routes

TEMPLATES = [
    "/v1/executions",
    "/v1/executions/{id}",
    "/v1/executions/{id}/events",
    "/v1/executions/{id}:pause",
    "/v1/tasks:poll",
    "/v1/tasks/{task}:claim",
    "/v1/callbacks/{token}",
    "/v1/callbacks/{token}/heartbeat",
]


def answers(name: str) -> Handler:
    async def handler(_: web.BaseRequest, __: Mapping[str, str]) -> Any:
        return name

    return handler


@pytest.fixture(scope="module")
def routes() -> Routes:
    found = Routes()
    for template in TEMPLATES:
        found.add("GET", template, answers(template))
    found.add("DELETE", "/v1/executions/{id}", answers("delete"))
    return found


async def led(routes: Routes, path: str, method: str = "GET") -> tuple[Any, dict[str, str]] | None:
    found = routes.find(path)
    if found is None or method not in found[0].handlers:
        return None
    handler: Any = found[0].handlers[method]
    return await handler(None, {}), found[1]


@pytest.mark.parametrize(
    ("path", "template", "names"),
    [
        ("/v1/executions", "/v1/executions", {}),
        ("/v1/executions/a-1", "/v1/executions/{id}", {"id": "a-1"}),
        ("/v1/executions/a-1/events", "/v1/executions/{id}/events", {"id": "a-1"}),
        ("/v1/executions/a-1:pause", "/v1/executions/{id}:pause", {"id": "a-1"}),
        ("/v1/tasks:poll", "/v1/tasks:poll", {}),
        ("/v1/tasks/a.b:0:claim", "/v1/tasks/{task}:claim", {"task": "a.b:0"}),
        ("/v1/callbacks/x:y", "/v1/callbacks/{token}", {"token": "x:y"}),
        ("/v1/callbacks/a%2Fb%25", "/v1/callbacks/{token}", {"token": "a/b%"}),
    ],
)
async def test_a_path_leads_to_its_route_with_its_parameters(
    routes: Routes, path: str, template: str, names: dict[str, str]
) -> None:
    assert await led(routes, path) == (template, names)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "/v1",
        "/v1/",
        "//v1/executions",
        "/v1/executions/",
        "/v1/executions/:pause",
        "/v1/executions/a:",
        "/v1/executions/a:else",
        "/v1/executions/a:else/events",
        "/v1/executions/a/b",
        "/v1/tasks/a",
        "/v1/tasks/:claim",
        "/v1/tasks:claim",
        "/V1/executions",
    ],
)
async def test_what_no_route_takes_leads_nowhere(routes: Routes, path: str) -> None:
    assert await led(routes, path) is None


async def test_a_place_knows_its_methods(routes: Routes) -> None:
    found = routes.find("/v1/executions/a")
    assert found is not None
    assert found[0].methods == ["DELETE", "GET", "HEAD"]
    assert await led(routes, "/v1/executions/a", "DELETE") == ("delete", {"id": "a"})


def test_all_that_was_added_is_listed(routes: Routes) -> None:
    listed = [*(("GET", template) for template in TEMPLATES), ("DELETE", "/v1/executions/{id}")]
    assert sorted(routes) == sorted(listed)


def test_a_route_is_added_once(routes: Routes) -> None:
    with pytest.raises(AssertionError):
        routes.add("GET", "/v1/executions", answers("again"))
    with pytest.raises(AssertionError):
        routes.add("GET", "/v1/executions/{other}/more", answers("another name"))


async def test_every_template_of_the_api_leads_to_itself() -> None:
    all_of_them = Routes()
    for op in OPS:
        all_of_them.add(op.method, op.path, answers(op.path))
    for op in OPS:
        path = op.path.replace("{", "").replace("}", "")
        found = await led(all_of_them, path, op.method)
        assert found == (op.path, {name: name for name in op.names})
