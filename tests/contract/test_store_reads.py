"""The store's contract: reads see every commit that returned, and every list has pages."""

from typing import Any

import pytest

from goflow_py.errors import MalformedRequest
from goflow_py.ports import Filter, TaskFilter
from goflow_py.store import rules
from tests.contract.conftest import Make


async def pages(call, limit):
    """Return all items of a list, and check that no page is over its limit."""
    items, cursor = [], None
    while True:
        page = await call(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next
        if cursor is None:
            return items


async def listed(store, limit=100, **which):
    """Return the ids of a filtered list; a head's body begins with its id."""
    bodies = await pages(lambda **page: store.list(Filter(**which), **page), limit)
    return [body.decode().split()[0] for body in bodies]


async def test_heads_come_in_the_order_asked(store, make):
    one, two = make.id(1), make.id(2)
    await store.commit([make.start(one), make.start(two)])
    asked = await store.heads([two, make.id(9), one, two])
    assert asked == [make.head(two).body, None, make.head(one).body, make.head(two).body]
    assert await store.heads([]) == []


async def test_a_read_sees_the_commit_before_it(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    for seq in range(1, 100):
        await store.commit([make.step(one, seq)])
        assert await store.head(one) == make.head(one, seq=seq).body


async def test_history_gives_the_records_that_end_behind_a_seq(store, make):
    one = make.id(1)
    await store.commit([make.start(one, seq=2), make.step(one, 3, 5), make.step(one, 6, 6)])

    async def seqs(after, limit=10):
        return [row.seq for row in await store.history(one, after=after, limit=limit)]

    assert await seqs(-1) == [2, 5, 6]
    assert await seqs(1) == [2, 5, 6]
    assert await seqs(2) == [5, 6]
    assert await seqs(4) == [5, 6]
    assert await seqs(6) == []
    assert await seqs(-1, limit=2) == [2, 5]
    assert await store.history(make.id(2), after=-1, limit=10) == []


async def test_so_many_bytes_of_a_history_are_read_and_one_record_in_any_case(store, make):
    one = make.id(1)
    await store.commit([make.start(one, seq=2), make.step(one, 3, 5), make.step(one, 6, 6)])
    first, second, third = await store.history(one, after=-1, limit=10)
    size = len(first.entries)
    for bytes_max, wanted in ((0, 1), (1, 1), (size, 1), (size + 1, 2), (1_000_000, 3)):
        found = await store.history(one, after=-1, limit=10, bytes_max=bytes_max)
        assert found == [first, second, third][:wanted]


async def test_a_history_is_read_backwards_from_any_seq(store, make):
    one, other = make.id(1), make.id(2)
    await store.commit([make.start(one, seq=2), make.step(one, 3, 5), make.step(one, 6, 6)])
    await store.commit([make.start(other, seq=9)])

    async def seqs(before, limit=10):
        return [row.seq for row in await store.history_back(one, before=before, limit=limit)]

    assert await seqs(10**12) == await seqs(7) == [6, 5, 2]
    assert await seqs(6) == [5, 2]
    assert await seqs(5) == await seqs(4) == [5, 2], "a record counts from its first entry on"
    assert await seqs(3) == [2]
    assert await seqs(1) == [2]
    assert await seqs(0) == []
    assert await seqs(7, limit=2) == [6, 5]
    assert await store.history_back(make.id(3), before=9, limit=10) == []
    forwards = await store.history(one, after=-1, limit=10)
    assert await store.history_back(one, before=7, limit=10) == forwards[::-1]


async def test_so_many_bytes_are_read_backwards_and_one_record_in_any_case(store, make):
    one = make.id(1)
    await store.commit([make.start(one, seq=2), make.step(one, 3, 5), make.step(one, 6, 6)])
    found = await store.history_back(one, before=7, limit=10)
    size = len(found[0].entries)
    for bytes_max, wanted in ((0, 1), (1, 1), (size, 1), (size + 1, 2), (1_000_000, 3)):
        part = await store.history_back(one, before=7, limit=10, bytes_max=bytes_max)
        assert part == found[:wanted]


# ---------------------------------------------------------------- lists


@pytest.fixture
async def six(store, make):
    """Six executions, all different, in the order of their starts; the newest is the last."""
    ids = [make.id(number, shard=number) for number in range(6)]
    rows: list[dict[str, Any]] = [
        {"status": "running", "key": "k-0", "labels": {"a": "1"}},
        {"status": "waiting", "state": "paid", "labels": {"a": "1", "b": "x"}},
        {"status": "failed", "activity": "refund", "key": "k-2", "parent": ids[0]},
        {"status": "completed", "project": "other", "labels": {'q"\\.': "ü", "b": "x"}},
        {"status": "running", "project": "other", "activity": "refund", "key": "k-0"},
        {"status": "cancelled", "state": "paid", "version": 2, "parent": ids[0]},
    ]
    for number, (one, row) in enumerate(zip(ids, rows, strict=True)):
        await store.commit([make.start(one, started_at=make.now + number * 10, **row)])
    return ids


FILTERS = [
    ({}, [5, 4, 3, 2, 1, 0]),
    ({"project": "default"}, [5, 2, 1, 0]),
    ({"project": "nobody"}, []),
    ({"activity": "refund"}, [4, 2]),
    ({"project": "other", "activity": "refund"}, [4]),
    ({"status": ["running"]}, [4, 0]),
    ({"status": ["failed"]}, [2]),
    ({"status": ["failed", "cancelled", "waiting"]}, [5, 2, 1]),
    ({"status": ("running", "completed", "failed")}, [4, 3, 2, 0]),
    ({"status": ["failed"], "project": "other"}, []),
    ({"status": ["cancelled"], "project": "default", "activity": "order"}, [5]),
    ({"status": ["paused"]}, []),
    ({"state": "paid"}, [5, 1]),
    ({"key": "k-0"}, [4, 0]),
    ({"key": "k-0", "project": "default"}, [0]),
    ({"key": "k"}, []),
    ({"labels": {"a": "1"}}, [1, 0]),
    ({"labels": {"b": "x", "a": "1"}}, [1]),
    ({"labels": {'q"\\.': "ü"}}, [3]),
    ({"labels": {"a": "2"}}, []),
    ({"labels": {"z": "1"}}, []),
    ({"text": "k-"}, [4, 2, 0]),
    ({"text": "K-"}, []),
    ({"text": "%"}, []),
    ({"text": "0000000003"}, [3]),
    ({"project": "default", "status": ["running", "failed"], "text": "k-"}, [2, 0]),
    ({"parent": Make().id(0)}, [5, 2]),
    ({"parent": Make().id(0), "status": ["failed"]}, [2]),
    ({"parent": Make().id(0), "key": "k-2"}, [2]),
    ({"parent": Make().id(0), "key": "k-0"}, []),
    ({"parent": Make().id(2)}, []),
]


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(("which", "expected"), FILTERS, ids=[str(case[0]) for case in FILTERS])
async def test_a_list_has_what_its_filter_asks_newest_first(store, six, which, expected, limit):
    assert await listed(store, limit, **which) == [six[number] for number in expected]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(0, 60, [5, 4, 3, 2, 1, 0]), (10, 40, [3, 2, 1]), (11, None, [5, 4, 3, 2]), (None, 10, [0])],
)
async def test_a_list_can_be_cut_by_the_start(store, make, six, since, until, expected):
    def time(offset):
        return None if offset is None else make.now + offset

    found = await listed(store, since=time(since), until=time(until))
    assert found == [six[number] for number in expected]


async def test_a_step_never_changes_the_parent(store, make, six):
    await store.commit([make.step(six[2], 1, parent=six[1]), make.step(six[1], 1, parent=six[0])])
    assert await listed(store, parent=six[0]) == [six[5], six[2]]
    assert await listed(store, parent=six[1]) == []


async def test_a_list_shows_heads_as_they_are_now(store, make, six):
    await store.commit([make.step(six[0], 1, status="completed")])
    assert await listed(store, status=["running"]) == [six[4]]
    assert await listed(store, status=["completed"]) == [six[3], six[0]]


async def test_pages_are_stable_while_executions_start_and_step(store, make, six):
    first = await store.list(Filter(), limit=2, cursor=None)
    await store.commit([make.start(make.id(99)), make.step(six[1], 1)])
    rest = await store.list(Filter(), limit=100, cursor=first.next)
    found = [body.decode().split()[0] for body in [*first.items, *rest.items]]
    assert found == six[::-1]
    assert rest.next is None


async def test_pages_are_stable_while_executions_are_deleted(store, six):
    first = await store.list(Filter(), limit=2, cursor=None)
    for gone in (six[4], six[3]):
        assert await store.delete(gone)
    rest = await store.list(Filter(), limit=100, cursor=first.next)
    assert [body.decode().split()[0] for body in rest.items] == [six[2], six[1], six[0]]


BAD_CURSORS = [
    rules.encode_cursor(1, "\ud800"),
    rules.encode_cursor(1, "\ud800", "x"),
    rules.encode_cursor("\ud800", "x"),
    "",
    "x",
    "!!",
    "bnVsbA",
    "WzEuNV0",
    "WyJhIl0",
    "W3RydWVd",
    "W10",
    "é",
    "[1]",
    "Wy0xXQ",
]


@pytest.mark.parametrize("cursor", [*BAD_CURSORS, "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd"])
async def test_a_bad_cursor_is_refused(store, six, cursor):
    with pytest.raises(MalformedRequest):
        await store.list(Filter(), limit=10, cursor=cursor)
    with pytest.raises(MalformedRequest):
        await store.blueprints(project=None, limit=10, cursor=cursor)
    with pytest.raises(MalformedRequest):
        await store.tasks(TaskFilter(), limit=10, cursor=cursor)
    with pytest.raises(MalformedRequest):
        await store.batches(project=None, limit=10, cursor=cursor)


# ---------------------------------------------------------------- live, due, counts, delete


async def test_live_gives_running_heads_of_the_shards_by_id_in_pages(store, make):
    ids = [make.id(number, shard=number % 3) for number in range(7)]
    await store.commit([make.start(one) for one in reversed(ids)])
    await store.commit(
        [make.start(make.id(50), status="waiting"), make.step(ids[3], 1, status="failed")]
    )
    expected = [make.head(one).body for one in ids if one[-2:] != "02" and one != ids[3]]
    assert await store.live([0, 1], after="", limit=100) == expected
    found, after = [], ""
    while page := await store.live([0, 1], after=after, limit=2):
        assert len(page) <= 2
        found += page
        after = page[-1].decode().split()[0]
    assert found == expected
    assert await store.live([], after="", limit=10) == []


async def test_due_gives_the_earliest_first_up_to_a_time(store, make):
    wakes = [50, 10, None, 30, 30, 90]
    ids = [make.id(number, shard=number) for number in range(6)]
    await store.commit([make.start(one, wake=wake) for one, wake in zip(ids, wakes, strict=True)])
    every = range(256)
    due = [(at, ids[n], "default") for at, n in ((10, 1), (30, 3), (30, 4), (50, 0))]
    assert await store.due(every, until=50, limit=10) == due
    assert await store.due(every, until=49, limit=10) == due[:3]
    assert await store.due(every, until=50, limit=2) == due[:2]
    assert await store.due([3, 5], until=99, limit=10) == [due[1], (90, ids[5], "default")]
    assert await store.due([], until=99, limit=10) == []


async def test_what_is_due_at_one_moment_comes_in_pages(store, make):
    ids = [make.id(number) for number in range(7)]
    await store.commit(
        [make.start(one, wake=5, project=f"p{number}") for number, one in enumerate(ids)]
    )
    await store.commit([make.start(make.id(9), wake=6)])
    found, after = list[tuple[int, str, str]](), (0, "")
    while page := await store.due([0], until=5, after=after, limit=3):
        assert len(page) <= 3
        if not found:  # who was woken meanwhile is in none of the others, and skips nobody
            await store.commit([make.step(ids[0], 1, wake=None), make.step(ids[2], 1, wake=None)])
        found += page
        after = page[-1][:2]
    assert found == [(5, one, f"p{number}") for number, one in enumerate(ids)]
    later = [(6, make.id(9), "default")]
    assert await store.due([0], until=6, after=after, limit=3) == later
    assert await store.due([0], until=6, after=(5, ids[5]), limit=3) == [*found[6:], *later]
    assert await store.due([0], until=4, after=after, limit=3) == []
    assert await store.due([0], until=6, after=(5, make.id(99)), limit=1) == found[1:2]


async def test_an_execution_is_due_when_its_last_head_says(store, make):
    one = make.id(1)
    await store.commit([make.start(one, wake=5)])
    await store.commit([make.step(one, 1, wake=8)])
    assert await store.due([0], until=9, limit=9) == [(8, one, "default")]
    await store.commit([make.step(one, 2, wake=None)])
    assert await store.due([0], until=9, limit=9) == []


async def test_counts_follow_starts_steps_and_deletions(store, make):
    one, two, three = make.id(1), make.id(2), make.id(3)
    await store.commit([make.start(one), make.start(two), make.start(three, version=2)])
    await store.commit(
        [make.start(make.id(4), activity="refund"), make.step(two, 1, status="failed")]
    )
    assert await store.counts("default", "order") == {
        1: {"running": 1, "failed": 1},
        2: {"running": 1},
    }
    await store.commit([make.step(one, 1, status="failed")])
    await store.delete(three)
    assert await store.counts("default", "order") == {1: {"failed": 2}}
    assert await store.counts("default", "nothing") == {}


async def test_delete_removes_an_execution_its_history_its_names_and_its_messages(store, make):
    one, two = make.id(1), make.id(2)
    name = make.name("n", one)
    await store.commit([make.start(one, names=[name], wake=1), make.start(two)])
    await store.deliver([make.message(one, "m"), make.message(two, "m")])
    assert not await store.delete(one, seq=9), "it moved on"
    assert await store.head(one) is not None
    assert await store.delete(one)
    assert not await store.delete(one)
    assert await store.head(one) is None
    assert await store.history(one, after=-1, limit=9) == []
    assert await store.name("default", "idem", "s", "n") is None
    assert [row.execution for row in await store.drain([0], limit=9)] == [two]
    assert await store.due([0], until=9, limit=9) == []
    assert await listed(store) == [two]
    assert await store.commit([make.step(one, 1)]) != await store.commit([make.step(two, 1)])
    assert await store.commit([make.start(one, names=[name])]) == await store.commit(
        [make.step(two, 2)]
    )
