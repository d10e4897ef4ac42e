"""Work that belongs to no execution, on many nodes: it is done by who owns the shard of its id."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from goflow_py.clock import uuid7
from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine import letters
from goflow_py.engine.batches import Batches
from goflow_py.engine.early import Early, EarlyEvent, anybody, home_of, is_root
from goflow_py.engine.letters import Json
from goflow_py.engine.mailbox import Mailbox
from goflow_py.engine.requests import Match
from goflow_py.engine.routed import RoutedExecutions
from goflow_py.engine.routing import Router


class RoutedBatches(Batches):
    """Batches: each is carried out by one node, and shown and stopped by any."""

    def __init__(self, *, router: Router, mailbox: Mailbox, **parts: Any) -> None:
        super().__init__(**parts)
        self._router = router
        mailbox.on("stopBatch", self._stop_here)

    async def cancel(self, number: str, *, project: str | None) -> None:
        """Stop a batch: what it has done stays done. Raises ``NotFound``."""
        row = await self._row(number, project)
        if row.status == "running" and not self._memory.owns(number):
            await self._router.ask_shard_of(number, "stopBatch", {})
        elif row.status == "running":
            await self._stop_here(number, {})

    async def _stop_here(self, number: str, _: Json) -> None:
        await self.recover()  # this node may not have begun with it yet
        await super().cancel(number, project=None)

    async def _open_ones(self) -> list[str | None]:
        rows = await self._store.open_batches()
        own = {*self._running, *self._opening}
        others = [row.project for row in rows if row.id not in own]
        return [*others, *await super()._open_ones()]


class RoutedEarly(Early):
    """Early events: those of one key are kept, and brought to who accepts them, by one node."""

    def __init__(
        self,
        *,
        router: Router,
        mailbox: Mailbox,
        admit: Callable[[str], None],
        executions: RoutedExecutions,
        **parts: Any,
    ) -> None:
        super().__init__(executions=executions, **parts)
        self._routed = executions
        self._router = router
        self._admit = admit
        mailbox.on("keepEarly", self._keep_here)
        mailbox.on("bringEarly", self._bring_here)

    async def keep(self, early: EarlyEvent, *, admit: Callable[[str], None] = anybody) -> None:
        """Keep an event until somebody accepts it."""
        if self.is_home(early.place):
            await super().keep(early, admit=admit)
        else:
            # With an id of its own, it is kept once also when its home dies before it answers.
            early = replace(early, once=early.once or uuid7(self._clock))
            await self._router.ask_shard_of(home_of(early.place), "keepEarly", {"early": early})

    async def _keep_here(self, _: str, what: Json) -> None:
        event = letters.event_of(what["early"].pop("event"))
        await super().keep(EarlyEvent(**what["early"], event=event), admit=self._admit)

    async def _look(self, what: str) -> None:
        if is_root(what) or self.is_home(what):
            await super()._look(what)
        else:
            self.looked_at(what)
            await self._router.nudge(home_of(what), "bringEarly", {"place": what})

    async def _send(self, execution: str, event: Outside, seen: Match) -> Execution:
        # Not to be queued: its refusal would be its fate, and here it is only one answer of many.
        sent = await self._routed.send(execution, event, match=seen, queues=False)
        return sent.execution

    async def _bring_here(self, _: str, what: Json) -> None:
        self.ask(what["place"])
