"""The watchman: what stands still is found, looked after and counted; what is well is let be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import decode
from goflow_py.engine import watchman
from goflow_py.testing import FakeClock, answer

TURN = 70
"""Seconds in which every open execution is looked at."""
TWO_TURNS = 2 * TURN
CALL = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}
WORKER = [{"name": "a", "workerEndpoint": "w"}]
WAIT = {
    "states": [{"name": "w", "timeout": "1h", "on": {"timeout": "done"}}],
    "actions": [{"name": "w", "type": "wait", "event": "go"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "w"},
        {"current": "w", "event": "success", "next": "done"},
    ],
}
PULL = {**CALL, "actions": [{"name": "a", "type": "pull", "queue": "q"}]}


def store_as(engine: Any, execution: Any, **columns: Any) -> None:
    """Change the row of an execution behind everybody's back."""
    stored = engine.store._tables.executions[execution.id]
    stored.head = replace(stored.head, **columns)


@pytest.fixture
async def engine(make_engine: Callable[..., Any]) -> Any:
    found = make_engine()
    await found.it.start()
    yield found
    await found.it.stop()


async def test_what_is_well_is_let_be(engine: Any) -> None:
    await engine.upload(WAIT, [])
    await engine.upload({**CALL, "activity": "b"}, WORKER)
    await engine.upload({**PULL, "activity": "c"}, [])
    engine.transport.script = lambda *_: None
    for activity in ("a", "b", "c"):
        await engine.it.executions.start("p", activity, start())
    paused = await engine.it.executions.start("p", "b", start())
    await engine.control(paused.execution, "pause")
    before = {one: s.head.seq for one, s in engine.store._tables.executions.items()}
    await engine.advance(TWO_TURNS)
    watch = engine.it.watchman
    assert watch.turns >= 2
    assert (watch.orphans, dict(watch.findings)) == (0, {})
    assert {one: s.head.seq for one, s in engine.store._tables.executions.items()} == before
    await engine.verify()


def start() -> Any:
    from goflow_py.engine.requests import StartRequest

    return StartRequest()


async def test_a_lost_call_is_made_again_and_counted(engine: Any, caplog: Any) -> None:
    await engine.upload(CALL, WORKER)
    engine.transport.script = lambda *_: None
    execution = await engine.start()
    await engine.advance(0)
    live = engine.it.owner.memory.get(execution.id)
    [flight] = live.calls.values()
    live.calls.clear()  # as if the engine had forgotten it
    flight.cancel()
    engine.transport.script = lambda *_: answer({})
    await engine.advance(30)
    assert (await engine.read(execution)).status == "running"
    await engine.advance(TWO_TURNS)
    assert (await engine.read(execution)).status == "completed"
    assert engine.it.watchman.orphans == 1
    [said] = [record for record in caplog.records if "stood still" in record.message]
    assert said.execution == execution.id
    await engine.verify()


async def test_a_task_that_nobody_began_is_begun(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(CALL, WORKER)
    with monkeypatch.context() as breaking:
        breaking.setattr(engine.it.dispatcher, "dispatch", lambda *_, **__: None)
        execution = await engine.start()
    await engine.advance(TWO_TURNS)
    assert (await engine.read(execution)).status == "completed"
    assert engine.it.watchman.orphans == 1


async def test_those_that_wait_for_a_slot_are_no_orphans(make_engine: Callable[..., Any]) -> None:
    engine = make_engine(calls_in_flight_max=1)
    await engine.it.start()
    await engine.upload(CALL, WORKER)
    engine.transport.script = lambda *_: None
    executions = [await engine.start() for _ in range(3)]
    await engine.advance(4 * TURN)
    assert engine.it.watchman.orphans == 0
    assert len(engine.transport.requests) == 1
    assert engine.it.dispatcher.slots.waiting == 2
    assert [(await engine.read(one)).status for one in executions] == ["running"] * 3
    await engine.it.stop()


async def test_a_timer_that_was_lost_from_the_column_still_fires(engine: Any) -> None:
    await engine.upload(WAIT, [])
    execution = await engine.start()
    store_as(engine, execution, wake=None)
    await engine.advance(TWO_TURNS)
    assert engine.it.watchman.findings == {"wake": 1}
    await engine.advance(3_600)
    assert (await engine.read(execution)).status == "completed"


async def test_an_execution_that_nothing_will_ever_wake_is_counted_once(engine: Any) -> None:
    await engine.upload(WAIT, [])
    execution = await engine.start()
    head = decode(engine.store._tables.executions[execution.id].head.body)
    head.tasks, head.timers = {}, {}
    store_as(engine, execution, body=orjson.dumps(head), wake=None)
    await engine.advance(2 * TWO_TURNS)
    assert engine.it.watchman.orphans == 1
    assert engine.it.watchman.findings == {"wake-up": 1}


async def test_a_queue_that_lost_a_row_is_reported(engine: Any) -> None:
    await engine.upload(PULL, [])
    execution = await engine.start()
    engine.store._tables.tasks.put(execution.id, [])
    await engine.advance(TWO_TURNS)
    assert engine.it.watchman.findings == {"queue": 1}


async def test_columns_that_differ_from_the_head_are_reported(engine: Any) -> None:
    await engine.upload(WAIT, [])
    execution = await engine.start()
    store_as(engine, execution, status="paused")
    await engine.advance(TWO_TURNS)
    assert engine.it.watchman.findings == {"status": 1}


async def test_many_are_looked_at_in_small_beats(
    engine: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchman, "PAGE", 3)
    pages: list[int] = []
    well = engine.store.open_rows

    async def counted(status: str, *, after: str, limit: int) -> Any:
        found = await well(status, after=after, limit=limit)
        pages.append(len(found))
        return found

    monkeypatch.setattr(engine.store, "open_rows", counted)
    await engine.upload(WAIT, [])
    for _ in range(7):
        await engine.start()
    store_as(engine, await engine.start(), wake=1)
    await engine.advance(TURN)
    assert pages[:5] == [0, 3, 3, 2, 0]
    assert engine.it.watchman.findings == {"wake": 1}


async def test_a_head_that_cannot_be_read_hides_no_other(engine: Any) -> None:
    await engine.upload(WAIT, [])
    damaged, other = await engine.start(), await engine.start()
    store_as(engine, damaged, body=b"{")
    store_as(engine, other, wake=1)
    await engine.advance(TWO_TURNS)
    assert engine.it.watchman.findings == {"row": 1, "wake": 1}
    assert engine.it.supervisor.failures == {}
