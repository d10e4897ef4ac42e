"""The executions of this node: load, step, record, do; one step of a family at a time.

What is to be done is read off the committed head, never remembered beside it: an open attempt
without a call in flight was cut by a crash, an open task without an attempt is due. So a restart
is the ordinary path.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution
from goflow_py.engine import apart
from goflow_py.engine.apart import Apart
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.commits import Commits, SeatTaken
from goflow_py.engine.commits import NameTaken as NameTaken
from goflow_py.engine.delivery import carried
from goflow_py.engine.dispatcher import Dispatcher
from goflow_py.engine.family import Around, Family
from goflow_py.engine.flights import Doer, Flights
from goflow_py.engine.inputs import abandon_lost, catch_up, take_results
from goflow_py.engine.limits import Limits
from goflow_py.engine.member import Member
from goflow_py.engine.memory import Live, Memory
from goflow_py.engine.places import Places
from goflow_py.engine.queues import Queues
from goflow_py.engine.removal import remove
from goflow_py.engine.stand_ins import Workers
from goflow_py.engine.steps import Act, Names, Step, T
from goflow_py.engine.timers import Timers
from goflow_py.engine.turns import Busy, Turns
from goflow_py.engine.uptake import Uptake
from goflow_py.engine.waker import Waker
from goflow_py.errors import Moved, NotFound, TooLarge, Unavailable
from goflow_py.fsm.bytes_bound import Oversize
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.places import withdraw
from goflow_py.ports import Name, Observer, Store

SEATS_TRIED_MAX = 10
"""By one start."""


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
        limits: Limits,
        is_alone: bool = True,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._queues = queues
        self._clock = clock
        self._observer = observer
        self._limits = limits
        self.memory = Memory(store=store, catalog=catalog, clock=clock)
        self.turns = Turns(clock)
        self.waker = Waker(
            clock, partial(self.look, waits=False), self.memory.project_of, self.turns.is_slow
        )
        self.places = Places(store=store, catalog=catalog, clock=clock, wake=self.waker.wake)
        self.places.is_alone = is_alone
        self.timers = Timers(clock, self.waker.wake)
        self.uptake = self._new_uptake()
        self.apart = Apart(
            end=self._end, again=lambda one: self.flights.look_later(one), clock=clock
        )
        self.flights = self._new_flights(do)
        self._commits = Commits(
            batcher=batcher,
            limits=limits,
            retention_seconds=retention_seconds,
            carry_out=self._carry_out,
            lose=self._lose,
            fenced=self.memory.fenced,
            places=self.places,
        )
        self._around = Around(
            memory=self.memory, catalog=catalog, dispatcher=dispatcher, places=self.places
        )
        self.draining = False
        self.committed: Callable[[Execution], None] = _ignore
        """Is told of every execution that a step changed, once that is durable."""

    def _new_flights(self, do: Doer) -> Flights:
        return Flights(
            memory=self.memory,
            dispatcher=self._dispatcher,
            clock=self._clock,
            do=do,
            step=lambda live: self._step(live, _nothing, None, with_kin=False, waits=True),
            wake=self.waker.wake,
            broke=self.apart.broke,
        )

    def _new_uptake(self) -> Uptake:
        return Uptake(
            store=self._store,
            clock=self._clock,
            memory=self.memory,
            waker=self.waker,
            timers=self.timers,
            places=self.places,
        )

    # ------------------------------------------------------------ steps

    def _family(self, live: Live) -> Family:
        grounded = self.memory.grounded
        is_idle = self.draining or (grounded and live.shard in grounded)
        # Without a lease, another node may make the same call already.
        dispatches = not is_idle and self._clock.monotonic() < self.memory.sure_until
        return Family(self._around, now=self._clock.now_ms(), dispatches=dispatches)

    async def start(
        self, execution: Execution, compiled: Compiled, act: Act[None], names: Sequence[Name]
    ) -> Execution:
        """Step a new execution from nothing.

        Raises ``NameTaken``, ``TooLarge``, ``TooManyRequests`` (a limit of its project),
        ``Unavailable``.
        """
        await self._refuse_known(execution.id)
        taken = await self._limits.enter(execution, names)
        if taken is not None:
            raise NameTaken(taken)
        is_started = False
        try:
            self.turns.admit(execution.project)
            workers = await self._catalog.workers(execution.project, execution.activity)
            begun = await self.turns.run(
                execution.project, lambda: self._seat(execution, compiled, workers, act, names)
            )
            is_started = True
            return begun
        finally:
            self._limits.leave(execution.project, started=is_started)

    async def _seat(self, execution: Execution, *how: Any) -> Execution:
        """Begin; anew when another node gave away the place that it was to have."""
        for _ in range(SEATS_TRIED_MAX):
            with suppress(SeatTaken):
                return await self._begin(execution, *how)
        raise SeatTaken("other nodes start executions faster; try again", code="busy")

    async def _begin(
        self,
        execution: Execution,
        compiled: Compiled,
        workers: Workers,
        act: Act[None],
        names: Sequence[Name],
    ) -> Execution:
        live = self.memory.create(execution, compiled)
        family = self._family(live)
        try:
            async with live.lock:
                member = family.take(live, workers, is_new=True)
                try:
                    act(member.step)
                    await family.settle()
                finally:
                    self.turns.charge(execution.project)
                await self._commits.commit(family, member, names, carried(None))
                return live.execution
        except BaseException as error:
            self._give_back_slots(family.members.values())
            if isinstance(error, Oversize):
                raise TooLarge(f"the execution cannot start: {error.message}") from None
            raise
        finally:
            family.release()
            self.memory.leave(live)

    async def _refuse_known(self, execution: str) -> None:
        """Refuse an id that its sender chose, and that is in memory already."""
        known = await self.memory.known(execution)
        if known is not None:
            raise NameTaken(
                Name(project=known.project, kind="id", scope="", name=known.id, execution=known.id)
            )

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
        *with_kin* gives it the machine children. Raises ``NotFound``, ``NameTaken``, ``TooLarge``,
        ``Unavailable``.
        """
        if self.memory.mailed:
            await self.memory.mail_first(execution)
        try:
            return await self._apply(execution, act, names, with_kin=with_kin)
        except Oversize as error:
            # What time and workers did before is in this step, too: they have their own turn.
            self.waker.wake(execution)
            raise TooLarge(f"nothing was changed: {error.message}") from None

    async def _apply(
        self,
        execution: str,
        act: Act[T],
        names: Names[T] | None,
        *,
        with_kin: bool = False,
        waits: bool = True,
    ) -> tuple[Execution, T]:
        while True:
            live = await self.memory.enter(execution)
            try:
                async with live.lock:
                    if self.memory.get(execution) is live:
                        return await self._step(live, act, names, with_kin=with_kin, waits=waits)
            finally:
                self.memory.leave(live)

    async def _step(
        self, live: Live, act: Act[T], names: Names[T] | None, *, with_kin: bool, waits: bool
    ) -> tuple[Execution, T]:
        project = live.execution.project
        # Now: many that read it at once would all compute before anybody knows what one takes.
        workers = await self._catalog.workers(project, live.execution.activity)
        return await self.turns.run(
            project, lambda: self._take(live, workers, act, names, with_kin=with_kin), waits=waits
        )

    async def _take(
        self, live: Live, workers: Workers, act: Act[T], names: Names[T] | None, *, with_kin: bool
    ) -> tuple[Execution, T]:
        """Step by *act*, after the timers and results that came before it, by their own time."""
        family = self._family(live)
        try:
            member = family.take(live, workers)
            step, draft = member.step, member.draft
            try:
                abandon_lost(draft, live.calls)
                results = take_results(step, self._dispatcher, live.results)
                catch_up(step, self._dispatcher, until=draft.now)
                if with_kin and draft.after.tasks:
                    await family.settle()  # what came before may have ended, or begun, children
                    step.kin = await family.kin(member)
                result = act(step)
                await family.settle()
            finally:
                self.turns.charge(live.execution.project)
            if draft.changed or len(family.members) > 1:
                draft.close_record()
                taken = names(result, draft.after) if names is not None else ()
                await self._commits.commit(family, member, taken, carried(result))
            else:
                self.timers.set(draft.after.id, draft.after.wake, draft.after.project)
            del live.results[:results]
            return live.execution, result
        except BaseException as error:
            self._give_back_slots(family.members.values())
            if isinstance(error, Oversize):
                error.execution = family.stored(error.execution)
            raise
        finally:
            family.release()

    def _give_back_slots(self, members: Iterable[Member]) -> None:
        for member in members:
            self.flights.give_back_slots(member.live)
            self.places.give_back(member.live.compiled, member.live.execution)
            if member.waited:
                # It left the row of those that wait for a slot, and nobody put it back.
                self.flights.look_later(member.live.execution.id)
            if member.is_new and member.live.execution.seq < 0:
                self.memory.forget(member.live)

    async def remove(self, execution: str) -> None:
        """Delete an ended execution; nothing can open it again meanwhile. Raises ``Conflict``."""
        await remove(self._store, self.memory, execution)

    # ------------------------------------------------------------ doing

    def _carry_out(self, member: Member, before: Execution) -> None:
        """Make what was committed happen: calls begin and end, timers are set, waiters are told."""
        after = member.draft.after
        self.flights.follow(member.live, after)
        self.timers.set(after.id, after.wake, after.project)
        self.places.committed(member.live.compiled, before, after)
        self._queues.changed(member.live.compiled, before, after)
        self.committed(after)
        self.memory.tell_followers(after.id)
        if member.is_new:
            self._observer.started(after.project, after.activity)
        if after.ended and (member.is_new or not before.ended):
            seconds = (after.at - after.started_at) / 1000
            self._observer.ended(after.project, after.activity, after.status, seconds)
            self.memory.tell_end(after)

    def _lose(self, member: Member) -> None:
        """Forget what the store may have otherwise; it is asked, a little later."""
        self.memory.forget(member.live)
        self.places.forget(member.live.execution)
        self.flights.look_later(member.live.execution.id)

    # ------------------------------------------------------------ node

    async def look(self, execution: str, *, waits: bool = True) -> None:
        """Do what is due of *execution*, and no more; what breaks is set apart.

        Raises ``Unavailable``, and ``Busy`` (without *waits*).
        """
        try:
            if execution in self.apart.left_alone or not self.memory.owns(execution):
                return
            await self._apply(execution, _nothing, None, waits=waits)
            self.apart.went_well(execution)
        except Moved:
            return  # who owns it now looks at it
        except (Unavailable, Busy):
            raise
        except NameTaken as taken:
            # A verb that waited for a place needs the business key, which another has now.
            code = "key_in_use" if taken.name.kind == "key" else taken.name.kind
            await self._apply(execution, lambda step: withdraw(step.draft, code), None)
        except Exception as error:  # noqa: BLE001  # one that breaks must not keep others waiting
            is_gone = isinstance(error, NotFound) and await self._store.head(execution) is None
            if not is_gone:
                await self.apart.broke(execution, error)
        finally:
            # What it was promised, and did not use, is for others.
            self._dispatcher.slots.unpromise(execution)
            self.flights.wake_ready()

    async def _end(self, execution: str, code: str, message: str) -> None:
        """End an execution as failed, by itself; its relatives are told."""
        live = await self.memory.enter(execution)
        family = self._family(live)
        try:
            async with live.lock:
                live.results.clear()
                member = await family.enter(live)
                apart.fail(live.compiled, member.draft, code, message)
                await family.settle()
                await self._commits.commit(family, member, ())
        except BaseException:
            self._give_back_slots(family.members.values())
            raise
        finally:
            family.release()
            self.memory.leave(live)

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight end for up to *seconds*; close the rest as abandoned."""
        self.draining = True
        self.turns.hurry()
        self.timers.stop()
        await self.flights.drain(seconds)
        await self.places.stop()
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
