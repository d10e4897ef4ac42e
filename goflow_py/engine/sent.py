"""What the worker of an attempt was sent, made again from the history by what made it then.

A secret stays the reference that the documents have. Workers and aliases are as they are now, the
deadline counts from the record of the attempt, and the span of a trace is not kept: it is zeros.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from goflow_py.domain.actions import EmitAction, ScriptAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.workers import Retry, Worker
from goflow_py.engine import offers
from goflow_py.engine.attempts import BODY_KEPT_BYTES
from goflow_py.engine.calls import CallContext, build_request, is_url
from goflow_py.engine.cloudevents import emitted
from goflow_py.engine.doers import SCRIPT_SECONDS
from goflow_py.engine.redaction import REDACTED
from goflow_py.engine.stand_ins import QUEUED, Workers, bare_worker, called_worker
from goflow_py.expression.secrets import SECRET_START
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Request

SIGNATURE = "webhook-signature"
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
"""Whatever they are, they are not shown, unless they are a reference."""
NO_SPAN = "0" * 16

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, and until when the answer was waited for."""

    request: Json
    deadline: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Makes requests again."""

    compiled: Compiled
    workers: Workers
    resolve: Callable[[str], str | None]
    public_url: str

    def sent(self, execution: Execution, task: Task) -> Sent:
        """Return what was sent for the open attempt of *task*; *execution* is as it was then."""
        call = task.call
        assert call is not None, "a request is made for an open attempt only"
        known = self.compiled.actions.get(task.action)
        model = known.model if known is not None else None
        if task.kind in QUEUED:
            offer = offers.claimed(self.compiled, execution, task, "")
            return Sent(request=_bare(offer.payload), deadline=offer.lease_until)
        if task.kind == "activity":
            return Sent(request=_bare({"child": task.child, "input": task.input}))
        if isinstance(model, ScriptAction) and task.kind == "script":
            seconds = model.timeout or SCRIPT_SECONDS
            return Sent(
                request=_bare({"input": task.input}),
                deadline=call.started_at + round(seconds * 1_000),
            )
        if isinstance(model, EmitAction) and task.kind == "emit" and model.endpoint is None:
            return Sent(request=_bare({"event": model.event, "data": emitted(task)}))
        worker = called_worker(self.compiled, self.workers, task)
        worker = worker or bare_worker(task.action, call.worker, 0, Retry())
        request, tokens = self._request(execution, task, worker)
        deadline = call.started_at + round(worker.response_timeout * 1_000)
        return Sent(request=_shown(request, tokens), deadline=deadline)

    def _request(
        self, execution: Execution, task: Task, worker: Worker
    ) -> tuple[Request, list[str]]:
        """Return a request, and the callback tokens in it."""
        assert task.call is not None, "the caller looked"
        context = CallContext(
            resolve=lambda alias: self.resolve(alias) or alias,
            own_secret=lambda name, _: f"{SECRET_START}{name}}}",
            project=execution.project,
            token_key=b"none",
            public_url=self.public_url,
            span_id=NO_SPAN,
            now_ms=task.call.started_at,
        )
        request = build_request(self.compiled, execution, task, worker, context)
        return request, [text for text in context.used if not text.startswith(SECRET_START)]


def _shown(request: Request, tokens: list[str]) -> Json:
    body = request.body
    for token in tokens:
        body = body.replace(token.encode(), REDACTED.encode())
    headers = {name: _header(name, text) for name, text in request.headers.items()}
    found = _request(request.method, request.url, headers, body)
    is_whole = len(body) <= BODY_KEPT_BYTES and is_url(request.url)
    return {**found, "curl": _curl(found) if is_whole else None}


def _header(name: str, text: str) -> str:
    is_secret = name.lower() in SECRET_HEADERS and SECRET_START not in text
    return REDACTED if is_secret or name == SIGNATURE else text


def _bare(value: Any) -> Json:
    """Return what was handed to somebody without a call."""
    return {**_request(None, None, {}, orjson.dumps(value)), "curl": None}


def _request(method: str | None, url: str | None, headers: dict[str, str], body: bytes) -> Json:
    return {
        "method": method,
        "url": url,
        "headers": headers,
        "body": body[:BODY_KEPT_BYTES].decode("utf-8", "replace"),
        "bodyBytes": len(body),
    }


def _curl(request: Json) -> str:
    """Return the line that sends the same again from a shell."""
    # Braces and brackets would be many URLs, and a header without text would be left out.
    words = ["curl", "--globoff", "-X", request["method"], request["url"]]
    for name, text in request["headers"].items():
        words += ["-H", f"{name}: {text}" if text.strip() else f"{name};"]
    return shlex.join([*words, "--data-raw", request["body"]])
