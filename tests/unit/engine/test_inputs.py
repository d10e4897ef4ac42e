"""Starts, events and verbs through the engine: names, repeats, pause and resume, waiting."""

import asyncio
from typing import Any

import pytest

from goflow_py.domain.event import Outside
from goflow_py.engine.requests import Match, Repeat, StartRequest
from goflow_py.errors import Conflict, Invalid, NotFound, PreconditionFailed
from goflow_py.ports import Filter
from goflow_py.testing import answer

WAIT = {
    "states": [
        {"name": "w", "on": {"note": {"set": {"n": "$.event.data"}, "respond": "$.data.n"}}}
    ],
    "actions": [{"name": "w", "type": "wait", "event": "go"}],
    "transitions": [{"current": "init", "event": "start", "next": "w"}],
}
ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}


def repeat(key: str = "k", digest: str = "d") -> Repeat:
    return Repeat(key=key, scope="POST /x", digest=digest)


async def start(engine: Any, **fields: Any) -> Any:
    return await engine.it.executions.start("p", "a", StartRequest(**fields))


async def test_the_same_idempotency_key_starts_one_execution(engine: Any) -> None:
    await engine.upload(WAIT, [])
    first = await start(engine, repeat=repeat())
    second = await start(engine, repeat=repeat())
    assert second.execution.id == first.execution.id
    assert (first.replayed, second.replayed, second.created) == (False, True, True)


async def test_a_hundred_equal_starts_at_once_are_one(engine: Any) -> None:
    await engine.upload(WAIT, [])
    found = await asyncio.gather(*(start(engine, repeat=repeat()) for _ in range(100)))
    assert len({one.execution.id for one in found}) == 1
    assert sum(not one.replayed for one in found) == 1


async def test_the_same_idempotency_key_with_another_body_is_refused(engine: Any) -> None:
    await engine.upload(WAIT, [])
    await start(engine, repeat=repeat())
    with pytest.raises(Invalid, match="Idempotency-Key"):
        await start(engine, repeat=repeat(digest="other"))


async def test_a_business_key_runs_once_and_is_free_after_the_end(engine: Any) -> None:
    await engine.upload(WAIT, [])
    first = await start(engine, key="order-1")
    second = await start(engine, key="order-1", input={"other": True})
    assert (second.execution.id, second.created) == (first.execution.id, False)
    await engine.send(first.execution, "go")
    third = await start(engine, key="order-1")
    assert third.created
    assert third.execution.id != first.execution.id


async def test_a_reopened_execution_takes_its_business_key_again(engine: Any) -> None:
    engine.transport.script = lambda *_: answer(status=400)
    await engine.upload(ONE, [{"name": "a", "workerEndpoint": "w"}])
    first = await start(engine, key="order-1")
    await engine.advance(0)
    engine.transport.script = lambda *_: None
    second = await start(engine, key="order-1")
    assert second.created
    with pytest.raises(Conflict) as refusal:
        await engine.control(first.execution, "retry")
    assert refusal.value.reason == "key_in_use"
    await engine.control(second.execution, "cancel")
    assert (await engine.control(first.execution, "retry")).status == "running"


async def test_the_key_template_makes_the_business_key(engine: Any) -> None:
    await engine.upload({**WAIT, "key": "order-{$.input.n}"}, [])
    assert (await start(engine, input={"n": 7})).execution.key == "order-7"
    with pytest.raises(Invalid):
        await start(engine, input={})


async def test_a_chosen_id_is_kept_and_another_input_for_it_is_refused(engine: Any) -> None:
    await engine.upload(WAIT, [])
    chosen = "0189d5c0-0000-7000-8000-0000000000ab"
    assert (await start(engine, id=chosen, input=1)).execution.id == chosen
    again = await start(engine, id=chosen, input=1)
    assert not again.created
    with pytest.raises(Conflict):
        await start(engine, id=chosen, input=2)


async def test_an_input_that_does_not_fit_its_schema_starts_nothing(engine: Any) -> None:
    await engine.upload({**WAIT, "input": {"type": "object", "required": ["n"]}}, [])
    with pytest.raises(Invalid) as refusal:
        await start(engine, input={})
    assert refusal.value.facts["errors"]
    assert (await engine.it.tracking.page(Filter(), limit=10, cursor=None)).items == []


async def test_a_start_names_the_alias_that_points_nowhere(make_engine: Any) -> None:
    engine = make_engine(fallback_url=None)
    await engine.it.start()
    await engine.upload(ONE, [{"name": "a", "workerEndpoint": "nowhere"}])
    with pytest.raises(Invalid, match="'nowhere'") as refusal:
        await start(engine)
    assert refusal.value.reason == "unresolved_alias"
    await engine.it.catalog.put_endpoint("nowhere", "http://there")
    assert (await start(engine)).created
    await engine.it.stop()


async def test_an_unknown_activity_is_not_found(engine: Any) -> None:
    with pytest.raises(NotFound):
        await start(engine)


async def test_a_start_can_be_delayed_durably(engine: Any) -> None:
    await engine.upload(ONE, [{"name": "a", "workerEndpoint": "w"}])
    begun = (await start(engine, delay_seconds=30)).execution
    await engine.advance(29)
    assert engine.calls() == []
    await engine.advance(2)
    assert (await engine.read(begun)).status == "completed"


async def test_an_execution_stays_with_the_version_it_began_with(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    await engine.upload({**WAIT, "description": "two"}, [])
    later = (await start(engine)).execution
    assert (begun.version, later.version) == (1, 2)
    assert (await engine.send(begun, "go")).execution.version == 1


async def test_the_same_event_id_twice_is_applied_once_and_answers_alike(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    first = await engine.send(begun, "note", 7, id="e1")
    second = await engine.send(begun, "note", 7, id="e1")
    assert (first.respond, second.respond) == (7, 7)
    assert (first.replayed, second.replayed) == (False, True)
    applied = [e for e in await engine.entries(begun) if e["type"] == "eventApplied"]
    assert len(applied) == 1


async def test_an_event_id_is_remembered_after_the_state_moved_on(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    await engine.send(begun, "go", id="e1")
    assert (await engine.send(begun, "go", id="e1")).replayed


async def test_a_stale_revision_is_refused_and_nothing_changes(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    event = Outside(name="note", data=1)
    await engine.it.executions.send(begun.id, event, match=Match(revision=begun.seq))
    with pytest.raises(PreconditionFailed):
        await engine.it.executions.send(begun.id, event, match=Match(revision=begun.seq))
    await engine.it.executions.send(begun.id, event, match=Match(visit=begun.visit))


async def test_while_paused_nothing_is_dispatched_and_resume_takes_what_came(engine: Any) -> None:
    document = {
        "states": ["a", "b"],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "success", "next": "b"},
        ],
    }
    workers = [{"name": name, "workerEndpoint": "w"} for name in ("a", "b")]
    await engine.upload(document, workers)
    begun = (await start(engine)).execution
    await engine.control(begun, "pause")
    await engine.advance(5)
    now = await engine.read(begun)
    assert (now.status, now.state, len(engine.calls())) == ("paused", "a", 1)
    await engine.control(begun, "resume")
    await engine.advance(5)
    assert (await engine.read(begun)).status == "completed"


async def test_resume_takes_timers_and_events_by_their_own_time(engine: Any) -> None:
    document = {
        "states": [
            {"name": "a", "timeout": 10, "on": {"timeout": "late", "go": "early"}},
            {"name": "late", "on": {"go": "done"}},
            {"name": "early", "on": {"x": "done"}},
        ],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    await engine.upload(document, [])
    begun = (await start(engine)).execution
    await engine.control(begun, "pause")
    await engine.advance(20)
    assert not (await engine.send(begun, "go")).applied
    await engine.advance(5)
    now = await engine.control(begun, "resume")
    path = [e["to"] for e in await engine.entries(begun) if e["type"] == "transition"]
    assert path == ["a", "late", "done"]
    assert now.status == "completed"


async def test_leaving_a_state_drops_the_call_in_flight(engine: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"stop": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    engine.transport.script = lambda *_: None
    await engine.upload(document, [{"name": "a", "workerEndpoint": "w"}])
    begun = (await start(engine)).execution
    await engine.advance(0)
    assert engine.it.owner.counts()["callsInFlight"] == 1
    await engine.send(begun, "stop")
    await engine.advance(0)
    assert engine.it.owner.counts()["callsInFlight"] == 0
    assert (await engine.read(begun)).status == "completed"


async def test_wait_end_returns_at_the_end_or_after_its_time(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    waiting = asyncio.create_task(engine.it.owner.memory.wait_end(begun.id, 30))
    await engine.advance(10)
    assert not waiting.done()
    await engine.send(begun, "go")
    assert (await waiting).status == "completed"
    other = (await start(engine)).execution
    waiting = asyncio.create_task(engine.it.owner.memory.wait_end(other.id, 30))
    await engine.advance(31)
    assert (await waiting).status == "waiting"


async def test_a_parked_execution_is_not_in_memory(engine: Any) -> None:
    await engine.upload(WAIT, [])
    for _ in range(50):
        await start(engine)
    assert engine.it.owner.counts() == {
        "live": 0,
        "callsInFlight": 0,
        "waitingForSlot": 0,
        "timersInMemory": 0,
    }


async def test_only_an_ended_execution_is_deleted(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    with pytest.raises(Conflict):
        await engine.it.executions.delete(begun.id)
    await engine.control(begun, "cancel")
    await engine.it.executions.delete(begun.id)
    with pytest.raises(NotFound):
        await engine.read(begun)


async def test_a_call_that_is_dropped_before_it_began_gives_its_slot_back(engine: Any) -> None:
    document = {
        "states": [{"name": "a", "on": {"stop": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    await engine.upload(document, [{"name": "a", "workerEndpoint": "w", "maxConcurrent": 1}])
    begun = (await start(engine)).execution
    await engine.send(begun, "stop")
    await engine.advance(0)
    assert engine.it.owner.counts()["callsInFlight"] == 0
    assert engine.it.owner.counts()["live"] == 0
    later = (await start(engine)).execution
    await engine.advance(1)
    assert (await engine.read(later)).status == "completed"


async def test_many_askers_of_one_parked_execution_share_one_copy(engine: Any) -> None:
    await engine.upload(WAIT, [])
    begun = (await start(engine)).execution
    await asyncio.gather(*(engine.send(begun, "note", n) for n in range(50)))
    now = await engine.read(begun)
    applied = [e for e in await engine.entries(now) if e["type"] == "eventApplied"]
    assert len(applied) == 50
