"""Outcomes and claims on any node: brought to who owns the execution.

Neither a token nor a secret is written to the inbox: a token is only read, and made, where somebody
brings or gets it, and an outcome loses its secrets before it is handed on.
"""

from typing import Any

from goflow_py.domain.execution import Execution
from goflow_py.engine import letters
from goflow_py.engine.callbacks import Answer, Callbacks, SecretsOf
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.claims import Claims, Opened
from goflow_py.engine.letters import Json
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.offers import TaskName
from goflow_py.engine.outcomes import is_another
from goflow_py.engine.redaction import verdict_without
from goflow_py.engine.routing import Router
from goflow_py.engine.stand_ins import called_worker
from goflow_py.engine.tokens import Address
from goflow_py.engine.verdict import Success, Verdict
from goflow_py.errors import GoFlowError, Moved
from goflow_py.ports import QueueRow

TAKE_SECONDS = 1.0
"""For which a poll waits for the owner of one task: there may be others."""


class RoutedCallbacks(Callbacks):
    """Outcomes at callback URLs."""

    def __init__(
        self,
        *,
        router: Router,
        mailbox: Mailbox,
        catalog: Catalog,
        secrets_of: SecretsOf,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self._router = router
        self._catalog = catalog
        self._secrets_of = secrets_of
        mailbox.on("callback", self._end_here)
        mailbox.on("callbackHeartbeat", self._renew_here)

    async def _end(self, address: Address, verdict: Verdict, secrets_of: SecretsOf) -> Answer:
        try:
            return await super()._end(address, verdict, secrets_of)
        except Moved:
            clean = await self._without_secrets(address, verdict, secrets_of)
        what = {"address": address, "verdict": letters.with_verdict(clean)}
        found: Answer = await self._router.ask(address.execution, "callback", what, queues=True)
        return found

    async def _without_secrets(
        self, address: Address, verdict: Verdict, secrets_of: SecretsOf
    ) -> Verdict:
        """Return a verdict without what its call carried; of one for no open call, the kind."""
        execution = await self._owner.memory.read(address.execution)
        compiled = await self._catalog.compiled_for(execution)
        workers = await self._catalog.workers(execution.project, execution.activity)
        task = execution.work(address.task)
        is_its = task is not None and task.call is not None and not is_another(task, address)
        worker = called_worker(compiled, workers, task) if task is not None and is_its else None
        if worker is not None:
            return verdict_without(verdict, secrets_of(worker, execution.project))
        if isinstance(verdict, Success):
            return Success(output=None, label=verdict.label)
        return letters.verdict_of(
            {"kind": type(verdict).__name__, "is": {"code": "error", "message": "it failed"}}
        )

    async def _end_here(self, _: str, what: Json) -> Answer:
        address, verdict = letters.address_of(what["address"]), letters.verdict_of(what["verdict"])
        return await super()._end(address, verdict, self._secrets_of)

    async def _renew(self, address: Address) -> None:
        try:
            await super()._renew(address)
        except Moved:
            what = {"address": address}
            await self._router.ask(address.execution, "callbackHeartbeat", what)

    async def _renew_here(self, _: str, what: Json) -> None:
        await super()._renew(letters.address_of(what["address"]))


class RoutedClaims(Claims):
    """Claims of queued work, and what becomes of them."""

    def __init__(self, *, router: Router, mailbox: Mailbox, **parts: Any) -> None:
        super().__init__(**parts)
        self._router = router
        mailbox.on("take", self._open_row_here, unheard=self._give_back)
        mailbox.on("claim", self._open_named_here)
        mailbox.on("end", self._end_here)
        mailbox.on("lease", self._renew_here)
        mailbox.on("release", self._release_here)

    # ------------------------------------------------------------ claims

    async def _open_row(self, row: QueueRow, worker: str) -> tuple[Execution, Opened | None]:
        try:
            return await super()._open_row(row, worker)
        except Moved:
            what = {"row": row, "worker": worker}
        answer = await self._router.ask(row.execution, "take", what, seconds=TAKE_SECONDS)
        return await self._opened(answer)

    async def _open_row_here(self, _: str, what: Json) -> Json:
        return _shown(*await super()._open_row(QueueRow(**what["row"]), what["worker"]))

    async def _give_back(self, _: str, __: Json, said: object) -> None:
        """Release what was claimed for a poll that waits no more."""
        if isinstance(said, dict) and said["address"] is not None:
            try:
                await super()._release(said["address"])
            except GoFlowError:
                return  # its lease lapses

    async def _open_named(self, name: TaskName, worker: str) -> tuple[Execution, Opened]:
        try:
            return await super()._open_named(name, worker)
        except Moved:
            what = {"name": name, "worker": worker}
        execution, opened = await self._opened(
            await self._router.ask(name.execution, "claim", what)
        )
        assert opened is not None, "a person's claim is made or refused"
        return execution, opened

    async def _open_named_here(self, _: str, what: Json) -> Json:
        return _shown(*await super()._open_named(TaskName(**what["name"]), what["worker"]))

    async def _opened(self, answer: Json) -> tuple[Execution, Opened | None]:
        execution = letters.head_of(answer)
        if answer["address"] is None:
            return execution, None
        compiled = await self._catalog.compiled_for(execution)
        address = letters.address_of(answer["address"])
        return execution, Opened(compiled=compiled, address=address)

    # ------------------------------------------------------------ outcomes

    async def _end(self, address: Address, verdict: Verdict) -> Answer:
        try:
            return await super()._end(address, verdict)
        except Moved:
            what = {"address": address, "verdict": letters.with_verdict(verdict)}
        found: Answer = await self._router.ask(address.execution, "end", what, queues=True)
        return found

    async def _end_here(self, _: str, what: Json) -> Answer:
        address, verdict = letters.address_of(what["address"]), letters.verdict_of(what["verdict"])
        return await super()._end(address, verdict)

    async def _renew(self, address: Address) -> int | None:
        try:
            return await super()._renew(address)
        except Moved:
            what = {"address": address}
        until: int | None = await self._router.ask(address.execution, "lease", what)
        return until

    async def _renew_here(self, _: str, what: Json) -> int | None:
        return await super()._renew(letters.address_of(what["address"]))

    async def _release(self, address: Address) -> None:
        try:
            await super()._release(address)
        except Moved:
            await self._router.ask(address.execution, "release", {"address": address})

    async def _release_here(self, _: str, what: Json) -> None:
        await super()._release(letters.address_of(what["address"]))


def _shown(execution: Execution, opened: Opened | None) -> Json:
    return letters.with_head(execution, address=None if opened is None else opened.address)
