"""The store's contract: a write and its family are written whole or not at all."""

from dataclasses import replace

import pytest

from goflow_py.ports import Committed, Fenced, Filter, Poisonous, Taken


async def everything(store, make):
    """Return what a refused family could have left: heads, histories, names, inbox, tasks."""
    ids = [make.id(number) for number in range(1, 5)]
    names = [await store.name("default", "idem", "s", name) for name in ("n", "m")]
    return [
        await store.heads(ids),
        [await store.history(one, after=-1, limit=9) for one in ids],
        names,
        await store.drain([0], limit=9),
        await store.ready(["q"], project=None, now=make.now, limit=9),
        await store.counts("default", "order"),
    ]


@pytest.fixture
async def parent(store, make):
    """An execution at seq 0, with a message and a name, next to one at seq 3."""
    one = make.id(1)
    own = make.name("own", one, kind="key", scope="order")
    await store.commit([make.start(one, names=[own]), make.start(make.id(2), seq=3)])
    await store.deliver([make.message(one, "a")])
    return one


async def whole(store, make, family):
    """Return the step of the parent that carries all that a write can, with *family*."""
    one = make.id(1)
    [message] = await store.drain([0], limit=1)
    carried = {
        "names": [make.name("n", one)],
        "freed": [make.name("own", one, kind="key", scope="order")],
        "inbox": [message.number],
        "queue": [make.task(one)],
        "family": family,
    }
    return make.step(one, 1, write=carried)


async def test_a_parent_its_child_and_another_are_written_together(store, make, parent):
    two, three = make.id(2), make.id(3)
    child = make.start(
        three,
        names=[make.name("m", three)],
        parent=parent,
        write={"queue": [make.task(three)]},
    )
    write = await whole(store, make, [child, make.step(two, 4)])
    assert await store.commit([write]) == [Committed()]
    assert await store.heads([parent, two, three]) == [
        make.head(parent, seq=1).body, make.head(two, seq=4).body, make.head(three).body,
    ]  # fmt: skip
    assert [row.seq for row in await store.history(two, after=-1, limit=9)] == [3, 4]
    assert await store.name("default", "idem", "s", "m") == make.name("m", three)
    assert await store.name("default", "key", "order", "own") is None
    assert await store.drain([0], limit=9) == []
    ready = await store.ready(["q"], project=None, now=make.now, limit=9)
    assert [row.execution for row in ready] == [parent, three]
    children = await store.list(Filter(parent=parent), limit=9, cursor=None)
    assert children.items == [make.head(three).body]


async def test_a_member_frees_its_names_and_takes_its_messages_away(store, make, parent):
    [message] = await store.drain([0], limit=1)
    own = make.name("own", parent, kind="key", scope="order")
    member = make.step(parent, 1, write={"freed": [own], "inbox": [message.number]})
    assert await store.commit([make.step(make.id(2), 4, write={"family": [member]})]) == [
        Committed()
    ]
    assert await store.name("default", "key", "order", "own") is None
    assert await store.drain([0], limit=9) == []


REFUSED = {
    "a member in another epoch": (lambda make: make.start(make.id(3), 2), Fenced),
    "a member that does not follow": (lambda make: make.step(make.id(2), 9), Fenced),
    "a member that nobody knows": (lambda make: make.step(make.id(3), 1), Fenced),
    "a start that does not begin at zero": (
        lambda make: replace(
            make.start(make.id(3), seq=5), records=[make.record(make.id(3), 3, 5)]
        ),
        Fenced,
    ),
    "a start whose id exists": (lambda make: make.start(make.id(2)), Taken),
    "a member that loses a name": (
        lambda make: make.start(
            make.id(3), names=[make.name("own", make.id(3), kind="key", scope="order")]
        ),
        Taken,
    ),
    "a member that wants the name of the first": (
        lambda make: make.step(make.id(2), 4, write={"names": [make.name("n", make.id(2))]}),
        Taken,
    ),
    "a member that cannot be stored": (
        lambda make: make.start(make.id(3), state="\ud800"),
        Poisonous,
    ),
    "a member whose task cannot be stored": (
        lambda make: make.start(
            make.id(3), write={"queue": [make.task(make.id(3), queue="\ud800")]}
        ),
        Poisonous,
    ),
    "a member without a record": (
        lambda make: replace(make.start(make.id(3)), records=[]),
        Poisonous,
    ),
    "the same execution again": (lambda make: make.step(make.id(1), 2), Poisonous),
    "a family inside": (
        lambda make: make.step(make.id(2), 4, write={"family": [make.start(make.id(3))]}),
        Poisonous,
    ),
}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("spoil", "refusal"), REFUSED.values(), ids=REFUSED)
async def test_one_refusal_is_that_of_the_whole_family(store, make, parent, spoil, refusal, place):
    family = [make.start(make.id(4))]
    family.insert(place, spoil(make))
    write = await whole(store, make, family)
    before = await everything(store, make)
    [verdict, after] = await store.commit([write, make.start(make.id(9, shard=7))])
    assert isinstance(verdict, refusal)
    assert after == Committed(), "the others of the batch are written"
    assert await store.delete(make.id(9, shard=7))
    assert await everything(store, make) == before
    assert await store.name("default", "key", "order", "own") is not None


async def test_a_refusal_of_the_write_itself_is_that_of_its_family(store, make, parent):
    before = await everything(store, make)
    write = make.step(parent, 7, write={"family": [make.start(make.id(3)), make.step("x", 1)]})
    assert [type(one) for one in await store.commit([write])] == [Poisonous]
    write = replace(write, family=[make.start(make.id(3)), make.start(make.id(2))])
    assert await store.commit([write]) == [Fenced()]
    assert await everything(store, make) == before


async def test_of_a_name_that_two_members_want_the_first_is_the_winner(store, make, parent):
    members = [make.start(make.id(n), names=[make.name("m", make.id(n))]) for n in (3, 4)]
    [verdict] = await store.commit([make.step(parent, 1, write={"family": members})])
    assert verdict == Taken(name=make.name("m", make.id(3)))
    assert await store.name("default", "idem", "s", "m") is None


async def test_members_of_several_shards_each_need_their_own(store, make, parent):
    far = make.id(3, shard=9)
    await store.release([9])
    write = make.step(parent, 1, write={"family": [make.start(far)]})
    assert await store.commit([write]) == [Fenced()]
    await store.claim(limit=1, now=make.now)
    assert await store.commit([write]) == [Fenced()]
    write = replace(write, family=[make.start(far, 2)])
    assert await store.commit([write]) == [Committed()]
    assert await store.heads([parent, far]) == [make.head(parent, seq=1).body, make.head(far).body]
    assert [row.epoch for row in await store.history(far, after=-1, limit=9)] == [2]


async def test_writes_around_a_family_follow_each_other_in_a_batch(store, make, parent):
    two, three = make.id(2), make.id(3)
    batch = [
        make.step(two, 4),
        make.step(parent, 1, write={"family": [make.start(three), make.step(two, 5)]}),
        make.step(three, 1, write={"family": [make.step(two, 6)]}),
        make.step(two, 7),
    ]
    assert await store.commit(batch) == [Committed()] * 4
    assert await store.head(two) == make.head(two, seq=7).body
    assert await store.head(three) == make.head(three, seq=1).body


async def test_a_name_that_a_family_frees_can_be_taken_in_the_next_batch(store, make, parent):
    four = make.id(4)
    own = make.name("own", parent, kind="key", scope="order")
    again = make.start(four, names=[replace(own, execution=four)])
    family = [make.step(parent, 1, write={"freed": [own]}), again]
    assert await store.commit([make.step(make.id(2), 4, write={"family": family})]) == [
        Taken(name=own)
    ]
    assert await store.commit([make.step(make.id(2), 4, write={"family": family[:1]}), again]) == [
        Committed(),
        Taken(name=own),
    ]
    assert await store.commit([again]) == [Committed()]
