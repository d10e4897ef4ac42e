"""Executions: start, list, look at, delete."""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from goflow_py.api import answers
from goflow_py.api.bodies import (
    ContextQuery,
    ExecutionGraphQuery,
    ExecutionQuery,
    ExecutionsQuery,
    HistoryQuery,
    StartBody,
)
from goflow_py.api.cursors import seal, unseal
from goflow_py.api.drawing import GRAPH_ANSWERS, drawing
from goflow_py.api.headers import preferred_wait
from goflow_py.api.op import Call, answer, nothing, op, page
from goflow_py.api.replies import BARE, Reply
from goflow_py.api.swm_bodies import AnyExecution
from goflow_py.domain.execution import Execution
from goflow_py.engine.past import BYTES_AN_ENTRY, ENTRIES_MAX, Pace
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.swm_view import instance, is_swm
from goflow_py.errors import Invalid, MalformedRequest
from goflow_py.ports import Filter

READ = "execution:read"
EXECUTION = "/v1/executions/{id}"
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


@op(
    "POST",
    "/v1/activities/{project}/{activity}/executions",
    "execution:start",
    body=StartBody,
    body_required=False,
    answers={200: answers.Execution, 201: answers.Execution},
    errors=(404, 409, 410),
    idempotent=True,
    headers={"Prefer": "wait=N: answer 200 when the execution ends within N seconds."},
    new_work=True,
)
async def start(call: Call) -> Reply:
    """Start an execution; it is durable when this answers."""
    body = call.body(StartBody)
    project, activity = call.activity
    headers = call.request.headers
    trace = headers.get("traceparent")
    started = await call.door.orchestrator.executions.start(
        project,
        activity,
        StartRequest(
            input=body.input,
            key=body.key,
            id=body.id,
            labels=body.labels,
            version=body.version,
            delay_seconds=body.delay,
            traceparent=trace if trace is not None and _TRACEPARENT.match(trace) else None,
            repeat=call.repeat(),
        ),
    )
    execution = started.execution
    extra = {"Location": f"/v1/executions/{execution.id}"}
    if started.replayed:
        extra["Idempotency-Replayed"] = "true"
    status = 201 if started.created else 200
    if (seconds := preferred_wait(call.request)) is not None:
        extra["Preference-Applied"] = f"wait={seconds}"
        execution = await call.door.wait_end(execution.id, seconds)
        status = 200 if execution.ended else status
    return await view(call, execution, status, extra)


@op(
    "GET",
    "/v1/executions",
    READ,
    query=ExecutionsQuery,
    prefixes=("label.",),
    answers={200: answers.Executions},
)
async def executions(call: Call) -> Reply:
    """List executions, newest first. ``label.NAME=VALUE`` asks for a label."""
    query = call.query(ExecutionsQuery)
    project = call.caller.project
    if project is not None and query.project not in (None, project):
        return page(call, [], None)
    which = Filter(
        project=project or query.project,
        activity=query.activity,
        status=[str(one) for one in query.status],
        state=query.state,
        key=query.key,
        labels=query.labels,
        since=query.since,
        until=query.until,
        text=query.q,
    )
    key = call.door.orchestrator.caller.token_key
    cursor = None if query.cursor is None else unseal(key, project, query.cursor)
    found = await call.door.orchestrator.tracking.page(which, limit=query.limit, cursor=cursor)
    more = None if found.next is None else seal(key, project, found.next)
    return page(call, found.items, more)


@op(
    "GET",
    EXECUTION,
    READ,
    query=ExecutionQuery,
    answers={200: AnyExecution, 304: None},
    errors=(404,),
    headers={"If-None-Match": "An ETag: answer 304 while it holds."},
)
async def execution(call: Call) -> Reply:
    """Return an execution; with ``wait`` when it has ended, or after that time."""
    query = call.query(ExecutionQuery)
    found = await _execution(call)
    if query.wait > 0 and not found.ended:
        found = await call.door.wait_end(found.id, query.wait)
    etag = f'"{found.seq}"'
    if call.has(etag):
        return Reply(status=304, head=BARE, headers={"ETag": etag})
    if query.view == "swm":
        return answer(await _swm(call, found), headers={"ETag": etag})
    return await view(call, found)


async def _swm(call: Call, found: Execution) -> dict[str, Any]:
    """Return an execution in the form of the Serverless Workflow Manager's instances."""
    engine = call.door.orchestrator
    compiled = await engine.catalog.compiled_for(found)
    if not is_swm(compiled):
        raise Invalid(
            "this execution has no stages: its blueprint is none of format=swm", code="no_swm_view"
        )
    history, _ = await engine.tracking.history(found, after=-1, limit=ENTRIES_MAX)
    return instance(found, compiled, history)


@op("DELETE", EXECUTION, "execution:control", answers={204: None}, errors=(404, 409))
async def delete(call: Call) -> Reply:
    """Remove an ended execution and its history."""
    await call.door.orchestrator.executions.delete(call.path("id").lower())
    return nothing()


@op(
    "GET",
    f"{EXECUTION}/history",
    READ,
    query=HistoryQuery,
    answers={200: answers.Page},
    errors=(404,),
)
async def history(call: Call) -> Reply:
    """Return the history behind seq ``after``, or newest first that in front of ``before``."""
    query = call.query(HistoryQuery)
    tracking, found = call.door.orchestrator.tracking, await _execution(call)
    if query.before is not None:
        if query.after is not None:
            raise MalformedRequest(
                "'after' goes forwards and 'before' goes backwards: send one of them",
                code="bad_parameter",
            )
        items, more = await tracking.history_back(found, before=query.before, limit=query.limit)
        return page(call, items, None if more is None else str(more), name="before")
    after = -1 if query.after is None else query.after
    items, more = await tracking.history(found, after=after, limit=query.limit)
    return page(call, items, None if more is None else str(more), name="after")


@op("GET", f"{EXECUTION}/attempts", READ, answers={200: answers.Attempts}, errors=(404,))
async def attempts(call: Call) -> Reply:
    """Return the attempts, with what was sent, what came back, waits and deadlines."""
    found = await call.door.orchestrator.tracking.attempts(await _execution(call))
    return answer({"items": await _written(found.items), "earlier": found.earlier})


async def _written(items: Iterable[Any]) -> orjson.Fragment:
    """Return a long list as JSON; others have turns meanwhile."""
    pace, parts = Pace(), list[bytes]()
    for item in items:
        parts.append(orjson.dumps(item))
        await pace.did(1 + len(parts[-1]) // BYTES_AN_ENTRY)
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")


@op(
    "GET",
    f"{EXECUTION}/context",
    READ,
    query=ContextQuery,
    answers={200: answers.Context},
    errors=(404,),
)
async def context(call: Call) -> Reply:
    """Return what expressions see, at the end of the record that holds seq ``at``."""
    at = call.query(ContextQuery).at
    return answer(await call.door.orchestrator.tracking.context(await _execution(call), at))


@op("GET", f"{EXECUTION}/why", READ, answers={200: answers.Why}, errors=(404,))
async def why(call: Call) -> Reply:
    """Say what it waits for, since when, until when, and who can release it."""
    return answer(await call.door.orchestrator.tracking.why(await _execution(call)))


@op(
    "GET",
    f"{EXECUTION}/graph",
    READ,
    query=ExecutionGraphQuery,
    answers={200: GRAPH_ANSWERS},
    errors=(404,),
)
async def graph(call: Call) -> Reply:
    """Return the graph of its blueprint with the path that it took, and where it is."""
    found = await call.door.orchestrator.tracking.graph(await _execution(call))
    return drawing(found, call.query(ExecutionGraphQuery).format)


@op("GET", f"{EXECUTION}/output", READ, answers={200: Any}, errors=(404, 409))
async def output(call: Call) -> Reply:
    """Return the result alone."""
    return answer(call.door.orchestrator.tracking.output(await _execution(call)))


# ---------------------------------------------------------------- shared


async def view(
    call: Call, execution: Execution, status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    """Return an execution with its ETag."""
    value = await call.door.orchestrator.tracking.view(execution)
    return answer(value, status, {"ETag": f'"{execution.seq}"', **(headers or {})})


async def _execution(call: Call) -> Execution:
    return await call.door.orchestrator.tracking.get(
        call.path("id").lower(), project=call.caller.project
    )
