"""Events that come before anybody accepts them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.domain.event import Outside
from goflow_py.domain.execution import Execution
from goflow_py.engine import early
from goflow_py.engine.early import ANY_PROJECT, EARLY_EVENTS_MAX, EarlyEvent
from goflow_py.engine.requests import StartRequest
from goflow_py.errors import Conflict, TooManyRequests
from goflow_py.ports import LimitsRow
from goflow_py.testing import FakeClock
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_families import WAITS
from tests.unit.engine.test_recovery import Crash

TWO_STEPS = {
    "data": {"got": []},
    "states": [
        {"name": "one", "on": {"next": "two"}},
        {
            "name": "two",
            "on": {"paid": {"set": {"got": "${[data.got, event.data]}"}}, "end": "done"},
        },
    ],
    "transitions": [{"current": "init", "event": "start", "next": "one"}],
}


async def keep(engine: Engine, key: str, data: Any = None, **more: Any) -> None:
    given = {"project": "p", "activity": None, "name": "paid", "seconds": 60, "once": None, **more}
    await engine.it.early.keep(
        EarlyEvent(
            project=given["project"],
            activity=given["activity"],
            key=key,
            event=Outside(name=given["name"], data=data),
            until=engine.clock.now_ms() + given["seconds"] * 1000,
            once=given["once"],
        )
    )


async def kept(engine: Engine, key: str, project: str = "p") -> int:
    return await engine.it.store.count_early(project, key)


async def test_an_early_event_is_applied_by_an_execution_that_starts_later(engine: Engine) -> None:
    await engine.upload({**TWO_STEPS, "transitions": [_start("two")]}, [])
    await keep(engine, "k", 1)
    await keep(engine, "k", 2)
    execution = await engine.start(key="k")
    await engine.advance(0)
    assert (await engine.read(execution)).data == {"got": [1, 2]}
    assert await kept(engine, "k") == 0


def _start(state: str) -> dict[str, Any]:
    return {"current": "init", "event": "start", "next": state}


async def test_an_early_event_waits_until_a_running_execution_accepts_it(engine: Engine) -> None:
    await engine.upload(TWO_STEPS, [])
    execution = await engine.start(key="k")
    await keep(engine, "k", 1)
    await engine.advance(1)
    assert await kept(engine, "k") == 1
    await engine.send(execution, "next")
    await engine.advance(0)
    assert (await engine.read(execution)).data == {"got": [1]}
    assert await kept(engine, "k") == 0


async def test_an_early_event_reaches_a_machine_of_the_execution(engine: Engine) -> None:
    inner = {
        "states": [{"name": "first", "on": {"ready": "wait"}}, *WAITS["states"]],
        "transitions": [_start("first")],
    }
    await engine.upload(
        {
            "states": [{"name": "work", "tasks": [{"name": "m"}], "on": {"success": "after"}},
                       {"name": "after", "on": {"end": "done"}}],
            "transitions": [_start("work")],
            "actions": [{"name": "m", "type": "activity", "machine": "m"}],
            "machines": {"m": inner},
        },
        [],
    )  # fmt: skip
    execution = await engine.start(key="k")
    await keep(engine, "k", 7, name="go_on")
    await engine.advance(0)
    assert await kept(engine, "k") == 1
    [child] = execution.children()
    machine = await engine.it.owner.memory.read(child)
    await engine.send(machine, "ready")
    await engine.advance(0)
    assert (await engine.read(execution)).state == "after"
    assert (await engine.it.owner.memory.read(child)).data["got"] == 7
    assert await kept(engine, "k") == 0


async def test_only_one_execution_gets_an_early_event(engine: Engine) -> None:
    document = {**TWO_STEPS, "transitions": [_start("two")]}
    await engine.upload(document, [])
    await engine.upload({**document, "activity": "b"}, [])
    await keep(engine, "k", 1)
    first = await engine.start(key="k")
    second = await _begin(engine, "b")
    await engine.advance(0)
    found = [(await engine.read(one)).data["got"] for one in (first, second)]
    assert found == [[1], []]


async def _begin(engine: Engine, activity: str) -> Execution:
    request = StartRequest(key="k")
    return (await engine.it.executions.start("p", activity, request)).execution


async def test_an_early_event_for_an_activity_is_for_that_one_only(engine: Engine) -> None:
    document = {**TWO_STEPS, "transitions": [_start("two")]}
    await engine.upload(document, [])
    await engine.upload({**document, "activity": "b"}, [])
    await keep(engine, "k", 1, activity="b")
    await engine.start(key="k")
    await engine.advance(0)
    assert await kept(engine, "k") == 1
    execution = await _begin(engine, "b")
    await engine.advance(0)
    assert (await engine.read(execution)).data["got"] == [1]


async def test_an_early_event_of_another_project_is_not_for_this_one(engine: Engine) -> None:
    await engine.upload({**TWO_STEPS, "transitions": [_start("two")]}, [])
    await keep(engine, "k", 1, project="other")
    await keep(engine, "k", 2, project=ANY_PROJECT)
    execution = await engine.start(key="k")
    await engine.advance(0)
    assert (await engine.read(execution)).data["got"] == [2]
    assert (await kept(engine, "k", "other"), await kept(engine, "k", ANY_PROJECT)) == (1, 0)


async def test_an_expired_event_is_never_applied_and_is_swept(engine: Engine) -> None:
    await engine.upload({**TWO_STEPS, "transitions": [_start("two")]}, [])
    await keep(engine, "k", 1, seconds=10)
    await engine.advance(11)
    execution = await engine.start(key="k")
    await engine.advance(0)
    assert (await engine.read(execution)).data["got"] == []
    await engine.advance(121)
    assert await kept(engine, "k") == 0
    assert engine.it.early._places == set()


async def test_a_key_keeps_so_many_events_and_refuses_the_next(engine: Engine) -> None:
    for number in range(EARLY_EVENTS_MAX):
        await keep(engine, "k", number, once=str(number))
    with pytest.raises(Conflict, match="stored for the key 'k' already"):
        await keep(engine, "k")
    await keep(engine, "k", 5, once="5")
    await keep(engine, "another")
    assert await kept(engine, "k") == EARLY_EVENTS_MAX


async def test_a_repeated_request_keeps_its_event_once_also_after_it_was_applied(
    engine: Engine,
) -> None:
    await engine.upload({**TWO_STEPS, "transitions": [_start("two")]}, [])
    await keep(engine, "k", 1, once="r")
    await keep(engine, "k", 1, once="r")
    execution = await engine.start(key="k")
    await engine.advance(0)
    await keep(engine, "k", 1, once="r")
    await engine.advance(0)
    assert (await engine.read(execution)).data["got"] == [1]
    assert await kept(engine, "k") == 0


async def test_early_events_survive_a_crash(
    make_engine: Callable[..., Any], clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(TWO_STEPS, [])
    execution = await engine.start(key="k")
    await keep(engine, "k", 1)
    engine = await crash.crash()
    await engine.send(execution, "next")
    await engine.advance(0)
    assert (await engine.read(execution)).data["got"] == [1]
    await engine.verify()


async def test_an_event_is_not_applied_again_when_the_crash_came_before_it_was_forgotten(
    make_engine: Callable[..., Any], clock: FakeClock
) -> None:
    document = {
        "states": [{"name": "two", "on": {"paid": "done"}}],
        "transitions": [_start("two")],
    }
    crash = Crash(make_engine, clock)
    engine = await crash.begin(document, [])
    await keep(engine, "k", 1)
    applied = asyncio.Event()

    async def never(*_: Any) -> None:
        applied.set()
        await asyncio.get_running_loop().create_future()

    engine.it.early._forget = never
    first = await engine.start(key="k")
    await applied.wait()
    assert (await engine.read(first)).status == "completed"
    engine = await crash.crash()
    second = await engine.start(key="k")
    await engine.advance(0)
    assert (await engine.read(second)).status == "waiting"
    assert await kept(engine, "k") == 0
    await engine.verify()


async def test_what_came_first_is_applied_first_once_it_is_accepted(engine: Engine) -> None:
    both = {
        "data": {"got": []},
        "states": [
            {"name": "one", "on": {"open": "two"}},
            {"name": "two", "on": {"paid": {"set": {"got": "${[data.got, event.data]}"}}}},
        ],
        "transitions": [_start("one")],
    }
    await engine.upload(both, [])
    await keep(engine, "k", 1)
    await keep(engine, "k", None, name="open")
    await keep(engine, "k", 2)
    execution = await engine.start(key="k")
    await engine.advance(0)
    assert (await engine.read(execution)).data == {"got": [1, 2]}


async def test_a_project_keeps_so_many_events_over_all_its_keys(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_OF_PROJECT_MAX", 5)
    for number in range(5):
        await keep(engine, f"k{number % 3}", once=str(number), seconds=60 + number)
    refusals = await asyncio.gather(
        *(keep(engine, f"k{number}") for number in range(4)), return_exceptions=True
    )
    for refusal in refusals:
        assert isinstance(refusal, TooManyRequests)
        assert refusal.reason == "too_many_stored"
        assert refusal.facts["retryAfter"] >= 1
    await keep(engine, "k0", once="0")
    await engine.advance(0)
    await keep(engine, "k", project="q")
    for number in range(5):
        await keep(engine, f"k{number}", project=ANY_PROJECT)
    with pytest.raises(TooManyRequests, match="whichever project"):
        await keep(engine, "k", project=ANY_PROJECT)
    await engine.advance(60.5)
    await keep(engine, "another", once="after the first expired")
    with pytest.raises(TooManyRequests):
        await keep(engine, "another")


async def test_events_at_once_under_many_keys_are_not_more_than_may_be(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_OF_PROJECT_MAX", 5)
    done = await asyncio.gather(
        *(keep(engine, f"k{number}") for number in range(30)), return_exceptions=True
    )
    assert sum(isinstance(one, TooManyRequests) for one in done) == 25


async def test_what_was_stored_before_a_restart_counts_after_it(
    engine: Engine, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_OF_PROJECT_MAX", 2)
    await keep(engine, "one")
    await keep(engine, "two")
    await engine.it.stop()
    again = make_engine(engine.store)
    await again.it.start()
    await again.advance(1)
    with pytest.raises(TooManyRequests):
        await keep(again, "three")
    await again.it.stop()
    await engine.it.start()


async def test_over_the_stored_bytes_no_event_is_stored(engine: Engine) -> None:
    limits = engine.it.limits
    await limits.put(LimitsRow(project="p", max_stored_bytes=1_000))
    await keep(engine, "k", "x" * 2_000, once="r")
    await limits.measure()
    event = EarlyEvent(
        project="p",
        activity=None,
        key="other",
        event=Outside(name="paid"),
        until=engine.clock.now_ms() + 60_000,
    )
    with pytest.raises(TooManyRequests) as caught:
        await engine.it.early.keep(event, admit=limits.admit_stored)
    assert caught.value.reason == "too_much_stored"
    again = replace(event, key="k", once="r")
    await engine.it.early.keep(again, admit=limits.admit_stored)
    assert await kept(engine, "k") == 1
