"""Families, as a review found them broken: births, retries, endless loops, ends."""

import asyncio
import time
from typing import Any

import pytest

from goflow_py.engine.family import ROUNDS_PACED
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import (
    INSTANT,
    UNDOING,
    child_of,
    family,
    hold,
    listed,
    workers,
)
from tests.unit.engine.test_families import WAITS, machine, parent

STEP_SECONDS = 0.5
"""Of the processor, at most: a paced step takes hundredths, an endless one many times this."""

# ---------------------------------------------------------------- endless loops


def looping(on: str, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    return family(
        {"name": "first", "after": [{"delay": 1, "next": "loop"}]},
        {"name": "loop", "do": "x", "on": {on: "loop", "stop": "done"}},
        action={"name": "x", **action},
        **more,
    )


async def visits_of_steps(engine: Engine, execution: Any, *, steps: int) -> list[int]:
    """Return how often the loop was entered in each step, none of which blocks the others."""
    found = []
    before = 0
    for _ in range(steps):
        began = time.process_time()
        await engine.advance(1)
        assert time.process_time() - began < STEP_SECONDS
        now = (await engine.read(execution)).visits["loop"]
        found.append(now - before)
        before = now
    return found


async def test_a_loop_of_instant_children_is_paced_and_an_event_ends_it(engine: Engine) -> None:
    await engine.upload(looping("success", {"machine": "m"}, machines={"m": INSTANT}), [])
    execution = await engine.start()
    visits = await visits_of_steps(engine, execution, steps=5)
    assert all(0 < number <= ROUNDS_PACED + 1 for number in visits)
    found = await engine.read(execution)
    assert (found.state, found.error) == ("loop", None)
    await engine.send(execution, "stop")
    assert (await engine.read(execution)).status == "completed"


async def test_a_loop_of_children_that_cannot_be_born_is_paced_and_an_event_ends_it(
    engine: Engine,
) -> None:
    await engine.upload(looping("error", {"activity": "nobody"}), [])
    execution = await engine.start()
    visits = await visits_of_steps(engine, execution, steps=5)
    assert all(0 < number <= ROUNDS_PACED + 1 for number in visits)
    assert (await engine.read(execution)).state == "loop"
    await engine.send(execution, "stop")
    assert (await engine.read(execution)).status == "completed"


# ---------------------------------------------------------------- births


@pytest.mark.parametrize("order", ["xabcd", "abxcd", "abcdx"])
async def test_a_child_that_cannot_be_born_fails_the_join_and_its_siblings_end(
    engine: Engine, order: str
) -> None:
    document = parent(dict.fromkeys("abcd", WAITS), [{"name": name} for name in order])
    document["actions"].append({"name": "x", "type": "activity", "activity": "nobody"})
    await engine.upload(document, [])
    execution = await engine.start(5)
    await engine.advance(1)
    found = await engine.read(execution)
    assert (found.status, found.children()) == ("failed", {})
    siblings = await listed(engine, parent=execution.id)
    assert {child["status"] for child in siblings} <= {"cancelled"}


async def test_an_item_whose_child_is_refused_ends_the_others_and_repeats_no_call(
    engine: Engine,
) -> None:
    document = family(
        {"name": "one", "on": {"success": "work"}},
        {
            "name": "work",
            "tasks": [{"name": "x", "each": "${one.output}"}],
            "on": {"error": "after"},
        },
        {"name": "after", "on": {"go": "done"}},
        action={"name": "x", "machine": "m", "input": "${item}"},
        machines={"m": {**WAITS, "input": {"type": "integer"}}},
    )
    document["actions"].append({"name": "one"})
    await engine.upload(document, workers("one"))
    engine.transport.script = lambda *_: answer([1, 2, 3, "four", 5])
    execution = await engine.start()
    await engine.advance(20)
    assert (await engine.read(execution)).state == "after"
    assert engine.calls() == [("one", "one", 1)]


async def test_a_child_due_during_a_drain_is_born_by_the_next_process(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    document = family(
        {"name": "one", "on": {"success": "work"}},
        {"name": "work", "do": "a", "on": {"success": "after"}},
        {"name": "after", "on": {"go": "done"}},
        action={"name": "a", "machine": "m"},
        machines={"m": INSTANT},
    )
    document["actions"].append({"name": "one"})
    await engine.upload(document, workers("one"))
    answers = hold(monkeypatch, engine.transport, "send")
    execution = await engine.start()
    await engine.advance(0)
    stop = asyncio.create_task(engine.it.stop(drain_seconds=5))
    await engine.advance(0)
    answers.set()
    await engine.advance(6)
    await stop
    await engine.advance(11)
    again = make_engine(MemoryStore(tables))
    await again.it.start()
    await again.advance(1000)
    assert (await again.read(execution)).state == "after"
    await again.verify()
    await again.it.stop()


# ---------------------------------------------------------------- retries


async def test_a_parent_whose_child_chose_to_fail_is_retried_with_a_new_child(
    engine: Engine,
) -> None:
    calling = {
        **machine({"name": "call", "on": {"error": "failed"}}),
        "actions": [{"name": "call"}],
    }
    await engine.upload(parent({"a": calling}, [{"name": "a"}]), workers("call"))
    engine.transport.script = lambda *_: answer(status=400)
    execution = await engine.start()
    await engine.advance(1)
    assert (await engine.read(execution)).status == "failed"
    engine.transport.script = lambda *_: answer()
    await engine.control(execution, "retry")
    await engine.advance(100)
    assert (await engine.read(execution)).state == "after"
    children = await listed(engine, parent=execution.id)
    assert sorted(child["status"] for child in children) == ["completed", "failed"]


async def test_a_child_that_fails_again_in_the_same_step_is_told_to_its_parent(
    engine: Engine,
) -> None:
    breaking = {
        **machine("m"),
        "actions": [{"name": "m", "type": "switch", "expression": "input.nothing"}],
    }
    await engine.upload(parent({"a": breaking}, [{"name": "a"}]), [])
    execution = await engine.start({})
    await engine.advance(1)
    assert (await engine.read(execution)).status == "failed"
    for _ in range(2):
        await engine.control(execution, "retry")
        await engine.advance(100)
        found = await engine.read(execution)
        assert (found.status, found.children()) == ("failed", {})


# ---------------------------------------------------------------- ends


def breaking_on_cancel() -> dict[str, Any]:
    cancel = {"when": "$number('x') > 1", "next": "done"}
    return machine({"name": "wait", "on": {"go_on": "done", "cancel": cancel}})


async def test_a_child_whose_row_for_cancel_breaks_is_cancelled_with_its_task(
    engine: Engine,
) -> None:
    await engine.upload(parent({"a": breaking_on_cancel()}, [{"name": "a"}]), [])
    execution = await engine.start()
    child = await child_of(engine, execution)
    await engine.send(execution, "stop")
    assert (await engine.read(child)).status == "cancelled"


async def test_a_parent_does_not_wait_for_a_child_whose_row_for_cancel_breaks(
    engine: Engine,
) -> None:
    await engine.upload(parent({"a": breaking_on_cancel()}, [{"name": "a"}]), [])
    execution = await engine.start()
    child = await child_of(engine, execution)
    await engine.control(execution, "cancel")
    await engine.advance(100)
    assert (await engine.read(execution)).status == "cancelled"
    assert (await engine.read(child)).status == "cancelled"


async def test_a_child_dropped_while_it_was_paused_is_undone_and_ends(engine: Engine) -> None:
    await engine.upload(parent({"a": UNDOING}, [{"name": "a"}]), workers("call", "uncall"))
    execution = await engine.start()
    await engine.advance(1)
    child = await child_of(engine, execution)
    await engine.control(execution, "pause")
    await engine.send(execution, "stop")
    await engine.control(execution, "resume")
    await engine.advance(100)
    assert (await engine.read(child)).status == "cancelled"
    assert engine.calls() == [("call", "call", 1), ("uncall", "uncall", 1)]


async def test_deleting_a_parent_deletes_its_machines(engine: Engine) -> None:
    nesting = family(
        {"name": "inner", "do": "y"},
        action={"name": "y", "machine": "m"},
    )
    document = family(
        {"name": "work", "do": "x"},
        action={"name": "x", "machine": "outer"},
        machines={"outer": nesting, "m": INSTANT},
    )
    await engine.upload(document, [])
    execution = await engine.start({"secret": 1})
    kept = await engine.start({"secret": 2})
    assert len(await listed(engine)) == 6
    await engine.it.executions.delete(execution.id)
    left = await listed(engine)
    assert len(left) == 3
    assert {head["root"] or head["id"] for head in left} == {kept.id}


async def test_a_wide_family_is_born_over_several_steps(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goflow_py.engine.family.MEMBERS_MAX", 5)
    inner = machine({"name": "wait", "on": {"go": "done"}})
    outer = {
        "states": [{"name": "spawn", "tasks": [{"name": "leaf", "each": [1, 2, 3]}]}],
        "actions": [{"name": "leaf", "type": "activity", "machine": "inner"}],
        "transitions": [{"current": "init", "event": "start", "next": "spawn"}],
    }
    document = parent({"outer": outer, "inner": inner}, [{"name": "outer", "each": [1, 2, 3]}])
    await engine.upload(document, [])
    await engine.start()
    first = len(await listed(engine))
    assert first < 1 + 3 + 9
    await engine.advance(10)
    assert len(await listed(engine)) == 1 + 3 + 9
