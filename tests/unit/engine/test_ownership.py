"""Many nodes on one store: who owns what, and what becomes of work whose owner changes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.engine.ownership import DRAIN_KEPT_MS, DRAIN_KIND
from goflow_py.errors import StartRefused, Unavailable
from goflow_py.ports import SHARDS
from goflow_py.store.memory import MemoryStore
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.cell import LEASE_SECONDS, Cell, owner_of, shares
from tests.unit.engine.conftest import Engine

ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}
WORKER = [{"name": "a", "workerEndpoint": "w", "retryCount": 1, "responseTimeout": 600}]
WAITS = {
    "states": [{"name": "open", "on": {"go": "done"}, "after": [{"delay": 30, "next": "done"}]}],
    "transitions": [{"current": "init", "event": "start", "next": "open"}],
}


def calls_of(cell: Cell) -> int:
    return sum(len(node.transport.requests) for node in cell.nodes)


async def outcomes(node: Engine, execution: Any) -> list[str]:
    entries = await node.entries(execution)
    return [entry["outcome"] for entry in entries if entry["type"] == "attemptEnded"]


# ---------------------------------------------------------------- the share


async def test_one_node_owns_all(cell: Cell) -> None:
    await cell.node()
    assert shares(cell) == [SHARDS]


@pytest.mark.parametrize(("count", "most"), [(2, 128), (3, 86), (5, 52)])
async def test_nodes_that_come_share_evenly(cell: Cell, count: int, most: int) -> None:
    await cell.spread(count)
    found = shares(cell)
    assert sum(found) == SHARDS and max(found) <= most


async def test_shards_move_a_tenth_at_a_time(cell: Cell, clock: FakeClock) -> None:
    await cell.node()
    await cell.node()
    await clock.advance(1.5)
    assert shares(cell) == [SHARDS - 26, 26] or shares(cell) == [SHARDS - 26, 0]
    before = shares(cell)[0]
    await clock.advance(LEASE_SECONDS / 3)
    assert before - shares(cell)[0] <= 26


async def test_the_work_of_a_dead_node_is_taken_within_its_lease_and_two_seconds(
    cell: Cell, clock: FakeClock
) -> None:
    left, _, right = await cell.spread(3)
    await cell.kill(left)
    await clock.advance(LEASE_SECONDS + 2)
    found = shares(cell)
    assert sum(found) == SHARDS and max(found) == 128
    assert right.it.ownership.is_shared


async def test_a_database_that_comes_back_before_the_lease_is_over_ends_no_node(
    cell: Cell, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = await cell.spread(2)
    back = clock.monotonic() + LEASE_SECONDS - 1.5

    async def cut(self: MemoryStore, *, now: int) -> bool:
        if clock.monotonic() < back:
            raise Unavailable("the database cannot be reached", code="store_unreachable")
        return await own(self, now=now)

    own = MemoryStore.heartbeat
    monkeypatch.setattr(MemoryStore, "heartbeat", cut)
    await clock.advance(LEASE_SECONDS * 2)
    assert not left.it.lost.is_set() and not right.it.lost.is_set()


async def test_a_node_that_ends_hands_its_shards_over_within_a_second(
    cell: Cell, clock: FakeClock
) -> None:
    first, _ = await cell.spread(2)
    await cell.end(first)
    await clock.advance(1.1)
    assert shares(cell) == [SHARDS]


async def test_a_node_that_drains_hands_over_what_is_quiet_and_ends_its_calls(
    cell: Cell, clock: FakeClock
) -> None:
    first, second = await cell.spread(2)
    await first.upload(ONE, WORKER)
    first.transport.script = lambda *_: None
    execution = await first.start()
    await clock.advance(0)
    draining = asyncio.ensure_future(first.it.drain(20))
    await clock.advance(3)
    assert shares(cell) == [1, SHARDS - 1]
    await clock.advance(20)
    await draining
    await cell.end(first)
    await clock.advance(2)
    assert (await second.read(execution)).status == "completed"
    assert await outcomes(second, execution) == ["abandoned", "success"]


async def test_shards_that_a_node_gives_up_are_others_at_once(cell: Cell, clock: FakeClock) -> None:
    first, _ = await cell.spread(2)
    await first.it.drain(0)
    await clock.advance(0.1)
    assert shares(cell) == [0, SHARDS]


async def test_a_node_that_drains_and_does_not_end_hands_over_what_becomes_quiet(
    cell: Cell, clock: FakeClock
) -> None:
    first, second = await cell.spread(2)
    await first.upload(ONE, WORKER)
    first.transport.script = lambda *_: None
    execution = await first.start()
    await clock.advance(0)
    first.it.owner.draining = True
    await first.it.ownership.drain()
    await clock.advance(3)
    assert shares(cell) == [1, SHARDS - 1]
    [live] = first.it.owner.memory.all()
    await first.it.owner.flights.abandon(live)
    await clock.advance(30)
    assert shares(cell) == [0, SHARDS]
    assert (await second.read(execution)).status == "completed"
    assert await first.store.names("", DRAIN_KIND, "", after="", limit=9)
    await clock.advance(DRAIN_KEPT_MS / 1_000 + 120)
    names = await first.store.names("", DRAIN_KIND, "", after="", limit=9)
    assert [one.name for one in names] == [first.it.ownership.node], "it is told again"


async def test_a_node_beside_others_ends_when_its_heartbeat_is_refused(
    cell: Cell, clock: FakeClock
) -> None:
    first, second = await cell.spread(2)
    cell.tables.leases[first.it.ownership.node] = 0
    await clock.advance(LEASE_SECONDS / 3)
    assert first.it.lost.is_set() and not second.it.lost.is_set()
    cell.nodes.remove(first)
    await first.it.stop()


async def test_a_node_whose_writes_are_all_refused_ends_though_its_lease_holds(
    cell: Cell, clock: FakeClock
) -> None:
    node = await cell.node()
    await node.upload(WAITS, [])
    for shard in cell.tables.shards.values():
        shard.owner, shard.epoch = "somebody", shard.epoch + 1
    for _ in range(12):
        with pytest.raises(Unavailable):
            await node.start()
        await clock.advance(1)
    assert node.it.lost.is_set()
    cell.nodes.remove(node)
    await node.it.stop()


async def test_one_execution_whose_writes_are_refused_ends_no_node(
    cell: Cell, clock: FakeClock
) -> None:
    node = await cell.node()
    await node.upload(WAITS, [])
    execution = await node.start()
    stored = cell.tables.executions[execution.id]
    head = stored.head
    stored.head = replace(head, seq=head.seq + 5)  # the column says something else than the head
    for _ in range(12):
        with pytest.raises(Unavailable):
            await node.send(execution, "go")
        await clock.advance(1)
    assert not node.it.lost.is_set()
    stored.head = head


class Jumping(MemoryStore):
    """A store in which the lease has lapsed by the first claim, so many times."""

    jumps = 1

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        if self.jumps:
            self.jumps -= 1
            self._all.leases.clear()
        return await super().claim(limit=limit, now=now)


@pytest.mark.parametrize("jumps", [1, 2])
async def test_a_node_whose_lease_lapses_at_its_start_begins_anew(
    make_engine: Any, jumps: int
) -> None:
    store = Jumping()
    store.jumps = jumps
    engine = make_engine(store)
    await engine.it.start()
    assert len(engine.it.owner.memory.epochs) == SHARDS
    await engine.it.stop()


async def test_a_node_whose_lease_lapses_again_and_again_refuses_to_start(
    make_engine: Any,
) -> None:
    store = Jumping()
    store.jumps = 99
    with pytest.raises(StartRefused, match="clock"):
        await make_engine(store).it.start()


# ---------------------------------------------------------------- the work


async def test_work_in_flight_of_a_dead_node_is_made_again_by_others(
    cell: Cell, clock: FakeClock
) -> None:
    first, second = await cell.spread(2)
    await first.upload(ONE, WORKER)
    first.transport.script = lambda *_: None
    found = [await first.start(number) for number in range(20)]
    await clock.advance(0)
    assert len(first.transport.requests) == 20
    await cell.kill(first)
    await clock.advance(LEASE_SECONDS + 3)
    keys = [request.headers["Idempotency-Key"] for request in first.transport.requests]
    assert sorted(keys) == sorted(r.headers["Idempotency-Key"] for r in second.transport.requests)
    for execution in found:
        assert (await second.read(execution)).status == "completed"
        assert await outcomes(second, execution) == ["abandoned", "success"]


async def test_timers_of_a_dead_node_fire_on_others(cell: Cell, clock: FakeClock) -> None:
    first, second = await cell.spread(2)
    await first.upload(WAITS, [])
    found = [await first.start() for _ in range(5)]
    await cell.kill(first)
    await clock.advance(31)
    assert {(await second.read(one)).status for one in found} == {"completed"}


async def test_more_than_a_page_of_executions_is_taken_over(cell: Cell, clock: FakeClock) -> None:
    first, second = await cell.spread(2)
    await first.upload(ONE, WORKER)
    first.transport.script = lambda *_: None
    for number in range(1_100):
        await first.start(number)
    await cell.kill(first)
    await clock.advance(LEASE_SECONDS + 10)
    assert len(second.transport.requests) == 1_100
    counts = await second.store.counts("p", "a")
    assert counts == {1: {"completed": 1_100}}


async def test_a_call_that_ends_soon_is_not_cut_when_its_shard_moves(
    cell: Cell, clock: FakeClock
) -> None:
    first = await cell.node()
    await first.upload(ONE, WORKER)
    release = asyncio.Event()

    async def slow(request: Any) -> Any:
        first.transport.requests.append(request)
        await release.wait()
        return answer("done")

    first.transport.send = slow  # type: ignore[method-assign]
    found = [await first.start() for _ in range(600)]
    await clock.advance(0)
    calling = len(first.transport.requests)
    assert calling > 100
    await cell.node()
    await clock.advance(4)
    release.set()
    await clock.advance(60)
    assert shares(cell) == [128, 128]
    ends = [await outcomes(first, one) for one in found]
    assert ends == [["success"]] * 600
    assert {(await first.read(one)).output for one in found} == {"done"}


async def test_a_call_that_takes_long_is_abandoned_when_its_shard_moves_and_made_again(
    cell: Cell, clock: FakeClock
) -> None:
    first = await cell.node()
    await first.upload(ONE, WORKER)
    first.transport.script = lambda *_: None
    found = [await first.start() for _ in range(600)]
    second = await cell.node()
    await clock.advance(120)
    assert shares(cell) == [128, 128]
    moved = [one for one in found if owner_of(cell, one) is second]
    assert moved
    for one in moved:
        assert (await second.read(one)).status == "completed"
        assert await outcomes(second, one) == ["abandoned", "success"]
        records = await second.store.history(one.id, after=-1, limit=9)
        cut = next(record for record in records if b"abandoned" in record.entries)
        assert cut.epoch == 1, "who gives it up says so"
    kept = [one for one in found if owner_of(cell, one) is first]
    assert {tuple(await outcomes(first, one)) for one in kept} == {()}


async def test_a_step_that_waits_while_its_shard_moves_is_done_by_who_has_it_next(
    cell: Cell, clock: FakeClock
) -> None:
    first = await cell.node()
    await first.upload(WAITS, [])
    execution = await first.start()
    live = await first.it.owner.memory.enter(execution.id)
    await live.lock.acquire()
    leaving = asyncio.ensure_future(first.it.ownership._handover.give_up([live.shard]))
    sending = asyncio.ensure_future(first.send(execution, "go"))
    await clock.advance(0)
    live.lock.release()
    await clock.advance(3)
    await leaving
    assert (await sending).execution.status == "completed"
    records = await first.store.history(execution.id, after=-1, limit=9)
    assert [record.epoch for record in records] == [1, 2]
    first.it.owner.memory.leave(live)


async def test_nobody_enters_a_shard_that_is_being_released(
    cell: Cell, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await cell.node()
    await first.upload(WAITS, [])
    execution = await first.start()
    shard, memory = int(execution.id[-2:], 16), first.it.owner.memory
    release, entered = first.store.release, []

    async def slowly(shards: Any) -> None:
        entered.append(memory.owns(execution.id))
        with pytest.raises(Unavailable):
            await memory.enter(execution.id)
        assert memory.mint()[-2:] != execution.id[-2:]
        await release(shards)

    monkeypatch.setattr(first.store, "release", slowly)
    await first.it.ownership._handover.give_up([shard])
    assert entered == [False] and shard not in memory.epochs
    assert not memory.leaving and not memory.grounded


async def test_a_node_that_slept_reads_the_store_and_not_its_memory(
    cell: Cell, clock: FakeClock
) -> None:
    first, second = await cell.spread(2)
    await first.upload(WAITS, [])
    execution = await first.start()
    await first.it.owner.memory.enter(execution.id)  # somebody works on it
    await cell.kill(first)
    await clock.advance(LEASE_SECONDS + 3)
    await second.send(execution, "go")
    assert (await first.read(execution)).status == "completed"


async def test_a_claim_that_could_not_be_taken_up_is_made_again(
    cell: Cell, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await cell.spread(2)
    await first.upload(WAITS, [])
    found = [await first.start() for _ in range(5)]
    drain, failures = second.store.drain, 3

    async def breaks(shards: Any, **page: int) -> Any:
        nonlocal failures
        if 0 in shards or 1 in shards or failures == 0:
            return await drain(shards, **page)
        failures -= 1
        raise Unavailable("no")

    monkeypatch.setattr(second.store, "drain", breaks)
    await cell.kill(first)
    await clock.advance(45)
    assert failures < 3
    assert shares(cell) == [SHARDS]
    assert {(await second.read(one)).status for one in found} == {"completed"}


async def test_a_node_whose_shards_are_given_to_another_ends(cell: Cell, clock: FakeClock) -> None:
    first, _ = await cell.spread(2)
    taken = min(first.it.owner.memory.epochs)
    cell.tables.shards[taken].owner = "somebody"
    await clock.advance(1)
    assert first.it.lost.is_set()
    cell.nodes.remove(first)
    await first.it.stop()


async def test_shards_that_could_not_be_released_are_gone_on_with(
    cell: Cell, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await cell.node()
    await first.upload(WAITS, [])
    found = [await first.start() for _ in range(50)]

    async def refuse(_: Any) -> None:
        raise Unavailable("no")

    monkeypatch.setattr(first.store, "release", refuse)
    await cell.node()
    await clock.advance(31)
    assert len(first.it.owner.memory.epochs) == SHARDS
    assert {(await first.read(one)).status for one in found} == {"completed"}


async def test_shards_whose_release_was_not_answered_are_given_up_once_that_is_known(
    cell: Cell, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await cell.node()
    await first.upload(WAITS, [])
    found = [await first.start() for _ in range(50)]
    release, lost = first.store.release, 3

    async def unanswered(shards: Any) -> None:
        nonlocal lost
        await release(shards)
        if lost:
            lost -= 1
            raise Unavailable("the answer is lost")

    monkeypatch.setattr(first.store, "release", unanswered)
    second = await cell.node()
    await clock.advance(29)
    assert lost == 0 and not first.it.owner.memory.leaving
    await clock.advance(5)
    assert sum(shares(cell)) == SHARDS and min(shares(cell)) == SHARDS // 2
    assert not first.it.lost.is_set() and not second.it.lost.is_set()
    assert {(await first.read(one)).status for one in found} == {"completed"}
