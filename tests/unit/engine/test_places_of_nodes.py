"""``maxConcurrent`` holds over all nodes, and who waits begins wherever it is."""

import asyncio
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.elsewhere import REFRESH_SECONDS
from goflow_py.testing import FakeClock
from tests.unit.engine.cell import LEASE_SECONDS, Cell
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_places import WORKERS, at_most


@pytest.fixture
async def nodes(cell: Cell) -> list[Engine]:
    return await cell.spread(3)


async def begun(node: Engine, executions: list[Execution]) -> list[Execution]:
    return [one for one in executions if (await node.read(one)).state == "s"]


async def test_starts_on_all_nodes_at_once_never_begin_too_many(nodes: list[Engine]) -> None:
    await nodes[0].upload(at_most(4), WORKERS)
    found = await asyncio.gather(*(node.start() for node in nodes for _ in range(5)))
    assert len(await begun(nodes[0], found)) == 4


async def test_the_surplus_begins_in_order_whichever_node_has_it(
    cell: Cell, nodes: list[Engine]
) -> None:
    await nodes[0].upload(at_most(2), WORKERS)
    found = []
    for number in range(9):
        found.append(await nodes[number % 3].start(number))
        await cell.clock.advance(0.01)
    for number in range(0, 8, 2):
        assert await begun(nodes[0], found) == found[number : number + 2]
        for one in found[number : number + 2]:
            await nodes[2].send(one, "go")
        await cell.clock.advance(2 * REFRESH_SECONDS)
    assert await begun(nodes[0], found) == found[8:]
    names = cell.tables.names.values()
    assert {name.execution for name in names if name.kind == "seat"} == {found[8].id}


async def test_the_places_of_a_dead_node_are_those_of_its_executions(
    cell: Cell, nodes: list[Engine]
) -> None:
    await nodes[0].upload(at_most(1), WORKERS)
    first = await nodes[0].start()
    second = await nodes[1].start()
    await cell.kill(nodes[0])
    await cell.clock.advance(LEASE_SECONDS + 3)
    assert await begun(nodes[1], [first, second]) == [first]
    await nodes[1].send(first, "go")
    await cell.clock.advance(2 * REFRESH_SECONDS)
    assert await begun(nodes[1], [first, second]) == [second]


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_of_starts_and_ends_keeps_the_limit(
    cell: Cell, nodes: list[Engine], seed: int
) -> None:
    await nodes[0].upload(at_most(3), WORKERS)
    chance = FakeClock(seed=seed)
    found: list[Execution] = []
    for _ in range(25):
        work: list[Any] = [node.start() for node in nodes if chance.random() < 0.6]
        running = await begun(nodes[0], found)
        assert len(running) <= 3
        ends = [nodes[int(chance.random() * 3)].send(one, "go") for one in running]
        results = await asyncio.gather(*work, *ends, return_exceptions=True)
        found += [one for one in results if isinstance(one, Execution)]
        assert not [one for one in results if isinstance(one, Exception)]
        await cell.clock.advance(chance.random() * 3)
    for _ in range(40):
        for one in await begun(nodes[0], found):
            await nodes[0].send(one, "go")
        await cell.clock.advance(2 * REFRESH_SECONDS)
    assert {(await nodes[0].read(one)).status for one in found} == {"completed"}
