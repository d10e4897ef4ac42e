"""The store's contract: who may write, and what a write leaves. Unchanged for every new store."""

from dataclasses import replace

import pytest

from goflow_py.errors import Unavailable
from goflow_py.ports import SHARDS, Committed, Fenced, Name, Poisonous, Taken

# ---------------------------------------------------------------- ownership


async def test_a_claim_gives_at_most_the_limit_each_in_its_first_epoch(idle, make):
    assert await idle.claim(limit=3, now=make.now) == {0: 1, 1: 1, 2: 1}
    assert len(await idle.claim(limit=1000, now=make.now)) == SHARDS - 3
    assert await idle.claim(limit=1000, now=make.now) == {}


async def test_a_released_shard_gets_a_higher_epoch(store, make):
    await store.release([7, 9])
    assert await store.claim(limit=256, now=make.now) == {7: 2, 9: 2}


async def test_the_next_server_gets_higher_epochs(store, reopened, make):
    after = await reopened()
    claimed = await after.claim(limit=256, now=make.now)
    assert set(claimed.values()) == {2} and len(claimed) == SHARDS


async def test_a_heartbeat_renews_the_lease(store, make):
    for beat in range(1, 5):
        assert await store.heartbeat(now=make.now + beat * 9_000)


async def test_an_expired_lease_is_dead_for_ever(store, make):
    assert not await store.heartbeat(now=make.now + 10_000)
    assert not await store.heartbeat(now=make.now)
    assert await store.claim(limit=256, now=make.now) == {}


async def test_a_closed_store_refuses_and_closes_twice(store, make):
    await store.close()
    await store.close()
    with pytest.raises(Unavailable) as caught:
        await store.commit([make.start(make.id(1))])
    assert caught.value.reason == "store_closed"
    with pytest.raises(Unavailable):
        await store.head(make.id(1))


# ---------------------------------------------------------------- commit


async def test_a_start_is_read_after_it_was_committed(store, make):
    one = make.id(1)
    assert await store.commit([make.start(one, seq=3)]) == [Committed()]
    assert await store.head(one) == make.head(one, seq=3).body
    assert await store.history(one, after=-1, limit=10) == [
        replace(make.record(one, 0, 3), epoch=1)
    ]


async def test_committing_nothing_says_nothing(store):
    assert await store.commit([]) == []


async def test_steps_of_one_execution_follow_each_other_in_a_batch(store, make):
    one = make.id(1)
    batch = [make.start(one, seq=2), make.step(one, 3, 4), make.step(one, 5, 5)]
    assert await store.commit(batch) == [Committed()] * 3
    records = await store.history(one, after=-1, limit=10)
    assert [(row.first_seq, row.seq) for row in records] == [(0, 2), (3, 4), (5, 5)]
    assert await store.head(one) == make.head(one, seq=5).body


async def test_a_write_can_carry_several_records(store, make):
    one = make.id(1)
    start = make.start(one, seq=4)
    start = replace(start, records=[make.record(one, 0, 1), make.record(one, 2, 4)])
    assert await store.commit([start]) == [Committed()]
    assert [row.seq for row in await store.history(one, after=-1, limit=10)] == [1, 4]


@pytest.mark.parametrize("first_seq", [0, 2, 3, 5, 9])
async def test_a_seq_that_does_not_follow_the_stored_one_is_fenced(store, make, first_seq):
    one = make.id(1)
    await store.commit([make.start(one, seq=3)])
    assert await store.commit([make.step(one, first_seq, 9)]) == [Fenced()]
    assert await store.head(one) == make.head(one, seq=3).body
    assert len(await store.history(one, after=-1, limit=10)) == 1


async def test_a_step_of_an_unknown_execution_is_fenced(store, make):
    assert await store.commit([make.step(make.id(1), 0), make.step(make.id(2), 4)]) == [
        Fenced(),
        Fenced(),
    ]
    assert await store.head(make.id(1)) is None


async def test_a_start_that_does_not_begin_at_zero_is_fenced(store, make):
    one = make.id(1)
    start = replace(make.start(one, seq=5), records=[make.record(one, 3, 5)])
    assert await store.commit([start]) == [Fenced()]
    assert await store.head(one) is None


@pytest.mark.parametrize("epoch", [0, 2, 99])
async def test_another_epoch_is_fenced_and_leaves_nothing(store, make, epoch):
    one = make.id(1)
    start = make.start(one, epoch, names=[make.name("idem", one)])
    assert await store.commit([start]) == [Fenced()]
    assert await store.head(one) is None
    assert await store.name("default", "idem", "s", "idem") is None


async def test_only_the_writes_of_a_lost_shard_are_fenced(store, make):
    kept, lost = make.id(1, shard=1), make.id(2, shard=2)
    await store.release([2])
    assert await store.commit([make.start(lost), make.start(kept)]) == [Fenced(), Committed()]
    await store.claim(limit=1, now=make.now)
    assert await store.commit([make.start(lost, 1), make.start(lost, 2)]) == [Fenced(), Committed()]


async def test_a_released_shard_is_fenced_before_anyone_else_has_it(store, make):
    await store.release(range(SHARDS))
    assert await store.commit([make.start(make.id(1))]) == [Fenced()]


async def test_work_of_the_server_before_is_fenced_in_its_old_epoch(store, reopened, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    after = await reopened()
    assert await after.commit([make.step(one, 1)]) == [Fenced()]
    await after.claim(limit=256, now=make.now)
    assert await after.commit([make.step(one, 1), make.step(one, 1, epoch=2)]) == [
        Fenced(),
        Committed(),
    ]
    rows = await after.history(one, after=-1, limit=9)
    assert [row.epoch for row in rows] == [1, 2]


# ---------------------------------------------------------------- names in a commit


async def test_of_two_starts_with_one_name_the_second_is_refused_with_the_winner(store, make):
    one, two, three = make.id(1), make.id(2), make.id(3)
    name = make.name("n", one, digest="d", answer=b"201", expires=make.now)
    batch = [
        make.start(one, names=[name]),
        make.start(two, names=[make.name("free", two), make.name("n", two)]),
        make.start(three),
    ]
    assert await store.commit(batch) == [Committed(), Taken(name=name), Committed()]
    assert await store.head(two) is None
    assert await store.history(two, after=-1, limit=9) == []
    assert await store.name("default", "idem", "s", "free") is None
    assert await store.commit([make.start(two, names=[make.name("n", two)])]) == [Taken(name=name)]


@pytest.mark.parametrize("other", [{"project": "p"}, {"kind": "key"}, {"scope": "t"}])
async def test_a_name_is_one_by_project_kind_and_scope(store, make, other):
    one, two = make.id(1), make.id(2)
    await store.commit([make.start(one, names=[make.name("n", one)])])
    assert await store.commit([make.start(two, names=[make.name("n", two, **other)])]) == [
        Committed()
    ]


async def test_a_start_whose_id_exists_is_refused_with_it(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    [verdict] = await store.commit([make.start(one, names=[make.name("n", one)])])
    assert isinstance(verdict, Taken)
    assert (verdict.name.kind, verdict.name.execution) == ("id", one)
    assert await store.name("default", "idem", "s", "n") is None
    assert len(await store.history(one, after=-1, limit=9)) == 1


async def test_a_repeat_with_id_and_name_gets_the_name(store, make):
    one = make.id(1)
    name = make.name("n", one, answer=b"the first answer")
    await store.commit([make.start(one, names=[name])])
    assert await store.commit([make.start(one, names=[name])]) == [Taken(name=name)]


async def test_a_step_that_loses_a_name_is_refused_alone(store, make):
    one, two = make.id(1), make.id(2)
    event = make.name("e1", one, kind="event", scope=one)
    await store.commit([make.start(one), make.start(two)])
    assert await store.commit([make.step(one, 1, write={"names": [event]})]) == [Committed()]
    batch = [make.step(one, 2, write={"names": [event]}), make.step(two, 1)]
    assert await store.commit(batch) == [Taken(name=event), Committed()]
    assert await store.head(one) == make.head(one, seq=1).body


async def test_a_write_that_takes_one_name_twice_is_refused(store, make):
    one = make.id(1)
    name = make.name("n", one)
    assert await store.commit([make.start(one, names=[name, name])]) == [Taken(name=name)]
    assert await store.name("default", "idem", "s", "n") is None


async def test_a_fenced_step_learns_that_before_it_loses_a_name(store, make):
    one = make.id(1)
    name = make.name("n", one)
    await store.commit([make.start(one, names=[name])])
    assert await store.commit([make.step(one, 7, write={"names": [name]})]) == [Fenced()]


async def test_a_freed_name_can_be_taken_in_the_next_batch(store, make):
    one, two = make.id(1), make.id(2)
    key = make.name("k", one, kind="key", scope="order")
    await store.commit([make.start(one, names=[key])])
    again = make.start(two, names=[replace(key, execution=two)])
    batch = [make.step(one, 1, write={"freed": [key]}), again]
    assert await store.commit(batch) == [Committed(), Taken(name=key)]
    assert await store.name("default", "key", "order", "k") is None
    assert await store.commit([again]) == [Committed()]


async def test_a_refused_write_frees_nothing(store, make):
    one = make.id(1)
    key = make.name("k", one, kind="key", scope="order")
    await store.commit([make.start(one, names=[key])])
    assert await store.commit([make.step(one, 9, write={"freed": [key]})]) == [Fenced()]
    assert await store.name("default", "key", "order", "k") == key


async def test_nobody_frees_the_name_of_another(store, make):
    one, two = make.id(1), make.id(2)
    key = make.name("k", one, kind="key", scope="order")
    await store.commit([make.start(one, names=[key]), make.start(two)])
    assert await store.commit([make.step(two, 1, write={"freed": [key]})]) == [Committed()]
    assert await store.name("default", "key", "order", "k") == key


# ---------------------------------------------------------------- poison

POISON = {
    "a number over 64 bits": lambda write: replace(write, head=replace(write.head, wake=2**63)),
    "a lone surrogate": lambda write: replace(write, head=replace(write.head, state="\ud800")),
    "one in a label": lambda write: replace(
        write, head=replace(write.head, labels={"a": "\udfff"})
    ),
    "one in a name": lambda write: replace(write, names=[_named(write, "\ud800")]),
    "one in a record": lambda write: _record(write, hash="\ud800"),
    "no record": lambda write: replace(write, records=[]),
    "a gap between records": lambda write: replace(
        write, records=[*write.records, replace(write.records[0], first_seq=5, seq=5)]
    ),
    "a head that is not at its last record": lambda write: _record(write, seq=4),
    "a record that ends before it begins": lambda write: _record(write, seq=-1),
    "a record of another": lambda write: _record(write, execution="0"),
    "a body that is no bytes": lambda write: replace(write, head=replace(write.head, body=["x"])),
    "no state": lambda write: replace(write, head=replace(write.head, state=None)),
    "an id without a shard": lambda write: replace(
        _record(write, execution="xyz"), head=replace(write.head, id="xyz")
    ),
}


def _record(write, **fields):
    return replace(write, records=[replace(write.records[0], **fields)])


def _named(write, text):
    return Name(project="default", kind="idem", scope="s", name=text, execution=write.head.id)


@pytest.mark.parametrize("spoil", POISON.values(), ids=POISON)
async def test_a_write_that_cannot_be_stored_is_refused_alone(store, make, spoil):
    one, bad, three = make.id(1), make.id(2), make.id(3)
    name = make.name("n", one)
    batch = [
        make.start(one, names=[name]),
        spoil(make.start(bad)),
        make.start(three, names=[make.name("n", three)]),
        make.step(one, 1),
    ]
    first, second, third, fourth = await store.commit(batch)
    assert isinstance(second, Poisonous) and second.message
    assert [first, third, fourth] == [Committed(), Taken(name=name), Committed()]
    assert await store.heads([one, bad]) == [make.head(one, seq=1).body, None]
    assert await store.history(bad, after=-1, limit=9) == []
    assert await store.commit([make.step(one, 2)]) == [Committed()]
