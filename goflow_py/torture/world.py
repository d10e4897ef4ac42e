"""The simulated world: processes that crash, a disk that outlives them, and the way to them.

Everything random comes from one seed, and time is the loop's: the same seed is the same run.
"""

import asyncio
import contextlib
import random  # noqa: TID251  # chance that can be repeated, from a seed
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from goflow_py.engine.backoff import RetryDefaults
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.errors import GoFlowError, StartRefused
from goflow_py.ports import Reply, Request, Transport
from goflow_py.torture.disk import Disk, SimStore
from goflow_py.torture.loop import HOST, Host, Promise, VirtualLoop
from goflow_py.torture.notes import Fault, Notes, Scrape

T = TypeVar("T")

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
LEASE_SECONDS = 10.0
OVERSLEPT_SECONDS = 5.0
"""What a process that is paused sleeps beyond its lease, at most."""
NETWORK_SECONDS = 0.02
BOOT_SECONDS = 0.5
LOOK_SECONDS = 0.25
TOKEN_KEY = b"torture" * 4 + b"keys"


class Disconnected(Exception):
    """The connection broke: whether the request was carried out, its sender does not know."""


class SimClock:
    """A process's time and chance: the world's wall clock, which may jump."""

    def __init__(self, world: "World", host: Host) -> None:
        self._world = world
        self._host = host

    def now_ms(self) -> int:
        """Return the wall clock."""
        return START_MS + round(self._world.loop.time() * 1000) + self._world.skew_ms

    def now_us(self) -> int:
        """Return the same in microseconds."""
        seconds = self._world.loop.time()
        return START_MS * 1000 + round(seconds * 1_000_000) + self._world.skew_ms * 1000

    def monotonic(self) -> float:
        """Return the seconds since the beginning of the world."""
        return self._world.loop.time()

    def busy(self) -> float:
        """Return the same: no time passes while something runs."""
        return self._world.loop.time()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Promise:
        """Promise a call; to a dead process, none."""
        promise = self._world.loop.call_later(max(0.0, seconds), callback)
        if self._host.dead:
            promise.cancel()
        return promise

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)  # noqa: TID251  # virtual

    def random(self) -> float:
        """Return a number of [0, 1)."""
        return self._world.chance.random()

    def token_bytes(self, count: int) -> bytes:
        """Return *count* bytes."""
        return self._world.chance.randbytes(count)


class Counters:
    """An observer that counts: what the metrics of one process would show."""

    def __init__(self, counts: dict[str, float]) -> None:
        self._counts = counts

    def _count(self, name: str, labels: str) -> None:
        sample = f"goflow_executions_{name}_total{{{labels}}}"
        self._counts[sample] = self._counts.get(sample, 0) + 1

    def started(self, project: str, activity: str) -> None:
        """Count a start."""
        self._count("started", f'activity="{activity}",project="{project}"')

    def ended(self, project: str, activity: str, status: str, seconds: float) -> None:
        """Count an end."""
        self._count("ended", f'activity="{activity}",project="{project}",status="{status}"')

    def attempt(self, action: str, outcome: str, seconds: float) -> None:
        """Count no attempt: what of them is one is not said in the histories alone."""


@dataclass(slots=True, eq=False)
class Node:
    """One process: an orchestrator, from its start to its end."""

    host: Host
    context: Context
    orchestrator: Orchestrator | None = None
    is_ready: bool = False
    scrape: Scrape = field(default_factory=lambda: Scrape(counters={}))
    """What it counts."""
    waiting: "set[asyncio.Future[object]]" = field(default_factory=set)
    """Connections to it that wait for an answer."""


class World:
    """One run."""

    def __init__(
        self,
        seed: int,
        weather: Mapping[str, float] | None = None,
        *,
        shuffle: bool = False,
    ) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.weather = dict(weather or {})
        """Kinds of faults that happen by chance, with their rates of [0, 1]."""
        self.every: dict[str, float] = {}
        """Kinds of faults that come by themselves, with their mean seconds between two."""
        self.loop = VirtualLoop(  # type: ignore[abstract]  # asks no more of the world than this
            random.Random(seed) if shuffle else None
        )
        self.disk = Disk(crash=self.kill, roll=self.roll, coin=self.chance.random, pause=self.pause)
        self.notes = Notes(facts={"seed": seed})
        self.faults: Counter[str] = Counter()
        self.skew_ms = 0
        self.healed = False
        self.node: Node | None = None
        """The process that clients reach."""
        self.nodes: list[Node] = []
        self.wanted = 1
        """Processes that share the store; with more than one, clients reach any of them."""
        self.engine_errors: list[str] = []
        self.complaints: list[str] = []
        """What clients have to say about liveness."""
        self.wire: Callable[[World, Node], Transport] = _no_wire
        """Makes the way of a process to the workers."""
        self.outside = copy_context()
        """Of what is no process: clients, workers, the network."""

    # ------------------------------------------------------------ faults

    def roll(self, kind: str) -> bool:
        """Tell whether a fault happens now; it is counted."""
        rate = self.weather.get(kind, 0.0)
        if self.healed or rate == 0.0 or self.chance.random() >= rate:
            return False
        self.fault(kind)
        return True

    def fault(self, kind: str, node: str = "") -> Fault:
        """Note a fault that begins now."""
        self.faults[kind] += 1
        fault = Fault(kind=kind, begun=self.loop.time(), node=node)
        if len(self.notes.faults) < 10_000:
            self.notes.faults.append(fault)
        return fault

    def kill(self, host: Host) -> None:
        """End a process as kill -9 does: it runs nothing any more."""
        if host.dead:
            return
        host.dead = True
        host.held.clear()
        for node in self.nodes:
            # It may have committed what it did not count any more.
            node.scrape.ends = node.scrape.ends and node.host is not host
        self._turned("end of a process", host.name)
        for node in self.nodes:
            if node.host is host:
                for answer in list(node.waiting):
                    if not answer.done():
                        answer.set_exception(Disconnected())
                node.waiting.clear()

    def pause(self, host: Host) -> None:
        """Stop a process until its lease is over, and others have its work; then it wakes up."""
        host.frozen = True
        seconds = LEASE_SECONDS + self.chance.random() * OVERSLEPT_SECONDS
        self.loop.call_later(seconds, self.wake, host, context=self.outside)

    def wake(self, host: Host) -> None:
        """Let a process that was stopped go on."""
        if host.frozen:
            self.loop.thaw(host)

    def _turned(self, kind: str, node: str) -> None:
        """Note that a process began or ended: no fault by itself, but what follows from one."""
        self.notes.faults.append(Fault(kind=kind, begun=self.loop.time(), node=node))

    # ------------------------------------------------------------ processes

    def boot(self) -> Node:
        """Start a server process on the disk; clients reach it from now on."""
        host = Host(name=f"node-{len(self.nodes) + 1}")
        context = self.outside.copy()
        context.run(HOST.set, host)
        node = self.node = Node(host=host, context=context)
        self.nodes.append(node)
        self.notes.scrapes.append(node.scrape)
        self._turned("start of a process", host.name)
        self.loop.create_task(self._serve(node), context=context.copy())
        return node

    async def _serve(self, node: Node) -> None:
        clock = SimClock(self, node.host)
        store = SimStore(
            self.disk,
            node.host,
            chance=self.chance,
            roll=self.roll,
            on_fatal=lambda: orchestrator.lost.set(),
            database_ms=None if self.wanted == 1 else self._database_ms,
        )
        node.orchestrator = orchestrator = Orchestrator(
            store=store,
            transport=self.wire(self, node),
            clock=clock,
            options=EngineOptions(
                token_key=TOKEN_KEY,
                public_url="http://goflow",
                fallback_url="http://workers",
                retry=RetryDefaults(interval=0.2, max_interval=5.0),
                lease_seconds=LEASE_SECONDS,
                is_alone=self.wanted == 1,
                calls_in_flight_max=50,
            ),
            observer=Counters(node.scrape.counters),
        )
        try:
            await orchestrator.start()
        except (GoFlowError, StartRefused):
            self.kill(node.host)  # what supervises it starts it again
            return
        node.is_ready = True
        await orchestrator.lost.wait()
        self.kill(node.host)

    def _database_ms(self) -> int:
        return START_MS + round(self.loop.time() * 1000)

    @property
    def alive(self) -> list[Node]:
        """Return the processes that have not ended."""
        return [node for node in self.nodes if not node.host.dead]

    def pick(self) -> Node | None:
        """Return the process that clients reach; of several, any that lives."""
        if self.wanted == 1:
            return self.node
        alive = self.alive
        return alive[int(self.chance.random() * len(alive))] if alive else None

    async def stop(self, node: Node, drain_seconds: float) -> None:
        """End a process as SIGTERM does."""
        ended: asyncio.Future[object] = self.loop.create_future()

        async def leave() -> None:
            assert node.orchestrator is not None
            try:
                await node.orchestrator.stop(drain_seconds=drain_seconds)
            finally:
                self.kill(node.host)

        node.waiting.add(ended)
        self.loop.create_task(leave(), context=node.context.copy())
        with contextlib.suppress(Disconnected):
            await ended

    async def supervise(self) -> None:
        """Start a new process whenever the one that clients reach has ended."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)  # noqa: TID251  # virtual
            if self.wanted == 1:
                is_short = self.node is None or self.node.host.dead
            else:
                is_short = len(self.alive) < self.wanted
            if is_short:
                await asyncio.sleep(self.chance.random() * BOOT_SECONDS)  # noqa: TID251
                self.boot()

    # ------------------------------------------------------------ asking

    async def ask(
        self, make: Callable[[Orchestrator], Awaitable[T]], *, seconds: float = 10.0
    ) -> T:
        """Have the server do something, as over HTTP: answers get lost, the server may crash.

        Raises ``Disconnected`` and ``TimeoutError`` when nobody knows whether it was done.
        """
        await self._travel("request lost")
        node = self.pick()
        if node is None or not node.is_ready or node.host.dead:
            raise Disconnected
        answer: asyncio.Future[T] = self.loop.create_future()

        async def serve() -> None:
            assert node is not None and node.orchestrator is not None
            try:
                result = await make(node.orchestrator)
            except Exception as error:  # noqa: BLE001  # whatever it is, the client gets it
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

        self.loop.create_task(serve(), context=node.context.copy())
        node.waiting.add(answer)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(seconds):
                found = await answer
        finally:
            node.waiting.discard(answer)
        await self._travel("answer lost")
        return found

    async def _travel(self, loss: str) -> None:
        await asyncio.sleep(self.chance.random() * NETWORK_SECONDS)  # noqa: TID251  # virtual
        if self.roll(loss):
            raise Disconnected


def _no_wire(_: World, __: Node) -> Transport:
    return _Nowhere()


class _Nowhere:
    async def send(self, request: Request) -> Reply:
        raise NotImplementedError("no workers are wired")

    async def close(self) -> None:
        """Nothing is open."""
