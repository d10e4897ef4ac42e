"""G6: who lost its lease can write nothing, however it comes back.

At large: tests/contract/test_store.py (epochs), tests/faults/test_disk.py (one writing connection),
tests/torture/test_simulation.py (frozen and replaced processes, rule S11).
"""

from typing import Any

import pytest

from goflow_py.errors import Unavailable
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock
from tests.guarantees.conftest import waits
from tests.harness import Server

LEASE_SECONDS = 11


async def test_an_engine_that_slept_through_its_lease_writes_nothing(
    make_engine: Any, clock: FakeClock
) -> None:
    tables = Tables()
    old = make_engine(MemoryStore(tables))
    await old.it.start()
    await old.upload(waits(project="p", activity="a"), [])
    execution = await old.start()
    await old.it.supervisor.stop()  # it is frozen: it renews nothing, and knows nothing of it
    await clock.advance(LEASE_SECONDS)
    new = make_engine(MemoryStore(tables))
    await new.it.start()
    await new.send(execution, "note", "of the new one")
    before = await new.entries(execution)
    for attempt in (old.send(execution, "note", "of the old one"), old.start()):
        with pytest.raises(Unavailable):
            await attempt
    assert await new.entries(execution) == before
    await new.send(execution, "go")
    assert (await new.read(execution)).output == {"notes": ["of the new one"]}
    assert len(tables.executions) == 1
    await new.verify()
    await new.it.stop()


@pytest.mark.e2e
def test_a_second_server_is_refused_until_the_first_is_gone(house: Any) -> None:
    shop = house()
    with pytest.raises(
        AssertionError, match=f"in use by another server .process {shop.server.child.pid}"
    ):
        Server(shop.data)
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    shop.again()
    assert shop.server.start("shop/order")["status"] == "waiting"
