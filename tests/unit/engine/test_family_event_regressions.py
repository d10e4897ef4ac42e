"""Events and results in families, as a review found them lost or blocked."""

from typing import Any

import pytest

from goflow_py.errors import Unavailable
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import UNDOING, child_of, hold, pass_unnoticed, workers
from tests.unit.engine.test_families import WAITS, machine, parent

BOTH = [{"name": "a"}, {"name": "b"}]

# ---------------------------------------------------------------- kept events


async def test_an_event_held_during_a_pause_reaches_the_machine_that_awaits_it(
    engine: Engine,
) -> None:
    await engine.upload(parent({"a": WAITS}, [{"name": "a"}]), [])
    execution = await engine.start()
    await engine.control(execution, "pause")
    await engine.send(execution, "go_on", 5, id="e1")
    await engine.control(execution, "resume")
    assert [e for e in await engine.entries(execution) if e["type"] == "eventIgnored"] == []
    assert (await engine.read(execution)).state == "after"


async def test_a_deferred_event_reaches_the_machine_that_is_born_later(engine: Engine) -> None:
    document = parent({"a": WAITS}, [{"name": "a"}])
    document["states"].insert(0, {"name": "first", "defer": ["go_on"], "on": {"next": "work"}})
    document["transitions"] = [{"current": "init", "event": "start", "next": "first"}]
    await engine.upload(document, [])
    execution = await engine.start()
    await engine.send(execution, "go_on", 5)
    await engine.send(execution, "next")
    found = await engine.read(execution)
    assert (found.state, found.deferred) == ("after", [])


async def test_a_paused_child_does_not_take_what_its_parent_defers(engine: Engine) -> None:
    document = parent({"a": WAITS}, [{"name": "a"}])
    document["states"][0]["defer"] = ["go"]
    await engine.upload(document, [])
    execution = await engine.start()
    child = await child_of(engine, execution)
    await engine.control(child, "pause")
    await engine.send(execution, "go")  # the state `after` awaits it
    await engine.control(child, "resume")
    await engine.send(execution, "go_on")
    assert (await engine.read(execution)).status == "completed"


async def test_a_child_that_is_being_undone_does_not_keep_an_event_from_its_sibling(
    engine: Engine,
) -> None:
    await engine.upload(parent({"a": UNDOING, "b": WAITS}, BOTH), workers("call", "uncall"))
    engine.transport.script = lambda _, body: None if body["action"] == "uncall" else answer()
    execution = await engine.start()
    await engine.advance(1)
    sibling = await child_of(engine, execution, "b")
    undone = await child_of(engine, execution, "a")
    await engine.control(undone, "cancel")
    await engine.advance(1)
    assert (await engine.read(undone)).unwinding
    assert (await engine.send(execution, "go_on", 5)).applied
    assert (await engine.read(sibling)).status == "completed"


# ---------------------------------------------------------------- relatives as they are now


async def test_a_relative_that_refused_an_event_keeps_its_own_status(engine: Engine) -> None:
    late = {
        **machine(
            {"name": "call", "after": [{"delay": 10, "next": "wait"}]},
            {"name": "wait", "on": {"other": "done"}},
        ),
        "actions": [{"name": "call"}],
    }
    await engine.upload(parent({"a": late, "b": WAITS}, BOTH), workers("call"))
    engine.transport.script = lambda *_: None
    execution = await engine.start()
    await engine.advance(1)
    child = await child_of(engine, execution, "a")
    pass_unnoticed(engine, 10)
    await engine.send(execution, "go_on")
    found = await engine.read(child)
    assert (found.state, found.status) == ("wait", "waiting")
    await engine.verify()


async def test_a_result_that_came_in_time_comes_before_the_timer_when_a_relative_steps(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = {
        **machine(
            {"name": "call", "on": {"success": "wait", "timeout": "late"}, "timeout": 10},
            {"name": "wait", "on": {"x": "done"}},
            {"name": "late", "on": {"x": "done"}},
        ),
        "actions": [{"name": "call"}],
    }
    await engine.upload(parent({"a": timed, "b": WAITS}, BOTH), workers("call"))
    answers = hold(monkeypatch, engine.transport, "send")
    execution = await engine.start()
    await engine.advance(9.8)
    child = await child_of(engine, execution, "a")

    async def full(_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine.store, "commit", full)
        answers.set()
        await engine.advance(0.1)
        pass_unnoticed(engine, 0.3)
    await engine.send(execution, "go_on", task="b")
    await engine.advance(5)
    assert (await engine.read(child)).state == "wait"
