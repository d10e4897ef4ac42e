"""Callbacks of async workers; the token of the attempt is its own permission."""

from goflow_py.api import answers
from goflow_py.api.auth import OPEN
from goflow_py.api.bodies import CallbackBody, HeartbeatBody
from goflow_py.api.op import Call, answer, op
from goflow_py.api.replies import Reply
from goflow_py.engine.callbacks import CallbackBody as Said


@op(
    "POST",
    "/v1/callbacks/{token}",
    OPEN,
    body=CallbackBody,
    body_required=False,
    answers={200: answers.CallbackTaken, 202: answers.Queued},
    errors=(404, 409, 410),
)
async def complete(call: Call) -> Reply:
    """End an attempt; once, however often it is said."""
    body = call.body(CallbackBody)
    said = Said(event=body.event, output=body.output, error=body.error, retry=body.retry)
    engine = call.door.orchestrator
    outcome = await engine.callbacks.complete(
        call.path("token"), said, secrets_of=engine.caller.secrets_of
    )
    return answer({outcome: True})


@op(
    "POST",
    "/v1/callbacks/{token}/heartbeat",
    OPEN,
    body=HeartbeatBody,
    body_required=False,
    answers={200: answers.Done},
    errors=(404, 409, 410),
)
async def heartbeat(call: Call) -> Reply:
    """Say that the worker is alive: its callback is awaited anew."""
    await call.door.orchestrator.callbacks.heartbeat(call.path("token"))
    return answer({})
