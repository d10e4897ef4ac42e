"""G9: an acknowledged event is applied once, in its order, or ignored with a reason.

At large: tests/torture/test_simulation.py (rules S13 and S14), tests/e2e/test_kills.py,
tests/faults/test_disk.py (on a full disk), tests/unit/fsm/test_rows.py.
"""

from typing import Any

import pytest

from tests.guarantees.conftest import House, waits

pytestmark = pytest.mark.e2e

EVENTS = 12


@pytest.fixture
def shop(house: Any) -> House:
    found: House = house()
    found.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    return found


def send(shop: House, order: str, name: str, number: int) -> int:
    body = {"name": name, "data": number, "id": f"event-{number}"}
    return int(shop.post(f"/v1/executions/{order}/events", body).status_code)


@pytest.mark.parametrize("paused", [False, True], ids=["applied at once", "kept in a pause"])
def test_events_are_applied_once_and_in_order_whatever_is_repeated(
    shop: House, paused: bool
) -> None:
    order = shop.server.start("shop/order")["id"]
    if paused:
        assert shop.post(f"/v1/executions/{order}:pause").status_code == 200
    for half in (range(EVENTS // 2), range(EVENTS)):  # the client that saw a crash repeats all
        for number in half:
            assert send(shop, order, "note", number) == (202 if paused else 200)
        if len(half) < EVENTS:
            shop.again()
    if paused:
        assert shop.post(f"/v1/executions/{order}:resume").status_code == 200
    assert shop.server.get(order)["data"] == {"notes": list(range(EVENTS))}
    applied = [e["id"] for e in shop.server.history(order) if e["type"] == "eventApplied"]
    assert applied == [f"event-{number}" for number in range(EVENTS)]
    assert shop.is_sound()


def test_an_event_that_was_kept_and_finds_no_use_is_ignored_with_a_reason(shop: House) -> None:
    order = shop.server.start("shop/order")["id"]
    shop.post(f"/v1/executions/{order}:pause").raise_for_status()
    assert [send(shop, order, name, n) for n, name in enumerate(("go", "note"))] == [202, 202]
    shop.post(f"/v1/executions/{order}:resume").raise_for_status()
    assert shop.server.end_of(order)["output"] == {"notes": []}
    fates = {e["id"]: e for e in shop.server.history(order) if e["type"].startswith("event")}
    assert fates["event-0"]["type"] == "eventApplied"
    assert fates["event-1"]["type"] == "eventIgnored"
    assert fates["event-1"]["reason"]
