"""Slots, as a review found them leaking, and calls for tasks that were closed meanwhile."""

from typing import Any

import pytest

from goflow_py.errors import EventNotAccepted
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import hold, pass_unnoticed, workers
from tests.unit.engine.test_families import START, machine

LOOKS_MAX = 100
"""Of four executions with eight calls: many more are a loop that keeps the processor busy."""


async def with_an_open_circuit(engine: Engine, on: dict[str, str]) -> None:
    """Upload a join of `a`, whose circuit is open at the end, and `b`."""
    document = {
        "states": [
            {"name": "work", "tasks": [{"name": "a"}, {"name": "b"}], "on": on},
            {"name": "after", "on": {"go": "done"}},
        ],
        "transitions": [START],
        "actions": [{"name": "a", "whenOpen": "fail"}, {"name": "b"}],
    }
    await engine.upload(document, workers("a", "b"))
    engine.transport.script = lambda _, body: answer(status=500 if body["action"] == "a" else 200)
    for _ in range(12):
        await engine.start()
        await engine.advance(0.1)


@pytest.mark.parametrize(
    ("on", "path"), [({"error": "after"}, ("after", "waiting")), ({}, ("work", "failed"))]
)
async def test_no_call_is_made_for_a_task_that_one_before_it_closed(
    engine: Engine, on: dict[str, str], path: tuple[str, str]
) -> None:
    await with_an_open_circuit(engine, on)
    before = len(engine.calls())
    execution = await engine.start()
    await engine.advance(1)
    found = await engine.read(execution)
    assert (found.state, found.status) == path
    assert engine.calls()[before:] == []
    assert engine.it.dispatcher.slots.total == 0


async def test_a_step_that_is_thrown_away_gives_its_slots_back(engine: Engine) -> None:
    retry = {"interval": 5, "jitter": "none"}
    await engine.upload(
        {**machine({"name": "work", "do": "x"}), "actions": [{"name": "x"}]},
        workers("x", retryCount=3, maxConcurrent=1, retry=retry),
    )
    engine.transport.script = lambda *_: answer(status=500)
    execution = await engine.start()
    await engine.advance(1)
    assert engine.it.dispatcher.slots.total == 0
    pass_unnoticed(engine, 5)  # the event is looked at first, and the due retry with it
    with pytest.raises(EventNotAccepted):
        await engine.send(execution, "nonsense")
    assert engine.it.dispatcher.slots.total == 0
    engine.transport.script = lambda *_: answer()
    await engine.advance(1000)
    assert (await engine.read(execution)).status == "completed"


async def test_executions_that_wait_for_two_slots_get_both_without_a_busy_loop(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {
        "states": [{"name": "work", "tasks": [{"name": "x"}, {"name": "y"}]}],
        "transitions": [START],
        "actions": [{"name": "x"}, {"name": "y"}],
    }
    await engine.upload(document, workers("x", "y", maxConcurrent=1))
    answers = hold(monkeypatch, engine.transport, "send")
    started = [await engine.start() for _ in range(4)]
    await engine.advance(0)
    looks = 0
    look = engine.it.owner.look

    async def counted(execution: str) -> Any:
        nonlocal looks
        looks += 1
        assert looks < LOOKS_MAX, "a busy loop"
        return await look(execution)

    monkeypatch.setattr(engine.it.owner.waker, "_look", counted)
    answers.set()
    await engine.advance(20)
    statuses = [(await engine.read(execution)).status for execution in started]
    assert statuses == ["completed"] * 4
    assert looks < LOOKS_MAX
    assert engine.it.dispatcher.slots.waiting == 0
