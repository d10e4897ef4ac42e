"""Outcomes that come late, twice, or while the execution is paused; what is still to be made."""

from typing import Any

import pytest

from goflow_py.engine.auditor import verify
from goflow_py.engine.requests import StartRequest
from goflow_py.engine.verdict import Definite, Success
from goflow_py.errors import Conflict
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "a"}


async def claimed(engine: Engine, queue: str) -> Any:
    (task,) = await engine.it.polls.poll([queue], max_tasks=1, wait_seconds=0, worker="w")
    return task


async def paying(engine: Engine) -> Any:
    document = {
        "states": [
            {"name": "a", "on": {"success": "rest"}},
            {"name": "rest", "on": {"go": "done"}},
        ],
        "actions": [{"name": "a", "type": "pull", "undo": "give_back"}, {"name": "give_back"}],
        "transitions": [START],
    }
    await engine.upload(document, [{"name": "give_back", "workerEndpoint": "w"}])
    return await engine.start({})


async def test_a_cancel_knows_the_outcome_that_came_while_it_was_paused(engine: Engine) -> None:
    execution = await paying(engine)
    task = await claimed(engine, "a")
    await engine.control(execution, "pause")
    await engine.it.claims.end(task.id, task.token, Success(output={"pay": 7}))
    await engine.control(execution, "cancel")
    await engine.advance(1)
    assert [body["input"] for body in engine.transport.bodies] == [
        {"input": {}, "output": {"pay": 7}}
    ]
    assert (await engine.read(execution)).status == "cancelled"


async def test_work_that_was_refused_while_it_was_paused_is_not_undone(engine: Engine) -> None:
    execution = await paying(engine)
    task = await claimed(engine, "a")
    await engine.control(execution, "pause")
    await engine.it.claims.end(task.id, task.token, Definite(code="no", message="no"))
    await engine.control(execution, "cancel")
    assert engine.transport.bodies == []


async def test_a_second_outcome_that_contradicts_the_first_is_refused(engine: Engine) -> None:
    await paying(engine)
    task = await claimed(engine, "a")
    done = Success(output=1)
    assert await engine.it.claims.end(task.id, task.token, done) == "applied"
    assert await engine.it.claims.end(task.id, task.token, done) == "duplicate"
    with pytest.raises(Conflict, match="ended with another outcome before"):
        await engine.it.claims.end(task.id, task.token, Definite(code="x", message="x"))


async def test_an_execution_whose_teardown_is_still_to_be_made_is_not_deleted(
    engine: Engine,
) -> None:
    document = {
        "states": [{"name": "a", "on": {"go": "done"}, "subscribe": {"teardown": "off"}}],
        "actions": [{"name": "off"}],
        "transitions": [START],
    }
    await engine.upload(document, [{"name": "off", "workerEndpoint": "w"}])
    engine.transport.script = lambda *_: answer(status=503)
    execution = await engine.start()
    await engine.send(execution, "go")
    await engine.advance(1)
    with pytest.raises(Conflict, match="still to be made"):
        await engine.it.executions.delete(execution.id)
    engine.transport.script = lambda *_: answer()
    await engine.advance(120)
    await engine.it.executions.delete(execution.id)


async def test_where_keys_are_asked_for_an_emitted_event_has_no_role(make_engine: Any) -> None:
    engine = make_engine(checks_roles=True)
    await engine.it.start()
    document = {
        "events": {"approve": {"role": "boss"}},
        "states": [{"name": "a", "on": {"approve": "done"}}],
        "transitions": [START],
    }
    await engine.upload(document, [])
    target = await engine.start(key="k")
    sender = {
        "activity": "sender",
        "states": ["a"],
        "actions": [{"name": "a", "type": "emit", "event": "approve", "key": "k"}],
        "transitions": [START],
    }
    await engine.upload(sender, [])
    sent = (await engine.it.executions.start("p", "sender", StartRequest())).execution
    await engine.advance(1)
    assert (await engine.read(sent)).status == "failed"
    assert (await engine.read(target)).status == "waiting"
    await engine.it.stop()


async def test_the_auditor_misses_a_child_that_is_gone(make_engine: Any) -> None:
    engine = make_engine()
    await engine.it.start()
    machine = {
        "states": [{"name": "w", "on": {"go": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "w"}],
    }
    document = {
        "states": ["a"],
        "actions": [{"name": "a", "type": "activity", "machine": "m"}],
        "transitions": [START],
        "machines": {"m": machine},
    }
    await engine.upload(document, [])
    execution = await engine.start()
    assert (await verify(engine.store)).breaches == []
    (child,) = execution.children()
    await engine.store.delete(child)
    assert [breach.rule for breach in (await verify(engine.store)).breaches] == ["S15"]
    await engine.it.stop()
