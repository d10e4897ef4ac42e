"""G10: what is not over has work, a call, a timer or a declared wait; ``why`` says which.

At large: tests/torture/test_simulation.py (rule S15: once nothing is broken, all ends),
tests/torture/test_planted.py, tests/unit/engine/test_watchman.py (who stands still is found),
tests/unit/engine/test_places.py, tests/unit/engine/test_supervisor.py.
"""

from typing import Any

import pytest

from goflow_py.engine import attempts
from goflow_py.testing import answer
from goflow_py.torture.run import simulate

START = {"current": "init", "event": "start", "next": "s"}
END = {"current": "s", "event": "success", "next": "done"}
TWO_TURNS = 140
"""Seconds in which every open execution is looked at twice."""
WAITS: dict[str, tuple[dict[str, Any], str]] = {
    "a call": ({"type": "sync"}, "waits for the answer of worker 'w'"),
    "a callback": ({"type": "async"}, "callback"),
    "an event": ({"type": "wait", "event": "paid"}, "paid"),
    "a time": ({"type": "delay", "seconds": "1h"}, "waits until 2026-01-01T01:00:00"),
    "a queue": ({"type": "pull", "queue": "depot"}, "waits for a worker to poll"),
    "a person": ({"type": "human", "queue": "desk"}, "waits for somebody to claim"),
}


@pytest.mark.parametrize("wait", WAITS)
async def test_whatever_it_waits_for_why_says_so(engine: Any, wait: str) -> None:
    action, word = WAITS[wait]
    called = action["type"] in ("sync", "async")
    engine.transport.script = lambda *_: answer(status=202) if wait == "a callback" else None
    document = {"states": ["s"], "actions": [{"name": "s", **action}], "transitions": [START, END]}
    await engine.upload(document, [{"name": "s", "workerEndpoint": "w"}] * called)
    execution = await engine.start()
    await engine.advance(1)
    now = await engine.read(execution)
    assert now.status in ("running", "waiting")
    assert word in (await engine.it.tracking.why(now))["why"]
    await engine.verify()


async def test_what_the_engine_itself_forgot_is_found_goes_on_and_is_counted(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    await engine.it.start()
    engine.transport.script = lambda _, body: answer(status=500 if body["attempt"] == 1 else 200)
    worker = {"name": "s", "workerEndpoint": "w", "retryCount": 1}
    await engine.upload({"states": ["s"], "transitions": [START, END]}, [worker])
    with monkeypatch.context() as bug:
        bug.setattr(attempts, "wait_for_worker", lambda *_: None)  # a retry, and no timer for it
        execution = await engine.start()
        await engine.advance(1)
    assert (await engine.read(execution)).status == "running"
    await engine.advance(TWO_TURNS)
    assert (await engine.read(execution)).status == "completed"
    assert engine.it.watchman.orphans == 1
    await engine.verify()
    await engine.it.stop()


@pytest.mark.parametrize("seed", [101, 102, 103, 104, 105])
def test_once_nothing_is_broken_any_more_everything_ends(seed: int) -> None:
    result = simulate(seed)
    assert sum(result.faults.values()) > 0
    assert result.breaches == []
    assert set(result.statuses) <= {"completed", "failed", "cancelled"}
    assert sum(result.statuses.values()) == result.executions > 5
