"""Several nodes over one memory: what a database does between servers, in one process."""

import asyncio

from goflow_py.ports import Committed, Fenced, HeadRow, Message, RecordRow, Write
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables

ID = "01900000-0000-7000-8000-000000000005"


def start(epoch: int) -> Write:
    head = HeadRow(
        id=ID, project="p", activity="a", version=1, status="running", state="init", key=None,
        labels={}, seq=0, wake=None, started_at=0, updated_at=0, finished_at=None, body=b"{}",
    )  # fmt: skip
    record = RecordRow(execution=ID, first_seq=0, seq=0, at=0, hash="", entries=b"[]")
    return Write(head=head, epoch=epoch, records=[record], start=True)


async def two_nodes() -> tuple[MemoryStore, MemoryStore]:
    tables = Tables()
    first, second = MemoryStore(tables), MemoryStore(tables)
    await first.open(node="first", now=0, ttl_ms=10)
    await second.open(node="second", now=0, ttl_ms=100)
    return first, second


async def test_a_shard_has_one_owner_until_its_lease_expires():
    first, second = await two_nodes()
    assert len(await first.claim(limit=256, now=0)) == 256
    assert await second.claim(limit=256, now=9) == {}
    assert set((await second.claim(limit=256, now=10)).values()) == {2}


async def test_a_paused_node_that_wakes_up_can_write_nothing():
    first, second = await two_nodes()
    await first.claim(limit=256, now=0)
    await second.claim(limit=256, now=10)
    assert await first.commit([start(1), start(2)]) == [Fenced(), Fenced()]
    assert not await first.heartbeat(now=11)
    assert await second.commit([start(2)]) == [Committed()]
    assert await first.head(ID) == b"{}"


async def test_closing_gives_the_shards_to_the_others():
    first, second = await two_nodes()
    await first.claim(limit=200, now=0)
    await first.close()
    assert len(await second.claim(limit=256, now=1)) == 256


async def test_a_message_that_one_node_delivers_wakes_the_other():
    first, second = await two_nodes()
    hints = second.hints()
    await anext(hints)
    message = Message(execution=ID, kind="event", dedupe="e", body=b"", at=0)
    assert await first.deliver([message]) == [True]
    await asyncio.wait_for(anext(hints), 1)
    assert len(await second.drain([5], limit=9)) == 1
