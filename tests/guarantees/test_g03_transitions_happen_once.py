"""G3: state, history, work, timers and names of a transition are one transaction, and happen once.

At large: tests/torture/test_simulation.py (a crash before, in and after every commit),
tests/unit/fsm/test_rows.py, tests/contract/test_store.py (a seq that does not follow is refused).
"""

import contextlib
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from goflow_py.torture.points import Point, crash
from tests.guarantees.conftest import waits

AT_ONCE = 20
SNAPSHOT = """
SELECT e.id, e.seq, (SELECT max(h.seq) FROM history h WHERE h.execution = e.id),
       (SELECT count(*) FROM names n WHERE n.execution = e.id AND n.kind = 'idem')
FROM executions e
"""


@pytest.mark.e2e
def test_of_many_events_at_once_one_takes_the_row(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    order = shop.server.start("shop/order")["id"]

    def go(number: int) -> int:
        return int(shop.post(f"/v1/executions/{order}/events", {"name": "go"}).status_code)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = Counter(pool.map(go, range(AT_ONCE)))
    assert told == {200: 1, 409: AT_ONCE - 1}
    rows = [entry for entry in shop.server.history(order) if entry["type"] == "transition"]
    assert [row["to"] for row in rows] == ["open", "done"]
    assert shop.is_sound()


@pytest.mark.e2e
def test_nobody_ever_sees_a_head_without_its_history_and_its_name(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    over, seen = threading.Event(), set()

    def look() -> None:
        with contextlib.closing(sqlite3.connect(f"file:{shop.data}?mode=ro", uri=True)) as file:
            while not over.is_set():
                seen.update(file.execute(SNAPSHOT).fetchall())

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        for number in range(40):
            order = shop.server.start("shop/order", **{"Idempotency-Key": f"k{number}"})["id"]
            shop.post(f"/v1/executions/{order}/events", {"name": "note", "data": number})
    finally:
        over.set()
        onlooker.join()
    assert len(seen) > 10
    assert [row for row in seen if row[1] != row[2] or row[3] != 1] == []


@pytest.mark.parametrize("number", [2, 4, 6])
@pytest.mark.parametrize("where", ["before", "during", "after"])
def test_a_crash_around_a_commit_leaves_all_of_it_or_nothing(where: str, number: int) -> None:
    result = crash(Point(1, "linear", where, number))
    assert sum(result.faults.values()) >= 1
    assert result.breaches == []
