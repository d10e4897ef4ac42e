"""Making one call: the request is built, sent, and its reply judged."""

from collections.abc import Callable
from dataclasses import dataclass

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.workers import Worker
from goflow_py.engine.calls import CallContext, build_request
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.redaction import secrets_of, verdict_without, without
from goflow_py.engine.stand_ins import Workers, called_worker
from goflow_py.engine.verdict import Failure, Verdict, judge
from goflow_py.errors import GoFlowError
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Observer, Reply, Transport


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
        context = self._context(execution)
        used = context.used
        try:
            request = build_request(compiled, execution, task, worker, context)
        except GoFlowError as failure:
            return None, Failure(code=failure.reason, message=failure.detail, again=False)
        reply = await self.transport.send(request)
        if used:
            reply = without(reply, used)
        action = compiled.actions.get(task.action)
        raw = action is not None and getattr(action.model, "raw", False)
        verdict = judge(reply, kind=task.kind, raw=raw, now_ms=self.clock.now_ms())
        if used:
            verdict = verdict_without(verdict, used)
        outcome = verdict.code if isinstance(verdict, Failure) else type(verdict).__name__.lower()
        self.observer.attempt(task.action, outcome, self.clock.monotonic() - began)
        return reply, verdict

    def secrets_of(self, worker: Worker, project: str) -> list[str]:
        """Return the secrets that calls of *worker* carry, as they are now."""
        return secrets_of(worker, lambda name: self._secret(name, project))

    def _secret(self, name: str, project: str) -> str | None:
        """Return the project's own secret, or the one that all projects may use.

        One of its own that is empty, or cannot be read, hides the other: that may be another's.
        """
        own = self.secret(f"{project}/{name}")
        return (self.secret(name) if own is None else own) or None

    def _context(self, execution: Execution) -> CallContext:
        return CallContext(
            resolve=self.catalog.resolve,
            own_secret=self._secret,
            project=execution.project,
            token_key=self.token_key,
            public_url=self.public_url,
            span_id=self.clock.token_bytes(8).hex(),
            now_ms=self.clock.now_ms(),
        )
