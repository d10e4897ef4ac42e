"""What an operator is told of nodes: who lives, who is late, who is lost, and what waits."""

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from goflow_py import __version__
from goflow_py.ports import SHARDS, Message
from goflow_py.testing import FakeClock
from tests.unit.engine.cell import LEASE_SECONDS, Cell
from tests.unit.engine.conftest import Engine


@pytest.fixture
async def cell(clock: FakeClock) -> AsyncIterator[Cell]:
    found = Cell(clock)
    yield found
    found.tables.inbox.clear()
    await found.close()


async def view(node: Engine) -> dict[str, Any]:
    return await node.it.nodes.view(is_ending=node.it.draining)


def named(found: dict[str, Any], node: Engine) -> dict[str, Any]:
    [item] = [one for one in found["items"] if one["id"] == node.it.ownership.node]
    return dict(item)


async def test_every_node_is_shown_with_its_share_and_its_lease(cell: Cell) -> None:
    here, there = await cell.spread(2, public_url="http://here")
    found = await view(here)
    own, other = named(found, here), named(found, there)
    assert found["items"] == [own, other], "oldest first"
    assert (own["self"], own["address"], own["version"]) == (True, "http://here", __version__)
    assert (other["self"], other["address"], other["version"]) == (False, None, None)
    assert [one["shards"] for one in (own, other)] == [128, 128]
    for one in (own, other):
        assert LEASE_SECONDS / 2 < one["leaseLeftSeconds"] <= LEASE_SECONDS
        assert one["status"] == "ok"
    assert (found["shared"], found["leaseSeconds"]) == (True, LEASE_SECONDS)
    nothing = {"shards": 0, "running": 0, "inbox": 0, "oldestSeconds": None}
    assert found["unowned"] == nothing


async def test_the_only_node_of_a_file_needs_no_lease(cell: Cell) -> None:
    node = await cell.node(is_alone=True)
    found = await view(node)
    [item] = found["items"]
    assert (item["leaseLeftSeconds"], item["shards"], item["status"]) == (None, SHARDS, "ok")
    assert (found["shared"], found["leaseSeconds"]) == (False, None)


async def test_a_node_that_does_not_renew_is_late_and_then_lost_until_others_have_all(
    cell: Cell, clock: FakeClock
) -> None:
    here, there = await cell.spread(2)
    mail = Message(
        execution=f"{'0' * 34}{min(there.it.owner.memory.epochs):02x}",
        kind="event", dedupe="a", body=b"{}", at=clock.now_ms(),
    )  # fmt: skip
    await cell.kill(there)
    await here.it.mailbox.stop()
    await here.store.deliver([mail])
    await clock.advance(LEASE_SECONDS * 0.6)
    late = named(await view(here), there)
    assert (late["status"], late["inbox"]) == ("late", 1)
    assert late["oldestSeconds"] == pytest.approx(LEASE_SECONDS * 0.6)
    await here.it.supervisor.stop()  # so that nobody takes what is free
    await here.store.heartbeat(now=clock.now_ms())
    await clock.advance(LEASE_SECONDS * 0.6)
    found = await view(here)
    lost = named(found, there)
    assert lost["status"] == "lost" and lost["leaseLeftSeconds"] < 0
    assert found["unowned"] == {key: lost[key] for key in found["unowned"]}
    assert (lost["shards"], lost["inbox"]) == (128, 1)
    await here.it.ownership.turn()
    found = await view(here)
    assert [one["id"] for one in found["items"]] == [here.it.ownership.node]
    assert (found["items"][0]["shards"], found["unowned"]["shards"]) == (SHARDS, 0)


async def test_a_node_that_drains_says_so_to_all(cell: Cell) -> None:
    here, there = await cell.spread(2)
    there.it.owner.draining = True
    assert named(await view(there), there)["status"] == "draining"
    await there.it.ownership.drain()
    assert named(await view(here), there)["status"] == "draining"
    assert named(await view(here), here)["status"] == "ok"


async def test_shards_of_nobody_are_counted_at_every_look(cell: Cell, clock: FakeClock) -> None:
    here, there = await cell.spread(2)
    await cell.kill(there)
    await here.it.supervisor.stop()  # it looks when the test says so
    await clock.advance(LEASE_SECONDS * 0.6)
    await here.store.heartbeat(now=clock.now_ms())
    await here.it.ownership.turn()
    assert here.it.ownership.unowned == 0
    await clock.advance(LEASE_SECONDS * 0.6)
    await here.it.ownership.turn()
    assert here.it.ownership.unowned == 128, "and they are this node's behind it"
    await here.it.ownership.turn()
    assert here.it.ownership.unowned == 0


async def test_a_lease_is_counted_from_before_it_was_renewed(cell: Cell, clock: FakeClock) -> None:
    here, alone = await cell.node(), await cell.node(is_alone=True)
    await here.it.supervisor.stop()
    await here.it.ownership.beat()
    await clock.advance(4.0)
    assert here.it.ownership.lease_left() == pytest.approx(LEASE_SECONDS - 4.0)
    assert alone.it.ownership.lease_left() == math.inf
