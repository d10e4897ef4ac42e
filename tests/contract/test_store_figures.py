"""The store's contract: figures of the newest executions, in slots of time."""

from typing import Any

import pytest

from goflow_py.ports import Figures, FiguresFilter, Slot, Store
from tests.contract.conftest import NOW, Make


def which(**fields) -> FiguresFilter:
    given = {"since": NOW, "until": NOW + 1_000, "slot_ms": 100, "rows": 1_000}
    return FiguresFilter(**{**given, **fields})


def ended(make: Make, number: int, began: int, ms: int, status: str = "completed", **fields):
    times: dict[str, Any] = {"started_at": NOW + began, "finished_at": NOW + began + ms}
    return make.start(make.id(number), status=status, **times, **fields)


async def test_an_empty_store_has_no_figures(store: Store):
    nothing = Figures(looked=0, oldest=None, whole=Slot(), slots={})
    assert await store.figures(which()) == nothing


async def test_what_began_and_what_ended_is_counted_in_the_slot_of_its_time(store, make):
    await store.commit(
        [
            ended(make, 1, 0, 250),
            ended(make, 2, 50, 100, "failed"),
            ended(make, 3, 199, 2, "cancelled"),
            make.start(make.id(4), started_at=NOW + 999),
        ]
    )
    found = await store.figures(which())
    assert (found.looked, found.oldest) == (4, NOW)
    assert found.whole == Slot(started=4, completed=1, failed=1, cancelled=1, p50=250, p95=250)
    assert found.slots == {
        0: Slot(started=2),
        1: Slot(started=1, failed=1),
        2: Slot(completed=1, cancelled=1, p50=250, p95=250),
        9: Slot(started=1),
    }


async def test_the_ends_of_the_time_are_since_within_and_until_without(store, make):
    await store.commit([ended(make, 1, -1, 1), ended(make, 2, 999, 1), ended(make, 3, 1_000, 0)])
    found = await store.figures(which())
    assert (found.looked, found.oldest) == (3, NOW - 1)
    assert found.whole == Slot(started=1, completed=1, p50=1, p95=1)
    assert found.slots == {0: Slot(completed=1, p50=1, p95=1), 9: Slot(started=1)}


@pytest.mark.parametrize(
    ("count", "p50", "p95"), [(1, 1, 1), (2, 1, 2), (20, 10, 19), (21, 11, 20)]
)
async def test_a_percentile_is_a_time_that_was_there(store, make, count, p50, p95):
    await store.commit([ended(make, n, 0, n) for n in range(count, 0, -1)])
    found = await store.figures(which())
    assert (found.whole.p50, found.whole.p95) == (p50, p95)


async def test_an_end_before_its_start_lasted_no_time(store, make):
    await store.commit([ended(make, 1, 500, -100)])
    assert (await store.figures(which())).whole.p50 == 0


async def test_only_the_newest_rows_are_looked_at(store, make):
    await store.commit([ended(make, n, n, 10) for n in range(1, 11)])
    found = await store.figures(which(rows=3))
    assert (found.looked, found.oldest, found.whole.started) == (3, NOW + 8, 3)


async def test_figures_are_of_a_project_or_an_activity(store, make):
    await store.commit(
        [
            ended(make, 1, 0, 1, project="a", activity="x"),
            ended(make, 2, 0, 1, project="a", activity="y"),
            ended(make, 3, 0, 1, project="b", activity="x"),
        ]
    )

    async def count(**fields) -> int:
        found: int = (await store.figures(which(**fields))).whole.completed
        return found

    assert await count() == 3
    assert await count(project="a") == 2
    assert await count(project="a", activity="x") == 1
    assert await count(project="b", activity="y") == 0
    assert await count(project="nobody") == 0


async def test_the_newest_executions_of_a_version(store, make):
    one = [ended(make, n, n, 1, version=1 + n % 2) for n in range(1, 9)]
    await store.commit([*one, ended(make, 9, 9, 1, activity="other")])

    async def newest(version: int, *, since: int = NOW, rows: int = 100, limit: int = 100):
        return await store.newest("default", "order", version, since=since, rows=rows, limit=limit)

    assert await newest(1) == [make.id(n) for n in (8, 6, 4, 2)]
    assert await newest(2, limit=2) == [make.id(n) for n in (7, 5)]
    assert await newest(1, since=NOW + 6) == [make.id(n) for n in (8, 6)]
    assert await newest(1, rows=3) == [make.id(n) for n in (8, 6)]
    assert await newest(3) == []
