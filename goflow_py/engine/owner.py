"""The executions of this node: load, step, record, do; one step of a family at a time.

What is to be done is read off the committed head, never remembered beside it: an open attempt
without a call in flight was cut by a crash, an open task without an attempt is due. So a restart
is the ordinary path.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, decode
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.family import Family, Member
from goflow_py.engine.flights import Doer, Flights
from goflow_py.engine.inputs import abandon_lost, catch_up
from goflow_py.engine.memory import Live, Memory
from goflow_py.engine.queues import Queues
from goflow_py.engine.records import write_of
from goflow_py.engine.steps import Act, Names, Step, T
from goflow_py.engine.timers import HORIZON_SECONDS, Timers
from goflow_py.engine.waker import Waker
from goflow_py.errors import Conflict, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import (
    Committed,
    Fenced,
    Filter,
    Name,
    Observer,
    Poisonous,
    Store,
    Taken,
    Verdict,
    Write,
)

log = logging.getLogger(__name__)

ADOPT_PAGE = 500
CHILDREN_PAGE = 200
DUE_PAGE = 10_000
POLL_SECONDS = HORIZON_SECONDS / 2


class NameTaken(Exception):
    """The step was refused: *name* belongs to another execution, or was used before."""

    def __init__(self, name: Name) -> None:
        super().__init__(name.kind)
        self.name = name


class Owner:
    """Steps the executions of the shards that this node owns."""

    def __init__(
        self,
        *,
        store: Store,
        batcher: Batcher,
        catalog: Catalog,
        dispatcher: Dispatcher,
        do: Doer,
        queues: Queues,
        clock: Clock,
        observer: Observer,
        retention_seconds: float,
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._queues = queues
        self._clock = clock
        self._observer = observer
        self._retention_seconds = retention_seconds
        self.memory = Memory(store=store, catalog=catalog, clock=clock)
        self.waker = Waker(clock, self._look)
        self.timers = Timers(clock, self.waker.wake)
        self.flights = Flights(
            memory=self.memory,
            dispatcher=dispatcher,
            clock=clock,
            do=do,
            step=lambda live: self._step(live, _nothing, None),
            wake=self.waker.wake,
        )
        self.draining = False
        self.committed: Callable[[Execution], None] = _ignore
        """Is told of every execution that a step changed, once that is durable."""

    # ------------------------------------------------------------ steps

    def _family(self) -> Family:
        return Family(
            memory=self.memory,
            catalog=self._catalog,
            dispatcher=self._dispatcher,
            clock=self._clock,
            dispatches=not self.draining,
        )

    async def start(
        self, execution: Execution, compiled: Compiled, act: Act[None], names: Sequence[Name]
    ) -> Execution:
        """Step a new execution from nothing. Raises ``NameTaken``, ``Unavailable``."""
        await self._refuse_known(execution)
        live = self.memory.create(execution, compiled)
        family = self._family()
        try:
            async with live.lock:
                member = await family.take(live, is_new=True)
                act(member.step)
                await family.settle()
                await self._commit(family, member, names)
                return live.execution
        except BaseException:
            self._give_back_slots(family.members.values())
            self.memory.forget(live)
            raise
        finally:
            family.release()
            self.memory.leave(live)

    async def _refuse_known(self, execution: Execution) -> None:
        """Refuse an id that its sender chose, and that is in memory already."""
        while (known := self.memory.get(execution.id)) is not None:
            async with known.lock:
                pass  # its own start may still wait for the disk
            if known.execution.seq >= 0:
                project = known.execution.project
                name = Name(
                    project=project, kind="id", scope="", name=execution.id, execution=execution.id
                )
                raise NameTaken(name)

    async def apply(
        self,
        execution: str,
        act: Act[T],
        names: Names[T] | None = None,
        *,
        with_kin: bool = False,
    ) -> tuple[Execution, T]:
        """Step an execution by *act*; return it as it is durable now, and what *act* returned.

        Due timers come first: inputs are taken by their own time. If *act* raises, nothing is done.
        *with_kin* gives it the machine children. Raises ``NotFound``, ``NameTaken``,
        ``Unavailable``.
        """
        live = await self.memory.enter(execution)
        try:
            async with live.lock:
                return await self._step(live, act, names, with_kin=with_kin)
        finally:
            self.memory.leave(live)

    async def _step(
        self, live: Live, act: Act[T], names: Names[T] | None, *, with_kin: bool = False
    ) -> tuple[Execution, T]:
        """Step by *act*, after the timers and results that came before it, by their own time."""
        family = self._family()
        try:
            member = await family.take(live)
            step, draft = member.step, member.draft
            abandon_lost(draft, live.calls)
            results = list(live.results)
            for arrived, take in results:
                self._catch_up(step, arrived)
                take(step)
            self._catch_up(step, draft.now)
            if with_kin and draft.after.tasks:
                await family.settle()  # what came before may have ended, or begun, children
                step.kin = await family.kin(member)
            result = act(step)
            await family.settle()
            if draft.changed or len(family.members) > 1:
                draft.close_record()
                taken = names(result, draft.after) if names is not None else ()
                await self._commit(family, member, taken)
            else:
                self.timers.set(draft.after.id, draft.after.wake)
            del live.results[: len(results)]
            return live.execution, result
        except BaseException:
            self._give_back_slots(family.members.values())
            raise
        finally:
            family.release()

    def _catch_up(self, step: Step, until: int) -> None:
        catch_up(step.compiled, step.draft, self._dispatcher, step.workers, until=until)

    async def _commit(self, family: Family, first: Member, names: Sequence[Name]) -> None:
        """Write all that the step changed, whole or not at all, and make it happen."""
        changed = [member for member in family.members.values() if member.draft.changed]
        if not changed:
            return
        writes = [self._write(member, names if member is first else ()) for member in changed]
        verdict, is_gone = await self._send(changed, writes)
        if isinstance(verdict, Committed):
            for member in changed:
                before, member.live.execution = member.live.execution, member.draft.after
                del member.live.results[: member.results]
                self._carry_out(member, before)
            if is_gone:
                raise asyncio.CancelledError
            return
        match verdict:
            case Taken():
                raise NameTaken(verdict.name)
            case Fenced():
                for member in changed:
                    self.memory.forget(member.live)
                    self.flights.look_later(member.live.execution.id)
                raise Unavailable("the execution moved on elsewhere; try again", code="fenced")
            case Poisonous():
                message = f"the store cannot hold this step: {verdict.message}"
                raise Unavailable(message, code="poisonous")
            case _:
                assert_never(verdict)

    async def _send(
        self, changed: Sequence[Member], writes: Sequence[Write]
    ) -> tuple[Verdict, bool]:
        """Return the store's verdict, and whether whoever asked for it went away meanwhile."""
        write = writes[0] if len(writes) == 1 else replace(writes[0], family=writes[1:])
        try:
            future = self._batcher.submit(write)
            try:
                return await asyncio.shield(future), False
            except asyncio.CancelledError:
                # What was committed is carried out all the same: others wait for it.
                return await asyncio.shield(future), True
        except BaseException as error:
            if not isinstance(error, Unavailable):
                # Whether it was written is not known here: the store is asked, a little later.
                for member in changed:
                    self.memory.forget(member.live)
                    self.flights.look_later(member.live.execution.id)
            raise

    def _write(self, member: Member, names: Sequence[Name]) -> Write:
        retain = member.live.compiled.blueprint.retain
        if retain is None:
            retain = self._retention_seconds
        member.draft.seal()
        return write_of(
            member.draft,
            member.live.compiled,
            member.live.epoch,
            names,
            start=member.is_new,
            retain_seconds=retain,
        )

    def _give_back_slots(self, members: Iterable[Member]) -> None:
        for member in members:
            self.flights.give_back_slots(member.live.execution, member.draft.after)
            if member.is_new:
                self.memory.forget(member.live)

    async def remove(self, execution: str) -> None:
        """Delete an ended execution; nothing can open it again meanwhile. Raises ``Conflict``."""
        live = await self.memory.enter(execution)
        try:
            async with live.lock:
                if not live.execution.ended:
                    raise Conflict(
                        f"the execution is {live.execution.status}; cancel or terminate it first",
                        code="not_ended",
                    )
                if live.execution.errands:
                    raise Conflict(
                        "teardowns or notifications of the execution are still to be made; "
                        "delete it when they have ended",
                        code="errands_open",
                        errands=list(live.execution.errands),
                    )
                await self._store.delete(execution)
                self.memory.forget(live)
                await self._remove_machines(execution)
        finally:
            self.memory.leave(live)

    async def _remove_machines(self, parent: str) -> None:
        """Delete the machines of a deleted execution with it: they were parts of it."""
        cursor = None
        while True:
            page = await self._store.list(Filter(parent=parent), limit=CHILDREN_PAGE, cursor=cursor)
            for child in (decode(body) for body in page.items):
                if child.machine is not None and child.ended:
                    await self._store.delete(child.id)
                    if (live := self.memory.get(child.id)) is not None:
                        self.memory.forget(live)
                    await self._remove_machines(child.id)
            if page.next is None:
                return
            cursor = page.next

    # ------------------------------------------------------------ doing

    def _carry_out(self, member: Member, before: Execution) -> None:
        """Make what was committed happen: calls begin and end, timers are set, waiters are told."""
        after = member.draft.after
        self.flights.follow(member.live, after)
        self.timers.set(after.id, after.wake)
        self._queues.changed(member.live.compiled, before, after)
        self.committed(after)
        if member.is_new:
            self._observer.started(after.project, after.activity)
        if after.ended and (member.is_new or not before.ended):
            seconds = (after.at - after.started_at) / 1000
            self._observer.ended(after.project, after.activity, after.status, seconds)
            self.memory.tell_end(after)

    # ------------------------------------------------------------ node

    async def _look(self, execution: str) -> None:
        """Do what is due of *execution*, and no more."""
        try:
            await self.apply(execution, _nothing)
        finally:
            self.flights.wake_ready()

    async def recover(self) -> int:
        """Take up every execution that was running, in pages; return how many there were."""
        count, after = 0, ""
        shards = list(self.memory.epochs)
        while page := await self._store.live(shards, after=after, limit=ADOPT_PAGE):
            for body in page:
                after = decode(body).id
                count += 1
                self.waker.wake(after)
            while len(self.waker) > ADOPT_PAGE:
                await self._clock.sleep(0.01)
        return count

    async def poll_timers(self) -> bool:
        """Read the wake-ups of the next minute into memory; tell whether there are more."""
        until = self._clock.now_ms() + round(HORIZON_SECONDS * 1000)
        due = await self._store.due(list(self.memory.epochs), until=until, limit=DUE_PAGE)
        for at, execution in due:
            live = self.memory.get(execution)
            if live is None:
                self.timers.expect(execution, at)
            elif live.execution.seq >= 0:
                self.timers.set(execution, live.execution.wake)
        return len(due) == DUE_PAGE

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight end for up to *seconds*; close the rest as abandoned."""
        self.draining = True
        self.timers.stop()
        await self.flights.drain(seconds)
        await self.waker.stop()
        await self.flights.stop()

    def counts(self) -> dict[str, int]:
        """Return what is in memory, for operators."""
        return {
            "live": len(self.memory),
            "callsInFlight": self._dispatcher.slots.total,
            "waitingForSlot": self._dispatcher.slots.waiting,
            "timersInMemory": len(self.timers),
        }


def _ignore(_: Execution) -> None:
    """Nobody wants to know."""


def _nothing(_: Step) -> None:
    """Ask only that what is due is done."""
