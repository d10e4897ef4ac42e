"""Callbacks of ``async`` workers: the outcome of an accepted attempt, and its heartbeats."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from goflow_py.domain.actions import CallAction
from goflow_py.domain.workers import Worker
from goflow_py.engine.attempts import arm_callback
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.outcomes import Late, chosen, open_task, refused, too_late
from goflow_py.engine.owner import Owner
from goflow_py.engine.redaction import verdict_without
from goflow_py.engine.stand_ins import called_worker
from goflow_py.engine.steps import Step
from goflow_py.engine.tokens import Address, read_token
from goflow_py.engine.verdict import Success, Verdict
from goflow_py.fsm import timers
from goflow_py.ports import Store

VIA = "callback"
"""How the history names outcomes that came this way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackBody:
    """What a worker says: an outcome of its choice, an output, or an error."""

    event: str | None = None
    output: Any = None
    error: Any = None
    retry: bool = False


Answer = Literal["applied", "duplicate"]
SecretsOf = Callable[[Worker, str], Iterable[str]]
"""Returns the secrets that calls of a worker carry, for a project."""


class Callbacks:
    """Takes the outcomes that come to callback URLs."""

    def __init__(
        self, *, store: Store, owner: Owner, dispatcher: Dispatcher, token_key: bytes
    ) -> None:
        self._owner = owner
        self._dispatcher = dispatcher
        self._token_key = token_key
        self._late = Late(store=store, owner=owner, way=VIA)

    async def complete(
        self, token: str, body: CallbackBody, *, secrets_of: SecretsOf = lambda *_: ()
    ) -> Answer:
        """End the attempt of *token*; once, however often it is said.

        What it says is kept without the secrets that its call carried.
        Raises ``NotFound`` (wrong token), ``Conflict`` (409: superseded), ``Gone`` (410: ended).
        """
        address = read_token(self._token_key, token)
        return await self._end(address, _verdict(body), secrets_of)

    async def _end(self, address: Address, verdict: Verdict, secrets_of: SecretsOf) -> Answer:
        def act(step: Step) -> bool:
            task = open_task(step.draft, address)
            if task is None:
                return False
            worker = called_worker(step.compiled, step.workers, task)
            secrets = () if worker is None else secrets_of(worker, step.draft.after.project)
            self._dispatcher.close(
                *(step.compiled, step.draft, task, verdict_without(verdict, secrets)),
                workers=step.workers,
                via=VIA,
            )
            return True

        _, applied = await self._owner.apply(address.execution, act)
        if applied:
            return "applied"
        await self._late.judge(address, verdict)
        return "duplicate"

    async def heartbeat(self, token: str) -> None:
        """Note that the worker is alive: its callback is awaited anew."""
        await self._renew(read_token(self._token_key, token))

    async def _renew(self, address: Address) -> None:
        def act(step: Step) -> bool:
            compiled, draft = step.compiled, step.draft
            task = open_task(draft, address)
            if task is None:
                return False
            model = compiled.actions[task.action].model
            timer = f"task:{task.name}:callback"
            if timer in draft.after.timers and isinstance(model, CallAction):
                timers.cancel_timer(draft, timer)
                arm_callback(draft, task, model)
            return True

        execution, applied = await self._owner.apply(address.execution, act)
        if not applied:
            raise too_late(execution)


def _verdict(body: CallbackBody) -> Verdict:
    if body.error is not None:
        error = body.error if isinstance(body.error, dict) else {"message": str(body.error)}
        code, message = str(error.get("code") or "error"), str(error.get("message") or "it failed")
        return refused(code, message, retry=body.retry)
    return Success(output=body.output) if body.event is None else chosen(body.event, body.output)
