"""The executions of this node: load, step, record, do; one step of an execution at a time.

What is to be done is read off the committed head, never remembered beside it: an open attempt
without a call in flight was cut by a crash, an open task without an attempt is due. So a restart
is the ordinary path.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, decode, encode
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.caller import Caller
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.dispatcher import Dispatcher, Workers
from goflow_py.engine.inputs import abandon_lost, catch_up
from goflow_py.engine.timers import HORIZON_SECONDS, Timers
from goflow_py.errors import GoFlowError, NotFound, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.ports import (
    Committed,
    Fenced,
    HeadRow,
    Name,
    Observer,
    Poisonous,
    RecordRow,
    Store,
    Taken,
    Write,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Act = Callable[[Compiled, Draft, Workers], T]
WAKERS_MAX = 128
"""Executions that are woken at the same time."""
ADOPT_PAGE = 500
DUE_PAGE = 10_000
POLL_SECONDS = HORIZON_SECONDS / 2
RECORD_AGAIN_SECONDS = 0.5


class NameTaken(Exception):
    """The step was refused: *name* belongs to another execution, or was used before."""

    def __init__(self, name: Name) -> None:
        super().__init__(name.kind)
        self.name = name


@dataclass(slots=True, eq=False)
class Live:
    """An execution in memory: there while a call is in flight or somebody works on it."""

    execution: Execution
    compiled: Compiled
    epoch: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: dict[tuple[str, int], asyncio.Task[None]] = field(default_factory=dict)
    """By (task, attempt): the calls in flight."""
    users: int = 0


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
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._caller = caller
        self._clock = clock
        self._observer = observer
        self._live: dict[str, Live] = {}
        self._loading: dict[str, asyncio.Future[Live]] = {}
        self._watchers: dict[str, list[asyncio.Future[Execution]]] = {}
        self._due: deque[str] = deque()
        self._wakers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.timers = Timers(clock, self.wake)
        self.epochs: dict[int, int] = {}
        self.draining = False

    # ------------------------------------------------------------ steps

    async def start(self, execution: Execution, compiled: Compiled, act: Act[T], names: Sequence[Name]) -> Execution:
        """Step a new execution from nothing. Raises ``NameTaken``, ``Unavailable``."""
        await self._refuse_known(execution)
        live = Live(execution=execution, compiled=compiled, epoch=self._epoch(execution.id))
        live.users = 1
        workers = await self._catalog.workers(execution.project, execution.activity)
        async with live.lock:
            draft = Draft(execution, self._clock.now_ms())
            act(compiled, draft, workers)
            self._dispatcher.dispatch(compiled, draft, workers)
            self._live[execution.id] = live
            try:
                await self._commit(live, draft, names, start=True)
            except BaseException:
                if self._live.get(execution.id) is live:
                    del self._live[execution.id]
                raise
        self._leave(live)
        return live.execution

    async def _refuse_known(self, execution: Execution) -> None:
        """Refuse an id that its sender chose, and that is in memory already."""
        known = self._live.get(execution.id)
        if known is None:
            return
        async with known.lock:
            pass  # its own start may still wait for the disk
        if known.execution.seq >= 0:
            name = Name(
                project=known.execution.project,
                kind="id",
                scope="",
                name=execution.id,
                execution=execution.id,
            )
            raise NameTaken(name)

    async def apply(
        self,
        execution: str,
        act: Act[T],
        names: Callable[[T, Execution], Sequence[Name]] | None = None,
    ) -> tuple[Execution, T]:
        """Step an execution by *act*; return it as it is durable now, and what *act* returned.

        Due timers come first: inputs are taken by their own time. What *act* raises leaves no trace.
        Raises ``NotFound``, ``NameTaken``, ``Unavailable``.
        """
        live = await self._enter(execution)
        try:
            async with live.lock:
                return await self._step(live, act, names)
        finally:
            self._leave(live)

    async def _step(
        self,
        live: Live,
        act: Act[T],
        names: Callable[[T, Execution], Sequence[Name]] | None,
    ) -> tuple[Execution, T]:
        compiled = live.compiled
        workers = await self._catalog.workers(live.execution.project, live.execution.activity)
        draft = Draft(live.execution, self._clock.now_ms())
        abandon_lost(draft, live.calls)
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
        return live.execution, result

    async def _commit(
        self, live: Live, draft: Draft, names: Sequence[Name], *, start: bool = False
    ) -> None:
        before, after = live.execution, draft.seal()
        try:
            verdict = await self._batcher.write(_write(live, draft, names, start=start))
        except BaseException as error:
            self._dispatcher_forget(before, after)
            if not isinstance(error, Unavailable):
                # Whether it was written is not known here: the store is asked the next time.
                self._forget(live)
            raise
        match verdict:
            case Committed():
                live.execution = after
                self._carry_out(live, before, after, start=start)
            case Taken():
                self._dispatcher_forget(before, after)
                raise NameTaken(verdict.name)
            case Fenced():
                self._dispatcher_forget(before, after)
                self._forget(live)
                raise Unavailable("the execution moved on elsewhere; try again", code="fenced")
            case Poisonous():
                self._dispatcher_forget(before, after)
                raise Unavailable(
                    f"the store cannot hold this step: {verdict.message}", code="poisonous"
                )
            case _:
                assert_never(verdict)

    # ------------------------------------------------------------ doing

    def _carry_out(self, live: Live, before: Execution, after: Execution, *, start: bool) -> None:
        """Make what was committed happen: calls begin and end, timers are set, waiters are told."""
        open_calls = {
            (task.name, task.call.attempt): task
            for task in after.tasks.values()
            if task.call is not None and not task.call.accepted
        }
        for key in [key for key in live.calls if key not in open_calls]:
            call = live.calls.pop(key)
            if call is not asyncio.current_task():
                call.cancel()
        for key, task in open_calls.items():
            if key not in live.calls:
                live.users += 1
                live.calls[key] = self._spawn(self._call(live, task.name, key))
        self.timers.set(after.id, after.wake if not after.ended else None)
        if start:
            self._observer.started(after.project, after.activity)
        if after.ended and not (before.ended and not start):
            seconds = (after.at - after.started_at) / 1000
            self._observer.ended(after.project, after.activity, after.status, seconds)
            for watcher in self._watchers.pop(after.id, ()):
                if not watcher.done():
                    watcher.set_result(after)

    async def _call(self, live: Live, task_name: str, key: tuple[str, int]) -> None:
        """Make one call, and record how it ended."""
        execution = live.execution
        task = execution.tasks[task_name]
        assert task.call is not None, "a call is made for an open attempt only"
        endpoint = task.call.worker
        try:
            try:
                workers = await self._catalog.workers(execution.project, execution.activity)
                reply, verdict = await self._caller.call(live.compiled, execution, task, workers)
                self._dispatcher.called(task.action, endpoint, verdict)
            finally:
                self._dispatcher.free_slot(task.action, endpoint)
                self._wake_waiting()

            def close(compiled: Compiled, draft: Draft, workers: Workers) -> None:
                now = draft.after.tasks.get(task_name)
                if draft.after.visit != execution.visit or now is None or now.call is None:
                    return
                if now.call.attempt == key[1]:
                    self._dispatcher.close(
                        compiled, draft, now, verdict, workers=workers, reply=reply
                    )

            await self._record(live, close)
        finally:
            if live.calls.get(key) is asyncio.current_task():
                del live.calls[key]
            self._leave(live)

    async def _record(self, live: Live, act: Act[None]) -> None:
        """Step by *act* until it is durable: a result that came in is not given up."""
        while True:
            try:
                async with live.lock:
                    if self._live.get(live.execution.id) is not live:
                        return  # another copy was loaded; it abandons the attempt and goes on
                    await self._step(live, act, None)
                return
            except Unavailable as error:
                if error.reason == "fenced":
                    return
                log.warning(
                    "a result could not be recorded yet",
                    extra={"execution": live.execution.id, "why": error.detail},
                )
                await self._clock.sleep(RECORD_AGAIN_SECONDS)

    def _dispatcher_forget(self, before: Execution, after: Execution) -> None:
        """Give back the slots of attempts that were chosen and then not committed."""
        for task in after.tasks.values():
            if task.call is not None and task.call.fence > before.seq:
                self._dispatcher.free_slot(task.action, task.call.worker)

    # ------------------------------------------------------------ waking

    def wake(self, execution: str) -> None:
        """Look at *execution* soon: a timer is due, or a slot is free."""
        self._due.append(execution)
        if self._wakers < WAKERS_MAX:
            self._wakers += 1
            self._spawn(self._wake_due())

    async def _wake_due(self) -> None:
        try:
            while self._due:
                execution = self._due.popleft()
                try:
                    await self.apply(execution, _nothing)
                except NotFound:
                    continue
                except Unavailable:
                    await self._clock.sleep(RECORD_AGAIN_SECONDS)
                    self._due.append(execution)
                except Exception:
                    # One that breaks must not keep the others from waking.
                    log.exception("an execution could not be woken", extra={"execution": execution})
        finally:
            self._wakers -= 1

    def _wake_waiting(self) -> None:
        if self._dispatcher.waiting:
            self.wake(self._dispatcher.waiting.popleft())

    # ------------------------------------------------------------ memory

    def peek(self, execution: str) -> Execution | None:
        """Return an execution that is in memory, as it is durable now."""
        live = self._live.get(execution)
        return live.execution if live is not None and live.execution.seq >= 0 else None

    async def read(self, execution: str) -> Execution:
        """Return an execution as it is durable now. Raises ``NotFound``."""
        known = self.peek(execution)
        if known is not None:
            return known
        body = await self._store.head(execution)
        if body is None:
            raise NotFound(f"there is no execution {execution}")
        return decode(body)

    async def wait_end(self, execution: str, seconds: float) -> Execution:
        """Return when it ended, or after *seconds*, as it is then."""
        watcher: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        self._watchers.setdefault(execution, []).append(watcher)
        try:
            now = await self.read(execution)
            if now.ended or seconds <= 0:
                return now
            alarm = self._clock.call_later(seconds, lambda: watcher.cancel())
            try:
                return await watcher
            except asyncio.CancelledError:
                if not watcher.cancelled():
                    raise
                return await self.read(execution)
            finally:
                alarm.cancel()
        finally:
            waiting = self._watchers.get(execution, [])
            if watcher in waiting:
                waiting.remove(watcher)
            if not waiting:
                self._watchers.pop(execution, None)

    async def _enter(self, execution: str) -> Live:
        live = self._live.get(execution)
        if live is None:
            live = await self._load(execution)
        live.users += 1
        return live

    async def _load(self, execution: str) -> Live:
        """Read an execution into memory; who asks for the same one meanwhile gets the same copy."""
        loading = self._loading.get(execution)
        if loading is not None:
            return await asyncio.shield(loading)
        loading = self._loading[execution] = asyncio.get_running_loop().create_future()
        try:
            body = await self._store.head(execution)
            if body is None:
                raise NotFound(f"there is no execution {execution}")
            live = await self._adopt(decode(body))
        except BaseException as error:
            loading.set_exception(error if isinstance(error, GoFlowError) else Unavailable("try again"))
            loading.exception()  # nobody else may be waiting for it
            raise
        else:
            loading.set_result(live)
            return live
        finally:
            del self._loading[execution]

    async def _adopt(self, execution: Execution) -> Live:
        compiled = await self._catalog.compiled(
            execution.project, execution.activity, execution.version
        )
        live = Live(execution=execution, compiled=compiled, epoch=self._epoch(execution.id))
        return self._live.setdefault(execution.id, live)

    def _leave(self, live: Live) -> None:
        """Parked executions leave memory: the row holds when to wake it and what it awaits."""
        live.users -= 1
        if live.users == 0 and self._live.get(live.execution.id) is live:
            del self._live[live.execution.id]

    def _forget(self, live: Live) -> None:
        if self._live.get(live.execution.id) is live:
            del self._live[live.execution.id]

    def _epoch(self, execution: str) -> int:
        epoch = self.epochs.get(int(execution[-2:], 16))
        if epoch is None:
            raise Unavailable("this node does not own the execution's shard; try again", code="moved")
        return epoch

    # ------------------------------------------------------------ node

    async def recover(self) -> int:
        """Take up every execution that was running, in pages; return how many there were."""
        count, after = 0, ""
        shards = list(self.epochs)
        while page := await self._store.live(shards, after=after, limit=ADOPT_PAGE):
            for body in page:
                execution = decode(body)
                after = execution.id
                count += 1
                self.wake(execution.id)
            while len(self._due) > ADOPT_PAGE:
                await self._clock.sleep(0.01)
        return count

    async def poll_timers(self) -> None:
        """Read the wake-ups of the next minute into memory."""
        until = self._clock.now_ms() + round(HORIZON_SECONDS * 1000)
        for due, execution in await self._store.due(
            list(self.epochs), until=until, limit=DUE_PAGE
        ):
            if execution not in self._live:
                self.timers.set(execution, due)

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight end for up to *seconds*; close the rest as abandoned."""
        self.draining = True
        self.timers.stop()
        calls = [call for live in self._live.values() for call in live.calls.values()]
        if calls:
            alarm = self._clock.monotonic() + seconds
            pending = set(calls)
            while pending and self._clock.monotonic() < alarm:
                _, pending = await asyncio.wait(pending, timeout=0.1)
        for live in list(self._live.values()):
            if not live.calls:
                continue
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
            self._leave(live)
        await self._stop_tasks()

    async def _stop_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def counts(self) -> dict[str, int]:
        """Return what is in memory, for operators."""
        return {
            "live": len(self._live),
            "callsInFlight": self._dispatcher.total_in_flight,
            "waitingForSlot": len(self._dispatcher.waiting),
            "timersInMemory": len(self.timers),
        }

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work of the engine ended with an error", exc_info=task.exception())


def _nothing(_: Compiled, __: Draft, ___: Workers) -> None:
    """Ask only that what is due is done."""


def _write(live: Live, draft: Draft, names: Sequence[Name], *, start: bool) -> Write:
    before, after = draft.before, draft.after
    taken, freed = list(names), []
    if after.key is not None and not start and before.ended != after.ended:
        own = Name(
            project=after.project,
            kind="key",
            scope=after.activity,
            name=after.key,
            execution=after.id,
        )
        (freed if after.ended else taken).append(own)
    if start and after.ended:
        # It ended in its first step: its business key is free again at once.
        taken = [name for name in taken if name.kind != "key"]
    return Write(
        head=head_row(after),
        epoch=live.epoch,
        records=[
            RecordRow(
                execution=after.id,
                first_seq=record.first_seq,
                seq=record.seq,
                at=record.at,
                hash=record.hash,
                entries=record.entries,
                epoch=live.epoch,
            )
            for record in draft.records
        ],
        start=start,
        names=taken,
        freed=freed,
    )


def head_row(execution: Execution) -> HeadRow:
    """Return the row of an execution."""
    return HeadRow(
        id=execution.id,
        project=execution.project,
        activity=execution.activity,
        version=execution.version,
        status=execution.status,
        state=execution.state,
        key=execution.key,
        labels=execution.labels,
        seq=execution.seq,
        wake=None if execution.ended else execution.wake,
        started_at=execution.started_at,
        updated_at=execution.at,
        finished_at=execution.finished_at,
        body=encode(execution),
    )
