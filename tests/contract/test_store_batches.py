"""The store's contract: batches of an operator, and events that come before their execution."""

from dataclasses import replace

import pytest

FAR = 10**15

# ---------------------------------------------------------------- batches


async def test_a_batch_is_put_changed_and_read(store, make):
    batch = make.batch("b1", body=b"\x00{}", progress=b"[0]")
    assert await store.batch("b1") is None
    assert await store.put_batch(batch)
    assert await store.batch("b1") == batch
    done = replace(batch, status="done", progress=b"[9]", updated_at=make.now + 9)
    assert await store.put_batch(done, before=batch)
    assert await store.batch("b1") == done
    assert (await store.batches(project=None, limit=9, cursor=None)).items == [done]


async def test_a_batch_that_another_node_went_on_with_is_not_set_back(store, make):
    batch = make.batch("b1", progress=b"[0]")
    assert await store.put_batch(batch)
    assert not await store.put_batch(make.batch("b1", progress=b"[]")), "it is there already"
    half = replace(batch, progress=b"[5]")
    done = replace(half, status="done", progress=b"[9]", updated_at=make.now + 9)
    assert await store.put_batch(half, before=batch)
    assert await store.put_batch(done, before=half)
    late = replace(batch, progress=b"[1]", updated_at=make.now + 99)
    for before in (batch, half, replace(done, updated_at=make.now), None):
        assert not await store.put_batch(late, before=before)
    assert await store.batch("b1") == done
    assert not await store.put_batch(make.batch("b2"), before=batch), "nor is one made"
    assert await store.batch("b2") is None


async def test_batches_are_listed_newest_first_by_project_in_pages(store, make):
    given = [("b1", 10, "p"), ("b2", 30, None), ("b3", 20, "p"), ("b4", 20, "q"), ("b5", 20, "p")]
    for id_, at, project in given:
        await store.put_batch(make.batch(id_, at, project=project))

    async def ids(limit, project=None):
        found, cursor = [], None
        while True:
            page = await store.batches(project=project, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [row.id for row in page.items]
            cursor = page.next
            if cursor is None:
                return found

    for limit in (1, 2, 9):
        assert await ids(limit) == ["b2", "b5", "b4", "b3", "b1"]
        assert await ids(limit, "p") == ["b5", "b3", "b1"]
        assert await ids(limit, "nobody") == []


async def test_batch_pages_are_stable_while_new_ones_come(store, make):
    for number in range(4):
        await store.put_batch(make.batch(f"b{number}", number))
    first = await store.batches(project=None, limit=2, cursor=None)
    await store.put_batch(make.batch("b9", 9))
    done = make.batch("b1", 1, status="done", updated_at=99)
    assert await store.put_batch(done, before=make.batch("b1", 1))
    rest = await store.batches(project=None, limit=9, cursor=first.next)
    assert [row.id for row in [*first.items, *rest.items]] == ["b3", "b2", "b1", "b0"]


async def test_open_batches_are_those_that_run_oldest_first_also_after_the_next_start(
    store, reopened, make
):
    given = [("b1", 30, "running"), ("b2", 10, "running"), ("b3", 20, "done"), ("b4", 5, "running")]
    for id_, at, status in given:
        await store.put_batch(make.batch(id_, at, status=status))
    stopped = make.batch("b4", 5, status="cancelled")
    assert await store.put_batch(stopped, before=make.batch("b4", 5))
    assert [row.id for row in await store.open_batches()] == ["b2", "b1"]
    after = await reopened()
    assert [row.id for row in await after.open_batches()] == ["b2", "b1"]


async def test_a_sweep_takes_batches_that_ended_before_a_time_up_to_a_limit(store, make):
    given = [("b1", 10, "done"), ("b2", 20, "cancelled"), ("b3", 5, "running"), ("b4", 30, "done")]
    for id_, at, status in given:
        await store.put_batch(make.batch(id_, 1, status=status, updated_at=at))
    assert await store.sweep_batches(before=10, limit=9) == 0
    assert await store.sweep_batches(before=30, limit=1) == 1
    assert await store.batch("b1") is None
    assert await store.sweep_batches(before=30, limit=9) == 1
    assert await store.batch("b2") is None
    assert await store.sweep_batches(before=FAR, limit=9) == 1
    assert await store.sweep_batches(before=FAR, limit=9) == 0
    left = await store.batches(project=None, limit=9, cursor=None)
    assert [row.id for row in left.items] == ["b3"]


# ---------------------------------------------------------------- early events


async def early(store, make, key="k", *, project="default", now=None, limit=99):
    return await store.early(project, key, now=make.now if now is None else now, limit=limit)


async def test_early_events_are_kept_once_and_given_in_the_order_of_their_arrival(store, make):
    rows = [make.early("b", body=b"\x00"), make.early("a", activity=None), make.early("c", "k2")]
    assert [await store.put_early(row) for row in rows] == [True] * 3
    assert not await store.put_early(replace(rows[0], name="other"))
    found = await early(store, make)
    assert [replace(row, number=0) for row in found] == rows[:2]
    assert 0 < found[0].number < found[1].number
    assert await early(store, make, limit=1) == found[:1]
    assert await early(store, make, "k2") != []
    assert await early(store, make, "k3") == []
    assert await early(store, make, project="other") == []


@pytest.mark.parametrize("activity", ["order", None])
async def test_an_early_event_is_one_by_project_activity_key_and_id(store, make, activity):
    row = make.early("e", activity=activity)
    assert await store.put_early(row)
    for other in ({"project": "other"}, {"key": "k2"}, {"activity": "refund"}, {"id": "f"}):
        assert await store.put_early(replace(row, **other)), other
        assert not await store.put_early(replace(row, **other)), other
    assert not await store.put_early(row)
    assert await store.count_early("default", "k") == 3


async def test_expired_early_events_are_not_shown_and_swept_in_time(store, make):
    for number, ends in enumerate([30, 10, 20]):
        await store.put_early(make.early(f"e{number}", expires_at=make.now + ends))
    await store.put_early(make.early("e9", "k2", expires_at=make.now + 5))

    async def shown(after):
        return [row.id for row in await early(store, make, now=make.now + after)]

    assert await shown(9) == ["e0", "e1", "e2"]
    assert await shown(10) == ["e0", "e2"]
    assert await shown(30) == []
    assert await store.early_keys(now=make.now + 4) == [("default", "k"), ("default", "k2")]
    assert await store.early_keys(now=make.now + 5) == [("default", "k")]
    assert await store.early_keys(now=make.now + 30) == []
    assert await store.count_early("default", "k") == 3
    assert await store.sweep_early(before=make.now + 5, limit=9) == 0
    assert await store.sweep_early(before=make.now + 21, limit=2) == 2
    assert [row.id for row in await early(store, make)] == ["e0", "e2"]
    assert await store.sweep_early(before=make.now + 21, limit=2) == 1
    assert await store.count_early("default", "k") == 1
    assert await store.count_early("default", "k2") == 0


async def test_applied_early_events_are_deleted_and_their_numbers_never_given_again(store, make):
    for id_ in "abc":
        await store.put_early(make.early(id_))
    a, b, c = await early(store, make)
    await store.delete_early([a.number, c.number, c.number + 1_000])
    assert await early(store, make) == [b]
    await store.delete_early([])
    assert await store.put_early(make.early("c"))
    [_, again] = await early(store, make)
    assert again.number > c.number


async def test_early_keys_are_each_given_once_also_after_the_next_start(store, reopened, make):
    for id_, key, project in [("a", "k", "p"), ("b", "k", "p"), ("c", "j", "p"), ("a", "k", "o")]:
        await store.put_early(make.early(id_, key, project=project))
    expected = [("o", "k"), ("p", "j"), ("p", "k")]
    assert sorted(await store.early_keys(now=make.now)) == expected
    after = await reopened()
    assert sorted(await after.early_keys(now=make.now)) == expected
