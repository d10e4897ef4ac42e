"""Retention: ended executions go when their time is over, and a start's key stays a day."""

from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.engine import sweeps
from goflow_py.engine.requests import Repeat, StartRequest
from goflow_py.errors import Gone, Invalid, NotFound
from goflow_py.testing import FakeClock

TURN = 120
"""A sweep comes within so many seconds."""
DAY = 86_400
END = {"states": [], "transitions": [{"current": "init", "event": "start", "next": "done"}]}
WAIT = {
    "states": ["w"],
    "actions": [{"name": "w", "type": "wait", "event": "go"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "w"},
        {"current": "w", "event": "success", "next": "done"},
    ],
}


def repeat(key: str = "k", digest: str = "d") -> Repeat:
    return Repeat(key=key, scope="POST /x", digest=digest)


async def start(engine: Any, **fields: Any) -> Any:
    return await engine.it.executions.start("p", "a", StartRequest(**fields))


async def is_there(engine: Any, execution: Any) -> bool:
    return await engine.store.head(execution.id) is not None


async def test_an_ended_execution_is_kept_as_long_as_its_blueprint_says(engine: Any) -> None:
    await engine.upload({**WAIT, "retain": "1h"}, [])
    ended, running = await engine.start(), await engine.start()
    await engine.advance(7_200)
    await engine.send(ended, "go")
    await engine.advance(3_500)
    assert await is_there(engine, ended)
    await engine.advance(100 + TURN)
    assert not await is_there(engine, ended)
    assert await is_there(engine, running)
    with pytest.raises(NotFound):
        await engine.read(ended)


async def test_retain_0_purges_at_the_next_sweep(engine: Any) -> None:
    await engine.upload({**END, "retain": 0}, [])
    ended = await engine.start()
    assert await is_there(engine, ended)
    await engine.advance(TURN)
    assert not await is_there(engine, ended)


async def test_the_servers_default_holds_for_blueprints_that_say_nothing(
    make_engine: Callable[..., Any],
) -> None:
    engine = make_engine(retention_seconds=600.0)
    await engine.it.start()
    await engine.upload(END, [])
    ended = await engine.start()
    await engine.advance(590)
    assert await is_there(engine, ended)
    await engine.advance(10 + TURN)
    assert not await is_there(engine, ended)
    await engine.it.stop()


async def test_without_any_word_an_execution_is_kept_30_days(engine: Any) -> None:
    await engine.upload(END, [])
    ended = await engine.start()
    found = engine.store._tables.executions[ended.id].head
    assert found.purge_at == found.finished_at + 30 * DAY * 1000


async def test_a_reopened_execution_is_kept_until_its_next_end(engine: Any) -> None:
    await engine.upload({**WAIT, "retain": 600}, [])
    begun = await engine.start()
    await engine.control(begun, "cancel")
    await engine.advance(300)
    await engine.control(begun, "goto", state="w")
    assert engine.store._tables.executions[begun.id].head.purge_at is None
    await engine.advance(DAY)
    assert await is_there(engine, begun)
    await engine.send(begun, "go")
    await engine.advance(500)
    assert await is_there(engine, begun)
    await engine.advance(100 + TURN)
    assert not await is_there(engine, begun)


async def test_a_repeated_start_of_a_purged_execution_is_gone_for_a_day(engine: Any) -> None:
    await engine.upload({**END, "retain": 0}, [])
    await start(engine, repeat=repeat())
    await engine.advance(DAY - TURN)
    with pytest.raises(Gone, match="purged") as caught:
        await start(engine, repeat=repeat())
    assert caught.value.reason == "purged"
    with pytest.raises(Invalid, match="Idempotency-Key"):
        await start(engine, repeat=repeat(digest="other"))
    await engine.advance(2 * TURN)
    assert not (await start(engine, repeat=repeat())).replayed


async def test_a_deleted_executions_key_starts_nothing_for_a_day_either(engine: Any) -> None:
    await engine.upload(END, [])
    begun = (await start(engine, repeat=repeat())).execution
    await engine.it.executions.delete(begun.id)
    with pytest.raises(Gone):
        await start(engine, repeat=repeat())


async def test_a_key_is_kept_as_long_as_its_execution(engine: Any) -> None:
    await engine.upload(WAIT, [])
    first = await start(engine, repeat=repeat())
    await engine.advance(3 * DAY)
    again = await start(engine, repeat=repeat())
    assert (again.execution.id, again.replayed) == (first.execution.id, True)


async def test_a_turn_of_the_sweep_is_bounded_and_the_next_goes_on(
    engine: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "PURGE_BATCH", 2)
    monkeypatch.setattr(sweeps, "SWEEP_SECONDS_MAX", 2.5 * sweeps.SWEEP_PAUSE_SECONDS)
    await engine.upload({**END, "retain": 0}, [])
    for _ in range(12):
        await engine.start()
    await engine.advance(sweeps.SWEEP_SECONDS + 5)
    assert len(engine.store._tables.executions) == 4
    await engine.advance(sweeps.SWEEP_SECONDS + 5)
    assert engine.store._tables.executions == {}


async def test_a_sweep_that_is_behind_goes_faster(
    engine: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More may end in a minute than a gentle sweep removes: the store must not grow for ever."""
    monkeypatch.setattr(sweeps, "PURGE_BATCH", 2)
    monkeypatch.setattr(sweeps, "GENTLE_BATCHES", 3)
    await engine.upload({**END, "retain": 0}, [])
    for _ in range(60):
        await engine.start()
    await engine.advance(sweeps.SWEEP_SECONDS + 4 * sweeps.SWEEP_PAUSE_SECONDS)
    assert engine.store._tables.executions == {}
