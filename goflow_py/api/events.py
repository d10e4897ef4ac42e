"""Events from outside: for one execution, or for whoever has a business key."""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from goflow_py.api import answers
from goflow_py.api.bodies import EventBody, KeyedEventBody
from goflow_py.api.executions import EXECUTION
from goflow_py.api.op import Call, M, answer, op, unfit
from goflow_py.api.replies import Reply
from goflow_py.api.swm_bodies import AnyEventBody, SwmEventBody
from goflow_py.domain import documents
from goflow_py.domain.durations import rfc3339
from goflow_py.domain.event import Outside
from goflow_py.domain.names import ENGINE_EVENTS
from goflow_py.domain.values import value
from goflow_py.engine.addressing import with_key
from goflow_py.engine.early import ANY_PROJECT, EarlyEvent
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Repeat, Sent, digest_of
from goflow_py.engine.swm import SwmEvent
from goflow_py.errors import Conflict, Forbidden, Invalid, NotFound, Queued
from goflow_py.ports import Name

SWM_SCOPES = {"StartWorkflow": "execution:start", "TaskPending": "execution:control"}
"""What an event does beside telling that something happened, it needs the right to."""


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
async def send(call: Call) -> Reply:
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
    raw=AnyEventBody,
    answers={202: answers.Matched},
    errors=(403, 404, 409, 410),
    idempotent=True,
)
async def send_by_key(call: Call) -> Reply:
    """Send an event to the open executions that have a business key, or store it for one."""
    value = documents.loads(call.raw, limit_bytes=call.door.body_bytes_max)
    if isinstance(value, dict) and "event_name" in value:
        return await _send_of_swm(call, _read(SwmEventBody, value))
    return await _send_by_key(call, _read(KeyedEventBody, value))


def _read(model: type[M], value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise unfit(error) from None


async def _send_of_swm(call: Call, body: SwmEventBody) -> Reply:
    event = SwmEvent(
        name=body.event_name,
        business_ref_no=body.business_ref_no,
        component_name=body.component_name,
        workflow_name=body.workflow_name,
        stage_name=body.stage_name or "",
        task_name=body.task_name or "",
        reason=body.reason,
        only_this=body.only_this,
        others=body.others,
        principal=call.caller.principal,
    )
    scope = SWM_SCOPES.get(event.name)
    if scope is not None and scope not in call.caller.scopes:
        raise Forbidden(
            f"{event.name} needs a key with the scope {scope}, too", code="scope", scopes=[scope]
        )
    if call.caller.project not in (None, event.project):
        raise NotFound(f"there is no component '{event.component_name[:80]}'", code="no_match")
    if event.name == "StartWorkflow":
        call.door.refuse_when_draining()
    sent = await call.door.orchestrator.swm.send(event, call.repeat())
    headers = {"Idempotency-Replayed": "true"} if sent.replayed else None
    return answer({"matched": [_match(sent)]}, 202, headers)


async def _send_by_key(call: Call, body: KeyedEventBody) -> Reply:
    repeat = call.repeat()
    _refuse_reserved(body.name)
    found = await _addressed(call, body, repeat)
    event = Outside(
        name=body.name,
        data=body.data,
        principal=call.caller.principal,
        roles=call.caller.roles,
    )
    matched: list[dict[str, Any]] = []
    refusal: Conflict | None = None
    replayed = found.known
    for execution in found.ids:
        # Each execution keeps the key for itself: a repeat after a crash reaches the rest.
        own = repeat and Repeat(
            key=repeat.key, scope=f"{repeat.scope} {execution}", digest=repeat.digest
        )
        try:
            sent = await call.door.orchestrator.executions.send(execution, event, repeat=own)
        except Conflict as conflict:
            refusal = refusal or conflict
            continue
        except Queued:
            known = await call.door.orchestrator.owner.memory.read(execution)
            matched.append({**_match(Sent(execution=known, applied=False)), "queued": True})
            continue
        replayed = replayed and sent.replayed
        matched.append(_match(sent))
    if not matched and found.until is None:
        raise refusal or _no_match(body)
    shown: dict[str, Any] = {"matched": matched}
    if not matched and found.until is not None:
        await _store(call, body, event, repeat, found.until)
        shown["storedUntil"] = rfc3339(found.until)
    return answer(shown, 202, {"Idempotency-Replayed": "true"} if replayed else None)


def _refuse_reserved(name: str) -> None:
    if name in ENGINE_EVENTS:
        raise Invalid(
            f"'{name}' is raised by the engine and never accepted from outside",
            code="reserved_event",
        )


async def _store(
    call: Call, body: KeyedEventBody, event: Outside, repeat: Repeat | None, until: int
) -> None:
    """Keep an event that nobody accepts now; a repeated request keeps it once."""
    once = None if repeat is None else digest_of(f"{repeat.scope} {repeat.key}".encode())
    await call.door.orchestrator.early.keep(
        EarlyEvent(
            project=call.caller.project or body.project or ANY_PROJECT,
            activity=body.activity,
            key=body.key,
            event=event,
            until=until,
            once=once,
        ),
        admit=call.door.orchestrator.limits.admit_stored,
    )


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


@value
class Addressed:
    """Whom an event is for, and until when it is stored if none of them takes it."""

    ids: Sequence[str]
    until: int | None = None
    known: bool = False
    """A request before this one decided it."""


async def _addressed(call: Call, body: KeyedEventBody, repeat: Repeat | None) -> Addressed:
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
    now = call.door.clock.now_ms()
    executions = await with_key(store, body.key, project=project, activity=body.activity)
    found = Addressed(
        ids=[execution.id for execution in executions],
        until=None if body.ttl is None else now + round(body.ttl * 1000),
    )
    if repeat is not None and (found.ids or found.until is not None):
        name = Name(
            project=project or "",
            kind="idem",
            scope=repeat.scope,
            name=repeat.key,
            execution="",
            digest=repeat.digest,
            answer=orjson.dumps({"ids": found.ids, "until": found.until}),
            expires=max(now + IDEMPOTENCY_SECONDS * 1000, found.until or 0),
        )
        taken = await store.put_name(name)
        if taken is not None:
            return _before(taken, repeat)
    return found


def _before(name: Name, repeat: Repeat) -> Addressed:
    repeat.check(name)
    answered = orjson.loads(name.answer)
    return Addressed(ids=answered["ids"], until=answered["until"], known=True)


def _no_match(body: KeyedEventBody) -> NotFound:
    return NotFound(f"no open execution has the key '{body.key}'", code="no_match")
