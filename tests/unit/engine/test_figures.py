"""Statistics and insights: windows, buckets, bounds, and that one answer serves many."""

import asyncio
from typing import Any

import pytest

from goflow_py.domain.durations import timestamp_ms
from goflow_py.engine import fresh, insights, statistics
from goflow_py.engine.fresh import FRESH_SECONDS, Fresh
from goflow_py.engine.statistics import (
    BUCKET_SECONDS_MAX,
    BUCKETS,
    BUCKETS_MAX,
    STEPS_SECONDS,
    StatsRequest,
)
from goflow_py.errors import MalformedRequest, Unavailable
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine

GUARDED = {
    "states": [
        {"name": "a", "on": {"success": "b"}},
        {"name": "b", "on": {"go": "done"}},
        "never",
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "a", "when": "input.x = 1"},
        {"current": "init", "event": "start", "next": "a"},
        {"current": "never", "event": "go", "next": "done"},
    ],
}
WORKER = {"name": "a", "workerEndpoint": "w"}


async def stats(engine: Engine, **fields: Any) -> dict[str, Any]:
    return await engine.it.statistics.stats(StatsRequest(**fields))


async def seen(engine: Engine, version: int | None = None) -> dict[str, Any]:
    row = await engine.it.uploads.version("p", "a", version)
    return await engine.it.insights.of(row, since=None)


@pytest.mark.parametrize("hours", [0.001, 0.5, 1, 6, 24, 24 * 7, 24 * 61, 24 * 90])
async def test_without_a_bucket_there_are_as_many_as_a_sparkline_shows(
    engine: Engine, hours: float
) -> None:
    since = engine.clock.now_ms() - round(hours * 3_600_000)
    found = await stats(engine, since=since)
    assert len(found["series"]) <= BUCKETS + 1
    assert timestamp_ms(found["series"][0]["at"]) == since
    assert found["bucket"] in STEPS_SECONDS or found["bucket"] % 86_400 == 0


async def test_without_since_buckets_begin_at_round_times(engine: Engine) -> None:
    found = await stats(engine, bucket_ms=3_600_000)
    assert {timestamp_ms(slot["at"]) % 3_600_000 for slot in found["series"]} == {0}
    assert len(found["series"]) == 25


@pytest.mark.parametrize("hours", [5, 13, 24, 36, 24 * 7, BUCKET_SECONDS_MAX // 3_600])
async def test_without_since_whole_buckets_hold_the_last_day(engine: Engine, hours: int) -> None:
    found = await stats(engine, bucket_ms=hours * 3_600_000)
    back = (engine.clock.now_ms() - timestamp_ms(found["since"])) / 3_600_000
    assert 24 <= back < 24 + hours
    assert len(found["series"]) == back // hours + 1


async def test_a_refusal_says_which_bucket_would_do(engine: Engine) -> None:
    since = engine.clock.now_ms() - 10_000_000
    with pytest.raises(MalformedRequest) as refusal:
        await stats(engine, since=since, bucket_ms=1_000)
    bucket = int(refusal.value.detail.rsplit(" ", 2)[1])
    found = await stats(engine, since=since, bucket_ms=bucket * 1_000)
    assert len(found["series"]) <= BUCKETS_MAX


async def test_what_was_not_looked_at_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "STATS_EXECUTIONS_MAX", 2)
    await engine.upload(GUARDED, [WORKER])
    long_ago = engine.clock.now_ms()
    for _ in range(3):
        await engine.start({})
        await engine.advance(10)
    found = await stats(engine, since=long_ago)
    assert (found["started"], found["looked"]["executions"]) == (2, 2)
    assert found["exact"] == {"started": False, "ended": False}
    assert timestamp_ms(found["looked"]["oldest"]) == long_ago + 10_000
    found = await stats(engine, since=long_ago + 15_000)
    assert found["started"] == 1
    assert found["exact"] == {"started": True, "ended": False}


async def test_rows_that_a_history_cannot_tell_apart_are_not_called_never_taken(
    engine: Engine,
) -> None:
    await engine.upload(GUARDED, [WORKER])
    execution = await engine.start({})
    await engine.advance(7)
    await engine.send(execution, "go")
    found = await seen(engine)
    first, second = (row for row in found["rows"] if row["from"] == "init")
    assert (first["count"], first["guard"]) == (1, "input.x = 1")
    assert (second["count"], second["countedAs"]) == (None, first["id"])
    assert found["neverTaken"] == ["never/go/0"]
    states = {state["state"]: state for state in found["states"]}
    assert (states["b"]["p50"], states["b"]["visits"]) == (7.0, 1)
    assert (states["done"]["visits"], states["done"]["p50"]) == (1, None)


async def test_what_operators_did_is_counted_besides_the_rows(engine: Engine) -> None:
    await engine.upload(GUARDED, [WORKER])
    execution = await engine.start({})
    await engine.advance(1)
    await engine.control(execution, "goto", state="never")
    found = await seen(engine)
    assert found["besides"] == 1
    assert {state["state"]: state["visits"] for state in found["states"]}["never"] == 1


async def test_the_flakiest_worker_comes_first(engine: Engine) -> None:
    engine.transport.script = lambda request, _: answer(
        {}, status=500 if request.url.endswith("bad") else 200
    )
    await engine.upload(GUARDED, [{**WORKER, "workerEndpoint": "bad"}, {**WORKER, "priority": 2}])
    for _ in range(3):
        await engine.start({})
        await engine.advance(1)
    bad, good = (await seen(engine))["workers"]
    assert (bad["worker"], bad["errors"], bad["faulty"], bad["action"]) == ("bad", 3, 1.0, "a")
    assert (good["worker"], good["errors"], good["faulty"], good["attempts"]) == ("w", 0, 0.0, 3)


async def test_the_states_of_machines_are_counted_apart(engine: Engine) -> None:
    machine = {
        "states": ["m"],
        "transitions": [
            {"current": "init", "event": "start", "next": "m"},
            {"current": "m", "event": "go", "next": "done"},
        ],
    }
    document = {
        "states": ["a"],
        "actions": [{"name": "a", "type": "activity", "machine": "inner"}],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
        "machines": {"inner": machine},
    }
    await engine.upload(document, [])
    await engine.start({})
    found = await seen(engine)
    assert found["looked"]["executions"] == 2
    inner = found["machines"]["inner"]
    assert {state["state"]: state["visits"] for state in inner["states"]}["m"] == 1
    assert "m" not in {state["state"] for state in found["states"]}


@pytest.mark.parametrize(
    ("name", "value", "count"), [("INSIGHTS_EXECUTIONS_MAX", 2, 2), ("INSIGHTS_BYTES_MAX", 1, 0)]
)
async def test_insights_read_so_many_executions_and_bytes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, value: int, count: int
) -> None:
    monkeypatch.setattr(insights, name, value)
    await engine.upload(GUARDED, [WORKER])
    for _ in range(3):
        await engine.start({})
    assert (await seen(engine))["looked"]["executions"] == count


# ---------------------------------------------------------------- one answer for many


async def test_an_answer_is_worked_out_once_and_again_when_it_is_old(clock: FakeClock) -> None:
    kept = Fresh(clock)
    calls: list[int] = []

    async def work() -> int:
        calls.append(1)
        return len(calls)

    assert await asyncio.gather(*(kept.get("k", work) for _ in range(5))) == [1] * 5
    assert await kept.get("other", work) == 2
    await clock.advance(FRESH_SECONDS)
    assert await kept.get("k", work) == 3


async def test_readings_have_turns_and_too_many_are_refused(clock: FakeClock) -> None:
    kept = Fresh(clock)
    go, inside = asyncio.Event(), []

    async def work() -> int:
        inside.append(1)
        assert len(inside) == 1, "one at a time"
        await go.wait()
        inside.pop()
        return 1

    tasks = [asyncio.ensure_future(kept.get(n, work)) for n in range(fresh.WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await kept.get("one too many", work)
    go.set()
    assert await asyncio.gather(*tasks) == [1] * fresh.WAITING_MAX
    assert await kept.get("again", work) == 1


async def test_one_project_leaves_room_for_the_figures_of_others(clock: FakeClock) -> None:
    kept, go = Fresh(clock), asyncio.Event()

    async def work() -> int:
        await go.wait()
        return 1

    most = fresh.WAITING_MAX // 2
    tasks = [asyncio.ensure_future(kept.get(n, work, project="p")) for n in range(most)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await kept.get("one too many", work, project="p")
    tasks.append(asyncio.ensure_future(kept.get("of another", work, project="q")))
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == [1] * (most + 1)
    assert await kept.get("one too many", work, project="p") == 1


async def test_what_fails_is_not_kept(clock: FakeClock) -> None:
    kept = Fresh(clock)

    async def fail() -> int:
        raise Unavailable("busy")

    async def work() -> int:
        return 1

    with pytest.raises(Unavailable):
        await kept.get("k", fail)
    assert await kept.get("k", work) == 1


async def test_answers_that_are_kept_have_so_many_bytes(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "KEPT_BYTES_MAX", 25)
    kept, calls = Fresh(clock), []

    async def ask(key: str) -> None:
        async def work() -> str:
            calls.append(key)
            return "x" * 8

        assert await kept.get(key, work) == "x" * 8

    for key in ("one", "two", "three", "three", "two", "one"):
        await ask(key)
    assert calls == ["one", "two", "three", "one"]
