"""``async`` actions: acceptance, callbacks, heartbeats, and everything that can come too late."""

from typing import Any

import pytest

from goflow_py.engine.callbacks import CallbackBody
from goflow_py.errors import Conflict, Gone, Invalid, NotFound
from goflow_py.testing import answer


def blueprint(**action: Any) -> dict[str, Any]:
    return {
        "states": ["a"],
        "actions": [{"name": "a", "type": "async", **action}],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "late", "next": "done"},
        ],
    }


WORKER = [{"name": "a", "workerEndpoint": "w", "retryCount": 1, "retry": {"jitter": "none"}}]


def token(engine: Any, call: int = -1) -> str:
    return str(engine.transport.bodies[call]["callbackUrl"]).rsplit("/", 1)[1]


async def accepted(engine: Any, **action: Any) -> Any:
    engine.transport.script = lambda *_: answer({"job": 1}, status=202)
    await engine.upload(blueprint(**action), WORKER)
    execution = await engine.start()
    await engine.advance(0)
    return execution


async def test_an_accepted_call_waits_for_its_callback(engine: Any) -> None:
    execution = await accepted(engine)
    assert (await engine.read(execution)).status == "waiting"
    assert engine.it.owner.counts()["live"] == 0
    assert (
        await engine.it.callbacks.complete(token(engine), CallbackBody(output={"x": 1}))
        == "applied"
    )
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", {"x": 1})


async def test_the_same_callback_twice_changes_nothing(engine: Any) -> None:
    execution = await accepted(engine)
    await engine.it.callbacks.complete(token(engine), CallbackBody(output=1))
    before = await engine.read(execution)
    assert await engine.it.callbacks.complete(token(engine), CallbackBody(output=2)) == "duplicate"
    assert (await engine.read(execution)).seq == before.seq


async def test_a_callback_may_come_before_the_acceptance_was_read(engine: Any) -> None:
    engine.transport.script = lambda *_: None
    await engine.upload(blueprint(), WORKER)
    execution = await engine.start()
    await engine.advance(0)
    await engine.it.callbacks.complete(token(engine), CallbackBody(output="early"))
    assert (await engine.read(execution)).output == "early"


async def test_a_callback_may_choose_the_outcome(engine: Any) -> None:
    execution = await accepted(engine)
    await engine.it.callbacks.complete(token(engine), CallbackBody(event="late", output=3))
    assert (await engine.read(execution)).status == "completed"


async def test_a_reserved_outcome_is_refused_and_nothing_changes(engine: Any) -> None:
    execution = await accepted(engine)
    with pytest.raises(Invalid):
        await engine.it.callbacks.complete(token(engine), CallbackBody(event="start"))
    assert (await engine.read(execution)).status == "waiting"


async def test_a_callbacks_error_is_definite(engine: Any) -> None:
    execution = await accepted(engine)
    error = {"code": "no_funds", "message": "empty"}
    await engine.it.callbacks.complete(token(engine), CallbackBody(error=error))
    now = await engine.read(execution)
    assert (now.status, now.error["code"]) == ("failed", "no_funds")
    assert len(engine.calls()) == 1


async def test_a_callbacks_error_with_retry_is_a_failed_attempt(engine: Any) -> None:
    execution = await accepted(engine)
    await engine.it.callbacks.complete(token(engine), CallbackBody(error="busy", retry=True))
    await engine.advance(2)
    assert [call[2] for call in engine.calls()] == [1, 2]
    assert (await engine.read(execution)).status == "waiting"


async def test_no_heartbeat_in_time_is_a_timeout_of_the_attempt(engine: Any) -> None:
    execution = await accepted(engine, heartbeatTimeout=10)
    await engine.advance(9)
    await engine.it.callbacks.heartbeat(token(engine))
    await engine.advance(9)
    assert len(engine.calls()) == 1
    await engine.advance(3)
    assert len(engine.calls()) == 2
    outcomes = [
        e["outcome"] for e in await engine.entries(execution) if e["type"] == "attemptEnded"
    ]
    assert outcomes == ["timeout"]


async def test_a_callback_of_an_attempt_that_timed_out_is_superseded_and_recorded(
    engine: Any,
) -> None:
    execution = await accepted(engine, heartbeatTimeout=10)
    first = token(engine)
    await engine.advance(12)
    with pytest.raises(Conflict):
        await engine.it.callbacks.complete(first, CallbackBody(output="old"))
    assert "lateIgnored" in [e["type"] for e in await engine.entries(execution)]
    await engine.it.callbacks.complete(token(engine), CallbackBody(output="new"))
    assert (await engine.read(execution)).output == "new"


async def test_a_callback_after_the_end_is_gone(engine: Any) -> None:
    execution = await accepted(engine)
    await engine.control(execution, "cancel")
    with pytest.raises(Gone):
        await engine.it.callbacks.complete(token(engine), CallbackBody(output=1))


async def test_without_a_callback_the_actions_timeout_closes_the_work(engine: Any) -> None:
    execution = await accepted(engine, timeout=60)
    await engine.advance(61)
    now = await engine.read(execution)
    assert (now.status, now.error["code"]) == ("failed", "timeout")


async def test_a_day_without_a_callback_fails_the_attempt(engine: Any) -> None:
    await accepted(engine)
    await engine.advance(86_400 + 40)
    assert len(engine.calls()) == 2


@pytest.mark.parametrize("bad", ["", "x", "AAAA", "é", "a" * 600])
async def test_a_token_that_was_not_made_here_is_not_found(engine: Any, bad: str) -> None:
    with pytest.raises(NotFound):
        await engine.it.callbacks.complete(bad, CallbackBody(output=1))


async def test_a_token_with_one_changed_character_is_not_found(engine: Any) -> None:
    await accepted(engine)
    good = token(engine)
    bad = good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:]
    with pytest.raises(NotFound):
        await engine.it.callbacks.complete(bad, CallbackBody(output=1))
