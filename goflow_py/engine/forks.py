"""Forks: a new execution from any point of another one's history."""

from dataclasses import dataclass
from typing import Any

import orjson

from goflow_py.clock import Clock, uuid7
from goflow_py.domain.event import Control
from goflow_py.domain.execution import Execution
from goflow_py.engine.catalog import Catalog, check_startable
from goflow_py.engine.owner import NameTaken, Owner
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Repeat, Started
from goflow_py.engine.steps import Step
from goflow_py.errors import Gone, Invalid, NotFound
from goflow_py.fsm.fold import fold
from goflow_py.fsm.forking import VERB, fork
from goflow_py.ports import Name, Store, shard_of

RECORDS_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRequest:
    """What a caller may say of a fork."""

    at: int
    """A seq of the original: the end of the record that holds it is where the fork begins."""
    data: dict[str, Any] | None = None
    """A merge patch of the variables."""
    reason: str | None = None
    principal: str | None = None
    repeat: Repeat | None = None


class Forks:
    """Starts executions where others were."""

    def __init__(self, *, store: Store, catalog: Catalog, owner: Owner, clock: Clock) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._clock = clock

    async def fork(self, execution: str, request: ForkRequest) -> Started:
        """Start a fork of *execution*; it is durable when this returns.

        Raises ``NotFound``, ``Invalid`` (``at`` is beyond the history; a private machine).
        """
        head = await self._owner.memory.read(execution)
        original = await self._as_of(head, request.at)
        compiled = await self._catalog.compiled_for(head)
        known = await self._catalog.activity(head.project, head.activity)
        check_startable(known, self._catalog.start_problems(compiled, known.workers))
        shard = shard_of(execution)
        memory = self._owner.memory
        new = Execution(
            # The shard of the original, if it is this node's: who owns one of them owns both.
            id=uuid7(self._clock, last_byte=shard) if memory.owns(execution) else memory.mint(),
            project=head.project,
            activity=head.activity,
            version=head.version,
        )
        command = Control(
            verb=VERB,
            reason=request.reason,
            principal=request.principal,
            arguments={"data": request.data},
        )

        def act(step: Step) -> None:
            fork(step.compiled, step.draft, original, command)

        try:
            begun = await self._owner.start(new, compiled, act, self._names(new, request.repeat))
        except NameTaken as taken:
            return await self._forked_before(taken.name, request.repeat)
        return Started(execution=begun, created=True)

    async def _as_of(self, head: Execution, at: int) -> Execution:
        """Return the execution as it was at the end of the record that holds seq *at*."""
        if at > head.seq:
            raise Invalid(
                f"the history ends at seq {head.seq}; fork at one that it has", code="no_such_seq"
            )
        then = Execution(
            id=head.id, project=head.project, activity=head.activity, version=head.version
        )
        while then.seq < at:
            records = await self._store.history(head.id, after=then.seq, limit=RECORDS_PAGE)
            if not records:
                raise NotFound(f"there is no execution {head.id}")  # deleted meanwhile
            for record in records:
                fold(then, orjson.loads(record.entries))
                if then.seq >= at:
                    break
        return then

    def _names(self, execution: Execution, repeat: Repeat | None) -> list[Name]:
        if repeat is None:
            return []
        name = Name(
            project=execution.project,
            kind="idem",
            scope=repeat.scope,
            name=repeat.key,
            execution=execution.id,
            digest=repeat.digest,
            expires=self._clock.now_ms() + IDEMPOTENCY_SECONDS * 1000,
        )
        return [name]

    async def _forked_before(self, name: Name, repeat: Repeat | None) -> Started:
        if repeat is not None:
            repeat.check(name)
        try:
            execution = await self._owner.memory.read(name.execution)
        except NotFound:
            message = "the fork that this Idempotency-Key started was purged; use a new key"
            raise Gone(message, code="purged") from None
        return Started(execution=execution, created=True, replayed=True)
