"""G8: a timer fires once, never early, and at most a second late, also after a crash.

At large: tests/faults/test_signals.py (clocks that jump), tests/e2e/test_long_times.py,
tests/unit/engine/test_timers.py, tests/torture/test_simulation.py (rule S12).
"""

import time
from datetime import datetime
from typing import Any

import pytest

from goflow_py.testing import answer
from tests.harness import until

START = {"current": "init", "event": "start", "next": "s"}
TO_DONE = {"current": "s", "event": "success", "next": "done"}
HOUR = 3_600
RETRY = {"interval": HOUR, "maxInterval": HOUR, "jitter": "none"}
KINDS: dict[str, dict[str, Any]] = {
    "after": {"states": [{"name": "s", "after": [{"delay": "1h", "next": "done"}]}]},
    "timeout": {"states": [{"name": "s", "timeout": "1h", "on": {"timeout": "done"}}]},
    "delay": {"states": ["s"], "actions": [{"name": "s", "type": "delay", "seconds": "1h"}]},
    "retry": {"states": ["s"], "actions": [{"name": "s", "type": "sync"}]},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_timer_of_an_hour_rings_within_the_second(engine: Any, kind: str) -> None:
    worker = {"name": "s", "workerEndpoint": "w", "retryCount": 1, "retry": RETRY}
    rows = [START] + ([TO_DONE] if kind in ("delay", "retry") else [])
    engine.transport.script = lambda _, body: answer(status=500 if body["attempt"] == 1 else 200)
    await engine.upload({**KINDS[kind], "transitions": rows}, [worker] * (kind == "retry"))
    execution = await engine.start()
    await engine.advance(HOUR - 0.4)
    for verb in ("pause", "resume"):  # a step on the way takes no timer with it
        await engine.control(execution, verb)
    assert (await engine.read(execution)).status in ("waiting", "running")
    await engine.advance(2)
    assert (await engine.read(execution)).status == "completed"
    entries = await engine.entries(execution)
    fired = [entry for entry in entries if entry["type"] == "timerFired"]
    dues = {entry["timer"]: at(entry["due"]) for entry in entries if entry["type"] == "timerSet"}
    assert [0 <= at(entry["at"]) - dues[entry["timer"]] <= 1 for entry in fired] == [True]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.e2e
def test_a_timer_that_became_due_while_the_server_was_down_rings_once(house: Any) -> None:
    shop = house()
    nap = {"name": "s", "after": [{"delay": 1, "next": "done"}]}
    blueprint = {"project": "shop", "activity": "nap", "states": [nap], "actions": []}
    shop.server.client.post(
        "/v1/blueprints", json={**blueprint, "transitions": [START]}
    ).raise_for_status()
    made = [shop.server.start("shop/nap")["id"] for _ in range(20)]
    [*_, last] = (at(entry["due"]) for entry in shop.server.history(made[-1]) if "due" in entry)
    shop.server.kill()
    until(lambda: time.time() > last, "all of them are due, and nobody is there")
    shop.again()
    for execution in made:
        assert shop.server.end_of(execution)["status"] == "completed"
        entries = shop.server.history(execution)
        [set_] = [entry for entry in entries if entry["type"] == "timerSet"]
        [fired] = [entry for entry in entries if entry["type"] == "timerFired"]
        assert fired["at"] >= set_["due"]
    assert shop.is_sound()
