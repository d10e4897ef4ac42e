"""G7: results that come late, twice or after the end change nothing; those of old calls are noted.

At large: tests/faults/test_hostile_workers.py, tests/unit/engine/test_async.py,
tests/unit/engine/test_late_and_held.py, tests/torture/test_simulation.py (rules S10 and S22).
"""

from typing import Any

import pytest

from tests.guarantees.conftest import LATER, Worker, calls
from tests.harness import until

pytestmark = pytest.mark.e2e

SAME = ("status", "state", "data", "output", "error")


def test_a_late_a_double_and_a_dead_callback_change_nothing(house: Any, worker: Worker) -> None:
    worker.play = lambda call: (500, None) if call["attempt"] == 1 else LATER
    shop = house()
    blueprint = calls("ship", worker.action("ship", retryCount=1), type="async")
    shop.server.client.post("/v1/blueprints", json=blueprint).raise_for_status()
    order = shop.server.start("shop/ship")["id"]
    until(lambda: shop.server.get(order)["status"] == "waiting", "the second call was accepted")
    late, good = worker.tokens()

    def tell(token: str, output: Any) -> tuple[int, Any]:
        answer = shop.post(f"/v1/callbacks/{token}", {"output": output})
        return answer.status_code, answer.json().get("code", answer.json())

    before = shop.server.get(order)
    assert tell(late, "of the call that failed") == (409, "superseded")
    after = shop.server.get(order)
    assert [after[name] for name in SAME] == [before[name] for name in SAME]
    assert shop.types(order)[-1] == "lateIgnored"
    assert tell(good, "shipped") == (200, {"applied": True})
    ended, entries = shop.server.get(order), shop.server.history(order)
    assert (ended["status"], ended["output"]) == ("completed", "shipped")
    assert tell(good, "shipped again") == (200, {"duplicate": True})
    assert tell(late, "never mind")[0] in (409, 410)
    assert shop.server.get(order)["output"] == "shipped"
    later = shop.server.history(order)[len(entries) :]
    assert {entry["type"] for entry in later} <= {"lateIgnored"}
    assert shop.is_sound()
