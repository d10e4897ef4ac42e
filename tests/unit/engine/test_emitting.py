"""Events that executions send: to each other, to endpoints, and as notifications."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.engine.requests import StartRequest
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_recovery import Crash

WAITS = {
    "activity": "waits",
    "key": "$.input.order",
    "data": {"got": None},
    "states": [{"name": "wait", "on": {"paid": {"next": "done", "set": {"got": "$.event.data"}}}}],
    "transitions": [{"current": "init", "event": "start", "next": "wait"}],
}


def emitter(**target: Any) -> dict[str, Any]:
    """Return an activity that emits ``paid`` and then waits."""
    return {
        "activity": "emits",
        "states": [
            {"name": "tell", "do": "tell", "on": {"success": "told"}},
            {"name": "told", "on": {"end": "done"}},
        ],
        "actions": [{"name": "tell", "type": "emit", "event": "paid", **target}],
        "transitions": [{"current": "init", "event": "start", "next": "tell"}],
    }


async def start(
    engine: Engine, activity: str, value: Any = None, *, project: str = "p"
) -> Execution:
    request = StartRequest(input=value)
    return (await engine.it.executions.start(project, activity, request)).execution


async def both(engine: Engine, **target: Any) -> tuple[Execution, Execution]:
    """Return an execution that waits for ``paid``, and one that has emitted it."""
    await engine.upload(WAITS, [])
    await engine.upload(emitter(**target), [])
    waiting = await start(engine, "waits", {"order": "o-1"})
    telling = await start(engine, "emits", {"order": "o-1", "waiting": waiting.id})
    await engine.advance(0)
    return await engine.read(waiting), await engine.read(telling)


# ---------------------------------------------------------------- to executions


async def test_an_event_reaches_the_execution_with_the_business_key(engine: Engine) -> None:
    waiting, telling = await both(engine, key="$.input.order", data={"sum": 5})
    assert (waiting.status, waiting.data) == ("completed", {"got": {"sum": 5}})
    assert telling.outputs["tell"]["output"] == {"matched": [waiting.id]}
    [applied] = [e for e in await engine.entries(waiting) if e["type"] == "eventApplied"]
    assert applied["id"] == f"{telling.id}/1"
    assert applied["principal"] == f"execution:{telling.id}"


async def test_an_event_reaches_the_execution_with_the_id_and_carries_the_input(
    engine: Engine,
) -> None:
    waiting, telling = await both(engine, execution="$.input.waiting")
    assert waiting.data == {"got": {"order": "o-1", "waiting": waiting.id}}
    assert telling.state == "told"


async def test_an_event_for_another_activity_with_that_key_matches_nobody(engine: Engine) -> None:
    waiting, telling = await both(engine, key="$.input.order", activity="emits")
    assert waiting.status == "waiting"
    assert telling.status == "failed"
    assert telling.error is not None
    assert telling.error["code"] == "no_match"


async def test_an_event_never_leaves_its_project(engine: Engine) -> None:
    await engine.upload({**WAITS, "project": "other"}, [])
    await engine.upload(emitter(key="$.input.order"), [])
    await engine.upload({**emitter(execution="$.input.waiting"), "activity": "by_id"}, [])
    waiting = await start(engine, "waits", {"order": "o-1"}, project="other")
    for activity in ("emits", "by_id"):
        telling = await start(engine, activity, {"order": "o-1", "waiting": waiting.id})
        await engine.advance(0)
        telling = await engine.read(telling)
        assert telling.error is not None
        assert telling.error["code"] == "no_match"
    assert (await engine.read(waiting)).status == "waiting"


async def test_an_id_that_is_none_matches_nobody(engine: Engine) -> None:
    await engine.upload(emitter(execution="$.input.whom"), [])
    telling = await start(engine, "emits", {"whom": "../x"})
    await engine.advance(0)
    error = (await engine.read(telling)).error
    assert error is not None
    assert (error["code"], error["attempts"]) == ("no_match", 1)


async def test_an_event_that_nobody_accepts_is_a_definite_error_that_says_so(
    engine: Engine,
) -> None:
    await engine.upload(WAITS, [])
    document = emitter(key="$.input.order", retryCount=3)
    document["actions"][0]["event"] = "nonsense"
    await engine.upload(document, [])
    await start(engine, "waits", {"order": "o-1"})
    telling = await start(engine, "emits", {"order": "o-1"})
    await engine.advance(0)
    error = (await engine.read(telling)).error
    assert error is not None
    assert (error["code"], error["attempts"]) == ("not_accepted", 1)
    assert "nonsense" in error["message"]


async def test_an_execution_that_keeps_too_many_events_is_told_later(engine: Engine) -> None:
    document = {**WAITS, "states": [{"name": "wait", "defer": ["paid"], "on": {"go": "done"}}]}
    await engine.upload(document, [])
    await engine.upload(emitter(key="$.input.order", retryCount=5), [])
    waiting = await start(engine, "waits", {"order": "o-1"})
    for number in range(1_000):
        await engine.send(waiting, "paid", number)
    telling = await start(engine, "emits", {"order": "o-1"})
    await engine.advance(0)
    task = (await engine.read(telling)).tasks["tell"]
    assert task.error is not None
    assert (task.outcome, task.error["code"]) == (None, "too_many_deferred")
    await engine.control(waiting, "terminate")


async def test_an_event_is_applied_once_although_the_emitter_crashed_behind_it(
    make_engine: Callable[..., Any], clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(WAITS, [])
    await engine.upload(emitter(key="$.input.order"), [])
    waiting = await start(engine, "waits", {"order": "o-1"})
    emit, sent = engine.it.doers.emit, asyncio.Event()

    async def emit_and_hang(*given: Any) -> Any:
        await emit(*given)
        sent.set()
        await asyncio.get_running_loop().create_future()

    engine.it.doers.emit = emit_and_hang
    telling = await start(engine, "emits", {"order": "o-1"})
    await sent.wait()
    assert (await engine.read(waiting)).status == "completed"
    engine = await crash.crash()
    await engine.advance(1)
    found = await engine.read(telling)
    assert (found.state, found.outputs["tell"]["output"]) == ("told", {"matched": [waiting.id]})
    types = [e["type"] for e in await engine.entries(waiting)]
    assert types.count("eventApplied") == 1
    await engine.verify()


async def test_an_execution_can_send_an_event_to_itself(engine: Engine) -> None:
    document = emitter(execution="$.execution.id")
    document["states"][0]["on"]["paid"] = "told"
    await engine.upload(document, [])
    telling = await start(engine, "emits")
    await engine.advance(0)
    found = await engine.read(telling)
    assert (found.status, found.state) == ("waiting", "told")


# ---------------------------------------------------------------- to endpoints


async def test_an_endpoint_gets_a_cloud_event_until_it_takes_it(engine: Engine) -> None:
    await engine.upload(emitter(endpoint="shop", data={"sum": 5}, retryCount=2), [])
    replies = [answer(status=500), answer(status=202)]
    engine.transport.script = lambda *_: replies.pop(0)
    telling = await start(engine, "emits", {"order": "o-1"})
    await engine.advance(5)
    first, second = engine.transport.bodies
    assert first == second
    assert first["specversion"] == "1.0"
    assert (first["type"], first["data"], first["id"]) == ("paid", {"sum": 5}, f"{telling.id}/1")
    assert first["source"] == "/p/emits"
    kinds = {request.headers["Content-Type"] for request in engine.transport.requests}
    assert kinds == {"application/cloudevents+json"}
    assert (await engine.read(telling)).state == "told"


NOTIFIES = {
    "activity": "notifies",
    "states": [{"name": "work", "notify": {"entered": "crm", "left": "crm"}, "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "work"}],
}


async def test_a_notification_is_repeated_until_it_is_taken_after_the_end_too(
    engine: Engine,
) -> None:
    await engine.upload(NOTIFIES, [])
    engine.transport.script = lambda *_: answer(status=503)
    execution = await start(engine, "notifies")
    await engine.send(execution, "go")
    await engine.advance(1)
    assert (await engine.read(execution)).status == "completed"
    engine.transport.script = lambda *_: answer()
    await engine.advance(120)
    found = await engine.read(execution)
    assert found.errands == {}
    taken = [orjson.loads(request.body) for request in engine.transport.requests[-2:]]
    assert {event["type"] for event in taken} == {"goflow.state.entered", "goflow.state.left"}


async def test_a_notification_that_a_crash_cut_is_sent_again_under_its_id(
    make_engine: Callable[..., Any], clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(NOTIFIES, [])
    engine.transport.script = lambda *_: None
    execution = await start(engine, "notifies")
    await engine.advance(1)
    [cut] = engine.transport.bodies
    engine = await crash.crash()
    await engine.advance(120)
    again = engine.transport.bodies[0]
    assert (again["id"], again["type"]) == (cut["id"], "goflow.state.entered")
    assert (await engine.read(execution)).errands == {}
    await engine.verify()
