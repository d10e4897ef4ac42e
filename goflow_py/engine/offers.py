"""Queued work as those who take it see it: its id, its payload, its place in the inbox."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import orjson

from goflow_py.domain.actions import CallAction, HumanAction
from goflow_py.domain.durations import rfc3339
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.values import value
from goflow_py.engine.calls import CallContext, idempotency_key, payload
from goflow_py.engine.stand_ins import queue_of
from goflow_py.errors import NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import QueueRow

TASK_ID_CHARACTERS_MAX = 512
_EXECUTION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_NO_CALL = CallContext(
    resolve=lambda _: None,
    own_secret=lambda _, __: None,
    project="",
    token_key=b"",
    public_url="",
    span_id="",
    now_ms=0,
)
"""Nothing is called: only a callback would need what is in it."""


@value
class TaskName:
    """Which task of which visit: what an id stands for."""

    execution: str
    visit: int
    task: str


@value
class Claimed:
    """A task in the hands of somebody."""

    id: str
    token: str
    """Of this attempt: whoever has it may complete the task."""
    lease_until: int | None
    """None: it is held until it is released."""
    payload: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the task as the API shows it."""
        return {
            "id": self.id,
            "token": self.token,
            "leaseUntil": _time(self.lease_until),
            "payload": self.payload,
        }


def task_id(name: TaskName) -> str:
    """Return the id of a task: text without slashes, which is no secret."""
    body = orjson.dumps([name.execution, name.visit, name.task])
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def read_task_id(text: str) -> TaskName:
    """Return the task of an id. Raises ``NotFound`` for one that no server ever made."""
    refusal = no_such_task()
    if len(text) > TASK_ID_CHARACTERS_MAX:
        raise refusal
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = orjson.loads(raw)
    except (binascii.Error, ValueError):
        raise refusal from None
    match found:
        case [str(execution), int(visit), str(task)] if _EXECUTION.match(execution):
            return TaskName(execution=execution, visit=visit, task=task)
        case _:
            raise refusal


def no_such_task() -> NotFound:
    """Return the refusal for an id, or a token, that is none here."""
    return NotFound("there is no such task; use the id and the token as they came with it")


def claimed(compiled: Compiled, execution: Execution, task: Task, token: str) -> Claimed:
    """Return a task whose attempt is open: what a called worker gets, and what a queue adds."""
    model = compiled.actions[task.action].model
    action = CallAction.model_construct(name=task.action, type="sync", raw=False, meta=model.meta)
    lease = execution.timers.get(f"task:{task.name}:lease")
    body = payload(compiled, execution, task, action, "", _NO_CALL)
    return Claimed(
        id=task_id(TaskName(execution=execution.id, visit=execution.visit, task=task.name)),
        token=token,
        lease_until=lease,
        payload={
            **body,
            "deadline": _time(lease),
            "queue": queue_of(compiled, task),
            "assignedTo": task.facts.get("assignedTo"),
            "idempotencyKey": idempotency_key(execution, task),
            **({"form": model.form} if isinstance(model, HumanAction) else {}),
        },
    )


def listed(compiled: Compiled, execution: Execution, task: Task, row: QueueRow) -> dict[str, Any]:
    """Return a task as a list shows it: enough to see what is to be done, and who does it."""
    state = compiled.states[execution.state]
    model = compiled.actions[task.action].model
    spec = None if task.single else state.task(task.name)
    return {
        "id": task_id(TaskName(execution=row.execution, visit=row.visit, task=row.task)),
        "type": row.kind,
        "queue": row.queue,
        "status": row.status,
        "assignedTo": row.assigned_to,
        "claimedBy": row.claimed_by,
        "leaseUntil": _time(row.lease_until),
        "since": rfc3339(row.since),
        "due": rfc3339(row.due),
        "executionId": row.execution,
        "project": row.project,
        "activity": row.activity,
        "key": execution.key,
        "state": execution.state,
        "visit": row.visit,
        "task": row.task,
        "action": task.action,
        "attempts": task.attempts,
        "labels": state.labels if task.single else (),
        "input": task.input,
        "meta": model.meta if spec is None else {**model.meta, **spec.meta},
        "form": model.form if isinstance(model, HumanAction) else None,
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
