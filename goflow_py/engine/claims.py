"""Claims: how pull workers and people take queued work, keep it, and bring its outcome.

A claim is a step of the execution that opens an attempt; what it does not find open any more it
lost to somebody else. So two polls never get the same task, whatever they read before.
"""

import hmac
import logging
from collections.abc import Iterable
from typing import Literal

from goflow_py.domain import durations
from goflow_py.domain.actions import HumanAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.domain.values import value
from goflow_py.engine import attempts, offers
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.heads import readable
from goflow_py.engine.offers import Claimed, TaskName
from goflow_py.engine.outcomes import Late, open_task, too_late
from goflow_py.engine.owner import Owner
from goflow_py.engine.stand_ins import QUEUED, lease_of
from goflow_py.engine.steps import Step
from goflow_py.engine.tokens import Address, make_token, read_token
from goflow_py.engine.verdict import Success, Verdict
from goflow_py.errors import Conflict, GoFlowError, Gone, NotFound
from goflow_py.fsm import timers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.schemas import check_schema
from goflow_py.fsm.work import is_parked
from goflow_py.ports import Page, QueueRow, Store, TaskFilter

log = logging.getLogger(__name__)

PRIORITY = 1
"""Of all who claim: a queue knows no order among its workers."""
VIA = "claim"
"""How the history names outcomes that came this way."""

Answer = Literal["applied", "duplicate"]


@value
class Opened:
    """A claim that a step made."""

    compiled: Compiled
    address: Address


class Claims:
    """The use cases of queued work."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        owner: Owner,
        dispatcher: Dispatcher,
        token_key: bytes,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._dispatcher = dispatcher
        # A key of its own: a claim's token is none for the callback URL, which knows no forms.
        self._token_key = hmac.digest(token_key, b"claims", "sha256")
        self._late = Late(store=store, owner=owner, way=VIA)

    # ------------------------------------------------------------ pull workers

    async def take(self, row: QueueRow, worker: str) -> Claimed | None:
        """Claim what a row stands for; None: another was first, or it is over."""
        execution, opened = await self._open_row(row, worker)
        return None if opened is None else self._claimed(execution, opened)

    async def _open_row(self, row: QueueRow, worker: str) -> tuple[Execution, Opened | None]:
        def act(step: Step) -> Opened | None:
            draft = step.draft
            task = draft.after.tasks.get(row.task)
            if draft.after.paused or draft.after.ended or draft.after.visit != row.visit:
                return None
            if task is None or not _is_free(step, task):
                return None
            return _open(step, task, worker)

        return await self._owner.apply(row.execution, act)

    def _claimed(self, execution: Execution, opened: Opened) -> Claimed | None:
        """Return a claim; None: what else the same step did has closed the task again."""
        address = opened.address
        task = execution.tasks.get(address.task)
        if task is None or task.call is None or execution.visit != address.visit:
            return None
        token = make_token(self._token_key, address)
        return offers.claimed(opened.compiled, execution, task, token)

    # ------------------------------------------------------------ people

    async def claim(self, task_id: str, worker: str, *, project: str | None = None) -> Claimed:
        """Claim a task for a person; the same person again gets the same token.

        Raises ``NotFound``, ``Conflict`` (claimed by another, paused, over, for pull workers),
        ``Gone`` (ended).
        """
        name = await self._named(task_id, project)
        execution, opened = await self._open_named(name, worker)
        claimed = self._claimed(execution, opened)
        if claimed is None:
            raise too_late(execution)
        return claimed

    async def _open_named(self, name: TaskName, worker: str) -> tuple[Execution, Opened]:
        def act(step: Step) -> Opened:
            draft = step.draft
            task = _find(draft, name)
            if task.kind != "human":
                raise Conflict(
                    f"'{task.name}' is for pull workers: poll its queue", code="not_for_people"
                )
            if draft.after.paused:
                raise Conflict("the execution is paused; resume it first", code="paused")
            if task.call is not None and task.call.worker == worker:
                return Opened(compiled=step.compiled, address=_address(draft, task))
            if task.call is not None:
                raise Conflict(
                    f"'{task.call.worker}' has claimed it; it can be claimed after a release",
                    code="claimed",
                    claimedBy=task.call.worker,
                )
            if is_parked(step.compiled.actions[task.action], task):
                raise Conflict("it failed for good; it can be claimed after a retry", code="parked")
            if not _is_free(step, task):
                due = durations.rfc3339(max(task.waits.values()))
                raise Conflict(f"it can be claimed from {due} on", code="not_due", due=due)
            return _open(step, task, worker)

        return await self._owner.apply(name.execution, act)

    async def inbox(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
        """Return queued and claimed tasks, oldest first, as a list shows them."""
        page = await self._store.tasks(which, limit=limit, cursor=cursor)
        ids = list(dict.fromkeys(row.execution for row in page.items))
        bodies = await self._store.heads(ids)
        heads = readable(body for body in bodies if body)
        known = {one.id: (one, compiled) for one, compiled in await self._catalog.fitting(heads)}
        items = []
        for row in page.items:
            if row.execution not in known:
                continue
            execution, compiled = known[row.execution]
            task = execution.tasks.get(row.task)
            if task is None or execution.visit != row.visit or not task.open:
                continue  # it ended since the list was read
            items.append(offers.listed(compiled, execution, task, row))
        return Page(items=items, next=page.next)

    # ------------------------------------------------------------ outcomes

    async def end(
        self, task_id: str, token: str, verdict: Verdict, *, project: str | None = None
    ) -> Answer:
        """End the attempt of *token* by *verdict*; once, however often it is said.

        While the execution is paused, the outcome is kept. Raises ``NotFound``, ``Conflict``
        (409: superseded), ``Gone`` (410: ended), ``Invalid`` (422: the form).
        """
        return await self._end(await self._addressed(task_id, token, project), verdict)

    async def _end(self, address: Address, verdict: Verdict) -> Answer:
        def act(step: Step) -> bool:
            task = _held(step.draft, address)
            if task is None:
                return False
            if isinstance(verdict, Success):
                _check_form(step.compiled, task, verdict)
            timers.cancel_timer(step.draft, _lease(task.name))
            self._dispatcher.close(
                step.compiled, step.draft, task, verdict, workers=step.workers, via=VIA
            )
            return True

        _, applied = await self._owner.apply(address.execution, act)
        if applied:
            return "applied"
        await self._late.judge(address, verdict)
        return "duplicate"

    async def heartbeat(
        self, task_id: str, token: str, *, project: str | None = None
    ) -> int | None:
        """Renew the lease; return until when. None: it holds until it is released."""
        return await self._renew(await self._addressed(task_id, token, project))

    async def _renew(self, address: Address) -> int | None:
        def act(step: Step) -> bool:
            task = _held(step.draft, address)
            if task is None:
                return False
            timers.cancel_timer(step.draft, _lease(task.name))
            _set_lease(step, task)
            return True

        execution, is_held = await self._owner.apply(address.execution, act)
        if not is_held:
            raise too_late(execution)
        return execution.timers.get(_lease(address.task))

    async def release(self, task_id: str, token: str, *, project: str | None = None) -> None:
        """Give the task back: it is on its queue again at once, and no attempt is counted."""
        await self._release(await self._addressed(task_id, token, project))

    async def _release(self, address: Address) -> None:
        def act(step: Step) -> bool:
            task = _held(step.draft, address)
            if task is None:
                return False
            timers.cancel_timer(step.draft, _lease(task.name))
            attempts.give_place(step.draft, task)
            return True

        execution, was_held = await self._owner.apply(address.execution, act)
        if not was_held:
            raise too_late(execution)

    async def give_back(self, claimed: Iterable[Claimed]) -> None:
        """Release what nobody got to know of; what cannot be, goes back when its lease lapses."""
        for one in claimed:
            try:
                await self._release(read_token(self._token_key, one.token))
            except GoFlowError as refusal:
                log.warning("a claim could not be given back", extra={"why": refusal.detail})

    # ------------------------------------------------------------ whose it is

    async def _named(self, task_id: str, project: str | None) -> TaskName:
        """Return the task of an id. Raises ``NotFound``, also for another project's."""
        name = offers.read_task_id(task_id)
        try:
            execution = await self._owner.memory.read(name.execution)
        except NotFound:
            raise offers.no_such_task() from None
        if project not in (None, execution.project):
            raise offers.no_such_task()
        return name

    async def _addressed(self, task_id: str, token: str, project: str | None) -> Address:
        """Return the attempt of a token, which is one of the task with that id."""
        name = await self._named(task_id, project)
        try:
            address = read_token(self._token_key, token)
        except NotFound:
            raise offers.no_such_task() from None
        own = TaskName(execution=address.execution, visit=address.visit, task=address.task)
        if own != name:
            raise offers.no_such_task()
        return address


# ---------------------------------------------------------------- steps


def _open(step: Step, task: Task, worker: str) -> Opened:
    """Open an attempt that *worker* makes; nothing is sent, so it is accepted from the first."""
    draft = step.draft
    draft.add(
        "attemptStarted",
        task=task.name,
        attempt=task.attempts + 1,
        worker=worker,
        priority=PRIORITY,
        visit=draft.after.visit,
        accepted=True,
    )
    _set_lease(step, task)
    return Opened(compiled=step.compiled, address=_address(draft, task))


def _set_lease(step: Step, task: Task) -> None:
    lease = lease_of(step.compiled, task)
    if lease is not None:
        timers.set_timer(step.draft, _lease(task.name), lease)


def _lease(task: str) -> str:
    return f"task:{task}:lease"


def _address(draft: Draft, task: Task) -> Address:
    """Return the attempt that *task* made last."""
    execution = draft.after
    return Address(
        execution=execution.id,
        visit=execution.visit,
        task=task.name,
        attempt=task.attempts,
        began=None if task.call is None else task.call.started_at,
    )


def _is_free(step: Step, task: Task) -> bool:
    """Tell whether somebody may claim *task* now."""
    if not task.open or task.kind not in QUEUED or task.call is not None:
        return False
    is_due = max(task.waits.values(), default=0) <= step.draft.now
    return is_due and not is_parked(step.compiled.actions[task.action], task)


def _find(draft: Draft, name: TaskName) -> Task:
    """Return the open task of a name. Raises ``Gone``, ``Conflict``."""
    execution = draft.after
    task = execution.tasks.get(name.task)
    if execution.ended:
        raise Gone(f"the execution has ended ({execution.status}); nothing was changed")
    if task is None or execution.visit != name.visit or not task.open or task.kind not in QUEUED:
        raise Conflict(
            "this task is over: it was answered, or its state was left; nothing was changed",
            code="superseded",
            state=execution.state,
        )
    return task


def _held(draft: Draft, address: Address) -> Task | None:
    """Return the task whose open claim *address* is, unless its lease has lapsed meanwhile.

    Leases run on while an execution is paused, though their timers are taken afterwards.
    """
    task = open_task(draft, address)
    if task is None:
        return None
    lease = draft.after.timers.get(_lease(task.name))
    return task if lease is None or lease > draft.now else None


def _check_form(compiled: Compiled, task: Task, verdict: Success) -> None:
    model = compiled.actions[task.action].model
    if isinstance(model, HumanAction) and model.form is not None:
        check_schema(model.form, verdict.output, "the output", payer=compiled.blueprint.project)
