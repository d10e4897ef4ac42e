"""Several nodes on one store, in one process, on one clock that a test moves."""

from collections.abc import Callable
from typing import Any

from goflow_py.domain.execution import Execution
from goflow_py.engine.auditor import verify
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock
from tests.unit.engine.conftest import Engine

LEASE_SECONDS = 10.0
SPREAD_SECONDS = 40.0
"""After which any number of nodes has shared the shards."""
NOTES: dict[str, Any] = {
    "data": {"notes": []},
    "states": [
        {
            "name": "open",
            "on": {
                "go": "done",
                "note": {"set": {"notes": "${ $append(data.notes, event.data) }"}},
            },
        }
    ],
    "transitions": [{"current": "init", "event": "start", "next": "open"}],
    "output": {"notes": "${ data.notes }"},
}
PULL: dict[str, Any] = {
    "states": ["pick"],
    "actions": [{"name": "pick", "type": "pull", "queue": "q", "lease": 30}],
    "transitions": [{"current": "init", "event": "start", "next": "pick"}],
}
HUMAN: dict[str, Any] = {
    "states": ["sign"],
    "actions": [{"name": "sign", "type": "human", "queue": "desk"}],
    "transitions": [{"current": "init", "event": "start", "next": "sign"}],
}


class Cell:
    """Nodes that come and go."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.tables = Tables()
        self.nodes: list[Engine] = []

    async def node(self, **options: Any) -> Engine:
        """Start a node."""
        given = {"is_alone": False, "lease_seconds": LEASE_SECONDS, **options}
        found = Engine(self.clock, MemoryStore(self.tables), **given)
        await found.it.start()
        self.nodes.append(found)
        return found

    async def spread(self, count: int, **options: Any) -> list[Engine]:
        """Start nodes, and wait until each has its share."""
        found = [await self.node(**options) for _ in range(count)]
        await self.clock.advance(SPREAD_SECONDS)
        return found

    async def kill(self, node: Engine) -> None:
        """Let a node do nothing any more, and know nothing of it."""
        self.nodes.remove(node)
        await node.it.supervisor.stop()
        node.it.owner.timers.stop()
        await node.it.owner.waker.stop()
        await node.it.owner.flights.stop()

    async def end(self, node: Engine) -> None:
        """Stop a node as an operator does."""
        self.nodes.remove(node)
        await node.it.stop()

    async def verify(self) -> None:
        """Hold every history to its rules."""
        report = await verify(self.nodes[0].store)
        assert report.breaches == []

    async def close(self) -> None:
        """Hold all to the rules, and stop every node."""
        if self.nodes:
            await self.verify()
        for node in list(self.nodes):
            await self.end(node)


def shares(cell: Cell) -> list[int]:
    """Return how many shards each node owns, as the store and each of them says."""
    said = [len(node.it.owner.memory.epochs) for node in cell.nodes]
    owners = [shard.owner for shard in cell.tables.shards.values()]
    assert said == [owners.count(node.it.ownership.node) for node in cell.nodes]
    return said


def owner_of(cell: Cell, execution: Execution) -> Engine:
    """Return the node that owns an execution."""
    [found] = [node for node in cell.nodes if node.it.owner.memory.owns(execution.id)]
    return found


def other_than(cell: Cell, node: Engine) -> Engine:
    """Return a node that is another."""
    return next(one for one in cell.nodes if one is not node)


async def start_on(node: Engine, where: Callable[[Execution], bool]) -> Execution:
    """Start executions until one is where a test wants it."""
    for _ in range(200):
        found = await node.start()
        if where(found):
            return found
    raise AssertionError("no execution is where it should be")
