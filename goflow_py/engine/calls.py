"""The request that a worker receives (section 8 of the language)."""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import orjson

from goflow_py.domain import durations
from goflow_py.domain.actions import CallAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.values import value
from goflow_py.domain.workers import Worker
from goflow_py.engine.cloudevents import CONTENT_TYPE, cloud_event
from goflow_py.engine.tokens import Address, make_token
from goflow_py.errors import ExpressionFailed
from goflow_py.expression import budget, compile_template
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Request


@value
class CallContext:
    """What a request needs beside the execution."""

    resolve: Callable[[str], str | None]
    """An endpoint's alias to its URL."""
    own_secret: Callable[[str, str], str | None]
    """A secret by its name, of a project."""
    project: str
    token_key: bytes
    public_url: str
    span_id: str
    now_ms: int
    used: set[str] = field(default_factory=set)
    """What an echo of the call must not show."""

    def secret(self, name: str) -> str | None:
        """Return a secret, and note that the call carries it."""
        value = self.own_secret(name, self.project)
        if value is not None:
            self.used.add(value)
        return value


def is_url(endpoint: str) -> bool:
    """Tell whether an endpoint is a URL; one without a scheme is an alias."""
    return "://" in endpoint


def idempotency_key(execution: Execution, task: Task) -> str:
    """Return the key that is the same for every attempt, endpoint, node and crash of one visit."""
    own = task.facts.get("key")
    return key_of(execution.id, execution.visit, task.name, single=task.single, own=own)


def key_of(execution: str, visit: int, task: str, *, single: bool, own: str | None) -> str:
    """Return the Idempotency-Key of work; *own* is its end, where that is no visit and task."""
    if own is None:
        own = f"{visit}" if single else f"{visit}/{task}"
    return f"{execution}/{own}"


def build_request(
    compiled: Compiled, execution: Execution, task: Task, worker: Worker, context: CallContext
) -> Request:
    """Return the request of the open attempt. Raises ``ExpressionFailed`` for a missing secret."""
    call = task.call
    assert call is not None, "a request is built for an open attempt only"
    budget.begin(execution.project)  # headers and credentials may be templates
    known = compiled.actions.get(task.action)
    model = known.model if known is not None else None
    action = model if isinstance(model, CallAction) else CallAction(name=task.action)
    deadline = durations.rfc3339(context.now_ms + round(worker.response_timeout * 1000))
    key = idempotency_key(execution, task)
    event = cloud_event(compiled, execution, task, key)
    body = event or _body(compiled, execution, task, action, deadline, context)
    headers = {
        "Content-Type": "application/json" if event is None else CONTENT_TYPE,
        "Idempotency-Key": key,
        "Goflow-Execution-Id": execution.id,
        "Goflow-Attempt": str(call.attempt),
        "Goflow-Fence": str(call.fence),
        "Goflow-Deadline": deadline,
    }
    if execution.traceparent:
        headers["traceparent"] = f"{execution.traceparent[:36]}{context.span_id}-01"
    for name, text in worker.headers.items():
        headers[name] = _secret(text, context)
    if worker.auth:
        headers["Authorization"] = _secret(worker.auth, context)
    if worker.signing_secret:
        headers |= _signature(_secret(worker.signing_secret, context), key, body, context.now_ms)
    return Request(
        method=action.method or worker.method or "POST",
        url=_url(worker.worker_endpoint, task.target if event is None else None, context),
        headers=headers,
        body=body,
        timeout_seconds=worker.response_timeout,
        project=execution.project,
    )


def _body(
    compiled: Compiled,
    execution: Execution,
    task: Task,
    action: CallAction,
    deadline: str,
    context: CallContext,
) -> bytes:
    if action.raw:
        return orjson.dumps(task.input)
    return orjson.dumps(payload(compiled, execution, task, action, deadline, context))


def payload(
    compiled: Compiled,
    execution: Execution,
    task: Task,
    action: CallAction,
    deadline: str,
    context: CallContext,
) -> dict[str, Any]:
    """Return the body of a call as an object."""
    call = task.call
    assert call is not None, "a payload is made for an open attempt only"
    callback = None
    spec = compiled.states[execution.state].task(task.name) if not task.single else None
    if action.type == "async":
        address = Address(
            execution=execution.id,
            visit=execution.visit,
            task=task.name,
            attempt=call.attempt,
            began=call.started_at,
        )
        token = make_token(context.token_key, address)
        context.used.add(token)
        callback = f"{context.public_url}/v1/callbacks/{token}"
    return {
        "executionId": execution.id,
        "project": execution.project,
        "activity": execution.activity,
        "version": execution.version,
        "state": execution.state,
        "task": task.name,
        "action": task.action,
        "visit": execution.visit,
        "attempt": call.attempt,
        "key": execution.key,
        "labels": compiled.states[execution.state].labels if task.single else (),
        "input": task.input,
        "meta": action.meta if spec is None else {**action.meta, **spec.meta},
        "callbackUrl": callback,
        "deadline": deadline,
    }


def _url(endpoint: str, target: Mapping[str, Any] | None, context: CallContext) -> str:
    url = _secret(endpoint, context) if is_url(endpoint) else context.resolve(endpoint)
    if url is None:
        raise ExpressionFailed(
            f"the endpoint alias '{endpoint}' points nowhere; "
            f"set it with PUT /v1/endpoints/{endpoint}",
            code="no_worker",
        )
    return with_target(url, target)


def with_target(url: str, target: Mapping[str, Any] | None) -> str:
    """Return *url* with the path and the query that an action adds."""
    if not target:
        return url
    parts = urlsplit(url)
    path = parts.path
    if target["path"]:
        path = (
            f"{path.rstrip('/')}/{quote(str(target['path']).lstrip('/'), safe='/:@!$&()*+,;=~-._')}"
        )
    pairs = {name: _plain(value) for name, value in target["query"].items() if value is not None}
    query = "&".join(filter(None, [parts.query, urlencode(pairs)]))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _secret(text: str, context: CallContext) -> str:
    """Return *text* with its secret references resolved; never stored, never logged."""
    if "${" not in text:
        return text
    template = compile_template(text, secrets=True)
    return str(template.render({}, secrets=context.secret))


def _signature(secret: str, key: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Sign as Standard Webhooks does: HMAC-SHA256 over id, timestamp and body."""
    raw = secret.removeprefix("whsec_")
    try:
        bytes_ = base64.b64decode(raw, validate=True) if secret != raw else secret.encode()
    except ValueError:
        bytes_ = secret.encode()
    stamp = str(now_ms // 1000)
    signed = f"{key}.{stamp}.".encode() + body
    mac = base64.b64encode(hmac.digest(bytes_, signed, "sha256")).decode()
    return {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac}"}
