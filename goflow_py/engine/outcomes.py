"""Outcomes that somebody brings for an open attempt: once, in time, or refused and recorded.

The worker of a callback and whoever claimed a task from a queue say it by the token of the attempt.
"""

from typing import Any

import orjson

from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.owner import Owner
from goflow_py.engine.steps import Step
from goflow_py.engine.tokens import Address
from goflow_py.engine.verdict import (
    MESSAGE_CHARACTERS_MAX,
    Definite,
    Failure,
    Success,
    Verdict,
    labelled,
)
from goflow_py.errors import Conflict, GoFlowError, Gone, Invalid
from goflow_py.fsm.draft import Draft
from goflow_py.ports import Store

CODE_CHARACTERS_MAX = 64
HISTORY_PAGE = 500


def chosen(event: str, output: Any) -> Verdict:
    """Return the verdict of work that ended with *event*. Raises ``Invalid`` for a reserved one."""
    verdict = labelled(event, output)
    if isinstance(verdict, Failure):
        raise Invalid(verdict.message, code="bad_response")
    return verdict


def refused(code: str, message: str, *, retry: bool) -> Failure | Definite:
    """Return the verdict of work that failed: definite, unless it may be tried again."""
    code, message = code[:CODE_CHARACTERS_MAX], message[:MESSAGE_CHARACTERS_MAX]
    return Failure(code=code, message=message) if retry else Definite(code=code, message=message)


def open_task(draft: Draft, address: Address) -> Task | None:
    """Return the task whose open attempt *address* is; the acceptance may still be on its way."""
    execution = draft.after
    task = execution.work(address.task)
    if task is not None and address.task in execution.errands:
        pass
    elif execution.ended or execution.visit != address.visit or task is None or not task.open:
        return None
    call = task.call
    if call is None or call.attempt != address.attempt or is_another(task, address):
        return None
    return task


def is_another(task: Task, address: Address) -> bool:
    """Tell whether the open attempt began at another time than that of *address*."""
    return task.call is not None and address.began not in (None, task.call.started_at)


def too_late(execution: Execution) -> GoFlowError:
    """Return the refusal of what comes for an attempt that is over."""
    if execution.ended:
        return Gone(f"the execution has ended ({execution.status}); nothing was changed")
    return Conflict(
        "this attempt is over: it timed out, was answered, or its state was left; "
        "nothing was changed",
        code="superseded",
        state=execution.state,
    )


class Late:
    """Judges what comes for an attempt that is over."""

    def __init__(self, *, store: Store, owner: Owner, way: str) -> None:
        """Take the *way* by which outcomes come, as the history names it."""
        self._store = store
        self._owner = owner
        self._way = way

    async def judge(self, address: Address, verdict: Verdict) -> None:
        """Return for a duplicate; record once, and refuse, what came too late, or contradicts.

        Raises ``NotFound``, ``Conflict`` (409: superseded), ``Gone`` (410: ended).
        """
        fates = await self._fates(address)
        if "attemptEnded" in fates:
            if (fates["attemptEnded"] == "success") == isinstance(verdict, Success):
                return
            raise Conflict(
                "this attempt was ended with another outcome before; nothing was changed",
                code="superseded",
            )

        def record(step: Step) -> None:
            draft = step.draft
            task = draft.after.work(address.task)
            call = None if task is None else task.call
            # After a restore, the open attempt may have the number of one whose history is lost.
            has_number = call is not None and call.attempt == address.attempt
            is_lost = has_number and task is not None and is_another(task, address)
            if ("lost" if is_lost else "lateIgnored") in fates:
                return
            draft.add(
                "lateIgnored",
                task=address.task,
                attempt=None if is_lost else address.attempt,
                visit=address.visit,
                what=self._way,
            )
            draft.close_record()

        execution, _ = await self._owner.apply(address.execution, record)
        raise too_late(execution)

    async def _fates(self, address: Address) -> dict[str, str | None]:
        """Return what the history has of outcomes that came this way, and how they were."""
        found: dict[str, str | None] = {}
        after = -1
        while records := await self._store.history(
            address.execution, after=after, limit=HISTORY_PAGE
        ):
            for record in records:
                after = record.seq
                for entry in orjson.loads(record.entries):
                    if self._way in (entry.get("via"), entry.get("what")):
                        # An errand ends in whatever visit the execution is by then.
                        is_errand = address.task.startswith("+")
                        visit = address.visit if is_errand else entry["visit"]
                        named = (visit, entry["task"], entry["attempt"])
                        if named == (address.visit, address.task, address.attempt):
                            found[entry["type"]] = entry.get("outcome")
                        elif named == (address.visit, address.task, None):
                            found["lost"] = None
        return found
