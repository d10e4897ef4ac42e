"""Events from outside: for one execution, or for whoever has a business key."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from goflow_py.api import answers
from goflow_py.api.bodies import EventBody, KeyedEventBody
from goflow_py.api.executions import EXECUTION
from goflow_py.api.op import Call, answer, op
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import ENDED, Status, decode
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Repeat, Sent
from goflow_py.errors import Conflict, NotFound
from goflow_py.ports import Filter, Name

MATCHES_MAX = 100
OPEN_STATUSES = tuple(str(status) for status in Status if status not in ENDED)


@op(
    "POST",
    f"{EXECUTION}/events",
    "execution:event",
    body=EventBody,
    answers={200: answers.Applied, 202: answers.Deferred},
    errors=(403, 404, 409, 412),
    idempotent=True,
    matches=True,
)
async def send(call: Call) -> web.Response:
    """Apply an event, or keep it for later; the same id twice is applied once."""
    body = call.body(EventBody)
    event = Outside(
        name=body.name,
        data=body.data,
        id=body.id,
        task=body.task,
        principal=call.caller.principal,
        roles=call.caller.roles,
    )
    engine = call.door.orchestrator
    sent = await engine.executions.send(
        call.path("id").lower(), event, match=call.match(), repeat=call.repeat()
    )
    headers = {"ETag": f'"{sent.execution.seq}"'}
    if sent.replayed:
        headers["Idempotency-Replayed"] = "true"
    if not sent.applied:
        return answer({"deferred": True}, 202, headers)
    shown = await engine.tracking.view(sent.execution)
    return answer({"applied": True, "respond": sent.respond, "execution": shown}, headers=headers)


@op(
    "POST",
    "/v1/events",
    "execution:event",
    body=KeyedEventBody,
    answers={202: answers.Matched},
    errors=(403, 404, 409),
    idempotent=True,
)
async def send_by_key(call: Call) -> web.Response:
    """Send an event to the open executions that have a business key."""
    body = call.body(KeyedEventBody)
    repeat = call.repeat()
    found = await _addressed(call, body, repeat)
    event = Outside(
        name=body.name,
        data=body.data,
        principal=call.caller.principal,
        roles=call.caller.roles,
    )
    matched: list[dict[str, Any]] = []
    refusal: Conflict | None = None
    replayed = bool(found)
    for execution in found:
        # Each execution keeps the key for itself: a repeat after a crash reaches the rest.
        own = repeat and Repeat(
            key=repeat.key, scope=f"{repeat.scope} {execution}", digest=repeat.digest
        )
        try:
            sent = await call.door.orchestrator.executions.send(execution, event, repeat=own)
        except Conflict as conflict:
            refusal = refusal or conflict
            continue
        replayed = replayed and sent.replayed
        matched.append(_match(sent))
    if not matched:
        raise refusal or _no_match(body)
    return answer({"matched": matched}, 202, {"Idempotency-Replayed": "true"} if replayed else None)


def _match(sent: Sent) -> dict[str, Any]:
    execution = sent.execution
    return {
        "id": execution.id,
        "project": execution.project,
        "activity": execution.activity,
        "applied": sent.applied,
        "deferred": not sent.applied,
        "respond": sent.respond,
        "status": execution.status,
        "state": execution.state,
        "revision": execution.seq,
    }


async def _addressed(call: Call, body: KeyedEventBody, repeat: Repeat | None) -> Sequence[str]:
    """Return whom the event is for; for a repeat, those whom it was for the first time."""
    store = call.door.orchestrator.store
    mine = call.caller.project
    if mine is not None and body.project not in (None, mine):
        raise _no_match(body)
    project = mine or body.project
    if repeat is not None:
        known = await store.name(project or "", "idem", repeat.scope, repeat.key)
        if known is not None:
            return _before(known, repeat)
    which = Filter(project=project, activity=body.activity, key=body.key, status=OPEN_STATUSES)
    page = await store.list(which, limit=MATCHES_MAX, cursor=None)
    found = [decode(head).id for head in page.items]
    if repeat is not None and found:
        name = Name(
            project=project or "",
            kind="idem",
            scope=repeat.scope,
            name=repeat.key,
            execution="",
            digest=repeat.digest,
            answer=orjson.dumps(found),
            expires=call.door.clock.now_ms() + IDEMPOTENCY_SECONDS * 1000,
        )
        taken = await store.put_name(name)
        if taken is not None:
            return _before(taken, repeat)
    return found


def _before(name: Name, repeat: Repeat) -> Sequence[str]:
    repeat.check(name)
    found: list[str] = orjson.loads(name.answer)
    return found


def _no_match(body: KeyedEventBody) -> NotFound:
    return NotFound(f"no open execution has the key '{body.key}'", code="no_match")
