"""The engine in memory: a clock moved by hand, a scripted transport, the real batcher."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine.auditor import verify
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import StartRequest
from goflow_py.store.memory import MemoryStore
from goflow_py.testing import FakeClock, StubTransport

if TYPE_CHECKING:
    from tests.unit.engine.cell import Cell


class Engine:
    """An orchestrator with short words for what tests do."""

    def __init__(self, clock: FakeClock, store: MemoryStore | None = None, **options: Any) -> None:
        self.clock = clock
        self.store = store or MemoryStore()
        self.transport = StubTransport()
        options = {"token_key": b"k" * 32, "fallback_url": "http://mock", **options}
        self.it = Orchestrator(
            store=self.store,
            transport=self.transport,
            clock=clock,
            options=EngineOptions(**options),
        )

    async def upload(self, document: dict[str, Any], workers: list[dict[str, Any]]) -> None:
        document = {"project": "p", "activity": "a", "workers": workers, **document}
        await self.it.uploads.upload(orjson.dumps(document))

    async def start(self, value: Any = None, **fields: Any) -> Execution:
        request = StartRequest(input=value, **fields)
        return (await self.it.executions.start("p", "a", request)).execution

    async def read(self, execution: Execution) -> Execution:
        return await self.it.owner.memory.read(execution.id)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def send(self, execution: Execution, name: str, data: Any = None, **fields: Any) -> Any:
        return await self.it.executions.send(execution.id, Outside(name=name, data=data, **fields))

    async def control(self, execution: Execution, verb: str, **arguments: Any) -> Execution:
        command = Control(verb=verb, arguments=arguments)
        return (await self.it.executions.control(execution.id, command))[0]

    async def entries(self, execution: Execution) -> list[dict[str, Any]]:
        found, _ = await self.it.tracking.history(execution, after=-1, limit=10_000)
        return found

    def calls(self) -> list[tuple[str, str, int]]:
        """Who was called, in order: (alias, action, attempt)."""
        return [
            (request.url.rsplit("/", 1)[1], body["action"], body["attempt"])
            for request, body in zip(self.transport.requests, self.transport.bodies, strict=True)
        ]

    async def verify(self) -> None:
        report = await verify(self.store)
        assert report.breaches == []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def engine(clock: FakeClock) -> AsyncIterator[Engine]:
    found = Engine(clock)
    await found.it.start()
    yield found
    await found.verify()
    await found.it.stop()


@pytest.fixture
def make_engine(clock: FakeClock) -> Callable[..., Engine]:
    def make(store: MemoryStore | None = None, **options: Any) -> Engine:
        return Engine(clock, store, **options)

    return make


@pytest.fixture
async def cell(clock: FakeClock) -> "AsyncIterator[Cell]":
    """No nodes yet on one store; in the end nothing is broken, and no message is left."""
    from tests.unit.engine.cell import Cell  # which is made of this module's engine

    found = Cell(clock)
    yield found
    await found.close()
    assert not found.tables.inbox, "nothing is left in the inbox"
