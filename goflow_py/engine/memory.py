"""The executions that are in memory: there while a call is in flight or somebody works on them.

Parked executions are rows only: the head holds when to wake them and what they await.
"""

import asyncio
import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from goflow_py.clock import Clock, uuid7
from goflow_py.domain.execution import Execution
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.heads import read_head
from goflow_py.engine.mail import Mail
from goflow_py.engine.ring import Ring
from goflow_py.engine.steps import Result
from goflow_py.engine.waiting import tell
from goflow_py.errors import GoFlowError, Moved, NotFound, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import SHARDS, Store, shard_of

MAIL_SECONDS = 5.0
"""For which a request waits for those that came before it by way of other nodes."""


@dataclass(slots=True, eq=False)
class Live:
    """An execution in memory, as it is durable now."""

    execution: Execution
    compiled: Compiled
    epoch: int
    lock: asyncio.Lock
    """The family's: its members are stepped one at a time."""
    calls: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    """By fence: the calls in flight. An attempt's number begins anew with every visit."""
    results: list[tuple[int, Result]] = field(default_factory=list)
    """What came of calls and is not durable yet, with its time of arrival, oldest first."""
    users: int = 0

    @property
    def shard(self) -> int:
        """Return the shard that its id names."""
        return shard_of(self.execution.id)


class Memory:
    """Loads executions when somebody needs them, once however many ask; lets go of idle ones."""

    def __init__(self, *, store: Store, catalog: Catalog, clock: Clock) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._live: dict[str, Live] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._loading: dict[str, asyncio.Future[None]] = {}
        self._watchers: dict[str, list[asyncio.Future[Execution | None]]] = {}
        self._waiting_is_over = False
        self.followers = dict[str, set[Ring]]()
        """By execution: who is woken when it has changed."""
        self.epochs: dict[int, int] = {}
        """The shards that this node owns."""
        self.grounded = set[int]()
        """Those in which no call begins: they are to be given up."""
        self.leaving = set[int]()
        """Those that nobody enters any more: they are being given up."""
        self.sure_until = math.inf
        """Until when nobody else can own them; behind it, only the store knows."""
        self.mailed = dict[str, Mail]()
        """By execution: what other nodes asked of it."""
        self.fenced = set[str]()
        """Executions whose steps were refused since the last one that was not."""

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, execution: str) -> bool:
        return execution in self._live

    def all(self) -> list[Live]:
        """Return every execution in memory."""
        return list(self._live.values())

    def of(self, shards: Iterable[int]) -> list[Live]:
        """Return every execution of these shards that is in memory."""
        wanted = {*shards}
        return [live for live in self._live.values() if live.shard in wanted]

    def get(self, execution: str) -> Live | None:
        """Return an execution that is in memory."""
        return self._live.get(execution)

    def create(
        self, execution: Execution, compiled: Compiled, *, family: str | None = None
    ) -> Live:
        """Return a new execution that the store does not have yet; its maker is a user of it.

        *family* is the id of the first of its family, where that is another.
        """
        live = Live(
            execution=execution,
            compiled=compiled,
            epoch=self.epoch(execution.id),
            lock=self._lock(family or execution.id),
            users=1,
        )
        self._live[execution.id] = live
        return live

    async def known(self, execution: str) -> Execution | None:
        """Return an execution that is in memory, once its start is durable; None: it is not."""
        while (live := self._live.get(execution)) is not None:
            async with live.lock:
                pass  # its own start may still wait for the disk
            if live.execution.seq >= 0:
                return live.execution
        return None

    async def enter(self, execution: str) -> Live:
        """Return an execution and become a user of it. Raises ``NotFound``, ``Unavailable``."""
        while (live := self._live.get(execution)) is None:
            # Looked up again afterwards: who else asked may have let go of it already.
            await self._load(execution)
        live.users += 1
        return live

    def leave(self, live: Live) -> None:
        """Stop being a user of it; the last one lets it go."""
        live.users -= 1
        if live.users == 0:
            self.forget(live)

    def forget(self, live: Live) -> None:
        """Let go of a copy that may not be what the store has."""
        if self._live.get(live.execution.id) is live:
            del self._live[live.execution.id]

    def mint(self) -> str:
        """Return a new id, in a shard of this node if it has any."""
        shards = self.epochs.keys() - self.leaving if self.leaving else self.epochs
        shard = int(self._clock.random() * SHARDS)
        while shard not in shards and shards:
            shard = (shard + 1) % SHARDS
        return uuid7(self._clock, last_byte=shard)

    def owns(self, execution: str) -> bool:
        """Tell whether this node may step the execution."""
        shard = shard_of(execution)
        return shard in self.epochs and shard not in self.leaving

    def epoch(self, execution: str) -> int:
        """Return the epoch in which this node owns the execution's shard. Raises ``Moved``."""
        if not self.owns(execution):
            raise Moved(execution)
        return self.epochs[shard_of(execution)]

    async def mail_first(self, execution: str) -> None:
        """Let what was asked by other nodes be done before what is asked here now."""
        found = self.mailed.get(execution)
        if found is None or found.work is asyncio.current_task():
            return
        over = found.done_so_far()
        alarm = self._clock.call_later(MAIL_SECONDS, lambda: tell(over, what=False))
        try:
            is_done = await over
        finally:
            alarm.cancel()
        if not is_done:
            raise Unavailable("what came before this has to be done first; try again", code="busy")

    def _lock(self, family: str) -> asyncio.Lock:
        lock = self._locks.get(family)
        if lock is None:
            lock = self._locks[family] = asyncio.Lock()
        return lock

    async def _load(self, execution: str) -> None:
        """Read an execution into memory; who asks meanwhile waits for the same read."""
        loading = self._loading.get(execution)
        if loading is not None:
            await asyncio.shield(loading)
            return
        loading = self._loading[execution] = asyncio.get_running_loop().create_future()
        try:
            await self._read_live(execution)
        except BaseException as error:
            loading.set_exception(
                error if isinstance(error, GoFlowError) else Unavailable("try again")
            )
            loading.exception()  # nobody else may be waiting for it
            raise
        else:
            loading.set_result(None)
        finally:
            del self._loading[execution]

    async def _read_live(self, execution: str) -> None:
        epoch = self.epoch(execution)
        body = await self._store.head(execution)
        if body is None:
            raise NotFound(f"there is no execution {execution}")
        found = read_head(execution, body)
        compiled = await self._catalog.compiled_for(found)
        if self.epoch(execution) != epoch:
            raise Moved(execution)
        live = Live(execution=found, compiled=compiled, epoch=epoch, lock=self._lock(found.family))
        self._live.setdefault(execution, live)

    # ------------------------------------------------------------ reading and waiting

    def project_of(self, execution: str) -> str:
        """Return the project of an execution that is in memory; of others nothing is known."""
        live = self._live.get(execution)
        return live.execution.project if live is not None else ""

    def peek(self, execution: str) -> Execution | None:
        """Return an execution that is in memory and durable."""
        live = self._live.get(execution)
        return live.execution if live is not None and live.execution.seq >= 0 else None

    async def read(self, execution: str) -> Execution:
        """Return an execution as it is durable now. Raises ``NotFound``."""
        known = self.peek(execution)
        if known is not None and self._clock.monotonic() < self.sure_until:
            return known
        body = await self._store.head(execution)
        if body is None:
            raise NotFound(f"there is no execution {execution}")
        return read_head(execution, body)

    def tell_end(self, execution: Execution) -> None:
        """Wake those who wait for the end."""
        for watcher in self._watchers.pop(execution.id, ()):
            tell(watcher, execution)

    def tell_followers(self, execution: str) -> None:
        """Wake those who follow its history."""
        for ring in self.followers.get(execution, ()):
            ring.ring()

    def watched_elsewhere(self, lately: Container[str]) -> list[str]:
        """Return the executions that somebody here waits for or follows, and others own.

        Or owned *lately*.
        """
        watched = {*self._watchers, *self.followers}
        return [one for one in watched if one in lately or not self.owns(one)]

    def stop_waiting(self) -> None:
        """Let nobody wait any more: the server is about to end."""
        self._waiting_is_over = True
        for watchers in list(self._watchers.values()):
            for watcher in watchers:
                tell(watcher, None)

    async def wait_end(self, execution: str, seconds: float) -> Execution:
        """Return when it ended, or after *seconds*, as it is then."""
        if self._waiting_is_over:
            return await self.read(execution)
        watcher: asyncio.Future[Execution | None] = asyncio.get_running_loop().create_future()
        # Watched before it is read: an end between the two is not missed.
        self._watchers.setdefault(execution, []).append(watcher)
        alarm = self._clock.call_later(seconds, lambda: tell(watcher, None))
        try:
            now = await self.read(execution)
            if now.ended or seconds <= 0:
                return now
            return await watcher or await self.read(execution)
        finally:
            alarm.cancel()
            waiting = self._watchers.get(execution, [])
            if watcher in waiting:
                waiting.remove(watcher)
            if not waiting:
                self._watchers.pop(execution, None)
