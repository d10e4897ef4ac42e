"""Where workers are, and how they are: endpoint aliases, health, breakers, latencies."""

from dataclasses import asdict
from typing import Any

from goflow_py.api import answers
from goflow_py.api.bodies import EndpointBody, WorkersQuery
from goflow_py.api.op import Call, answer, nothing, op
from goflow_py.api.replies import Reply
from goflow_py.domain.workers import Worker
from goflow_py.engine.breaker import Breaker
from goflow_py.engine.calls import is_url
from goflow_py.engine.lately import Lately
from goflow_py.engine.views import time
from goflow_py.errors import NotFound

HEALTH = {None: "unknown", True: "up", False: "failing"}
"""By how the newest attempt ended, while the circuit is closed."""


@op(
    "PUT",
    "/v1/endpoints/{alias}",
    "blueprint:write",
    body=EndpointBody,
    answers={200: answers.Endpoint},
    everywhere=True,
)
async def put_endpoint(call: Call) -> Reply:
    """Point an alias to a URL; the next attempts use it."""
    alias, url = call.path("alias"), call.body(EndpointBody).url
    await call.door.orchestrator.uploads.put_endpoint(alias, url)
    return answer({"alias": alias, "url": url})


@op("GET", "/v1/endpoints", "execution:read", answers={200: answers.Items}, everywhere=True)
async def endpoints(call: Call) -> Reply:
    """List the aliases, where they point, and who says so."""
    return answer({"items": call.door.orchestrator.catalog.endpoints()})


@op(
    "DELETE",
    "/v1/endpoints/{alias}",
    "blueprint:write",
    answers={204: None},
    errors=(404,),
    everywhere=True,
)
async def delete_endpoint(call: Call) -> Reply:
    """Forget an alias."""
    alias = call.path("alias")
    if not await call.door.orchestrator.catalog.delete_endpoint(alias):
        raise NotFound(f"there is no endpoint alias '{alias[:64]}' to delete")
    return nothing()


@op(
    "GET", "/v1/workers", "execution:read", query=WorkersQuery, answers={200: answers.WorkersHealth}
)
async def workers(call: Call) -> Reply:
    """List the workers, with what this server knows of their health."""
    query = call.query(WorkersQuery)
    mine = call.caller.project
    if mine is not None and query.project not in (None, mine):
        return answer({"items": []})
    found = await call.door.orchestrator.uploads.all_workers(mine or query.project)
    return answer({"items": [_worker(call, *one) for one in found]})


def _worker(call: Call, project: str, activity: str, worker: Worker) -> dict[str, Any]:
    engine, now = call.door.orchestrator, call.door.clock.monotonic()
    endpoint = worker.worker_endpoint
    key = (project, worker.name, endpoint)
    breaker = engine.dispatcher.breakers.get(key, Breaker())
    url = endpoint if is_url(endpoint) else engine.catalog.resolve(endpoint)
    state, (calls, errors) = _state(breaker, now), breaker.window(now)
    return {
        "project": project,
        "activity": activity,
        "action": worker.name,
        "endpoint": endpoint,
        "url": url,
        "priority": worker.priority,
        "health": "down" if state != "closed" else HEALTH[breaker.lately.is_up],
        "breaker": state,
        "calls": calls,
        "errors": errors,
        "inFlight": engine.dispatcher.slots.in_flight(key),
        **_lately(breaker.lately),
    }


def _lately(lately: Lately) -> dict[str, Any]:
    """Return the newest attempts in figures, the last sign of life, and the last error."""
    figures, fault = lately.figures(), lately.fault
    share = round(figures.errors / figures.attempts, 4) if figures.attempts else None
    return {
        "recentAttempts": figures.attempts,
        "errorShare": share,
        "p50Ms": figures.p50,
        "p95Ms": figures.p95,
        "lastSeenAt": time(lately.seen_at),
        "lastError": None if fault is None else {**asdict(fault), "at": time(fault.at)},
    }


def _state(breaker: Breaker, now: float) -> str:
    if breaker.opened_at is None:
        return "closed"
    return "half-open" if breaker.probe is not None or breaker.lets_through(now) else "open"
