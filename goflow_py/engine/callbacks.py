"""Callbacks of ``async`` workers: the outcome of an accepted attempt, and its heartbeats."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from goflow_py.domain.actions import CallAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.attempts import arm_callback
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.owner import Owner
from goflow_py.engine.steps import Step
from goflow_py.engine.tokens import Address, read_token
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict, labelled
from goflow_py.errors import Conflict, GoFlowError, Gone, Invalid
from goflow_py.fsm import timers
from goflow_py.fsm.draft import Draft
from goflow_py.ports import Store

HISTORY_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackBody:
    """What a worker says: an outcome of its choice, an output, or an error."""

    event: str | None = None
    output: Any = None
    error: Any = None
    retry: bool = False


Answer = Literal["applied", "duplicate"]


class Callbacks:
    """Takes the outcomes that come to callback URLs."""

    def __init__(
        self, *, store: Store, owner: Owner, dispatcher: Dispatcher, token_key: bytes
    ) -> None:
        self._store = store
        self._owner = owner
        self._dispatcher = dispatcher
        self._token_key = token_key

    async def complete(self, token: str, body: CallbackBody) -> Answer:
        """End the attempt of *token*; once, however often it is said.

        Raises ``NotFound`` (wrong token), ``Conflict`` (409: superseded), ``Gone`` (410: ended).
        """
        address = read_token(self._token_key, token)
        verdict = _verdict(body)

        def act(step: Step) -> bool:
            task = _open_task(step.draft, address)
            if task is None:
                return False
            self._dispatcher.close(
                step.compiled, step.draft, task, verdict, workers=step.workers, via="callback"
            )
            return True

        _, applied = await self._owner.apply(address.execution, act)
        if applied:
            return "applied"
        await self._late(address)
        return "duplicate"

    async def heartbeat(self, token: str) -> None:
        """Note that the worker is alive: its callback is awaited anew."""
        address = read_token(self._token_key, token)

        def act(step: Step) -> bool:
            compiled, draft = step.compiled, step.draft
            task = _open_task(draft, address)
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
            raise _too_late(execution)

    async def _late(self, address: Address) -> None:
        """Return for a duplicate; record once, and refuse, what came too late."""
        fates = await self._fates(address)
        if "attemptEnded" in fates:
            return

        def record(step: Step) -> None:
            draft = step.draft
            if "lateIgnored" in fates:
                return
            draft.add(
                "lateIgnored",
                task=address.task,
                attempt=address.attempt,
                visit=address.visit,
                what="callback",
            )
            draft.close_record()

        execution, _ = await self._owner.apply(address.execution, record)
        raise _too_late(execution)

    async def _fates(self, address: Address) -> set[str]:
        """Return what the history has of callbacks for this attempt."""
        found: set[str] = set()
        after = -1
        while records := await self._store.history(
            address.execution, after=after, limit=HISTORY_PAGE
        ):
            for record in records:
                after = record.seq
                for entry in orjson.loads(record.entries):
                    if "callback" in (entry.get("via"), entry.get("what")):
                        named = (entry["visit"], entry["task"], entry["attempt"])
                        if named == (address.visit, address.task, address.attempt):
                            found.add(entry["type"])
        return found


def _too_late(execution: Execution) -> GoFlowError:
    if execution.ended:
        return Gone(f"the execution has ended ({execution.status}); nothing was changed")
    return Conflict(
        "this attempt is over: it timed out, was answered, or its state was left; "
        "nothing was changed",
        code="superseded",
        state=execution.state,
    )


def _open_task(draft: Draft, address: Address) -> Task | None:
    """Return the task whose open attempt *address* is; the acceptance may still be on its way."""
    execution = draft.after
    task = execution.work(address.task)
    if task is not None and address.task in execution.errands:
        pass
    elif execution.ended or execution.visit != address.visit or task is None or not task.open:
        return None
    return task if task.call is not None and task.call.attempt == address.attempt else None


def _verdict(body: CallbackBody) -> Verdict:
    if body.error is not None:
        error = body.error if isinstance(body.error, dict) else {"message": str(body.error)}
        code, message = str(error.get("code") or "error"), str(error.get("message") or "it failed")
        if body.retry:
            return Failure(code=code[:64], message=message[:500])
        return Definite(code=code[:64], message=message[:500])
    if body.event is None:
        return Success(output=body.output)
    verdict = labelled(body.event, body.output)
    if isinstance(verdict, Failure):
        raise Invalid(verdict.message, code="bad_response")
    return verdict
