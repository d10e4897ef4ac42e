"""The operators' verbs: pause, resume, cancel, terminate, retry, skip, goto, replay, data, fork."""

from typing import Any

from goflow_py.api import answers
from goflow_py.api.bodies import (
    ForkBody,
    GotoBody,
    PatchBody,
    ReasonBody,
    ReplayBody,
    RetryBody,
    SkipBody,
)
from goflow_py.api.executions import EXECUTION, view
from goflow_py.api.op import Call, Op, op
from goflow_py.api.replies import Reply
from goflow_py.domain.event import Control
from goflow_py.engine.forks import ForkRequest
from goflow_py.errors import Invalid


def _plain(verb: str, summary: str) -> Op:
    async def handler(call: Call) -> Reply:
        return await _carry_out(call, verb, call.body(ReasonBody).reason)

    handler.__doc__ = summary
    handler.__module__ = __name__
    return op(
        "POST",
        f"{EXECUTION}:{verb}",
        "execution:control",
        body=ReasonBody,
        body_required=False,
        answers={200: answers.Execution, 202: answers.Queued},
        errors=(404, 409, 412),
        idempotent=True,
        matches=True,
    )(handler)


pause = _plain("pause", "Take no row and dispatch nothing until it is resumed.")
resume = _plain("resume", "Go on; what came meanwhile is taken now.")
cancel = _plain("cancel", "Take the row for cancel, or close the work and end as cancelled.")
terminate = _plain("terminate", "Close everything at once, and end as cancelled.")


@op(
    "POST",
    f"{EXECUTION}:retry",
    "execution:control",
    body=RetryBody,
    body_required=False,
    answers={200: answers.Execution, 202: answers.Queued},
    errors=(404, 409, 412),
    idempotent=True,
    matches=True,
)
async def retry(call: Call) -> Reply:
    """Go on in the state in which it failed; only work that did not end well runs again."""
    body = call.body(RetryBody)
    return await _carry_out(call, "retry", body.reason, newVisit=body.new_visit)


@op(
    "POST",
    f"{EXECUTION}:skip",
    "execution:control",
    body=SkipBody,
    body_required=False,
    answers={200: answers.Execution, 202: answers.Queued},
    errors=(404, 409, 412),
    idempotent=True,
    matches=True,
)
async def skip(call: Call) -> Reply:
    """Close the work as if it had ended with an event, success by default."""
    body = call.body(SkipBody)
    return await _carry_out(call, "skip", body.reason, event=body.event, output=body.output)


@op(
    "POST",
    f"{EXECUTION}:goto",
    "execution:control",
    body=GotoBody,
    answers={200: answers.Execution, 202: answers.Queued},
    errors=(404, 409, 412),
    idempotent=True,
    matches=True,
)
async def goto(call: Call) -> Reply:
    """Leave the state, and enter another one."""
    body = call.body(GotoBody)
    return await _carry_out(call, "goto", body.reason, state=body.state)


@op(
    "POST",
    f"{EXECUTION}:replay",
    "execution:control",
    body=ReplayBody,
    answers={200: answers.Execution, 202: answers.Queued},
    errors=(404, 409, 412),
    idempotent=True,
    matches=True,
)
async def replay(call: Call) -> Reply:
    """Go back to a visited state, and forget the outputs since; or do its work again alone."""
    body = call.body(ReplayBody)
    arguments: dict[str, Any] = {"from": body.from_}
    if not body.downstream:
        arguments |= {"downstream": False, "task": body.task}
    elif body.task is not None:
        raise Invalid(
            "a task is replayed alone: send downstream: false with it", code="invalid_body"
        )
    return await _carry_out(call, "replay", body.reason, **arguments)


@op(
    "POST",
    f"{EXECUTION}:fork",
    "execution:control",
    body=ForkBody,
    answers={201: answers.Execution},
    errors=(404, 409, 410),
    idempotent=True,
    new_work=True,
)
async def fork(call: Call) -> Reply:
    """Start a new execution that goes on from a point of this one's history."""
    body = call.body(ForkBody)
    started = await call.door.orchestrator.forks.fork(
        call.path("id").lower(),
        ForkRequest(
            at=body.at,
            data=body.data,
            reason=body.reason,
            principal=call.caller.principal,
            repeat=call.repeat(),
        ),
    )
    headers = {"Location": f"/v1/executions/{started.execution.id}"}
    if started.replayed:
        headers["Idempotency-Replayed"] = "true"
    return await view(call, started.execution, 201, headers)


@op(
    "PATCH",
    f"{EXECUTION}/data",
    "execution:control",
    body=PatchBody,
    media_types=("application/merge-patch+json", "application/json"),
    answers={200: answers.Execution, 202: answers.Queued},
    errors=(404, 409, 412),
    idempotent=True,
    matches=True,
)
async def patch_data(call: Call) -> Reply:
    """Change variables by a JSON merge patch."""
    return await _carry_out(call, "data", None, patch=call.body(PatchBody).root)


async def _carry_out(call: Call, verb: str, reason: str | None, **arguments: Any) -> Reply:
    command = Control(
        verb=verb, reason=reason, principal=call.caller.principal, arguments=arguments
    )
    execution, replayed = await call.door.orchestrator.executions.control(
        call.path("id").lower(), command, match=call.match(), repeat=call.repeat()
    )
    return await view(call, execution, 200, {"Idempotency-Replayed": "true"} if replayed else None)
