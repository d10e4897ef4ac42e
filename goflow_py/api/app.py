"""The HTTP API: every route, in one list, and who answers a request."""

import difflib
from collections.abc import Mapping
from functools import cache

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
    nodes,
    operations,
    problems,
    statistics,
    streams,
    tasks,
    workers,
)
from goflow_py.api.door import Door
from goflow_py.api.op import Op, serve, with_request_id
from goflow_py.api.pages import PATHS, page_handlers
from goflow_py.api.replies import Reply
from goflow_py.api.routes import Handler, Place, Routes
from goflow_py.ui import Site

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
    blueprints.insights,
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
    statistics.stats,
    streams.stream_of_one,
    streams.stream,
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
    nodes.nodes,
)

PAGES = (*PATHS, "/openapi.json")
"""They need no key, and are no calls."""


class App:
    """Answers every request; aiohttp's own applications do more than that, at every one."""

    def __init__(self, door: Door) -> None:
        self.routes = Routes()
        for op in OPS:
            self.routes.add(op.method, op.path, serve(op, door))
        pages = page_handlers(Site())
        pages["/openapi.json"] = _openapi(door)
        for path, handler in pages.items():
            self.routes.add("GET", path, handler)

    async def __call__(self, request: web.BaseRequest) -> Reply:
        """Answer a request."""
        found = self.routes.find(request.rel_url.path_safe)
        method = "GET" if request.method == "HEAD" else request.method
        handler = None if found is None else found[0].handlers.get(method)
        if "Expect" in request.headers:
            await _expect(request)
        if found is None or handler is None:
            return _fallback(request, None if found is None else found[0])
        return await handler(request, found[1])


def create_app(door: Door) -> App:
    """Return the application; nothing is opened or started by it."""
    return App(door)


def _openapi(door: Door) -> Handler:
    @cache
    def body() -> bytes:
        # When somebody asks, and not before: it takes 80 ms, and 6 MB for every model's schema.
        from goflow_py.api.openapi import document

        return orjson.dumps(document(OPS, needs_keys=door.access.required))

    async def handle(_: web.BaseRequest, __: Mapping[str, str]) -> Reply:
        return Reply(body=body())

    return handle


async def _expect(request: web.BaseRequest) -> None:
    """Let a client go on that asked whether it may; what else it expects is let pass."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _fallback(request: web.BaseRequest, place: Place | None) -> Reply:
    """Answer 405 with what is allowed, or 404 with the nearest route."""
    allowed = [] if place is None else place.methods
    if allowed:
        words = ", ".join(allowed)
        response = problems.problem(
            405,
            "method_not_allowed",
            f"{request.method[:20]} is not one of {words}",
            headers={"Allow": words},
        )
    else:
        path = request.path
        missing = f"no {path[:100]}" if path.startswith("/") else "nothing here"
        near = difflib.get_close_matches(path[:200], [op.path for op in OPS], n=1, cutoff=0.4)
        hint = f"; the nearest is {near[0]}" if near else "; see /docs"
        response = problems.problem(404, "no_route", f"there is {missing}{hint}", title="Not found")
    return with_request_id(request, response)
