"""What reviews of the engine under faults found: each was a mistake once."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from goflow_py.errors import Conflict, Unavailable
from goflow_py.fsm import bytes_bound
from goflow_py.ports import Reply, Request
from goflow_py.store.memory import MemoryStore
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import workers
from tests.unit.engine.test_families import START, machine
from tests.unit.engine.test_places import WORKERS, at_most, states

ONE = {**machine({"name": "work", "do": "x"}), "actions": [{"name": "x"}]}


def hold_calls(engine: Engine) -> list[asyncio.Future[Reply]]:
    """Let no call be answered before its future is."""
    held: list[asyncio.Future[Reply]] = []

    async def send(request: Request) -> Reply:
        engine.transport.requests.append(request)
        engine.transport.bodies.append(orjson.loads(request.body))
        held.append(asyncio.get_running_loop().create_future())
        return await held[-1]

    engine.transport.send = send  # type: ignore[method-assign]
    return held


def release(held: list[asyncio.Future[Reply]]) -> None:
    for one in held:
        if not one.done():
            one.set_result(answer())


def hold_commits(engine: Engine, patch: pytest.MonkeyPatch) -> asyncio.Event:
    own, gate = engine.store.commit, asyncio.Event()

    async def commit(writes: Any) -> Any:
        await gate.wait()
        return await own(writes)

    patch.setattr(engine.store, "commit", commit)
    return gate


async def test_who_waits_for_a_room_that_cannot_be_read_is_not_let_into_an_empty_one(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    before = make_engine(store)
    await before.it.start()
    await before.upload(at_most(1), WORKERS)
    inside = await before.start()
    await before.it.stop()
    engine = make_engine(store)
    await engine.it.start()
    own, broken = store.names, [True]

    async def names(*args: Any, **fields: Any) -> Any:
        if broken:
            broken.pop()
            await asyncio.sleep(0)
            raise Unavailable("it cannot be read", code="store_unreadable")
        return await own(*args, **fields)

    monkeypatch.setattr(store, "names", names)
    asked = (engine.start(number) for number in range(3))
    found = await asyncio.gather(*asked, return_exceptions=True)
    begun = [one for one in found if not isinstance(one, BaseException)]
    await engine.advance(1)
    assert (await states(engine, [inside, *begun])).count("s") == 1
    await engine.it.stop()


async def test_a_room_that_is_read_again_knows_who_is_about_to_commit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(at_most(1), WORKERS)
    ended = await engine.start()
    await engine.send(ended, "go")
    gate = hold_commits(engine, monkeypatch)
    first = asyncio.create_task(engine.start(1))
    await engine.advance(0.01)
    engine.it.owner.places.forget(ended)
    second = asyncio.create_task(engine.start(2))
    await engine.advance(0.01)
    gate.set()
    begun = await asyncio.gather(first, second)
    await engine.advance(1)
    assert (await states(engine, list(begun))).count("s") == 1


async def test_one_that_is_left_alone_keeps_no_slot_from_the_others(engine: Engine) -> None:
    await engine.upload(ONE, workers("x", maxConcurrent=1, responseTimeout=1000))
    held = hold_calls(engine)
    _, alone, third = [await engine.start() for _ in range(3)]
    await engine.advance(0.1)
    engine.it.owner.apart.left_alone[alone.id] = "internal: x"
    release(held)
    await engine.advance(5)
    release(held)
    await engine.advance(5)
    assert (await engine.read(third)).status == "completed"
    engine.it.owner.apart.left_alone.clear()
    engine.it.owner.waker.wake(alone.id)
    await engine.advance(1)
    release(held)


async def test_it_stops_though_the_disk_is_full(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(MemoryStore())
    await engine.it.start()
    after = {"states": [{"name": "work", "after": [{"delay": 5, "next": "done"}]}]}
    await engine.upload({**after, "transitions": [START]}, [])
    await engine.start()
    gate = asyncio.Event()

    async def commit(_: Any) -> Any:
        await gate.wait()
        raise Unavailable("the disk is full", code="store_full")

    monkeypatch.setattr(engine.store, "commit", commit)
    await engine.advance(6)
    stopping = asyncio.create_task(engine.it.stop())
    await engine.advance(0.1)
    gate.set()
    await engine.advance(60)
    assert stopping.done()


async def test_a_start_that_is_cancelled_after_its_commit_does_not_repeat_its_call(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(ONE, workers("x", responseTimeout=1000))
    held = hold_calls(engine)
    gate = hold_commits(engine, monkeypatch)
    starting = asyncio.create_task(engine.start())
    await engine.advance(0.01)
    starting.cancel()
    await engine.advance(0.01)
    gate.set()
    await engine.advance(1)
    assert starting.cancelled() and len(engine.calls()) == 1
    release(held)
    await engine.advance(30)
    assert len(engine.calls()) == 1


async def test_a_family_that_is_larger_than_a_step_can_still_be_terminated(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"current": "init", "event": "start", "next": "w"}]
    branch = {"name": "branch", "type": "activity", "machine": "branch", "input": "$.input.big"}
    document = {
        "states": [{"name": "work", "tasks": [{"name": "branch", "each": "$.input.items"}]}],
        "actions": [branch],
        "machines": {
            "branch": {"states": [{"name": "w", "on": {"go": "done"}}], "transitions": rows}
        },
        "transitions": [START],
    }
    await engine.upload(document, [])
    parent = await engine.start({"items": [1, 2], "big": "x" * 60_000})
    await engine.advance(1)
    members = [parent.id, *(await engine.read(parent)).children()]
    heads = [len(await engine.store.head(one) or b"") for one in members]
    monkeypatch.setattr(bytes_bound, "STEP_BYTES_MAX", sum(heads) * 6 // 10)
    await engine.control(parent, "terminate")
    found = [await engine.it.owner.memory.read(one) for one in members]
    assert all(one.ended for one in found)


async def test_who_waits_for_a_slot_still_waits_after_a_commit_that_failed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = {"go": "other", "success": "done"}
    document = {
        "events": {"go": {}},
        "states": [{"name": "work", "do": "x", "on": on}, {"name": "other", "do": "y"}],
        "actions": [{"name": "x"}, {"name": "y"}],
        "transitions": [START],
    }
    more = {"responseTimeout": 1000}
    await engine.upload(
        document, [*workers("x", maxConcurrent=1, **more), *workers("y", maxConcurrent=5)]
    )
    held = hold_calls(engine)
    await engine.start()
    second = await engine.start()
    with monkeypatch.context() as patch:

        async def full(_: Any) -> Any:
            raise Unavailable("the disk is full", code="store_full")

        patch.setattr(engine.store, "commit", full)
        with pytest.raises(Unavailable):
            await engine.send(second, "go")
    release(held)
    await engine.advance(2)
    assert len(engine.calls()) == 2
    release(held)


async def test_another_verb_is_refused_while_one_waits_for_a_place(engine: Engine) -> None:
    await engine.upload(at_most(1), WORKERS)
    failed = await engine.start()
    engine.transport.script = lambda *_: answer(status=400)
    await engine.send(failed, "fail")
    await engine.advance(1)
    await engine.start()
    await engine.control(failed, "retry")
    await engine.control(failed, "retry")
    with pytest.raises(Conflict, match="another verb waits"):
        await engine.control(failed, "goto", state="s")
    await engine.control(failed, "cancel")
    last = [(e["type"], e.get("name")) for e in await engine.entries(failed)][-1]
    assert last == ("eventIgnored", "retry")


async def test_a_call_that_a_drain_dropped_is_not_sent_again_by_a_step_that_was_under_way(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(MemoryStore())
    await engine.it.start()
    state = {"name": "work", "do": "x", "defer": ["note"]}
    document = {"events": {"note": {}}, "states": [state], "actions": [{"name": "x"}]}
    await engine.upload({**document, "transitions": [START]}, workers("x", responseTimeout=1000))
    hold_calls(engine)
    execution = await engine.start()
    await engine.advance(0.1)
    gate = hold_commits(engine, monkeypatch)
    sending = asyncio.create_task(engine.send(execution, "note"))
    await engine.advance(0.1)
    draining = asyncio.create_task(engine.it.owner.flights.drain(0))
    await engine.advance(0.1)
    await engine.it.owner.flights.stop()
    gate.set()
    await asyncio.gather(sending, draining)
    assert len(engine.calls()) == 1
    await engine.it.stop()
