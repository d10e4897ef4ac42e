"""Making one call: the request is built, sent, and its reply judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.calls import CallContext, build_request
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import called_worker
from goflow_py.engine.stand_ins import Workers
from goflow_py.engine.verdict import Failure, Verdict, judge
from goflow_py.errors import GoFlowError
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Observer, Reply, Transport, Unreachable

REDACTED = "[secret]"
SECRET_CHARACTERS_MIN = 8
"""Shorter secrets are not looked for in replies: they would match by accident."""


@dataclass(kw_only=True)
class Caller:
    """Sends the open attempts of tasks."""

    transport: Transport
    catalog: Catalog
    clock: Clock
    observer: Observer
    secret: Callable[[str], str | None]
    token_key: bytes
    public_url: str = ""

    async def call(
        self, compiled: Compiled, execution: Execution, task: Task, workers: Workers
    ) -> tuple[Reply | None, Verdict]:
        """Return the reply, and what it means. Never raises for a bad worker."""
        assert task.call is not None, "a call is made for an open attempt only"
        endpoint = task.call.worker
        worker = called_worker(compiled, workers, task)
        if worker is None:
            gone = Failure(
                code="no_worker", message=f"the worker '{endpoint}' is gone", again=False
            )
            return None, gone
        began = self.clock.monotonic()
        used: set[str] = set()
        try:
            request = build_request(compiled, execution, task, worker, self._context(used))
        except GoFlowError as failure:
            return None, Failure(code=failure.reason, message=failure.detail, again=False)
        reply = redacted(await self.transport.send(request), used)
        action = compiled.actions.get(task.action)
        raw = action is not None and getattr(action.model, "raw", False)
        verdict = judge(reply, kind=task.kind, raw=raw, now_ms=self.clock.now_ms())
        outcome = verdict.code if isinstance(verdict, Failure) else type(verdict).__name__.lower()
        self.observer.attempt(task.action, outcome, self.clock.monotonic() - began)
        return reply, verdict

    def _context(self, used: set[str]) -> CallContext:
        def secret(name: str) -> str | None:
            value = self.secret(name)
            if value is not None:
                used.add(value)
            return value

        return CallContext(
            resolve=self.catalog.resolve,
            secret=secret,
            token_key=self.token_key,
            public_url=self.public_url,
            span_id=self.clock.token_bytes(8).hex(),
            now_ms=self.clock.now_ms(),
        )


def redacted(reply: Reply, secrets: Iterable[str]) -> Reply:
    """Return *reply* without the secrets of its call: an echo is never at rest (G18)."""
    values = [value for value in secrets if len(value) >= SECRET_CHARACTERS_MIN]
    if not values:
        return reply
    if isinstance(reply, Unreachable):
        message = reply.message
        for value in values:
            message = message.replace(value, REDACTED)
        return replace(reply, message=message)
    body, headers = reply.body, dict(reply.headers)
    for value in values:
        body = body.replace(value.encode(), REDACTED.encode())
        headers = {name: text.replace(value, REDACTED) for name, text in headers.items()}
    return replace(reply, body=body, headers=headers)
