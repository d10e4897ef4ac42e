"""The store's contract: what is purged, what outlives it, and what is never touched."""

from dataclasses import replace

import pytest

from goflow_py.ports import Committed, Fenced, Filter, Taken

FAR = 10**15


def ended(make, number, purge_at, **fields):
    given = {"status": "completed", "finished_at": 5, "purge_at": purge_at, **fields}
    return make.start(make.id(number), **given)


async def left(store):
    page = await store.list(Filter(), limit=100, cursor=None)
    return sorted(int(body.split(b" ")[0][-12:-2], 16) for body in page.items)


async def test_a_purge_deletes_what_was_due_before_a_time_earliest_first_up_to_a_limit(store, make):
    for number, purge_at in enumerate([30, 10, 20, 40]):
        await store.commit([ended(make, number, purge_at)])
    assert await store.purge(before=10, limit=9) == 0
    assert await store.purge(before=40, limit=2) == 2
    assert await left(store) == [0, 3]
    assert await store.purge(before=40, limit=2) == 1
    assert await store.purge(before=40, limit=2) == 0
    assert await left(store) == [3]


async def test_a_purge_takes_history_messages_and_names_along_and_nothing_of_others(store, make):
    one, two = make.id(1), make.id(2)
    for number, execution in ((1, one), (2, two)):
        names = [make.name(f"n{number}", execution)]
        write = ended(make, number, 10 * number, names=names)
        assert await store.commit([write]) == [Committed()]
    await store.deliver([make.message(one, "m"), make.message(two, "m")])
    assert await store.purge(before=11, limit=9) == 1
    assert await store.heads([one, two]) == [None, make.head(two).body]
    assert await store.history(one, after=-1, limit=9) == []
    assert len(await store.history(two, after=-1, limit=9)) == 1
    assert [message.execution for message in await store.drain([0], limit=9)] == [two]
    assert await store.name("default", "idem", "s", "n1") is None
    assert await store.name("default", "idem", "s", "n2") is not None
    assert await store.counts("default", "order") == {1: {"completed": 1}}


async def test_what_runs_is_never_purged(store, make):
    one, two = make.id(1), make.id(2)
    await store.commit([make.start(one), make.start(two, purge_at=1)])
    assert await store.purge(before=FAR, limit=9) == 0
    assert await left(store) == [1, 2]


async def test_an_execution_that_was_opened_again_is_not_purged(store, make):
    one = make.id(1)
    await store.commit([ended(make, 1, 10), make.step(one, 1)])
    assert await store.purge(before=FAR, limit=9) == 0
    await store.commit([make.step(one, 2, status="failed", finished_at=7, purge_at=70)])
    assert await store.purge(before=70, limit=9) == 0
    assert await store.purge(before=71, limit=9) == 1


async def test_a_step_of_a_purged_execution_is_fenced(store, make):
    await store.commit([ended(make, 1, 10)])
    await store.purge(before=FAR, limit=9)
    assert await store.commit([make.step(make.id(1), 1)]) == [Fenced()]


async def test_what_is_due_is_still_due_after_the_next_start(store, reopened, make):
    await store.commit([ended(make, 1, 10)])
    after = await reopened()
    assert await after.purge(before=11, limit=9) == 1


# ---------------------------------------------------------------- names that outlive it


@pytest.mark.parametrize("way", ["purge", "delete"])
async def test_a_name_that_expires_outlives_its_execution_and_is_swept_then(store, make, way):
    one, two = make.id(1), make.id(2)
    name = make.name("n", one, digest="d", expires=50)
    await store.commit([ended(make, 1, 10, names=[name])])
    if way == "purge":
        await store.purge(before=11, limit=9)
    else:
        await store.delete(one)
    kept = replace(name, execution="")
    assert await store.name("default", "idem", "s", "n") == kept
    again = make.start(two, names=[replace(name, execution=two)])
    assert await store.commit([again]) == [Taken(name=kept)]
    assert await store.sweep(before=50, limit=9) == 0
    assert await store.sweep(before=51, limit=9) == 1
    assert await store.commit([again]) == [Committed()]


async def test_an_expired_name_stays_as_long_as_its_execution(store, make):
    one = make.id(1)
    name = make.name("n", one, expires=20)
    await store.commit([ended(make, 1, 30, names=[name])])
    assert await store.sweep(before=FAR, limit=9) == 0
    assert await store.name("default", "idem", "s", "n") == name
    assert await store.purge(before=31, limit=9) == 1
    assert await store.sweep(before=31, limit=9) == 1
    assert await store.name("default", "idem", "s", "n") is None
