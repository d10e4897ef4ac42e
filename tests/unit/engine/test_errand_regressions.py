"""Teardowns and notifications, as a review found them lost, doubled or breaking the step."""

import asyncio
from typing import Any

import pytest

from goflow_py.engine.callbacks import CallbackBody
from goflow_py.errors import Conflict
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import hold, listed, workers
from tests.unit.engine.test_families import machine
from tests.unit.engine.test_recovery import Crash

NOTIFYING = machine(
    {"name": "work", "notify": {"entered": "http://n"}, "on": {"go": "done"}},
)


def tearing(*more: dict[str, Any], to: str = "done", **fields: Any) -> dict[str, Any]:
    """Return a blueprint that calls `down` when it leaves its first state."""
    wait = {"name": "wait", "on": {"go": to}, "subscribe": {"teardown": "down"}}
    return {**machine(wait, *more), "actions": [{"name": "down"}], **fields}


# ---------------------------------------------------------------- an endpoint that fails


async def test_a_notification_that_never_arrives_is_given_up_and_holds_nothing_up(
    engine: Engine,
) -> None:
    await engine.upload(NOTIFYING, [])
    engine.transport.script = lambda *_: answer(status=500)
    execution = await engine.start()
    await engine.advance(3600)
    await engine.send(execution, "go")
    assert (await engine.read(execution)).status == "completed"
    await engine.advance(3600)
    found = await engine.read(execution)
    assert (found.errands, found.timers) == ({}, {})


async def test_an_execution_goes_on_while_the_circuit_of_its_notifications_is_open(
    engine: Engine,
) -> None:
    await engine.upload(NOTIFYING, [])
    engine.transport.script = lambda *_: answer(status=500)
    started = []
    for _ in range(15):
        started.append(await engine.start())
        await engine.advance(0.1)
    for execution in started:
        await engine.send(execution, "go")
        assert (await engine.read(execution)).status == "completed"


# ---------------------------------------------------------------- a process that ends


async def test_a_notification_due_during_a_drain_is_made_once_by_the_next_process(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    one = {"name": "one", "on": {"success": "done"}, "notify": {"left": "http://n/left"}}
    await engine.upload({**machine(one), "actions": [{"name": "one"}]}, workers("one"))
    answers = hold(monkeypatch, engine.transport, "send")
    execution = await engine.start()
    await engine.advance(0)
    stop = asyncio.create_task(engine.it.stop(drain_seconds=5))
    await engine.advance(0)
    answers.set()
    await engine.advance(6)
    await stop
    assert len(engine.transport.requests) == 1
    await engine.advance(11)
    again = make_engine(MemoryStore(tables))
    await again.it.start()
    await again.advance(1000)
    assert [request.url for request in again.transport.requests] == ["http://n/left"]
    assert (await again.read(execution)).errands == {}
    await again.verify()
    await again.it.stop()


async def test_a_teardown_that_waited_for_a_slot_is_made_after_a_crash(
    make_engine: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(tearing(), workers("down", maxConcurrent=1))
    engine.transport.script = lambda *_: None
    both = [await engine.start(), await engine.start()]
    for execution in both:
        await engine.send(execution, "go")
    await engine.advance(1)
    assert len(engine.calls()) == 1
    # The dead process gives its slots to nobody.
    monkeypatch.setattr(engine.it.owner.flights, "_wake", lambda _: None)
    engine = await crash.crash()
    await engine.advance(3600)
    assert len(engine.calls()) == 2
    assert [(await engine.read(execution)).errands for execution in both] == [{}, {}]
    await engine.verify()
    await engine.it.stop()


# ---------------------------------------------------------------- retention


async def test_an_execution_is_kept_until_its_teardown_was_made(engine: Engine) -> None:
    await engine.upload(tearing(retain=0), workers("down"))
    engine.transport.script = lambda *_: answer(status=503)
    execution = await engine.start()
    await engine.send(execution, "go")
    await engine.advance(125)
    with pytest.raises(Conflict) as refused:
        await engine.it.executions.delete(execution.id)
    assert refused.value.reason == "errands_open"
    engine.transport.script = lambda *_: answer()
    before = len(engine.calls())
    await engine.advance(600)
    assert len(engine.calls()) == before + 1
    assert await listed(engine) == []


# ---------------------------------------------------------------- keys and callbacks


async def test_a_task_named_setup_and_a_subscription_have_keys_and_undos_of_their_own(
    engine: Engine,
) -> None:
    document = machine(
        {
            "name": "work",
            "tasks": [{"name": "setup", "do": "book"}],
            "subscribe": {"setup": "sub"},
            "on": {"success": "wait"},
        },
        {"name": "wait", "on": {"go": "done"}},
    )
    document["actions"] = [
        {"name": "book", "undo": "unbook"},
        {"name": "sub", "undo": "unsub"},
        {"name": "unbook"},
        {"name": "unsub"},
    ]
    await engine.upload(document, workers("book", "sub", "unbook", "unsub"))
    execution = await engine.start()
    await engine.advance(1)
    keys = [request.headers["Idempotency-Key"] for request in engine.transport.requests]
    assert len(keys) == len(set(keys)) == 2
    await engine.control(execution, "cancel")
    await engine.advance(1)
    assert sorted(engine.calls()[2:]) == [("unbook", "unbook", 1), ("unsub", "unsub", 1)]


async def test_two_failures_in_one_visit_are_notified_with_an_id_each(engine: Engine) -> None:
    work = {"name": "work", "do": "book", "notify": {"failed": "http://n"}}
    await engine.upload({**machine(work), "actions": [{"name": "book"}]}, workers("book"))
    engine.transport.script = lambda request, _: answer(
        status=200 if request.url == "http://n" else 400
    )
    execution = await engine.start()
    await engine.advance(1)
    await engine.control(execution, "retry")
    await engine.advance(1)
    ids = [body["id"] for body in engine.transport.bodies if "specversion" in body]
    assert len(ids) == len(set(ids)) == 2


async def test_a_repeated_callback_of_a_teardown_is_a_duplicate_in_a_later_visit(
    engine: Engine,
) -> None:
    document = tearing(
        {"name": "next", "on": {"on": "last"}}, {"name": "last", "on": {"x": "done"}}, to="next"
    )
    document["actions"] = [{"name": "down", "type": "async"}]
    await engine.upload(document, workers("down"))
    execution = await engine.start()
    await engine.send(execution, "go")
    await engine.advance(1)
    token = engine.transport.bodies[0]["callbackUrl"].rsplit("/", 1)[1]
    await engine.send(execution, "on")
    assert await engine.it.callbacks.complete(token, CallbackBody(output=1)) == "applied"
    assert await engine.it.callbacks.complete(token, CallbackBody(output=1)) == "duplicate"
