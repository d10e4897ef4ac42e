"""The executions of this node: load, step, record, do; one step of an execution at a time.

What is to be done is read off the committed head, never remembered beside it: an open attempt
without a call in flight was cut by a crash, an open task without an attempt is due. So a restart
is the ordinary path.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Task, decode
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.caller import Caller
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher, Workers
from goflow_py.engine.inputs import abandon_lost, catch_up
from goflow_py.engine.memory import Live, Memory, Result
from goflow_py.engine.records import write_of
from goflow_py.engine.slots import Slot
from goflow_py.engine.timers import HORIZON_SECONDS, Timers
from goflow_py.engine.waker import Waker
from goflow_py.errors import Conflict, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.ports import Committed, Fenced, Name, Observer, Poisonous, Store, Taken

log = logging.getLogger(__name__)

T = TypeVar("T")
Act = Callable[[Compiled, Draft, Workers], T]
Names = Callable[[T, Execution], Sequence[Name]]

ADOPT_PAGE = 500
DUE_PAGE = 10_000
POLL_SECONDS = HORIZON_SECONDS / 2
RECORD_AGAIN_SECONDS = 0.5
DRAIN_LOOK_SECONDS = 0.1
LOOK_AGAIN_SECONDS = 1.0


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
        caller: Caller,
        clock: Clock,
        observer: Observer,
        retention_seconds: float,
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._caller = caller
        self._clock = clock
        self._observer = observer
        self._retention_seconds = retention_seconds
        self._calls: set[asyncio.Task[None]] = set()
        self.memory = Memory(store=store, catalog=catalog, clock=clock)
        self.waker = Waker(clock, self._look)
        self.timers = Timers(clock, self.waker.wake)
        self.draining = False

    # ------------------------------------------------------------ steps

    async def start(
        self, execution: Execution, compiled: Compiled, act: Act[None], names: Sequence[Name]
    ) -> Execution:
        """Step a new execution from nothing. Raises ``NameTaken``, ``Unavailable``."""
        await self._refuse_known(execution)
        workers = await self._catalog.workers(execution.project, execution.activity)
        live = self.memory.create(execution, compiled)
        try:
            async with live.lock:
                draft = Draft(execution, self._clock.now_ms())
                act(compiled, draft, workers)
                if not self.draining:
                    self._dispatcher.dispatch(compiled, draft, workers)
                await self._commit(live, draft, names, start=True)
                return live.execution
        except BaseException:
            self.memory.forget(live)
            raise
        finally:
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
        self, execution: str, act: Act[T], names: Names[T] | None = None
    ) -> tuple[Execution, T]:
        """Step an execution by *act*; return it as it is durable now, and what *act* returned.

        Due timers come first: inputs are taken by their own time. If *act* raises, nothing is done.
        Raises ``NotFound``, ``NameTaken``, ``Unavailable``.
        """
        live = await self.memory.enter(execution)
        try:
            async with live.lock:
                return await self._step(live, act, names)
        finally:
            self.memory.leave(live)

    async def _step(self, live: Live, act: Act[T], names: Names[T] | None) -> tuple[Execution, T]:
        """Step by *act*, after the timers and results that came before it, by their own time."""
        compiled = live.compiled
        workers = await self._catalog.workers(live.execution.project, live.execution.activity)
        draft = Draft(live.execution, self._clock.now_ms())
        abandon_lost(draft, live.calls)
        results = list(live.results)
        for arrived, take in results:
            catch_up(compiled, draft, self._dispatcher, workers, until=arrived)
            take(compiled, draft, workers)
        catch_up(compiled, draft, self._dispatcher, workers, until=draft.now)
        result = act(compiled, draft, workers)
        if not self.draining:
            self._dispatcher.dispatch(compiled, draft, workers)
        if draft.changed:
            draft.close_record()
            taken = names(result, draft.after) if names is not None else ()
            await self._commit(live, draft, taken)
        else:
            self.timers.set(draft.after.id, draft.after.wake)
        del live.results[: len(results)]
        return live.execution, result

    async def _commit(
        self, live: Live, draft: Draft, names: Sequence[Name], *, start: bool = False
    ) -> None:
        before, after = live.execution, draft.seal()
        retain = live.compiled.blueprint.retain
        if retain is None:
            retain = self._retention_seconds
        try:
            write = write_of(draft, live.epoch, names, start=start, retain_seconds=retain)
            verdict = await self._batcher.write(write)
        except BaseException as error:
            self._give_back_slots(before, after)
            if not isinstance(error, Unavailable):
                # Whether it was written is not known here: the store is asked, a little later.
                self.memory.forget(live)
                self._look_later(after.id)
            raise
        match verdict:
            case Committed():
                live.execution = after
                self._carry_out(live, before, after, start=start)
                return
            case Taken():
                self._give_back_slots(before, after)
                raise NameTaken(verdict.name)
            case Fenced():
                self._give_back_slots(before, after)
                self.memory.forget(live)
                raise Unavailable("the execution moved on elsewhere; try again", code="fenced")
            case Poisonous():
                self._give_back_slots(before, after)
                message = f"the store cannot hold this step: {verdict.message}"
                raise Unavailable(message, code="poisonous")
            case _:
                assert_never(verdict)

    def _give_back_slots(self, before: Execution, after: Execution) -> None:
        """Free the slots of attempts that were chosen and then not committed."""
        for task in after.tasks.values():
            if task.call is not None and task.call.fence > before.seq:
                self._free(Slot(task.action, task.call.worker, after.id))

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
                await self._store.delete(execution)
                self.memory.forget(live)
        finally:
            self.memory.leave(live)

    # ------------------------------------------------------------ doing

    def _carry_out(self, live: Live, before: Execution, after: Execution, *, start: bool) -> None:
        """Make what was committed happen: calls begin and end, timers are set, waiters are told."""
        open_calls = {
            task.call.fence: task
            for task in after.tasks.values()
            if task.call is not None and not task.call.accepted
        }
        for fence in [fence for fence in live.calls if fence not in open_calls]:
            call = live.calls.pop(fence)
            if call is not asyncio.current_task():
                call.cancel()
        for fence, task in open_calls.items():
            if fence not in live.calls:
                live.calls[fence] = self._take_off(live, task)
        self.timers.set(after.id, None if after.ended else after.wake)
        if start:
            self._observer.started(after.project, after.activity)
        if after.ended and (start or not before.ended):
            seconds = (after.at - after.started_at) / 1000
            self._observer.ended(after.project, after.activity, after.status, seconds)
            self.memory.tell_end(after)

    def _take_off(self, live: Live, task: Task) -> asyncio.Task[None]:
        """Begin a call; whatever becomes of it, its slot is freed, once."""
        assert task.call is not None, "a call is made for an open attempt only"
        fence = task.call.fence
        slot = Slot(task.action, task.call.worker, live.execution.id)
        live.users += 1
        call = asyncio.get_running_loop().create_task(
            self._call(live, live.execution, task, fence, slot)
        )
        self._calls.add(call)

        def landed(call: asyncio.Task[None]) -> None:
            # Not in the call itself: one that is cancelled before its first step runs nothing.
            self._calls.discard(call)
            self._free(slot)
            if live.calls.get(fence) is call:
                del live.calls[fence]
            self.memory.leave(live)
            if not call.cancelled() and call.exception() is not None:
                # Its attempt is still open: the next look closes it as abandoned, and goes on.
                log.error("a call ended with an error of the engine", exc_info=call.exception())
                self._look_later(live.execution.id)

        call.add_done_callback(landed)
        return call

    async def _call(
        self, live: Live, execution: Execution, task: Task, fence: int, slot: Slot
    ) -> None:
        """Make one call, and record how it ended."""
        workers = await self._catalog.workers(execution.project, execution.activity)
        reply, verdict = await self._caller.call(live.compiled, execution, task, workers)
        arrived = self._clock.now_ms()
        self._dispatcher.called(slot, verdict)
        self._free(slot)

        def close(compiled: Compiled, draft: Draft, workers: Workers) -> None:
            now = draft.after.tasks.get(task.name)
            if now is not None and now.call is not None and now.call.fence == fence:
                self._dispatcher.close(compiled, draft, now, verdict, workers=workers, reply=reply)

        await self._record(live, arrived, close)

    def _free(self, slot: Slot) -> None:
        self._dispatcher.free_slot(slot)
        self._wake_ready()

    def _wake_ready(self) -> None:
        for execution in self._dispatcher.slots.next_ready():
            self.waker.wake(execution)

    def _look_later(self, execution: str) -> None:
        self._clock.call_later(LOOK_AGAIN_SECONDS, lambda: self.waker.wake(execution))

    async def _record(self, live: Live, arrived: int, take: Result) -> None:
        """Step until *take* is durable: a result that came in is not given up."""
        result = (arrived, take)
        live.results.append(result)
        while True:
            try:
                async with live.lock:
                    if self.memory.get(live.execution.id) is not live:
                        # Another copy is asked: it abandons the attempt and goes on.
                        self._look_later(live.execution.id)
                    elif result in live.results:
                        await self._step(live, _nothing, None)
                return
            except Unavailable as error:
                if error.reason == "fenced":
                    return
                log.warning(
                    "a result could not be recorded yet",
                    extra={"execution": live.execution.id, "why": error.detail},
                )
                await self._clock.sleep(RECORD_AGAIN_SECONDS)

    # ------------------------------------------------------------ node

    async def _look(self, execution: str) -> None:
        """Do what is due of *execution*, and no more."""
        try:
            await self.apply(execution, _nothing)
        finally:
            self._wake_ready()

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
        end = self._clock.monotonic() + seconds
        while self._calls and self._clock.monotonic() < end:
            await asyncio.wait(self._calls, timeout=DRAIN_LOOK_SECONDS)
        for live in self.memory.all():
            if live.calls:
                await self._abandon(live)
        await self.waker.stop()
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _abandon(self, live: Live) -> None:
        live.users += 1
        cut = list(live.calls.values())
        for call in cut:
            call.cancel()
        await asyncio.gather(*cut, return_exceptions=True)
        live.calls.clear()
        try:
            async with live.lock:
                await self._step(live, _nothing, None)
        except Unavailable:
            log.warning("an abandoned call could not be recorded; the next start does it")
        finally:
            self.memory.leave(live)

    def counts(self) -> dict[str, int]:
        """Return what is in memory, for operators."""
        return {
            "live": len(self.memory),
            "callsInFlight": self._dispatcher.slots.total,
            "waitingForSlot": self._dispatcher.slots.waiting,
            "timersInMemory": len(self.timers),
        }


def _nothing(_: Compiled, __: Draft, ___: Workers) -> None:
    """Ask only that what is due is done."""
