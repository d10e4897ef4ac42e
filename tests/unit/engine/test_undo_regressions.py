"""Undoing, as a review found it forgotten, stuck or without a bound."""

from typing import Any

import pytest

from goflow_py.fsm import step
from goflow_py.ports import Unreachable
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import UNDOING, listed, workers
from tests.unit.engine.test_families import machine


async def test_a_cancel_while_paused_undoes_and_ends(engine: Engine) -> None:
    await engine.upload(UNDOING, workers("call", "uncall"))
    execution = await engine.start()
    await engine.advance(1)
    await engine.control(execution, "pause")
    await engine.control(execution, "cancel")
    await engine.advance(100)
    assert (await engine.read(execution)).status == "cancelled"
    assert engine.calls() == [("call", "call", 1), ("uncall", "uncall", 1)]


async def test_a_compensation_that_is_an_activity_runs_to_its_end(engine: Engine) -> None:
    back = {**machine({"name": "back", "on": {"cancel": "done"}}), "actions": [{"name": "back"}]}
    document = {
        **UNDOING,
        "actions": [
            {"name": "call", "undo": "undo_it"},
            {"name": "undo_it", "type": "activity", "machine": "m"},
        ],
        "machines": {"m": back},
    }
    await engine.upload(document, workers("call", "back"))
    execution = await engine.start()
    await engine.advance(1)
    await engine.control(execution, "cancel")
    await engine.advance(1)
    assert engine.calls() == [("call", "call", 1), ("back", "back", 1)]
    assert (await engine.read(execution)).status == "cancelled"
    [child] = await listed(engine, parent=execution.id)
    assert child["status"] == "completed"


async def test_work_without_an_answer_that_is_refused_later_is_undone(engine: Engine) -> None:
    document = {
        **UNDOING,
        **machine(
            {"name": "call", "on": {"error": "wait"}}, {"name": "wait", "on": {"go_on": "done"}}
        ),
    }
    await engine.upload(document, workers("call", "uncall", retryCount=1))

    def reply(_: Any, body: dict[str, Any]) -> Any:
        if body["action"] == "uncall":
            return answer()
        if body["attempt"] == 1:
            return Unreachable(code="timeout", message="no answer")
        return answer(status=409)

    engine.transport.script = reply
    execution = await engine.start()
    await engine.advance(30)
    assert (await engine.read(execution)).state == "wait"
    await engine.control(execution, "cancel")
    await engine.advance(30)
    assert engine.calls()[2:] == [("uncall", "uncall", 1)]
    assert (await engine.read(execution)).status == "cancelled"


async def test_an_execution_with_more_work_to_undo_than_is_kept_fails(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert step.DONE_MAX == 1_000
    monkeypatch.setattr(step, "DONE_MAX", 5)  # the same, sooner
    document = {
        **UNDOING,
        **machine(
            {"name": "call", "on": {"success": "wait"}}, {"name": "wait", "on": {"again": "call"}}
        ),
    }
    await engine.upload(document, workers("call", "uncall"))
    execution = await engine.start()
    await engine.advance(0.1)
    for _ in range(4):
        await engine.send(execution, "again")
        await engine.advance(0.1)
    found = await engine.read(execution)
    assert (found.status, len(found.done)) == ("waiting", 5)
    await engine.send(execution, "again")
    await engine.advance(0.1)
    found = await engine.read(execution)
    assert (found.status, len(found.done)) == ("failed", 6)
    assert found.error is not None
    assert found.error["code"] == "too_many_undos"
