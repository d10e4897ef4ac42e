"""Queued work that failed for good and waits: nothing else stops, a retry puts it back."""

from typing import Any

import pytest

from goflow_py.engine.verdict import Definite, Success
from goflow_py.errors import Conflict
from tests.unit.engine.conftest import Engine

KITCHEN: dict[str, Any] = {
    "states": [
        {
            "name": "prepare",
            "tasks": [{"name": "make_food"}, {"name": "assign"}],
            "on": {"success": "done"},
        }
    ],
    "actions": [
        {"name": name, "type": "pull", "retryCount": 0, "whenFailed": "wait"}
        for name in ("make_food", "assign")
    ],
    "transitions": [{"current": "init", "event": "start", "next": "prepare"}],
}


async def claimed(engine: Engine, queue: str) -> Any:
    polled = await engine.it.polls.poll([queue], max_tasks=1, wait_seconds=0, worker="w")
    return polled[0] if polled else None


async def failed(engine: Engine) -> Any:
    await engine.upload(KITCHEN, [])
    execution = await engine.start()
    task = await claimed(engine, "make_food")
    verdict = Definite(code="oven", message="the oven is cold")
    await engine.it.claims.end(task.id, task.token, verdict)
    return execution


async def test_a_task_that_failed_stays_open_and_is_offered_to_nobody(engine: Engine) -> None:
    execution = await failed(engine)
    now = await engine.read(execution)
    assert (now.status, now.state) == ("waiting", "prepare")
    view = await engine.it.tracking.view(now)
    assert {task["task"]: task["status"] for task in view["tasks"]} == {
        "make_food": "parked",
        "assign": "queued",
    }
    assert await claimed(engine, "make_food") is None
    why = await engine.it.tracking.why(now)
    assert "waits for a retry of 'make_food', which failed (oven: the oven is cold)" in why["why"]


async def test_a_retry_puts_it_back_and_the_join_goes_on(engine: Engine) -> None:
    execution = await failed(engine)
    await engine.control(execution, "retry")
    again = await claimed(engine, "make_food")
    assert again is not None
    for task in (again, await claimed(engine, "assign")):
        await engine.it.claims.end(task.id, task.token, Success(output=None))
    assert (await engine.read(execution)).status == "completed"


async def test_without_work_that_waits_for_it_a_retry_is_refused(engine: Engine) -> None:
    await engine.upload(KITCHEN, [])
    execution = await engine.start()
    with pytest.raises(Conflict, match="no work of it waits for a retry"):
        await engine.control(execution, "retry")
