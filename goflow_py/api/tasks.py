"""Queued work: pull workers poll it, people claim it from their inbox; the token ends it."""

from goflow_py.api import answers, task_bodies
from goflow_py.api.headers import client_left
from goflow_py.api.op import Call, answer, op, page
from goflow_py.api.replies import Reply
from goflow_py.api.task_bodies import (
    ClaimBody,
    CompleteBody,
    FailBody,
    PollBody,
    TasksQuery,
    TokenBody,
)
from goflow_py.domain.durations import rfc3339
from goflow_py.engine.outcomes import chosen, refused
from goflow_py.engine.verdict import Success, Verdict
from goflow_py.ports import TaskFilter

TASK = "/v1/tasks/{task}"


@op(
    "POST",
    "/v1/tasks:poll",
    "task",
    body=PollBody,
    answers={200: task_bodies.Polled},
)
async def poll(call: Call) -> Reply:
    """Claim work from queues, oldest first; with ``wait`` as soon as there is some."""
    body = call.body(PollBody)
    orchestrator = call.door.orchestrator

    claimed = await orchestrator.polls.poll(
        body.queues,
        max_tasks=body.max,
        wait_seconds=body.wait,
        worker=body.worker,
        project=call.caller.project,
        is_gone=lambda: client_left(call.request),
    )
    if client_left(call.request):
        await orchestrator.claims.give_back(claimed)
        claimed = []
    return answer({"tasks": [one.as_json() for one in claimed]})


@op("GET", "/v1/tasks", "task", query=TasksQuery, answers={200: task_bodies.Tasks})
async def tasks(call: Call) -> Reply:
    """List what stands on queues or is claimed, oldest first: the inbox of people."""
    query = call.query(TasksQuery)
    project = call.caller.project
    if project is not None and query.project not in (None, project):
        return page(call, [], None)
    which = TaskFilter(
        project=project or query.project,
        queue=query.queue,
        assigned_to=query.assigned_to,
        status=query.status,
        kind=query.type,
    )
    found = await call.door.orchestrator.claims.inbox(which, limit=query.limit, cursor=query.cursor)
    return page(call, found.items, found.next)


@op(
    "POST",
    f"{TASK}:claim",
    "task",
    body=ClaimBody,
    answers={200: task_bodies.Claimed},
    errors=(404, 409, 410),
)
async def claim(call: Call) -> Reply:
    """Claim a task for a person; the same one again gets the same token."""
    claimed = await call.door.orchestrator.claims.claim(
        call.path("task"), call.body(ClaimBody).worker, project=call.caller.project
    )
    return answer(claimed.as_json())


@op(
    "POST",
    f"{TASK}:complete",
    "task",
    body=CompleteBody,
    answers={200: answers.CallbackTaken, 202: answers.Queued},
    errors=(404, 409, 410),
)
async def complete(call: Call) -> Reply:
    """End a task well, or with an outcome of its labels; once, however often it is said."""
    body = call.body(CompleteBody)
    verdict: Verdict = Success(output=body.output)
    if body.event is not None:
        verdict = chosen(body.event, body.output)
    return await _end(call, body.token, verdict)


@op(
    "POST",
    f"{TASK}:fail",
    "task",
    body=FailBody,
    answers={200: answers.CallbackTaken, 202: answers.Queued},
    errors=(404, 409, 410),
)
async def fail(call: Call) -> Reply:
    """End a task as an error; with ``retry`` only this attempt of it."""
    body = call.body(FailBody)
    return await _end(call, body.token, refused(body.code, body.message, retry=body.retry))


async def _end(call: Call, token: str, verdict: Verdict) -> Reply:
    outcome = await call.door.orchestrator.claims.end(
        call.path("task"), token, verdict, project=call.caller.project
    )
    return answer({outcome: True})


@op(
    "POST",
    f"{TASK}:heartbeat",
    "task",
    body=TokenBody,
    answers={200: task_bodies.Lease},
    errors=(404, 409, 410),
)
async def heartbeat(call: Call) -> Reply:
    """Renew the lease of a claim."""
    until = await call.door.orchestrator.claims.heartbeat(
        call.path("task"), call.body(TokenBody).token, project=call.caller.project
    )
    return answer({"leaseUntil": None if until is None else rfc3339(until)})


@op(
    "POST",
    f"{TASK}:release",
    "task",
    body=TokenBody,
    answers={200: answers.Done},
    errors=(404, 409, 410),
)
async def release(call: Call) -> Reply:
    """Give a claimed task back: it is on its queue again at once."""
    await call.door.orchestrator.claims.release(
        call.path("task"), call.body(TokenBody).token, project=call.caller.project
    )
    return answer({"released": True})
