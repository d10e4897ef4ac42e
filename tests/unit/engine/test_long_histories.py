"""Looking at long histories: others go on meanwhile, and the newest is what is shown."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine import attempt_views, past
from goflow_py.engine.tracking import Attempts
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "a"}
LOOP: dict[str, Any] = {
    "states": [{"name": "a", "on": {"success": "a"}}, "b"],
    "actions": [{"name": "a"}],
    "transitions": [START, {"current": "b", "event": "go", "next": "done"}],
}
WORKER = {"name": "a", "workerEndpoint": "w"}


async def looped(engine: Engine, visits: int) -> Execution:
    """Return an execution that was in the same state that many times, and waits."""
    left = iter(range(visits))
    engine.transport.script = lambda *_: None if next(left, None) is None else answer({"n": 1})
    await engine.upload(LOOP, [WORKER])
    execution = await engine.start()
    await engine.advance(5)
    return await engine.read(execution)


async def attempts(engine: Engine, execution: Execution) -> Attempts:
    return await engine.it.tracking.attempts(await engine.read(execution))


async def drawn(engine: Engine, execution: Execution) -> Any:
    """Return the graph as it is sent."""
    return orjson.loads(orjson.dumps(await engine.it.tracking.graph(await engine.read(execution))))


async def figures(engine: Engine, _: Execution) -> Any:
    row = await engine.it.uploads.version("p", "a", None)
    return await engine.it.insights.of(row, since=None)


# ---------------------------------------------------------------- turns


@pytest.mark.parametrize(("look", "times"), [(attempts, 2), (drawn, 1), (figures, 2)])
async def test_others_go_on_while_a_long_history_is_looked_at(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    look: Callable[..., Awaitable[Any]],
    times: int,
) -> None:
    execution = await looped(engine, 20)
    monkeypatch.setattr(past, "ENTRIES_AT_ONCE", 5)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await look(engine, execution)
    beside.cancel()
    assert turns >= times * (execution.seq // 6) > 15


async def test_a_history_in_many_pages_draws_the_same_graph(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await looped(engine, 20)
    whole = await drawn(engine, execution)
    steps = [e for e in await engine.entries(execution) if e["type"] == "transition"]
    assert [{**step, "edge": None} for step in whole["path"]] == [
        {name: step[name] for name in ("seq", "at", "visit", "from", "event", "action", "to")}
        | {"entered": step["entered"], "edge": None}
        for step in steps
    ]
    assert sum(edge["taken"] for edge in whole["edges"]) == len(steps) == 21
    monkeypatch.setattr(past, "RECORDS_PAGE", 3)
    assert await drawn(engine, execution) == whole


# ---------------------------------------------------------------- the newest attempts


DONE = {"outcome": "success"}


async def errand(engine: Engine) -> Execution:
    """Return an execution with notifications that failed while visits came and went."""
    left = iter(range(8))

    def play(request: Any, _: Any) -> Any:
        if "told" in request.url:
            return answer({}, status=500)
        return None if next(left, None) is None else answer({"n": 1})

    engine.transport.script = play
    notify = {"entered": "http://told/x"}
    await engine.upload(
        {**LOOP, "states": [{"name": "a", "on": {"success": "a"}, "notify": notify}, "b"]},
        [WORKER],
    )
    execution = await engine.start()
    await engine.advance(120)
    return execution


async def loop(engine: Engine) -> Execution:
    return await looped(engine, 12)


async def each(engine: Engine) -> Execution:
    """Return an execution whose state works on many items, some of them twice."""
    calls: dict[Any, int] = {}

    def play(_: Any, body: Any) -> Any:
        item = body["input"]
        calls[item] = calls.get(item, 0) + 1
        if item == 11:
            return None
        return answer({}, status=500) if item % 3 == 0 and calls[item] == 1 else answer({"n": 1})

    engine.transport.script = play
    tasks = [{"name": "t", "do": "a", "each": "${ input }"}]
    retry = {"interval": 1, "backoffRate": 1, "jitter": "none"}
    await engine.upload(
        {
            **LOOP,
            "states": [{"name": "a", "tasks": tasks}, "b"],
            "actions": [{"name": "a", "input": "${ item }"}],
        },
        [{**WORKER, "retryCount": 2, "retry": retry}],
    )
    execution = await engine.start([*range(12)])
    await engine.advance(5)
    return execution


@pytest.mark.parametrize("most", [1, 2, 5, 9])
@pytest.mark.parametrize("make", [loop, errand, each])
async def test_the_newest_attempts_are_those_of_the_whole_history(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any], most: int
) -> None:
    execution = await engine.read(await make(engine))
    whole = await attempts(engine, execution)
    assert (whole.earlier, len(whole.items)) > (0, 9)
    monkeypatch.setattr(attempt_views, "ATTEMPTS_SHOWN_MAX", most)
    monkeypatch.setattr(past, "RECORDS_PAGE", 4)
    found = await attempts(engine, execution)
    assert found.items == whole.items[-most:]
    assert found.earlier == len(whole.items) - most
    monkeypatch.setattr(past, "ENTRIES_MAX", execution.seq)
    assert (await attempts(engine, execution)).items == found.items


async def test_beyond_what_may_be_read_the_newest_attempts_are_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await looped(engine, 12)
    whole = (await attempts(engine, execution)).items
    monkeypatch.setattr(past, "ENTRIES_MAX", 20)
    found = await attempts(engine, execution)
    assert 2 < len(found.items) < len(whole) == 13
    assert found.items == whole[-len(found.items) :]
    assert found.earlier is None


async def test_what_is_read_of_long_entries_is_bounded_in_bytes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await looped(engine, 12)
    whole = (await attempts(engine, execution)).items
    monkeypatch.setattr(past, "ENTRIES_BYTES_MAX", 4_000)
    found = (await attempts(engine, execution)).items
    assert 2 < len(found) < len(whole)
    assert found == whole[-len(found) :]


async def claimed(engine: Engine) -> Execution:
    """Return an execution whose one task is held by somebody who says so again and again."""
    action = {"name": "a", "type": "pull", "queue": "depot", "lease": 10}
    await engine.upload({**LOOP, "actions": [action]}, [])
    execution = await engine.start({"n": 1})
    [held] = await engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker="joe")
    for _ in range(12):
        await engine.advance(4)
        await engine.it.claims.heartbeat(held.id, held.token)
    return execution


@pytest.mark.parametrize("make", [loop, errand, each, claimed])
async def test_whatever_may_be_read_what_is_shown_of_an_attempt_is_true(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any]
) -> None:
    execution = await engine.read(await make(engine))
    whole = (await attempts(engine, execution)).items
    for most in range(1, execution.seq):
        monkeypatch.setattr(past, "ENTRIES_MAX", most)
        found = await attempts(engine, execution)
        assert found.earlier in (None, 0)
        for one in found.items:
            known = {name: value for name, value in one.items() if value is not None}
            assert any(known == {name: other[name] for name in known} for other in whole)
        is_open = [one for one in found.items if one["endedAt"] is None]
        assert len(is_open) == sum(one["endedAt"] is None for one in whole)
        assert all(one["request"] is not None for one in is_open if one["kind"] != "notify")


async def test_of_one_long_visit_what_the_head_knows_makes_attempts_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await engine.read(await each(engine))
    whole = {
        (one["task"], one["attempt"]): one for one in (await attempts(engine, execution)).items
    }
    monkeypatch.setattr(past, "ENTRIES_MAX", 8)
    shown = {
        (one["task"], one["attempt"]): one for one in (await attempts(engine, execution)).items
    }
    began_long_ago, began_lately = ("t[11]", 1), ("t[9]", 2)
    waits = {"priority": None, "skipped": None, "dueAt": None, "queueMs": None}
    assert shown[began_long_ago] == {**whole[began_long_ago], **waits}
    waits = {"dueAt": None, "queueMs": None}
    assert shown[began_lately] == {**whole[began_lately], **waits}


async def test_who_holds_a_task_is_shown_however_long_ago_it_was_claimed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await claimed(engine)
    [whole] = (await attempts(engine, execution)).items
    monkeypatch.setattr(past, "ENTRIES_MAX", 4)
    [found] = (await attempts(engine, execution)).items
    for name in ("worker", "startedAt", "deadline", "request", "state", "visit"):
        assert found[name] == whole[name] is not None


# ---------------------------------------------------------------- pages backwards


@pytest.mark.parametrize("limit", [1, 3, 500])
async def test_a_history_is_paged_backwards(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    execution = await looped(engine, 5)
    monkeypatch.setattr(past, "RECORDS_PAGE", 2)
    found: list[dict[str, Any]] = []
    before: int | None = execution.seq + 1_000
    while before is not None:
        part, before = await engine.it.tracking.history_back(execution, before=before, limit=limit)
        assert 0 < len(part) <= limit
        found += part
    assert found[::-1] == await engine.entries(execution)
    assert await engine.it.tracking.history_back(execution, before=0, limit=5) == ([], None)
