"""The HTTP API as an aiohttp application: every route, in one list."""

import difflib
import re
from typing import Any

import orjson
from aiohttp import web

from goflow_py.api import (
    batches,
    blueprints,
    callbacks,
    controls,
    events,
    executions,
    keys,
    limits,
    operations,
    problems,
    tasks,
    workers,
)
from goflow_py.api.docs import docs_handler
from goflow_py.api.door import Door
from goflow_py.api.op import JSON_HEADERS, Op, serve, with_request_id
from goflow_py.api.openapi import document

OPS: tuple[Op, ...] = (
    blueprints.upload,
    blueprints.blueprints,
    blueprints.blueprint,
    blueprints.versions,
    blueprints.version,
    blueprints.delete_version,
    blueprints.findings,
    blueprints.rows,
    blueprints.graph,
    blueprints.diff,
    blueprints.schema,
    blueprints.put_workers,
    blueprints.get_workers,
    executions.start,
    executions.execution,
    executions.executions,
    executions.delete,
    executions.history,
    executions.attempts,
    executions.context,
    executions.why,
    executions.graph,
    executions.output,
    events.send,
    events.send_by_key,
    controls.pause,
    controls.resume,
    controls.cancel,
    controls.terminate,
    controls.retry,
    controls.skip,
    controls.goto,
    controls.replay,
    controls.fork,
    controls.patch_data,
    batches.create,
    batches.batches,
    batches.batch,
    batches.stop,
    callbacks.complete,
    callbacks.heartbeat,
    tasks.poll,
    tasks.tasks,
    tasks.claim,
    tasks.complete,
    tasks.fail,
    tasks.heartbeat,
    tasks.release,
    workers.workers,
    workers.endpoints,
    workers.put_endpoint,
    workers.delete_endpoint,
    limits.projects,
    limits.limits,
    limits.put_limits,
    limits.delete_limits,
    keys.create,
    keys.keys,
    keys.revoke,
    operations.healthz,
    operations.readyz,
    operations.version,
    operations.metrics,
    operations.backup,
    operations.drain,
    operations.verify,
    operations.store,
)

PAGES = ("/", "/docs", "/openapi.json")
HEADERS_SHOWN_MAX = 100


def create_app(door: Door) -> web.Application:
    """Return the application; nothing is opened or started by it."""
    app = web.Application(client_max_size=door.body_bytes_max)
    # A path with "{id}" ends before the ":" of a verb.
    for op in OPS:
        path = op.path.replace("{id}", "{id:[^/:]+}")
        handler = serve(op, door)
        if op.method == "GET":
            app.router.add_get(path, handler, expect_handler=_expect)
        else:
            app.router.add_route(op.method, path, handler, expect_handler=_expect)
    docs = docs_handler(OPS)
    app.router.add_get("/", docs)
    app.router.add_get("/docs", docs)
    app.router.add_get("/openapi.json", _json(document(OPS, needs_keys=door.access.required)))
    app.router.add_route("*", "/{tail:.*}", _fallback, expect_handler=_expect)
    return app


def _json(value: Any) -> Any:
    body = orjson.dumps(value)

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=JSON_HEADERS)

    return handle


async def _expect(request: web.Request) -> None:
    """Let a client go on that asked whether it may; what else it expects is let pass."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _template(path: str) -> re.Pattern[str]:
    text = re.escape(path).replace(r"\{id\}", "[^/:]+")
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", text) + r"\Z")


_TEMPLATES = [
    *((op.method, _template(op.path)) for op in OPS),
    *(("GET", _template(path)) for path in PAGES),
]


async def _fallback(request: web.Request) -> web.Response:
    """Answer 405 with what is allowed, or 404 with the nearest route."""
    path = request.path
    allowed = sorted({method for method, template in _TEMPLATES if template.match(path)})
    if allowed:
        if "GET" in allowed:
            allowed.append("HEAD")
        words = ", ".join(allowed)
        response = problems.problem(
            405,
            "method_not_allowed",
            f"{request.method[:20]} is not one of {words}",
            headers={"Allow": words},
        )
    else:
        near = difflib.get_close_matches(path[:200], [op.path for op in OPS], n=1, cutoff=0.4)
        hint = f"; the nearest is {near[0]}" if near else "; see /docs"
        response = problems.problem(
            404, "no_route", f"there is no {path[:100]}{hint}", title="Not found"
        )
    return with_request_id(request, response)
