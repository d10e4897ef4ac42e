"""Forks: a new execution that goes on from where another one once was."""

from typing import Any

import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.forks import ForkRequest
from goflow_py.engine.requests import Repeat
from goflow_py.errors import Gone, Invalid, NotFound
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine

STEPS = {
    "data": {"count": 0, "by": "a"},
    "timeout": 3600,
    "states": [
        {"name": "one", "do": "call", "businessStatus": "BEGUN"},
        {"name": "two", "on": {"go": {"next": "three", "set": {"count": "${data.count + 1}"}}}},
        {"name": "three", "do": "call"},
    ],
    "actions": [{"name": "call"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "one"},
        {"current": "one", "event": "success", "next": "two"},
        {"current": "three", "event": "success", "next": "done"},
    ],
}
WORKER = [{"name": "call", "workerEndpoint": "w"}]


async def walked(engine: Engine) -> Execution:
    """Return an execution that has completed."""
    await engine.upload(STEPS, WORKER)
    execution = await engine.start({"n": 1}, key="k", labels={"team": "x"})
    await engine.advance(1)
    await engine.send(execution, "go")
    await engine.advance(1)
    found = await engine.read(execution)
    assert found.status == "completed"
    return found


async def fork(engine: Engine, execution: Execution, at: int, **more: Any) -> Execution:
    started = await engine.it.forks.fork(execution.id, ForkRequest(at=at, **more))
    return started.execution


async def seq_of(engine: Engine, execution: Execution, type_: str, **fields: Any) -> int:
    found = [
        entry["seq"]
        for entry in await engine.entries(execution)
        if entry["type"] == type_ and fields.items() <= entry.items()
    ]
    return int(found[0])


async def test_a_fork_goes_on_from_where_the_original_was(engine: Engine) -> None:
    original = await walked(engine)
    at = await seq_of(engine, original, "transition", to="two")
    forked = await fork(engine, original, at, reason="what if", principal="anna")
    assert (forked.status, forked.state, forked.visit) == ("waiting", "two", 3)
    assert forked.visits == {"one": 1, "two": 2}
    assert (forked.input, forked.data) == ({"n": 1}, {"count": 0, "by": "a"})
    assert forked.outputs == {"one": {"output": {"n": 1}}}
    assert (forked.key, forked.labels, forked.version) == (None, {"team": "x"}, original.version)
    assert forked.business_status == "BEGUN"
    assert "deadline" in forked.timers
    entries = await engine.entries(forked)
    assert [e["type"] for e in entries[:2]] == ["started", "timerSet"]
    [control] = [e for e in entries if e["type"] == "control"]
    assert (control["verb"], control["reason"], control["principal"]) == ("fork", "what if", "anna")
    assert control["from"] == {"execution": original.id, "seq": at}
    assert (await engine.read(original)).seq == original.seq
    await engine.send(forked, "go")
    await engine.advance(1)
    assert (await engine.read(forked)).status == "completed"


async def test_a_fork_is_as_of_the_end_of_the_record_and_its_data_is_patched(
    engine: Engine,
) -> None:
    original = await walked(engine)
    at = await seq_of(engine, original, "eventApplied")
    forked = await fork(engine, original, at, data={"by": None, "why": {"x": 1}})
    assert forked.state == "three"
    assert forked.data == {"count": 1, "why": {"x": 1}}


async def test_a_fork_of_a_failed_execution_runs_the_work_again_under_a_key_of_its_own(
    engine: Engine,
) -> None:
    await engine.upload(STEPS, WORKER)
    engine.transport.script = lambda *_: answer(status=400)
    original = await engine.start()
    await engine.advance(1)
    failed = await engine.read(original)
    assert failed.status == "failed"
    engine.transport.script = lambda *_: answer("ok")
    forked = await fork(engine, original, failed.seq)
    await engine.advance(1)
    found = await engine.read(forked)
    assert (found.state, found.outputs["one"]) == ("two", {"output": "ok"})
    assert engine.transport.requests[-1].headers["Idempotency-Key"] == f"{forked.id}/2"
    assert (await engine.read(original)).status == "failed"


async def test_a_fork_at_the_very_beginning_is_a_start(engine: Engine) -> None:
    await engine.upload(STEPS, WORKER)
    original = await engine.start({"n": 1}, delay_seconds=60)
    forked = await fork(engine, original, original.seq)
    await engine.advance(1)
    assert (await engine.read(forked)).state == "two"
    assert (await engine.read(original)).state == "init"


async def test_a_fork_does_not_undo_what_the_original_did(engine: Engine) -> None:
    document = {**STEPS, "actions": [{"name": "call", "undo": "back"}, {"name": "back"}]}
    await engine.upload(document, [*WORKER, {"name": "back", "workerEndpoint": "w"}])
    original = await engine.start()
    await engine.advance(1)
    forked = await fork(engine, original, (await engine.read(original)).seq)
    await engine.control(forked, "cancel")
    await engine.advance(1)
    assert (await engine.read(forked)).status == "cancelled"
    assert [body["action"] for body in engine.transport.bodies] == ["call"]


async def test_a_fork_can_be_replayed_from_a_state_of_the_original(engine: Engine) -> None:
    original = await walked(engine)
    at = await seq_of(engine, original, "transition", to="two")
    forked = await fork(engine, original, at)
    await engine.control(forked, "replay", **{"from": "one"})
    await engine.advance(1)
    assert (await engine.read(forked)).state == "two"


async def test_a_fork_outlives_its_original(engine: Engine) -> None:
    original = await walked(engine)
    forked = await fork(engine, original, await seq_of(engine, original, "transition", to="two"))
    await engine.it.executions.delete(original.id)
    await engine.send(forked, "go")
    await engine.advance(1)
    assert (await engine.read(forked)).status == "completed"


async def test_beyond_the_history_and_from_a_machine_nothing_is_forked(engine: Engine) -> None:
    original = await walked(engine)
    with pytest.raises(Invalid, match=f"ends at seq {original.seq}"):
        await fork(engine, original, original.seq + 1)
    waits = {
        "states": [{"name": "w", "on": {"go": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "w"}],
    }
    await engine.upload(
        {
            "states": [{"name": "s", "do": "m"}],
            "transitions": [{"current": "init", "event": "start", "next": "s"}],
            "actions": [{"name": "m", "type": "activity", "machine": "m"}],
            "machines": {"m": waits},
        },
        [],
    )
    parent = await engine.start()
    child = await engine.it.owner.memory.read(next(iter(parent.children())))
    with pytest.raises(Invalid, match="fork the parent"):
        await fork(engine, child, child.seq)
    with pytest.raises(NotFound):
        await engine.it.forks.fork("0" * 36, ForkRequest(at=0))


async def test_the_same_request_forks_once(engine: Engine) -> None:
    original = await walked(engine)
    repeat = Repeat(key="k", scope="POST fork", digest="d")
    first = await fork(engine, original, 3, repeat=repeat)
    again = await engine.it.forks.fork(original.id, ForkRequest(at=3, repeat=repeat))
    assert (again.execution.id, again.replayed) == (first.id, True)
    with pytest.raises(Invalid, match="another body"):
        await fork(engine, original, 4, repeat=Repeat(key="k", scope="POST fork", digest="e"))
    await engine.control(first, "terminate")
    await engine.it.executions.delete(first.id)
    with pytest.raises(Gone, match="was purged"):
        await fork(engine, original, 3, repeat=repeat)
