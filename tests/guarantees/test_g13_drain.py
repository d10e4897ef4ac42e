"""G13: a server that is asked to end takes no new work, lets calls end, and abandons the rest.

At large: tests/faults/test_signals.py (under load, and asked twice), tests/e2e/test_api_process.py,
tests/unit/engine/test_recovery.py, tests/torture/test_simulation.py (drains).
"""

import signal
import threading
from typing import Any

import pytest

from tests.guarantees.conftest import Reply, Worker, calls
from tests.harness import until

pytestmark = pytest.mark.e2e

START = "/v1/activities/shop/pay/executions"


def test_a_drain_lets_one_call_end_and_abandons_the_other(house: Any, worker: Worker) -> None:
    soon, never = threading.Event(), threading.Event()

    def play(call: dict[str, Any]) -> Reply:
        if call["attempt"] == 1:
            (soon if call["input"] == "soon" else never).wait(60)
        return 200, call["attempt"]

    worker.play = play
    shop = house("--drain-timeout", "2")
    blueprint = calls("pay", worker.action("pay", retryCount=0, responseTimeout=120))
    shop.server.client.post("/v1/blueprints", json=blueprint).raise_for_status()
    quick, slow = (shop.server.start("shop/pay", how)["id"] for how in ("soon", "never"))
    until(lambda: len(worker.calls) == 2, "both are called")
    shop.server.child.send_signal(signal.SIGTERM)
    client = shop.server.client
    until(lambda: client.get("/readyz").status_code == 503, "it is not ready any more")
    refused = shop.post(START)
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    assert int(refused.headers["Retry-After"]) >= 1
    soon.set()
    assert shop.server.child.wait(20) == 0
    shop.again()
    assert shop.server.end_of(quick)["output"] == 1
    assert shop.server.end_of(slow)["output"] == 2
    never.set()
    outcomes = [e["outcome"] for e in shop.server.history(slow) if e["type"] == "attemptEnded"]
    assert outcomes == ["abandoned", "success"]
    assert len(worker.calls) == 3
    assert len(shop.server.client.get("/v1/executions").json()["items"]) == 2
    assert shop.is_sound()
