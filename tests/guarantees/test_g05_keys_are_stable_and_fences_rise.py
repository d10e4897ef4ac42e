"""G5: all calls of one visit have one ``Idempotency-Key``, and each call a higher fence.

At large: tests/unit/engine/test_attempts.py, tests/e2e/test_kills.py,
tests/torture/test_simulation.py (rules S9 and S10).
"""

import threading
from itertools import pairwise
from typing import Any

import pytest

from tests.guarantees.conftest import Reply, Worker, calls
from tests.harness import until


@pytest.mark.e2e
def test_retries_fail_over_and_a_crash_keep_the_key_and_raise_the_fence(
    house: Any, worker: Worker
) -> None:
    held = threading.Event()

    def play(call: dict[str, Any]) -> Reply:
        if call["attempt"] == 3:
            held.wait(30)
        return (200, call["attempt"]) if call["attempt"] > 3 else (503, None)

    worker.play = play
    shop = house()
    blueprint = calls("pay", worker.action("pay", retryCount=1, priority=1))
    other = worker.action("pay", retryCount=1, priority=2)
    other["workerEndpoint"] += "/other"
    blueprint["workers"].append(other)
    shop.server.client.post("/v1/blueprints", json=blueprint).raise_for_status()
    order = shop.server.start("shop/pay")["id"]
    until(lambda: len(worker.calls) == 3, "the second worker is called")
    shop.again()
    assert shop.server.end_of(order)["status"] == "completed"
    held.set()
    heads = [call["headers"] for call in worker.calls]
    assert len(heads) == 4
    assert {head["Idempotency-Key"] for head in heads} == {f"{order}/1"}
    fences = [int(head["Goflow-Fence"]) for head in heads]
    assert all(one < next_ for one, next_ in pairwise(fences)), fences


async def test_the_next_visit_has_a_key_of_its_own(engine: Any) -> None:
    again = {"when": "data.more > 0", "set": {"more": "${ data.more - 1 }"}, "next": "pay"}
    row = {"current": "pay", "event": "success"}
    rows = [{"current": "init", "event": "start", "next": "pay"}, {**row, **again}]
    await engine.upload(
        {"states": ["pay"], "data": {"more": 2}, "transitions": [*rows, {**row, "next": "done"}]},
        [{"name": "pay", "workerEndpoint": "w"}],
    )
    execution = await engine.start()
    await engine.advance(0)
    heads = [request.headers for request in engine.transport.requests]
    keys = [head["Idempotency-Key"] for head in heads]
    assert keys == [f"{execution.id}/{visit}" for visit in (1, 2, 3)]
    fences = [int(head["Goflow-Fence"]) for head in heads]
    assert fences == sorted(set(fences))
