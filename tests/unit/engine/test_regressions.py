"""Failures that a review found: each as it was reproduced."""

import asyncio
from typing import Any

import pytest

from goflow_py.engine.requests import StartRequest
from goflow_py.errors import Conflict, ExpressionFailed, Invalid, Unavailable
from goflow_py.testing import answer

START = {"current": "init", "event": "start", "next": "a"}
ONE = {"states": ["a"], "transitions": [START]}


def worker(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": "w", **fields}


def first_fails(*replies: Any) -> Any:
    waiting = list(replies)
    return lambda *_: waiting.pop(0) if waiting else answer({"ok": 1})


async def test_an_error_that_leads_to_the_same_state_calls_again(engine: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [START, {"current": "a", "event": "error", "next": "a"}],
    }
    engine.transport.script = first_fails(answer(status=400), answer(status=400))
    await engine.upload(document, [worker()])
    execution = await engine.start()
    await engine.advance(10)
    now = await engine.read(execution)
    assert (now.status, now.last_visits["a"], len(engine.calls())) == ("completed", 3, 3)
    assert engine.it.owner.counts()["callsInFlight"] == 0


async def test_a_state_timer_to_its_own_state_drops_and_makes_each_call(engine: Any) -> None:
    document = {
        "states": [{"name": "a", "after": [{"delay": 5, "next": "a"}]}],
        "transitions": [START],
    }
    engine.transport.script = lambda *_: None
    await engine.upload(document, [worker(responseTimeout=600)])
    await engine.start()
    await engine.advance(52)
    assert len(engine.calls()) == 11
    assert engine.it.owner.counts()["callsInFlight"] == 1


async def test_a_timer_fires_while_a_long_call_is_in_flight(engine: Any) -> None:
    document = {
        "states": [{"name": "a", "after": [{"delay": 90, "next": "done"}]}],
        "transitions": [START],
    }
    engine.transport.script = lambda *_: None
    await engine.upload(document, [worker(responseTimeout=600)])
    execution = await engine.start()
    await engine.advance(95)
    assert (await engine.read(execution)).status == "completed"


@pytest.mark.parametrize("verb", ["terminate", "pause"])
async def test_one_that_gives_up_its_place_in_the_queue_does_not_keep_the_others(
    engine: Any, verb: str
) -> None:
    engine.transport.script = lambda *_: None
    await engine.upload(ONE, [worker(maxConcurrent=1)])
    first, second, third = [await engine.start(n) for n in range(3)]
    await engine.advance(0)
    await engine.control(second, verb)
    await engine.control(first, "terminate")
    await engine.advance(1)
    assert [body["input"] for body in engine.transport.bodies] == [0, 2]
    await engine.control(third, "terminate")


async def test_a_refused_start_leaves_no_place_in_the_queue(engine: Any) -> None:
    engine.transport.script = lambda *_: None
    await engine.upload(ONE, [worker(maxConcurrent=1)])
    first = await engine.start(key="k1")
    await engine.start(key="k1")
    await engine.start(key="k2")
    await engine.control(first, "terminate")
    await engine.advance(1)
    assert len(engine.calls()) == 2


async def test_work_that_fails_without_a_call_does_not_hang_the_server(engine: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [START, {"current": "a", "event": "error", "next": "a"}],
    }
    engine.transport.script = lambda *_: None
    await engine.upload(document, [worker()])
    execution = await engine.start()
    await engine.advance(0)
    await engine.it.uploads.put_workers("p", "a", b'{"workers": []}')
    await engine.control(execution, "goto", state="a")
    await engine.advance(5)
    assert (await engine.read(execution)).status == "running"
    await engine.control(execution, "terminate")


async def test_an_output_that_breaks_at_the_end_fails_there_and_can_be_terminated(
    engine: Any,
) -> None:
    document = {
        "states": [{"name": "a", "final": "completed", "output": "${ $number(a.output) }"}],
        "transitions": [START],
    }
    engine.transport.script = lambda *_: answer("zz")
    await engine.upload(document, [worker()])
    execution = await engine.start()
    await engine.advance(1)
    now = await engine.read(execution)
    assert (now.status, now.error["code"]) == ("failed", "expression")


async def test_a_failure_of_the_engine_in_a_call_is_looked_at_again(engine: Any) -> None:
    await engine.upload(ONE, [worker()])
    real, failures = engine.it.caller.call, [Unavailable("once")]

    async def call(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*arguments)

    engine.it.caller.call = call
    execution = await engine.start()
    await engine.advance(5)
    assert (await engine.read(execution)).status == "completed"


async def test_data_that_doubles_with_every_event_is_bounded(engine: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"grow": {"set": {"x": ["$.data.x", "$.data.x"]}}}}],
        "data": {"x": "0123456789"},
        "transitions": [START],
    }
    await engine.upload(document, [])
    execution = await engine.start()
    with pytest.raises(ExpressionFailed, match="too much"):
        for _ in range(30):
            await engine.send(execution, "grow")


async def test_a_label_without_a_next_enters_its_state_again(engine: Any) -> None:
    document = {
        "states": ["a"],
        "transitions": [START, {"current": "a", "event": "again", "set": {"n": 1}}],
    }
    engine.transport.script = first_fails(answer({"event": "again"}))
    await engine.upload(document, [worker()])
    execution = await engine.start()
    await engine.advance(1)
    now = await engine.read(execution)
    assert (now.status, now.last_visits["a"]) == ("completed", 2)


async def test_starts_with_one_id_whose_first_commit_fails_leave_a_winner_that_runs(
    engine: Any,
) -> None:
    await engine.upload(ONE, [worker()])
    real, failures = engine.store.commit, [Unavailable("full")]

    async def commit(writes: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(writes)

    engine.store.commit = commit
    chosen = "0189d5c0-0000-7000-8000-0000000000ab"
    requests = [engine.it.executions.start("p", "a", StartRequest(id=chosen)) for _ in range(3)]
    await asyncio.gather(*requests, return_exceptions=True)
    await engine.advance(10)
    assert (await engine.it.owner.memory.read(chosen)).status == "completed"


async def test_a_result_that_came_in_time_wins_over_a_timeout_that_passed_meanwhile(
    engine: Any,
) -> None:
    document = {**ONE, "actions": [{"name": "a", "timeout": 5}]}
    await engine.upload(document, [worker()])
    real, clock = engine.store.commit, engine.clock
    begun = clock.monotonic()

    async def commit(writes: Any) -> Any:
        if 0 < clock.monotonic() - begun < 7:
            raise Unavailable("full")
        return await real(writes)

    async def late(request: Any) -> Any:
        await clock.sleep(4)
        return answer({"ok": 1})

    engine.transport.send = late
    execution = await engine.start()
    engine.store.commit = commit
    await engine.advance(20)
    assert (await engine.read(execution)).status == "completed"


async def test_a_business_key_that_is_too_long_is_refused_not_cut(engine: Any) -> None:
    await engine.upload({**ONE, "key": "$.input.k"}, [worker()])
    with pytest.raises(Invalid, match="255"):
        await engine.start({"k": "x" * 256})


async def test_an_execution_that_was_reopened_is_not_deleted(engine: Any) -> None:
    engine.transport.script = lambda *_: answer(status=400)
    await engine.upload(ONE, [worker()])
    execution = await engine.start()
    await engine.advance(0)
    engine.transport.script = lambda *_: None
    retry = engine.control(execution, "retry")
    outcomes = await asyncio.gather(
        retry, engine.it.executions.delete(execution.id), return_exceptions=True
    )
    assert isinstance(outcomes[1], Conflict)
    assert (await engine.read(execution)).status == "running"


async def test_a_rate_limit_gives_each_its_own_turn(engine: Any) -> None:
    await engine.upload(ONE, [worker(rateLimit=1)])
    for _ in range(20):
        await engine.start()
    before = engine.it.batcher.writes
    await engine.advance(30)
    assert len(engine.calls()) == 20
    assert engine.it.batcher.writes - before < 80


async def test_a_slow_poll_does_not_put_a_timer_off(engine: Any) -> None:
    timers = engine.it.owner.timers
    now = engine.clock.now_ms()
    timers.set("x", now + 5_000)
    timers.expect("x", now + 50_000)
    assert timers._known["x"] == now + 5_000
    timers.set("x", None)


async def test_ignore_failure_holds_for_the_actions_own_timeout(engine: Any) -> None:
    document = {**ONE, "actions": [{"name": "a", "timeout": 5, "ignoreFailure": True}]}
    engine.transport.script = lambda *_: None
    await engine.upload(document, [worker()])
    execution = await engine.start()
    await engine.advance(6)
    assert (await engine.read(execution)).status == "completed"


FAN = {
    "$defs": {
        **{
            a: {"allOf": [{"$ref": f"#/$defs/{b}"}] * 20} for a, b in ("ab", "bc", "cd", "de", "ef")
        },
        "f": {},
    },
    "$ref": "#/$defs/a",
}
LOOP = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}


@pytest.mark.parametrize("schema", [FAN, LOOP, {"$ref": "#"}])
async def test_a_schema_whose_references_do_not_end_is_the_callers_422(
    engine: Any, schema: Any
) -> None:
    await engine.upload({**ONE, "input": schema}, [worker()])
    with pytest.raises(Invalid, match="without end"):
        await engine.start({})


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/no"}, {"$ref": "#x"}, {"$dynamicRef": "#x"}])
async def test_a_schema_that_refers_to_nothing_is_refused_on_upload(
    engine: Any, schema: Any
) -> None:
    with pytest.raises(Invalid, match=r"bad_schema|an error"):
        await engine.upload({**ONE, "input": schema}, [worker()])


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": "${secret:../x}"},
        {"headers": {"X": "${secret:"}},
        {"signingSecret": "a ${secret:a b}"},
    ],
)
async def test_a_badly_written_secret_reference_is_refused_on_upload(
    engine: Any, fields: Any
) -> None:
    with pytest.raises(Invalid):
        await engine.upload(ONE, [worker(**fields)])


@pytest.mark.parametrize(
    "fields", [{"seconds": -1}, {"seconds": "soon"}, {"seconds": True}, {"until": "x"}]
)
async def test_a_delay_that_can_never_be_right_is_refused_on_upload(
    engine: Any, fields: Any
) -> None:
    with pytest.raises(Invalid):
        await engine.upload({**ONE, "actions": [{"name": "a", "type": "delay", **fields}]}, [])


async def test_a_time_beyond_ten_years_is_an_error_and_never_early(engine: Any) -> None:
    action = {"name": "a", "type": "delay", "until": "9999-12-31T23:59:59Z"}
    await engine.upload({**ONE, "actions": [action]}, [])
    assert (await engine.start()).error["code"] == "expression"
