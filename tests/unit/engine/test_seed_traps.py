"""Mistakes that older systems make, 1 to 13 of 26: a short test for each, in the list's order.

The numbers in the docstrings are those of the list of traps. 14 to 26 are in
``test_seed_traps_more.py``; those that need processes are once more in ``tests/e2e``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.errors import EventNotAccepted, NotFound
from goflow_py.scripting.pool import ScriptPool
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.seeds import (
    begins,
    complete,
    graph,
    import_,
    noted,
    one,
    open_tasks,
    poll,
    pull,
    rest,
    wait,
)


@pytest.mark.parametrize("value", ["X", None, ["MALE"]])
async def test_a_switch_without_a_matching_branch_fails_and_says_so(
    engine: Engine, value: Any
) -> None:
    """Trap 1: it hangs for ever."""
    route = {"name": "route", "type": "switch", "expression": "$.input"}
    document = begins("route", ("route", "MALE", "done"), states=["route"], actions=[route])
    await engine.upload(document, [])
    failed = await engine.start(value)
    assert (failed.status, failed.state) == ("failed", "route")
    assert failed.error is not None
    assert failed.error["code"] == "no_branch"
    document["transitions"] += [{"current": "route", "event": "default", "next": "done"}]
    await engine.upload(document, [])
    assert (await engine.start("X")).status == "completed"


async def test_an_event_without_a_branch_of_its_own_takes_the_default_one(engine: Engine) -> None:
    """Trap 2: it is taken, and then nothing follows."""
    waits = {"id": 1, "type": "system", "name": "wait", "event": "test", "next": {"default": [2]}}
    work = {"id": 2, "type": "user", "name": "log"}
    await import_(engine, "orchy", {"name": "w", "rootAction": 1, "actions": [waits, work]})
    execution = await engine.start()
    await engine.send(execution, "test")
    assert (await engine.read(execution)).state == "2"
    await complete(engine, await one(engine, "log"))
    assert (await engine.read(execution)).status == "completed"


async def test_two_parallel_waits_on_different_events_each_take_their_own(engine: Engine) -> None:
    """Trap 3: an execution awaits one event at a time."""
    tasks = graph({"name": "wait_paid"}, {"name": "wait_cooked"})
    await engine.upload(begins("work", states=[tasks], actions=wait("paid", "cooked")), [])
    execution = await engine.start()
    await engine.send(execution, "cooked", 1)
    assert open_tasks(await engine.read(execution)) == ["wait_paid"]
    with pytest.raises(EventNotAccepted) as refused:
        await engine.send(execution, "cooked", 2)
    assert [item["event"] for item in refused.value.facts["awaiting"]] == ["paid"]
    await engine.send(execution, "paid", 3)
    assert (await engine.read(execution)).output == {"wait_paid": 3, "wait_cooked": 1}


async def test_an_event_does_not_advance_the_task_beside_the_one_that_awaits_it(
    engine: Engine,
) -> None:
    """Trap 4: it advances all that run."""
    tasks = graph({"name": "wait_paid"}, {"name": "cook"})
    document = begins("work", states=[tasks], actions=[*wait("paid"), {"name": "cook"}])
    await engine.upload(document, [{"name": "cook", "workerEndpoint": "w"}])
    engine.transport.script = lambda *_: None
    execution = await engine.start()
    await engine.advance(0)
    await engine.send(execution, "paid")
    await engine.advance(1)
    now = await engine.read(execution)
    assert (now.state, open_tasks(now)) == ("work", ["cook"])
    assert engine.calls() == [("w", "cook", 1)]


async def test_a_result_that_comes_while_paused_is_kept_and_applied_on_resume(
    engine: Engine,
) -> None:
    """Trap 5: the result is thrown away, and the resume skips the work."""
    rows = [("pack", "success", "send")]
    await engine.upload(
        begins("pack", *rows, states=["pack", "send"], actions=pull("pack", "send")), []
    )
    execution = await engine.start()
    claimed = await one(engine, "pack")
    await engine.control(execution, "pause")
    assert await complete(engine, claimed, {"box": 7}) == "applied"
    paused = await engine.read(execution)
    assert (paused.status, paused.state) == ("paused", "pack")
    assert await poll(engine, "pack", "send") == []
    await engine.control(execution, "resume")
    resumed = await engine.read(execution)
    assert (resumed.state, resumed.outputs["pack"]) == ("send", {"output": {"box": 7}})


async def test_a_callback_that_comes_while_paused_is_kept_and_applied_on_resume(
    engine: Engine,
) -> None:
    """Trap 5, for a worker that was called."""
    action = {"name": "cook", "type": "async"}
    await engine.upload(
        begins("cook", states=["cook"], actions=[action]),
        [{"name": "cook", "workerEndpoint": "w"}],
    )
    engine.transport.script = lambda *_: answer(status=202)
    execution = await engine.start()
    await engine.advance(0)
    await engine.control(execution, "pause")
    token = engine.transport.bodies[0]["callbackUrl"].rpartition("/")[2]
    await engine.it.callbacks.complete(token, CallbackBody(output="hot"))
    assert (await engine.read(execution)).status == "paused"
    await engine.control(execution, "resume")
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", "hot")
    assert len(engine.transport.requests) == 1


async def test_a_diamond_runs_its_join_once_and_after_both_parents(engine: Engine) -> None:
    """Trap 6: the join runs after the first parent, and again after the second."""
    tasks = graph(
        {"name": "a"},
        {"name": "b", "needs": ["a"]},
        {"name": "c", "needs": ["a"]},
        {"name": "d", "needs": ["b", "c"]},
    )
    await engine.upload(begins("work", states=[tasks], actions=pull("a", "b", "c", "d")), [])
    execution = await engine.start()
    for name in ("a", "c", "b", "d"):
        assert ("d" in await noted(engine, execution, "taskScheduled")) == (name == "d")
        await complete(engine, await one(engine, name))
    assert (await engine.read(execution)).status == "completed"
    assert sorted(await noted(engine, execution, "taskScheduled")) == ["a", "b", "c", "d"]


async def test_the_last_two_parents_that_end_at_once_schedule_their_child_once(
    engine: Engine,
) -> None:
    """Trap 7: both see the other one open, or both see it ended."""
    tasks = graph({"name": "b"}, {"name": "c"}, {"name": "d", "needs": ["b", "c"]})
    await engine.upload(begins("work", states=[tasks], actions=pull("b", "c", "d")), [])
    execution = await engine.start()
    both = await poll(engine, "b", "c")
    await asyncio.gather(*(complete(engine, claimed) for claimed in both))
    assert (await noted(engine, execution, "taskScheduled")).count("d") == 1
    assert open_tasks(await engine.read(execution)) == ["d"]


async def test_lists_in_lists_of_an_input_keep_their_shape(engine: Engine) -> None:
    """Trap 8: they are flattened."""
    template = [["$.input.k", 2], [[{"k": ["$.input.list"]}], "$.input.list"], 3]
    actions = [{"name": "show", "type": "map", "value": template}]
    await engine.upload(begins("show", states=["show"], actions=actions), [])
    shown = (await engine.start({"k": 1, "list": [[8], 9]})).output
    assert shown == [[1, 2], [[{"k": [[[8], 9]]}], [[8], 9]], 3]


@pytest.fixture
async def scripted(engine: Engine) -> AsyncIterator[Engine]:
    pool = ScriptPool(FakeClock(), size=1)
    engine.it.doers.scripts = pool
    yield engine
    await pool.close()


async def test_a_script_that_runs_many_times_does_not_grow_what_is_kept(scripted: Engine) -> None:
    """Trap 9: each output is a copy of the whole context, with those before it in it."""
    steps = [f"step{number}" for number in range(12)]
    text = "$['count'] = ($['step0'] ? 1 : 0) + $.input.length; $['seen'] = true"
    rows = [(a, "success", b) for a, b in zip(steps, [*steps[1:], "done"], strict=True)]
    actions = [{"name": name, "type": "script", "script": text, "timeout": 10} for name in steps]
    await scripted.upload(begins(steps[0], *rows, states=steps, actions=actions), [])
    now = await rest(scripted, await scripted.start(["a"]))
    assert now.status == "completed"
    outputs = [now.outputs[name]["output"] for name in steps]
    assert outputs == [{"count": 1, "seen": True}] + [{"count": 2, "seen": True}] * 11


async def test_a_start_of_an_unknown_workflow_is_not_found(engine: Engine) -> None:
    """Trap 10: it is started, without an id."""
    with pytest.raises(NotFound):
        await engine.start()


async def test_an_unknown_execution_is_not_found_and_the_engine_goes_on(engine: Engine) -> None:
    """Trap 11: the server crashes."""
    id_ = "0197a0e4-5a2b-7c3d-8e4f-5a6b7c8d9e10"
    unknown = Execution(id=id_, project="p", activity="a", version=1)
    for ask in (engine.read(unknown), engine.send(unknown, "go"), engine.control(unknown, "retry")):
        with pytest.raises(NotFound):
            await ask
    await engine.upload(begins("done", states=[]), [])
    assert (await engine.start()).status == "completed"


async def test_a_limit_of_time_survives_a_restart_and_is_the_one_that_was_set(
    make_engine: Callable[..., Engine], clock: FakeClock
) -> None:
    """Trap 12: after a restart every limit is a minute."""
    tables = Tables()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    rows = [("pack", "timeout", "late"), ("late", "go", "done")]
    actions = pull("pack", timeout=20)
    await engine.upload(begins("pack", *rows, states=["pack", "late"], actions=actions), [])
    execution = await engine.start()
    await clock.advance(5)
    await engine.it.stop()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    await clock.advance(14)
    assert (await engine.read(execution)).state == "pack"
    await clock.advance(1)
    assert (await engine.read(execution)).state == "late"
    await engine.verify()
    await engine.it.stop()


async def test_the_history_is_in_order_and_no_time_in_it_is_negative(engine: Engine) -> None:
    """Trap 13: it is backwards, lasts minus an hour, and fails before the first transition."""
    await engine.upload(begins("a", states=["a"]), [{"name": "a", "workerEndpoint": "w"}])
    execution = await engine.start(delay_seconds=5)
    assert (await engine.entries(execution))[0]["type"] == "started"
    await engine.advance(7)
    entries = await engine.entries(execution)
    assert [entry["seq"] for entry in entries] == list(range(len(entries)))
    assert sorted(entry["at"] for entry in entries) == [entry["at"] for entry in entries]
    [attempt] = [entry for entry in entries if entry["type"] == "attemptEnded"]
    assert attempt["ms"] >= 0
    moves = [(e["from"], e["to"]) for e in entries if e["type"] == "transition"]
    assert moves == [("init", "a"), ("a", "done")]
