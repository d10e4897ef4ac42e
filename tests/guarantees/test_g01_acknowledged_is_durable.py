"""G1: a 2xx to a start, event, upload or verb is a committed transaction that is synced to disk.

At large: tests/faults/test_power_loss.py (the power fails at any moment),
tests/faults/test_syscalls.py (kill -9 before any system call), tests/e2e/test_kills.py,
tests/torture/test_simulation.py.
"""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.guarantees.conftest import waits
from tests.harness import Server, ended

pytestmark = pytest.mark.e2e

STARTS = 10
SYNC = re.compile(r"(\d+\.\d+) fdatasync\(.*<(\d+\.\d+)>$", re.MULTILINE)


def test_what_was_answered_is_there_after_a_kill_at_that_moment(house: Any) -> None:
    shop = house()
    shop.server.client.post("/v1/blueprints", json=waits()).raise_for_status()
    order = shop.server.start("shop/order", {"n": 1})["id"]
    shop.again()
    assert shop.server.get(order)["input"] == {"n": 1}
    note = shop.post(f"/v1/executions/{order}/events", {"name": "note", "data": "paid"})
    assert note.json()["applied"]
    shop.again()
    assert shop.server.get(order)["data"] == {"notes": ["paid"]}
    assert shop.post(f"/v1/executions/{order}:pause").status_code == 200
    shop.again()
    assert shop.server.get(order)["status"] == "paused"
    assert shop.is_sound()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace sees the syncs")
def test_between_a_question_and_its_answer_there_is_a_sync(tmp_path: Path) -> None:
    # A kill cannot show it: what was written and not synced outlives a process, not the power.
    log = tmp_path / "syncs"
    traced = ("strace", "-D", "-f", "-qq", "-ttt", "-T", "-e", "trace=fdatasync", "-o", str(log))
    asked: list[tuple[float, float]] = []
    with ended(server := Server(tmp_path / "goflow.db", under=traced)):
        server.client.post("/v1/blueprints", json=waits()).raise_for_status()
        for number in range(STARTS):
            before = time.time()
            server.start("shop/order", {"n": number})
            asked.append((before, time.time()))
        server.stop()
    syncs = [(float(at), float(at) + float(took)) for at, took in SYNC.findall(log.read_text())]
    for before, after in asked:
        assert any(before <= begun and done <= after for begun, done in syncs), (before, after)
