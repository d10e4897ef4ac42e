"""The store's contract: queued work of pull workers and people."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.ports import Committed, Fenced, Poisonous, TaskFilter

FAR = 10**15


async def put(store, make, *rows):
    """Start an execution for each row, in the order given."""
    writes = [make.start(row.execution, write={"queue": [row]}) for row in rows]
    assert await store.commit(writes) == [Committed()] * len(rows)


async def listed(store, limit=100, **which):
    """Return all rows of a filtered list, read in pages."""
    found, cursor = [], None
    while True:
        page = await store.tasks(TaskFilter(**which), limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


async def ready(store, *queues, now=FAR, project=None, limit=100):
    return await store.ready(queues, project=project, now=now, limit=limit)


# ---------------------------------------------------------------- written with the step


async def test_a_task_is_ready_with_the_commit_that_queued_it(store, make):
    one = make.id(1)
    row = make.task(one, visit=3, assigned_to="ann", due=make.now - 5)
    assert await ready(store, "q") == []
    await put(store, make, row)
    assert await ready(store, "q") == [row]
    assert await listed(store) == [row]


async def test_a_step_keeps_replaces_or_clears_all_rows_of_its_execution(store, make):
    one, two = make.id(1), make.id(2)
    a, b, c = (make.task(one, task) for task in "abc")
    other = make.task(two)
    await put(store, make, a, other)
    await store.commit([make.step(one, 1)])
    assert await ready(store, "q") == [a, other], "None keeps them"
    taken = replace(a, status="claimed", claimed_by="w1", lease_until=make.now + 9)
    await store.commit([make.step(one, 2, write={"queue": [c, taken, b]})])
    assert await listed(store, execution=one) == [taken, b, c]
    assert await ready(store, "q") == [b, c, other]
    await store.commit([make.step(one, 3, write={"queue": [c]})])
    assert await listed(store) == [c, other]
    await store.commit([make.step(one, 4, write={"queue": []})])
    assert await listed(store) == [other]


async def test_a_refused_step_changes_no_queue(store, make):
    one = make.id(1)
    row = make.task(one)
    await put(store, make, row)
    assert await store.commit([make.step(one, 9, write={"queue": []})]) == [Fenced()]
    late = make.start(one, write={"queue": [replace(row, task="other")]})
    assert not isinstance((await store.commit([late]))[0], Committed)
    assert await listed(store) == [row]


FLAWED = {
    "of another execution": lambda row: [replace(row, execution="0")],
    "twice": lambda row: [row, replace(row, visit=2)],
    "of a kind that nobody takes": lambda row: [replace(row, kind="push")],
    "in a status that nobody sees": lambda row: [replace(row, status="done")],
    "without a queue": lambda row: [replace(row, queue=None)],
    "over 64 bits": lambda row: [replace(row, due=2**63)],
    "with a lone surrogate": lambda row: [replace(row, assigned_to="\ud800")],
}


@pytest.mark.parametrize("spoil", FLAWED.values(), ids=FLAWED)
async def test_a_write_with_a_flawed_task_is_refused_alone(store, make, spoil):
    one, two = make.id(1), make.id(2)
    bad = make.start(one, write={"queue": [make.task(one, "good"), *spoil(make.task(one))]})
    good = make.start(two, write={"queue": [make.task(two)]})
    first, second = await store.commit([bad, good])
    assert isinstance(first, Poisonous) and first.message
    assert second == Committed()
    assert await store.head(one) is None
    assert await listed(store) == [make.task(two)]


@pytest.mark.parametrize("way", ["delete", "purge"])
async def test_a_deleted_execution_takes_its_tasks_along(store, make, way):
    one, two = make.id(1), make.id(2)
    given = {"status": "failed", "finished_at": 5, "purge_at": 10}
    await store.commit([make.start(one, write={"queue": [make.task(one)]}, **given)])
    await put(store, make, make.task(two))
    if way == "purge":
        assert await store.purge(before=11, limit=9) == 1
    else:
        assert await store.delete(one)
    assert await listed(store) == [make.task(two)]
    assert await ready(store, "q") == [make.task(two)]
    await store.commit([make.start(one)])
    assert await listed(store, execution=one) == []


async def test_tasks_are_there_after_the_next_start(store, reopened, make):
    row = make.task(make.id(1), due=make.now + 5)
    await put(store, make, row)
    after = await reopened()
    assert await ready(after, "q") == [row]
    assert await after.next_due(["q"], project=None, now=make.now) == make.now + 5


# ---------------------------------------------------------------- taken by pull workers


@pytest.fixture
async def eight(store, make):
    """Tasks in two projects and three queues, of all kinds, in no order."""
    ids = [make.id(number, shard=number) for number in range(8)]
    rows: list[dict[str, Any]] = [
        {"since": 50},
        {"since": 20, "due": 70},
        {"since": 20, "due": 20, "project": "other"},
        {"since": 10, "queue": "r"},
        {"since": 30, "status": "claimed", "claimed_by": "w", "lease_until": 90},
        {"since": 5, "kind": "human", "assigned_to": "ann"},
        {"since": 20, "due": 95, "queue": "r", "activity": "refund"},
        {"since": 60, "kind": "human", "status": "claimed", "assigned_to": "bob", "queue": "s"},
    ]
    made = [
        make.task(one, **{"due": row["since"], **row}) for one, row in zip(ids, rows, strict=True)
    ]
    await put(store, make, *made)
    return made


READY = [
    (["q"], None, 100, [1, 2, 0]),
    (["q"], None, 69, [2, 0]),
    (["q"], None, 49, [2]),
    (["q"], None, 19, []),
    (["r"], None, 100, [3, 6]),
    (["r", "q"], None, 100, [3, 1, 2, 6, 0]),
    (["q", "r", "q"], None, 94, [3, 1, 2, 0]),
    (["q", "r"], "default", 100, [3, 1, 6, 0]),
    (["q", "r"], "other", 100, [2]),
    (["q", "r"], "nobody", 100, []),
    (["s", "t"], None, 100, []),
    ([], None, 100, []),
]


@pytest.mark.parametrize(("queues", "project", "now", "expected"), READY)
async def test_ready_gives_what_is_due_in_these_queues_oldest_first(
    store, eight, queues, project, now, expected
):
    for limit in (100, 2, 1, 0):
        found = await ready(store, *queues, project=project, now=now, limit=limit)
        assert found == [eight[number] for number in expected[:limit]]


NEXT = [
    (["q"], None, 0, 20),
    (["q"], None, 20, 50),
    (["q"], None, 50, 70),
    (["q"], None, 70, None),
    (["q", "r"], None, 70, 95),
    (["r", "r"], None, 9, 10),
    (["q", "r"], "other", 0, 20),
    (["q", "r"], "other", 20, None),
    (["q", "r"], "default", 0, 10),
    (["s"], None, 0, None),
    ([], None, 0, None),
]


@pytest.mark.parametrize(("queues", "project", "now", "expected"), NEXT)
async def test_next_due_tells_when_to_look_again(store, eight, queues, project, now, expected):
    assert await store.next_due(queues, project=project, now=now) == expected


async def test_what_one_worker_claims_the_next_one_does_not_get(store, make, eight):
    first = (await ready(store, "q", limit=1))[0]
    claimed = replace(first, status="claimed", claimed_by="w1", lease_until=FAR)
    step = make.step(first.execution, 1, write={"queue": [claimed]})
    assert await store.commit([step, step]) == [Committed(), Fenced()]
    assert await ready(store, "q") == [eight[2], eight[0]]
    back = make.step(first.execution, 2, write={"queue": [replace(first, due=100)]})
    await store.commit([back])
    assert await ready(store, "q", now=99) == [eight[2], eight[0]]
    assert await store.next_due(["q"], project=None, now=99) == 100
    assert await ready(store, "q", now=100) == [replace(first, due=100), eight[2], eight[0]]


# ---------------------------------------------------------------- lists

FILTERS = [
    ({}, [5, 3, 1, 2, 6, 4, 0, 7]),
    ({"project": "other"}, [2]),
    ({"project": "default", "queue": "q"}, [5, 1, 4, 0]),
    ({"activity": "refund"}, [6]),
    ({"queue": "r"}, [3, 6]),
    ({"kind": "human"}, [5, 7]),
    ({"status": "claimed"}, [4, 7]),
    ({"kind": "pull", "status": "queued"}, [3, 1, 2, 6, 0]),
    ({"assigned_to": "ann"}, [5]),
    ({"assigned_to": "bob", "status": "claimed", "kind": "human"}, [7]),
    ({"assigned_to": "bob", "status": "queued"}, []),
    ({"assigned_to": "bob", "project": "other"}, []),
    ({"assigned_to": "bob", "activity": "refund"}, []),
    ({"assigned_to": "bob", "queue": "q"}, []),
    ({"assigned_to": "bob", "kind": "pull"}, []),
    ({"assigned_to": "nobody"}, []),
    ({"queue": "nothing"}, []),
]


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize(("which", "expected"), FILTERS, ids=[str(case[0]) for case in FILTERS])
async def test_a_task_list_has_what_its_filter_asks_oldest_first(
    store, eight, which, expected, limit
):
    assert await listed(store, limit, **which) == [eight[number] for number in expected]


FIELDS = [
    {"project": "default"},
    {"activity": "order"},
    {"queue": "q"},
    {"assigned_to": "ann"},
    {"status": "queued"},
    {"kind": "human"},
]


async def test_a_filter_of_an_execution_is_one_of_its_fields_too(store, make):
    one = make.id(1)
    rows = [
        make.task(one, "b", kind="human", assigned_to="ann"),
        make.task(one, "a", since=make.now + 1, status="claimed", queue="r", activity="refund"),
        make.task(one, "c", since=make.now + 1, project="other"),
    ]
    await store.commit([make.start(one, write={"queue": rows}), make.start(make.id(2))])
    assert await listed(store, 1, execution=one) == rows
    assert await listed(store, execution=make.id(2)) == []
    for fields in itertools.chain.from_iterable(itertools.combinations(FIELDS, n) for n in (1, 2)):
        asked = {name: value for field in fields for name, value in field.items()}
        expected = [
            row for row in rows if all(getattr(row, name) == value for name, value in asked.items())
        ]
        assert await listed(store, execution=one, **asked) == expected, asked


async def test_task_pages_are_stable_while_others_come_and_go(store, make, eight):
    first = await store.tasks(TaskFilter(), limit=3, cursor=None)
    assert first.items == [eight[number] for number in (5, 3, 1)]
    late = make.task(make.id(90), since=1_000)
    await put(store, make, late)
    for gone in (eight[1], eight[2]):
        await store.commit([make.step(gone.execution, 1, write={"queue": []})])
    rest = await store.tasks(TaskFilter(), limit=100, cursor=first.next)
    assert rest.items == [*(eight[number] for number in (6, 4, 0, 7)), late]
    assert rest.next is None
