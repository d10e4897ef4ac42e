"""Limits of projects: refused before the acknowledgement, counted exactly, also after a crash."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from goflow_py.engine.forks import ForkRequest
from goflow_py.engine.limits import MEASURE_SECONDS
from goflow_py.engine.requests import Repeat, StartRequest
from goflow_py.errors import Conflict, Invalid, NotFound, TooManyRequests, Unavailable
from goflow_py.ports import LimitsRow
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import family, hold, workers
from tests.unit.engine.test_families import machine

WAIT = machine({"name": "wait", "on": {"go": "done"}})


async def limit(engine: Engine, project: str = "p", **limits: Any) -> None:
    await engine.it.limits.put(LimitsRow(project=project, **limits))


async def running(engine: Engine) -> int:
    """Return what the store says; and see that the engine's own count is the same."""
    [use] = await engine.it.limits.uses("p", open_calls=engine.it.dispatcher.slots.open_calls)
    assert engine.it.limits._running["p"] == use.usage.running
    assert not engine.it.limits._entering
    return use.usage.running


async def refused(engine: Engine, **fields: Any) -> TooManyRequests:
    before = len((await engine.store.list(_all(), limit=500, cursor=None)).items)
    with pytest.raises(TooManyRequests) as caught:
        await engine.start(**fields)
    after = len((await engine.store.list(_all(), limit=500, cursor=None)).items)
    assert after == before, "what is refused leaves nothing"
    return caught.value


def _all() -> Any:
    from goflow_py.ports import Filter

    return Filter()


# ---------------------------------------------------------------- running


async def test_over_the_running_ones_a_start_is_refused_until_one_ends(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, max_running=2)
    first, _ = await engine.start(), await engine.start()
    error = await refused(engine)
    assert (error.reason, error.status) == ("too_many_running", 429)
    assert (error.facts["limit"], error.facts["current"]) == (2, 2)
    assert error.facts["retryAfter"] >= 1
    await engine.send(first, "go")
    await engine.start()
    assert await running(engine) == 2


async def test_of_a_hundred_starts_at_once_as_many_begin_as_may(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, max_running=7)
    found = await asyncio.gather(*(engine.start() for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(one, TooManyRequests) for one in found) == 93
    assert await running(engine) == 7


async def test_a_repeat_is_answered_as_ever_at_the_limit(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    repeat = Repeat(key="k", scope="POST /x", digest="d")
    by_idem = await engine.start(repeat=repeat)
    by_id = await engine.start(1, id="01900000-0000-7000-8000-000000000001")
    by_key = await engine.start(key="order-1")
    await limit(engine, max_running=3, starts_per_second=1)
    await refused(engine)
    start = engine.it.executions.start
    again = await start("p", "a", StartRequest(repeat=repeat))
    assert (again.execution.id, again.replayed) == (by_idem.id, True)
    assert (await start("p", "a", StartRequest(input=1, id=by_id.id))).execution.id == by_id.id
    assert (await start("p", "a", StartRequest(key="order-1"))).execution.id == by_key.id
    with pytest.raises(Invalid, match="another body"):
        await start("p", "a", StartRequest(repeat=Repeat(key="k", scope="POST /x", digest="e")))
    with pytest.raises(Conflict, match="belongs to another"):
        await start("p", "a", StartRequest(input=2, id=by_id.id))
    await refused(engine, key="order-2")
    assert await running(engine) == 3


async def test_a_repeat_uses_up_no_start(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, starts_per_second=1)
    await engine.start(key="order-1")
    await engine.advance(1)
    for _ in range(5):
        await engine.start(key="order-1")
    await engine.start(key="order-2")
    assert await running(engine) == 2, "a repeat is no execution"


async def test_what_ends_in_its_first_step_leaves_no_place_taken(engine: Engine) -> None:
    await engine.upload({**machine("m"), "actions": [{"name": "m", "type": "map", "value": 1}]}, [])
    await limit(engine, max_running=1)
    for _ in range(5):
        assert (await engine.start()).status == "completed"
    assert await running(engine) == 0


async def test_a_start_that_the_store_refuses_gives_its_place_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, max_running=1, starts_per_second=1)

    async def full(_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(engine.store, "commit", full)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await engine.start()
    await engine.start()
    assert await running(engine) == 1


async def test_a_start_whose_caller_went_away_is_counted_when_it_is_committed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, max_running=1)
    disk = hold(monkeypatch, engine.store, "commit")
    gone = asyncio.get_running_loop().create_task(engine.start())
    await engine.advance(0)
    gone.cancel()
    await engine.advance(0)
    await refused(engine)
    disk.set()
    await asyncio.gather(gone, return_exceptions=True)
    assert await running(engine) == 1
    await refused(engine)


async def test_the_count_is_right_after_a_crash_and_after_every_kind_of_end(
    engine: Engine, clock: FakeClock, make_engine: Callable[..., Engine]
) -> None:
    await engine.upload(WAIT, [])
    one, two, three, four = [await engine.start() for _ in range(4)]
    await engine.send(one, "go")
    await engine.control(two, "cancel")
    await engine.control(three, "terminate")
    assert await running(engine) == 1
    again = make_engine(engine.store)
    await engine.it.stop()
    await again.it.start()
    await limit(again, max_running=2)
    await again.start()
    await refused(again)
    await again.send(four, "go")
    await again.it.executions.delete(one.id)
    assert await running(again) == 1
    await again.it.stop()
    await engine.it.start()


async def test_a_retry_counts_again_and_is_never_refused(engine: Engine) -> None:
    await engine.upload(machine("x"), workers("x"))
    engine.transport.script = lambda *_: answer(status=400)
    failed = await engine.start()
    await engine.advance(1)
    assert await running(engine) == 0
    await limit(engine, max_running=0)
    await refused(engine)
    engine.transport.script = lambda *_: None
    await engine.control(failed, "retry")
    assert await running(engine) == 1
    await engine.control(failed, "terminate")
    assert await running(engine) == 0


async def test_children_are_counted_and_never_refused(engine: Engine) -> None:
    await engine.upload({**WAIT, "activity": "child"}, [])
    parent = family({"name": "a", "do": "go"}, action={"name": "go", "activity": "child"})
    await engine.upload(parent, [])
    await limit(engine, max_running=1, starts_per_second=1, max_stored_bytes=10**9)
    execution = await engine.start()
    await engine.advance(1)
    assert await running(engine) == 2
    await refused(engine)
    [child] = (await engine.read(execution)).children()
    await engine.send(await engine.it.owner.memory.read(child), "go")
    assert (await engine.read(execution)).status == "completed"
    assert await running(engine) == 0


async def test_a_fork_is_a_start(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    execution = await engine.start()
    await limit(engine, max_running=1)
    with pytest.raises(TooManyRequests):
        await engine.it.forks.fork(execution.id, ForkRequest(at=0))
    await limit(engine, max_running=2)
    await engine.it.forks.fork(execution.id, ForkRequest(at=0))
    assert await running(engine) == 2


# ---------------------------------------------------------------- rate and bytes


async def test_starts_come_as_fast_as_they_may(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, starts_per_second=3)
    for _ in range(3):
        await engine.start()
    error = await refused(engine)
    assert (error.reason, error.facts["limit"], error.facts["retryAfter"]) == (
        "too_many_starts", 3, 1,
    )  # fmt: skip
    await engine.advance(1)
    for _ in range(3):
        await engine.start()
    await refused(engine)
    await engine.advance(100)
    for _ in range(3):
        await engine.start()
    await refused(engine)


async def test_less_than_one_start_a_second_says_how_long_to_wait(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, starts_per_second=0.1)
    await engine.start()
    error = await refused(engine)
    assert error.facts["retryAfter"] == 10
    await engine.advance(10)
    await engine.start()


async def test_over_the_stored_bytes_nothing_starts_until_something_is_deleted(
    engine: Engine,
) -> None:
    await engine.upload(WAIT, [])
    execution = await engine.start("x" * 5_000)
    await limit(engine, max_stored_bytes=5_000)
    error = await refused(engine)
    assert (error.reason, error.facts["limit"]) == ("too_much_stored", 5_000)
    assert error.facts["current"] > 5_000
    await engine.send(execution, "go")
    await engine.it.executions.delete(execution.id)
    await engine.advance(MEASURE_SECONDS)
    await engine.start()


# ---------------------------------------------------------------- whose they are


async def test_limits_are_a_projects_own_and_the_servers_hold_for_the_others(
    make_engine: Callable[..., Engine],
) -> None:
    engine = make_engine(limits=LimitsRow(project="", max_running=1))
    await engine.it.start()
    for project in ("p", "q"):
        await engine.upload({**WAIT, "project": project}, [])
    await limit(engine, "q", starts_per_second=100)
    await engine.start()
    await refused(engine)
    start = engine.it.executions.start
    await start("q", "a", StartRequest())
    with pytest.raises(TooManyRequests):
        await start("q", "a", StartRequest())
    await limit(engine, "q", max_running=2)
    await start("q", "a", StartRequest())
    await engine.it.limits.delete("q")
    with pytest.raises(TooManyRequests):
        await start("q", "a", StartRequest())
    with pytest.raises(NotFound):
        await engine.it.limits.delete("q")
    await engine.it.stop()


async def test_limits_outlive_the_server(
    engine: Engine, make_engine: Callable[..., Engine]
) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, max_running=0)
    await engine.it.stop()
    again = make_engine(engine.store)
    await again.it.start()
    await refused(again)
    await again.it.stop()
    await engine.it.start()


# ---------------------------------------------------------------- what else is stored


async def test_over_the_stored_bytes_no_new_blueprint_is_stored(engine: Engine) -> None:
    admit = engine.it.limits.admit_stored

    async def upload(**changes: Any) -> Any:
        whole = {"project": "p", "activity": "a", "workers": [], **WAIT, **changes}
        return await engine.it.uploads.upload(orjson.dumps(whole), admit=admit, repeat=repeat)

    repeat: Repeat | None = Repeat(key="k", scope="POST /x", digest="d")
    await upload()
    await limit(engine, max_stored_bytes=100)
    assert (await upload()).replayed, "a repeat is answered as ever"
    repeat = None
    assert not (await upload()).created, "it takes no room"
    with pytest.raises(TooManyRequests) as caught:
        await upload(description="another")
    assert (caught.value.reason, caught.value.status) == ("too_much_stored", 429)
    with pytest.raises(TooManyRequests):
        await upload(activity="b")
    with pytest.raises(TooManyRequests):
        await upload(workers=workers("w"))
    assert [row.version for row in await engine.store.versions("p", "a")] == [1]
    await engine.it.limits.delete("p")
    assert (await upload(activity="b")).created


async def test_a_rate_that_is_almost_nothing_refuses_and_breaks_nothing(engine: Engine) -> None:
    await engine.upload(WAIT, [])
    await limit(engine, starts_per_second=5e-324)
    await engine.start()
    error = await refused(engine)
    assert (error.reason, error.facts["retryAfter"]) == ("too_many_starts", 3_600)
