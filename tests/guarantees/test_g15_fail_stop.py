"""G15: a disk that takes nothing gives 503 and heals; a damaged execution stops no other.

At large: tests/faults/test_disk.py (full, sick and read-only disks, and a failed sync, which ends
the process), tests/faults/test_bits.py (flipped bits), tests/unit/engine/test_bounds.py,
tests/upgrade/test_upgrades.py, tests/torture/test_simulation.py (failed syncs, full disks).
"""

import contextlib
import sqlite3
import sys
from typing import Any

import pytest

from tests.guarantees.conftest import waits
from tests.harness import until

pytestmark = pytest.mark.e2e

START = "/v1/activities/shop/order/executions"
MIB = 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is of Linux")
def test_where_nothing_can_be_written_nothing_is_acknowledged_until_it_can(house: Any) -> None:
    import resource

    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    no_limit = resource.prlimit(shop.server.child.pid, resource.RLIMIT_FSIZE)
    small = (4 * MIB, no_limit[1])
    resource.prlimit(shop.server.child.pid, resource.RLIMIT_FSIZE, small)
    made: dict[str, Any] = {}
    for number in range(100):
        value = {"n": number, "filler": "x" * 200_000}
        answer = shop.post(START, {"input": value})
        if answer.status_code != 201:
            break
        made[answer.json()["id"]] = value
    else:
        raise AssertionError("the disk never refused")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert shop.server.client.get("/readyz").status_code == 503
    assert {one for one in made if shop.server.get(one)["input"] == made[one]} == set(made)
    resource.prlimit(shop.server.child.pid, resource.RLIMIT_FSIZE, no_limit)
    until(lambda: shop.server.client.get("/readyz").status_code == 200, "it is ready by itself")
    shop.server.start("shop/order", "after")
    shop.again()
    listed = shop.server.client.get("/v1/executions?limit=500").json()["items"]
    assert len(listed) == len(made) + 1, "nothing of what was refused was kept"
    assert {one for one in made if shop.server.get(one)["input"] == made[one]} == set(made)
    assert shop.is_sound()


def test_a_damaged_execution_is_an_error_of_its_own(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    bad, *good = [shop.server.start("shop/order", n)["id"] for n in range(4)]
    shop.server.stop()
    with contextlib.closing(sqlite3.connect(shop.data, isolation_level=None)) as file:
        file.execute("UPDATE executions SET body = substr(body, 9) WHERE id = ?", (bad,))
    shop.again()
    answer = shop.server.client.get(f"/v1/executions/{bad}")
    assert (answer.status_code, answer.json()["code"]) == (500, "damaged")
    assert shop.post(f"/v1/executions/{bad}/events", {"name": "go"}).status_code == 500
    for order in good:
        shop.post(f"/v1/executions/{order}/events", {"name": "go"}).raise_for_status()
        assert shop.server.end_of(order)["status"] == "completed"
    assert shop.server.start("shop/order")["status"] == "waiting"
