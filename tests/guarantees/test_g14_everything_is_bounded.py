"""G14: what is over a limit is refused before it is acknowledged, and leaves nothing behind.

At large: tests/unit/engine/test_limits.py, tests/unit/engine/test_bounds.py,
tests/unit/engine/test_fairness.py, tests/unit/engine/test_breaker.py, tests/faults/test_load.py,
tests/faults/test_wire_requests.py, tests/faults/test_hostile_workers.py,
tests/faults/test_storms_of_workers.py.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.guarantees.conftest import Reply, Worker, calls, waits
from tests.harness import until

pytestmark = pytest.mark.e2e

START = "/v1/activities/shop/order/executions"


def listed(shop: Any) -> set[str]:
    items = shop.server.client.get("/v1/executions?limit=500").json()["items"]
    return {one["id"] for one in items}


def test_starts_over_the_limit_of_a_project_are_refused_and_leave_nothing(house: Any) -> None:
    shop = house("--max-running", "5", "--body-bytes-max", "2000")
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: shop.post(START, {"input": n}), range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 5, 429: 15}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.json()["code"] for answer in refused} == {"too_many_running"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert listed(shop) == made
    shop.again()
    assert shop.post(START).status_code == 429, "also after a crash"
    [one, *_] = made
    shop.post(f"/v1/executions/{one}/events", {"name": "go"}).raise_for_status()
    assert shop.post(START, {"input": "x" * 3_000}).status_code == 413
    assert listed(shop) == made
    assert shop.post(START).status_code == 201
    assert shop.post(START).status_code == 429


def test_calls_at_one_time_are_as_many_as_may_be_and_the_others_wait(
    house: Any, worker: Worker
) -> None:
    lock, now, most, held = threading.Lock(), 0, 0, threading.Event()

    def play(call: dict[str, Any]) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        held.wait(30)
        with lock:
            now -= 1
        return 200, None

    worker.play = play
    shop = house("--calls-in-flight-max", "3")
    shop.server.client.post(
        "/v1/blueprints", json=calls("pay", worker.action("pay"))
    ).raise_for_status()
    made = [shop.server.start("shop/pay")["id"] for _ in range(30)]
    until(lambda: now == 3, "as many calls as may be are made")
    held.set()
    for order in made:
        assert shop.server.end_of(order)["status"] == "completed"
    assert (most, len(worker.calls)) == (3, 30)
