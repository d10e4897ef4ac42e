"""Batches: one verb for many executions, in the background."""

from typing import Any

from pydantic import ValidationError

from goflow_py.api.batch_bodies import ARGUMENTS, PLAIN, Batch, BatchBody, Batches, Preview
from goflow_py.api.bodies import PageQuery
from goflow_py.api.op import Call, answer, nothing, op, page
from goflow_py.api.problems import field_errors
from goflow_py.api.replies import Reply
from goflow_py.engine.batch_documents import BatchRequest
from goflow_py.errors import Invalid, NotFound
from goflow_py.ports import Filter

CONTROL = "execution:control"


@op(
    "POST",
    "/v1/batches",
    CONTROL,
    body=BatchBody,
    answers={200: Preview, 202: Batch},
    errors=(404, 409),
    idempotent=True,
    new_work=True,
)
async def create(call: Call) -> Reply:
    """Carry out a verb, or delete, over all executions of a filter, or over those named."""
    body = call.body(BatchBody)
    engine = call.door.orchestrator
    request = BatchRequest(
        action=body.action,
        project=call.caller.project,
        filter=_filter(call, body),
        ids=list(dict.fromkeys(body.ids or ())),
        arguments=_arguments(body),
        reason=body.reason,
        principal=call.caller.principal,
    )
    if body.dry_run:
        found = await engine.batches.preview(request)
        return answer({"dryRun": True, "total": found.total, "ids": found.ids})
    shown, replayed = await engine.batches.create(request, call.repeat())
    headers = {"Location": f"/v1/batches/{shown['id']}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return answer(shown, 202, headers)


def _filter(call: Call, body: BatchBody) -> Filter | None:
    which, mine = body.filter, call.caller.project
    if which is None:
        return None
    if mine is not None and which.project not in (None, mine):
        raise NotFound(f"there is no project {which.project}")
    return Filter(
        project=mine or which.project,
        activity=which.activity,
        status=list(which.status),
        state=which.state,
        key=which.key,
        labels=which.labels,
        since=which.since,
        until=which.until,
        text=which.q,
    )


def _arguments(body: BatchBody) -> dict[str, Any]:
    """Return what the verb needs. Raises ``Invalid``: they are those of the verb's own call."""
    model, arguments = ARGUMENTS.get(body.action, PLAIN)
    if "reason" in body.arguments and body.action != "data":
        raise Invalid("the reason of a batch stands beside its arguments", code="invalid_body")
    try:
        return arguments(model.model_validate(body.arguments))
    except ValidationError as error:
        errors = [{**one, "pointer": f"/arguments{one['pointer']}"} for one in field_errors(error)]
        first = errors[0]
        raise Invalid(
            f"the arguments do not fit at {first['pointer']}: {first['message']}",
            code="invalid_body",
            errors=errors,
        ) from None


@op("GET", "/v1/batches", CONTROL, query=PageQuery, answers={200: Batches})
async def batches(call: Call) -> Reply:
    """List batches, newest first."""
    query = call.query(PageQuery)
    found = await call.door.orchestrator.batches.page(
        project=call.caller.project, limit=query.limit, cursor=query.cursor
    )
    return page(call, found.items, found.next)


@op("GET", "/v1/batches/{batch}", CONTROL, answers={200: Batch}, errors=(404,))
async def batch(call: Call) -> Reply:
    """Return a batch, and how far it is."""
    engine = call.door.orchestrator
    return answer(await engine.batches.get(_number(call), project=call.caller.project))


@op("DELETE", "/v1/batches/{batch}", CONTROL, answers={204: None}, errors=(404,))
async def stop(call: Call) -> Reply:
    """Stop a batch; what it has done stays done."""
    engine = call.door.orchestrator
    await engine.batches.cancel(_number(call), project=call.caller.project)
    return nothing()


def _number(call: Call) -> str:
    return call.path("batch").lower()
