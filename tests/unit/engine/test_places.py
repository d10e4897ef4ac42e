"""``maxConcurrent`` of an activity: so many are begun, the others wait durably, oldest first."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.requests import StartRequest
from goflow_py.errors import Conflict, EventNotAccepted, Invalid, InvalidBlueprint
from goflow_py.store.memory import MemoryStore
from goflow_py.testing.transport import answer

WORKERS = [{"name": "work", "workerEndpoint": "w"}]
STEPS: dict[str, Any] = {
    "states": [{"name": "s", "on": {"go": "done", "fail": "work"}}, {"name": "work", "do": "work"}],
    "actions": [{"name": "work"}],
    "transitions": [{"current": "init", "event": "start", "next": "s"}],
}


def at_most(number: int | None, **more: Any) -> dict[str, Any]:
    limit = {} if number is None else {"maxConcurrent": number}
    return {**STEPS, **limit, **more}


async def several(engine: Any, count: int, **fields: Any) -> list[Execution]:
    found = []
    for number in range(count):
        found.append(await engine.start(number, **fields))
        await engine.advance(0.01)
    return found


async def states(engine: Any, executions: list[Execution]) -> list[str]:
    return [(await engine.read(one)).state for one in executions]


async def test_the_surplus_waits_and_begins_oldest_first(engine: Any) -> None:
    await engine.upload(at_most(2), WORKERS)
    ones = await several(engine, 5)
    assert await states(engine, ones) == ["s", "s", "init", "init", "init"]
    assert (await engine.read(ones[2])).status == "waiting"
    await engine.send(ones[1], "go")
    await engine.advance(1)
    assert await states(engine, ones) == ["s", "done", "s", "init", "init"]
    await engine.send(ones[0], "go")
    await engine.send(ones[2], "go")
    await engine.advance(1)
    assert await states(engine, ones) == ["done", "done", "done", "s", "s"]
    await engine.verify()


async def test_a_waiting_one_says_so_and_accepts_no_event(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    _, second = await several(engine, 2)
    why = await engine.it.tracking.why(await engine.read(second))
    assert "waits for a place: the activity runs at most 1 at a time" in why["why"]
    assert why["until"] is None
    assert (await engine.it.tracking.view(await engine.read(second)))["awaiting"] == []
    with pytest.raises(EventNotAccepted, match="waits for a place"):
        await engine.send(second, "go")
    for verb in ("retry", "skip", "goto", "replay"):
        with pytest.raises(Conflict):
            await engine.control(second, verb, state="work", **{"from": "s"})


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_one_that_waits_is_ended_like_any_other(engine: Any, verb: str) -> None:
    await engine.upload(at_most(1), WORKERS)
    first, second, third = await several(engine, 3)
    ended = await engine.control(second, verb)
    assert (ended.status, ended.state) == ("cancelled", "init")
    await engine.send(first, "go")
    await engine.advance(1)
    assert await states(engine, [third]) == ["s"]


async def test_one_that_is_paused_while_it_waits_is_passed_over(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first, second, third = await several(engine, 3)
    await engine.control(second, "pause")
    await engine.send(first, "go")
    await engine.advance(1)
    assert await states(engine, [second, third]) == ["init", "s"]
    await engine.control(second, "resume")
    assert await states(engine, [second]) == ["init"]
    await engine.send(third, "go")
    await engine.advance(1)
    assert await states(engine, [second]) == ["s"]


async def test_nobody_who_comes_later_overtakes_one_that_waits(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first, second = await several(engine, 2)
    await engine.send(first, "go")
    third = await engine.start()
    await engine.advance(1)
    assert await states(engine, [second, third]) == ["s", "init"]


async def test_places_and_their_order_outlive_a_crash(
    make_engine: Callable[..., Any],
) -> None:
    store = MemoryStore()
    before = make_engine(store)
    await before.it.start()
    await before.upload(at_most(2), WORKERS)
    ones = await several(before, 5)
    await before.control(ones[2], "terminate")
    await before.it.stop()
    after = make_engine(store)
    await after.it.start()
    await after.advance(1)
    assert await states(after, ones) == ["s", "s", "init", "init", "init"]
    await after.send(ones[0], "go")
    await after.advance(1)
    assert await states(after, ones) == ["done", "s", "init", "s", "init"]
    await after.verify()
    await after.it.stop()


async def test_a_place_that_was_freed_just_before_a_crash_is_given_at_the_start(
    make_engine: Callable[..., Any],
) -> None:
    store = MemoryStore()
    before = make_engine(store)
    await before.it.start()
    await before.upload(at_most(1), WORKERS)
    first, second = await several(before, 2)
    before.it.owner.places.look_at = lambda *_: None  # it ends before anybody is asked in
    await before.send(first, "go")
    await before.it.stop()
    after = make_engine(store)
    await after.it.start()
    await after.advance(1)
    assert await states(after, [second]) == ["s"]
    await after.it.stop()


@pytest.mark.parametrize(("limit", "begun"), [(3, 3), (None, 5), (1, 1)])
async def test_the_limit_of_the_latest_version_holds(
    engine: Any, limit: int | None, begun: int
) -> None:
    await engine.upload(at_most(1), WORKERS)
    ones = await several(engine, 5)
    await engine.upload(at_most(limit, description="another"), WORKERS)
    await engine.advance(1)
    assert (await states(engine, ones)).count("s") == begun


async def test_a_lower_limit_sends_nobody_away(engine: Any) -> None:
    await engine.upload(at_most(3), WORKERS)
    ones = await several(engine, 4)
    await engine.upload(at_most(1), WORKERS)
    await engine.advance(1)
    assert await states(engine, ones) == ["s", "s", "s", "init"]
    for one in ones[:2]:
        await engine.send(one, "go")
        await engine.advance(1)
    assert await states(engine, ones[2:]) == ["s", "init"]
    await engine.send(ones[2], "go")
    await engine.advance(1)
    assert await states(engine, ones[3:]) == ["s"]


async def test_a_delayed_start_takes_no_place_before_its_time(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    late = await engine.start(delay_seconds=10)
    soon = await engine.start()
    assert await states(engine, [late, soon]) == ["init", "s"]
    await engine.advance(11)
    assert await states(engine, [late]) == ["init"]
    await engine.send(soon, "go")
    await engine.advance(1)
    assert await states(engine, [late]) == ["s"]


async def test_one_that_ends_at_once_gives_its_place_back(engine: Any) -> None:
    quick = {
        "states": [{"name": "s", "do": "map"}],
        "actions": [{"name": "map", "type": "map", "value": 1}],
    }
    await engine.upload(at_most(1, **quick), WORKERS)
    for one in await several(engine, 3):
        assert (await engine.read(one)).status == "completed"
    assert await engine.store.names("p", "place", "a", after="", limit=10) == []


async def test_a_deadline_ends_one_that_waits_too_long(engine: Any) -> None:
    await engine.upload(at_most(1, timeout=60), WORKERS)
    _, second = await several(engine, 2)
    await engine.advance(61)
    ended = await engine.read(second)
    assert (ended.status, ended.error["code"]) == ("failed", "execution_timeout")


async def test_a_start_whose_commit_is_refused_keeps_no_place(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first = await engine.start(key="k")
    await engine.send(first, "go")
    running = await engine.start(key="k2")
    again = await engine.it.executions.start("p", "a", StartRequest(key="k2"))
    assert again.execution.id == running.id
    await engine.send(running, "go")
    assert await states(engine, [await engine.start()]) == ["s"]


# ---------------------------------------------------------------- opened again


async def failed(engine: Any, execution: Execution) -> None:
    engine.transport.script = lambda *_: answer(status=400)
    await engine.send(execution, "fail")
    await engine.advance(1)
    engine.transport.script = lambda *_: None
    assert (await engine.read(execution)).status == "failed"


async def test_a_retry_waits_for_a_place(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first, second = await several(engine, 2)
    await failed(engine, first)
    assert await states(engine, [second]) == ["s"]
    now = await engine.control(first, "retry")
    assert now.status == "failed"
    why = await engine.it.tracking.why(now)
    assert "its retry waits for a place" in why["why"]
    assert (await engine.control(first, "retry")).seq == now.seq
    await engine.send(second, "go")
    await engine.advance(1)
    assert (await engine.read(first)).status == "running"
    await engine.verify()


async def test_a_retry_with_a_free_place_begins_at_once(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first = await engine.start()
    await failed(engine, first)
    assert (await engine.control(first, "retry")).status == "running"
    assert await states(engine, [await engine.start()]) == ["init"]


async def test_a_verb_that_waits_is_taken_back_by_cancel(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first, second = await several(engine, 2)
    await failed(engine, first)
    await engine.control(first, "goto", state="s")
    await engine.control(first, "cancel")
    await engine.send(second, "go")
    await engine.advance(1)
    assert (await engine.read(first)).status == "failed"
    assert await engine.store.names("p", "waiting", "a", after="", limit=10) == []


async def test_a_verb_whose_business_key_was_taken_meanwhile_is_given_up(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first = await engine.start(key="k")
    second = await engine.start()
    await failed(engine, first)
    await engine.control(first, "retry")
    other = await engine.start(key="k")
    await engine.send(second, "go")
    await engine.advance(5)
    assert (await engine.read(first)).status == "failed"
    assert (await engine.entries(first))[-1]["reason"] == "key_in_use"
    assert await states(engine, [other]) == ["s"]


async def test_a_verb_that_makes_no_sense_is_refused_and_waits_for_nothing(engine: Any) -> None:
    await engine.upload(at_most(1), WORKERS)
    first = await engine.start()
    await engine.send(first, "go")
    with pytest.raises(Conflict):
        await engine.control(first, "retry")
    assert await engine.store.names("p", "waiting", "a", after="", limit=10) == []


# ---------------------------------------------------------------- children


async def upload(engine: Any, activity: str, document: dict[str, Any]) -> None:
    body = {"project": "p", "activity": activity, "workers": WORKERS, **document}
    await engine.it.uploads.upload(orjson.dumps(body))


def parent_of(activity: str, **more: Any) -> dict[str, Any]:
    return {
        "states": [{"name": "s", "do": "child"}],
        "actions": [{"name": "child", "type": "activity", "activity": activity, **more}],
        "transitions": [{"current": "init", "event": "start", "next": "s"}],
    }


async def test_a_child_waits_for_a_place_of_its_activity(engine: Any) -> None:
    await upload(engine, "b", at_most(1))
    await upload(engine, "a", parent_of("b"))
    first, second = await several(engine, 2)
    children = [(await engine.read(one)).tasks["child"].child for one in (first, second)]
    read = engine.it.owner.memory.read
    assert [(await read(child)).state for child in children] == ["s", "init"]
    await engine.control(await read(children[0]), "terminate")
    await engine.advance(1)
    assert (await read(children[1])).state == "s"
    await engine.control(second, "cancel")
    await engine.advance(1)
    assert (await read(children[1])).status == "cancelled"


async def test_below_one_of_the_same_activity_nobody_waits(engine: Any) -> None:
    recursive = {
        "states": [{"name": "s", "do": "child"}],
        "actions": [{"name": "child", "type": "activity", "activity": "b"}],
        "transitions": [
            {"current": "init", "event": "start", "when": "input > 0", "next": "s"},
            {"current": "init", "event": "start", "next": "done"},
        ],
    }
    recursive["actions"][0]["input"] = "${input - 1}"
    await upload(engine, "b", {**recursive, "maxConcurrent": 1})
    await upload(engine, "a", parent_of("b", input="$.input"))
    begun = await engine.start(3)
    await engine.advance(1)
    assert (await engine.read(begun)).status == "completed"


async def test_a_verb_that_could_not_be_carried_out_now_does_not_wait_to_be_refused(
    engine: Any,
) -> None:
    await engine.upload(at_most(1), WORKERS)
    ended, _ = await several(engine, 2)
    await engine.send(ended, "go")
    await engine.advance(1)
    for verb, arguments in (
        ("retry", {}),
        ("goto", {"state": "nowhere"}),
        ("replay", {"from": "nowhere"}),
    ):
        with pytest.raises((Conflict, Invalid)):
            await engine.control(ended, verb, **arguments)
    assert "place" not in (await engine.read(ended)).timers


async def test_activities_that_could_wait_for_each_others_places_are_refused(engine: Any) -> None:
    def calling(name: str, other: str, **more: Any) -> bytes:
        action = {"name": "call", "type": "activity", "activity": other}
        rows = [{"current": "init", "event": "start", "next": "call"}]
        states = [{"name": "call", "on": {"success": "done", "error": "failed"}}]
        document = {"project": "p", "activity": name, "states": states, "actions": [action]}
        return orjson.dumps({**document, "transitions": rows, **more})

    upload = engine.it.uploads.upload
    await upload(calling("a", "through", maxConcurrent=1))
    await upload(calling("through", "b"))
    with pytest.raises(InvalidBlueprint) as refusal:
        await upload(calling("b", "a", maxConcurrent=1))
    [found] = [one for one in refusal.value.facts["findings"] if one["severity"] == "error"]
    assert (found["code"], found["pointer"]) == ("place_cycle", "/actions/0/activity")
    await upload(calling("b", "a"))
    await upload(calling("a", "a", maxConcurrent=2))
