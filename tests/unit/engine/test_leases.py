"""A node keeps its lease as long as the database lets it, and does nothing new without one."""

import asyncio
from typing import Any

import pytest

from goflow_py.errors import Unavailable
from goflow_py.testing import FakeClock
from tests.unit.engine.cell import LEASE_SECONDS, Cell
from tests.unit.engine.conftest import Engine

ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}
WORKER = [{"name": "a", "workerEndpoint": "w", "retryCount": 1, "responseTimeout": 600}]


@pytest.fixture
async def node(cell: Cell) -> Engine:
    found = await cell.node()
    await found.upload(ONE, WORKER)
    return found


async def test_a_database_that_is_back_within_the_lease_finds_the_node_alive(
    cell: Cell, node: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, is_down = node.store.heartbeat, True

    async def heartbeat(*, now: int) -> bool:
        if is_down:
            raise Unavailable("the database restarts")
        return await renew(now=now)

    monkeypatch.setattr(node.store, "heartbeat", heartbeat)
    await clock.advance(LEASE_SECONDS - 1.5)
    is_down = False
    await clock.advance(LEASE_SECONDS)
    assert not node.it.lost.is_set()


async def test_a_heartbeat_that_hangs_is_given_up_and_another_is_sent(
    cell: Cell, node: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, hanging = node.store.heartbeat, 1

    async def heartbeat(*, now: int) -> bool:
        nonlocal hanging
        if hanging:
            hanging -= 1
            await asyncio.Event().wait()
        return await renew(now=now)

    monkeypatch.setattr(node.store, "heartbeat", heartbeat)
    await clock.advance(2 * LEASE_SECONDS)
    assert hanging == 0 and not node.it.lost.is_set()


async def test_a_slow_database_makes_heartbeats_no_rarer(
    cell: Cell, node: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, sent = node.store.heartbeat, list[float]()

    async def heartbeat(*, now: int) -> bool:
        sent.append(clock.monotonic())
        await clock.sleep(3.0)
        return await renew(now=now)

    monkeypatch.setattr(node.store, "heartbeat", heartbeat)
    await clock.advance(3 * LEASE_SECONDS)
    assert len(sent) >= 9


async def test_a_node_that_is_not_sure_of_its_lease_begins_no_call_until_it_is(
    cell: Cell, node: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, answers = node.store.heartbeat, False

    async def heartbeat(*, now: int) -> bool:
        renewed = await renew(now=now)
        if not answers:
            raise Unavailable("its answer is lost")
        return renewed

    monkeypatch.setattr(node.store, "heartbeat", heartbeat)
    await clock.advance(LEASE_SECONDS)
    execution = await node.start()
    await clock.advance(1)
    assert not node.transport.requests
    answers = True
    await clock.advance(3)
    assert len(node.transport.requests) == 1
    assert (await node.read(execution)).status == "completed"


async def test_what_takes_long_at_the_start_costs_no_lease(
    cell: Cell, node: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Engine] = []

    async def slowly(_: Any = None) -> None:
        await clock.sleep(2 * LEASE_SECONDS)

    async def start() -> None:
        found.append(await cell.node())

    monkeypatch.setattr("goflow_py.engine.catalog.Catalog.load", slowly)
    starting = asyncio.ensure_future(start())
    await clock.advance(3 * LEASE_SECONDS)
    await starting
    assert not found[0].it.lost.is_set()
    assert sum(len(one.it.owner.memory.epochs) for one in cell.nodes) == 256
