"""G2: a start with a known ``Idempotency-Key``, ``id`` or business key is the one that is there.

At large: tests/faults/test_load.py (a hundred equal starts with kills in between),
tests/faults/test_wire_clients.py (clients that vanish), tests/unit/engine/test_inputs.py,
tests/torture/test_simulation.py (rule S2).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.guarantees.conftest import waits

pytestmark = pytest.mark.e2e

START = "/v1/activities/shop/order/executions"
CHOSEN = "0190b0b0-0000-7000-8000-0000000000aa"
AT_ONCE = 30
WAYS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "an idempotency key": ({}, {"Idempotency-Key": "once"}),
    "an id": ({"id": CHOSEN}, {}),
    "a business key": ({"key": "order-7"}, {}),
}


def test_equal_starts_at_once_and_after_a_crash_are_one_execution(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    made: dict[str, str] = {}
    for way, (fields, headers) in WAYS.items():
        body = {"input": {"way": way}, **fields}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(
                pool.map(lambda _: shop.post(START, body, **headers), range(AT_ONCE))  # noqa: B023
            )
        assert {answer.status_code for answer in answers} <= {200, 201}, way
        [made[way]] = {answer.json()["id"] for answer in answers}
    assert len(set(made.values())) == len(WAYS)
    shop.again()
    for way, (fields, headers) in WAYS.items():
        assert (
            shop.post(START, {"input": {"way": way}, **fields}, **headers).json()["id"] == made[way]
        )
    other = shop.post(START, {"input": "another"}, **WAYS["an idempotency key"][1])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    listed = shop.server.client.get("/v1/executions").json()["items"]
    assert {one["id"] for one in listed} == set(made.values())
    shop.post(f"/v1/executions/{made['a business key']}/events", {"name": "go"}).raise_for_status()
    again = shop.post(START, {"key": "order-7"})
    assert (again.status_code, again.json()["id"] in made.values()) == (201, False), "it has ended"
