"""G12: a crash anywhere is safe, also one in a recovery; all that it takes is the next start.

At large: tests/torture/test_simulation.py (a crash at every commit and await of a story),
tests/faults/test_syscalls.py, tests/faults/test_signals.py, tests/unit/engine/test_recovery.py;
`python -m benchmarks restart recovery` measures how long it takes.
"""

import threading
from typing import Any

import pytest

from goflow_py.torture.points import Point, crash
from tests.guarantees.conftest import Worker, calls
from tests.harness import until

OPEN = 25


@pytest.mark.e2e
def test_all_that_was_open_goes_on_by_itself_after_crashes_in_the_recovery(
    house: Any, worker: Worker
) -> None:
    shop, held = house(), threading.Event()
    worker.play = lambda call: (200, held.wait(60))
    blueprint = calls("pay", worker.action("pay", retryCount=0))
    shop.server.client.post("/v1/blueprints", json=blueprint).raise_for_status()
    made = {shop.server.start("shop/pay")["id"] for _ in range(OPEN)}
    until(lambda: len(worker.calls) == OPEN, "all are called")
    for round_ in (1, 2):
        before = len(worker.calls)
        shop.again()
        if round_ == 1:  # the next crash comes in the midst of it
            until(lambda: len(worker.calls) > before, "the first is called again")  # noqa: B023
    until(lambda: {c["executionId"] for c in worker.calls[before:]} == made, "all are called again")
    held.set()
    for execution in made:
        assert shop.server.end_of(execution)["status"] == "completed"
    assert shop.is_sound()


@pytest.mark.parametrize("number", range(10, 110, 10))
def test_a_crash_at_an_await_loses_nothing(number: int) -> None:
    result = crash(Point(2, "linear", "await", number))
    assert sum(result.faults.values()) >= 1
    assert result.breaches == []
