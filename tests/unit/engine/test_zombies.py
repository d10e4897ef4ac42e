"""A node that stood still beyond its lease, in the middle of something, and goes on with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.errors import Conflict, Unavailable
from goflow_py.testing import FakeClock
from tests.unit.engine.cell import Cell, owner_of
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_batches import WAITING, finished, many, request


@pytest.fixture
async def cell(clock: FakeClock) -> AsyncIterator[Cell]:
    made = Cell(clock)
    await made.spread(2)
    yield made
    await made.close()


def stands_still(node: Engine, call: str, meanwhile: Callable[[], None]) -> None:
    """Let something happen when *node* is about to make a *call* of its store, once."""
    own = getattr(node.store, call)

    async def late(*given: Any, **named: Any) -> Any:
        setattr(node.store, call, own)
        meanwhile()
        return await own(*given, **named)

    setattr(node.store, call, late)


def opens(cell: Cell, execution: Execution) -> Callable[[], None]:
    """Open an execution again, as its new owner would."""

    def open_again() -> None:
        stored = cell.tables.executions[execution.id]
        stored.head = replace(stored.head, seq=stored.head.seq + 1)

    return open_again


async def test_what_was_opened_again_is_not_deleted_late(engine: Engine) -> None:
    [execution] = await many(engine, 1)
    await engine.control(execution, "cancel")
    cell = Cell(engine.clock)
    cell.tables = engine.store._tables
    stands_still(engine, "delete", opens(cell, execution))
    with pytest.raises(Unavailable) as caught:
        await engine.it.executions.delete(execution.id)
    assert caught.value.reason == "fenced"
    assert await engine.store.head(execution.id) is not None


async def test_a_refusal_that_is_late_is_no_answer(cell: Cell) -> None:
    here = cell.nodes[0]
    await here.upload(WAITING, [])
    execution = await here.start()
    owner = owner_of(cell, execution)
    [other] = [node for node in cell.nodes if node is not owner]
    shard = cell.tables.shards[int(execution.id[-2:], 16)]

    def lose() -> None:
        shard.owner, shard.epoch = "another", shard.epoch + 1

    stands_still(owner, "settle", lose)
    asked = asyncio.ensure_future(other.it.executions.delete(execution.id))
    await asyncio.wait([asked], timeout=0)
    for _ in range(3):
        await cell.clock.advance(0.3)
    assert shard.owner == "another"
    assert not asked.done(), "whoever has the shard now answers"
    assert [message.execution for message in cell.tables.inbox.values()] == [execution.id]
    shard.owner, shard.epoch = owner.it.ownership.node, shard.epoch - 1
    await cell.clock.advance(6)
    with pytest.raises(Conflict, match="cancel or terminate it first"):
        await asked


async def test_what_was_committed_is_answered_though_the_shard_went_to_another(cell: Cell) -> None:
    here = cell.nodes[0]
    await here.upload(WAITING, [])
    execution = await here.start()
    owner = owner_of(cell, execution)
    [other] = [node for node in cell.nodes if node is not owner]
    shard = cell.tables.shards[int(execution.id[-2:], 16)]
    before = replace(shard)

    def lose() -> None:
        shard.owner, shard.epoch = "another", shard.epoch + 1

    stands_still(owner, "settle", lose)
    asked = asyncio.ensure_future(other.control(execution, "pause"))
    for _ in range(4):
        await cell.clock.advance(0.3)
    assert shard.owner == "another"
    shard.owner, shard.epoch = before.owner, before.epoch
    assert asked.done() and (await asked).status == "paused"


async def test_a_batch_that_another_node_ended_is_not_opened_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await many(engine, 3)
    control, begun, goes_on = engine.it.executions.control, asyncio.Event(), asyncio.Event()

    async def held(*given: Any, **named: Any) -> Any:
        begun.set()
        await goes_on.wait()
        return await control(*given, **named)

    monkeypatch.setattr(engine.it.executions, "control", held)
    shown, _ = await engine.it.batches.create(request())
    await begun.wait()
    row = await engine.store.batch(shown["id"])
    assert row is not None
    ended = replace(row, status="done", updated_at=row.updated_at + 1)
    assert await engine.store.put_batch(ended, before=row)
    stop = asyncio.ensure_future(engine.it.batches.cancel(row.id, project=None))
    await asyncio.wait([stop], timeout=0)
    goes_on.set()
    with pytest.raises(Unavailable, match="could not be stopped"):
        await stop
    assert await engine.store.batch(row.id) == ended
    assert (await finished(engine, row.id))["status"] == "done"
    assert len(found) == 3
