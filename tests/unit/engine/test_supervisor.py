"""Background work that breaks: it is logged, counted, and goes on within a second."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.api.metrics import Metrics
from goflow_py.domain.event import Outside
from goflow_py.engine.batch_documents import BatchRequest
from goflow_py.engine.batcher import Batcher
from goflow_py.engine.early import EarlyEvent
from goflow_py.engine.supervisor import FAILING_TURNS, Supervisor
from goflow_py.engine.waker import Waker
from goflow_py.errors import Unavailable
from goflow_py.testing import FakeClock

ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}
WORKER = [{"name": "a", "workerEndpoint": "w"}]
SECOND_TURN = 61
"""Seconds until every loop of the engine has come round."""


class Lost:
    """What the process is told when it has to end."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Broken:
    """Work that breaks with *errors*, one a turn, and is well afterwards."""

    def __init__(self, *errors: BaseException) -> None:
        self._errors = list(errors)
        self.turns = 0

    async def __call__(self, *_: Any, **__: Any) -> None:
        self.turns += 1
        if self._errors:
            raise self._errors.pop(0)


ERRORS = [
    pytest.param(RuntimeError("broken"), id="a mistake"),
    pytest.param(Unavailable("the disk is full"), id="a full disk"),
    pytest.param(asyncio.CancelledError(), id="a cancel by nobody"),
    pytest.param(MemoryError(), id="no memory"),
]


@pytest.mark.parametrize("error", ERRORS)
async def test_work_that_breaks_goes_on_within_a_second(
    clock: FakeClock, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    lost, work = Lost(), Broken(error)
    supervisor = Supervisor(clock, on_lost=lost)
    supervisor.every("work", work, seconds=60.0)
    await clock.advance(60)
    assert work.turns == 1
    await clock.advance(1)
    assert work.turns == 2
    await clock.advance(59)
    assert work.turns == 2
    await clock.advance(1)
    assert work.turns == 3
    assert supervisor.failures == {"work": 1}
    assert [record.work for record in caplog.records] == ["work"]  # type: ignore[attr-defined]
    assert lost.count == 0
    await supervisor.stop()


async def test_what_breaks_every_time_is_known_as_broken_until_it_is_well(clock: FakeClock) -> None:
    work = Broken(*[RuntimeError("again") for _ in range(FAILING_TURNS)])
    supervisor = Supervisor(clock, on_lost=Lost())
    supervisor.every("work", work, seconds=60.0, first=0.0)
    await clock.advance(2)
    assert supervisor.broken == []
    await clock.advance(2)
    assert supervisor.broken == ["work"]
    await clock.advance(10)
    assert supervisor.broken == []
    await supervisor.stop()


async def test_work_that_has_to_be_done_once_is_tried_until_it_is_done(clock: FakeClock) -> None:
    work = Broken(Unavailable("not yet"), RuntimeError("nor now"))
    supervisor = Supervisor(clock, on_lost=Lost())
    supervisor.once("work", work)
    await clock.advance(0)
    assert work.turns == 1
    await clock.advance(60)
    assert work.turns == 3
    await supervisor.stop()


async def test_a_loop_that_ends_ends_the_process(clock: FakeClock) -> None:
    lost = Lost()
    supervisor = Supervisor(clock, on_lost=lost)
    supervisor.every("work", Broken(), seconds=1.0)
    supervisor._loops["work"].cancel()
    await clock.advance(0)
    assert lost.count == 1
    await supervisor.stop()
    assert lost.count == 1


async def test_a_stop_is_not_taken_for_a_loss(clock: FakeClock) -> None:
    lost = Lost()
    supervisor = Supervisor(clock, on_lost=lost)
    supervisor.every("work", asyncio.Event().wait, seconds=1.0, first=0.0)
    await clock.advance(1)
    await supervisor.stop()
    assert (lost.count, supervisor.failures) == (0, {})


# ---------------------------------------------------------------- every loop of the engine

LOOPS = {
    "heartbeat": ("store", "heartbeat"),
    "sweep of executions": ("store", "purge"),
    "sweep of names": ("store", "sweep"),
    "sweep of events": ("store", "sweep_early"),
    "sweep of batches": ("store", "sweep_batches"),
    "timers": ("store", "due"),
    "watch": ("store", "open_rows"),
}
"""The work, and what of the store it asks for."""


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("error", ERRORS)
async def test_an_engine_whose_loop_breaks_goes_on_and_says_so(
    make_engine: Callable[..., Any],
    name: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = make_engine()
    await engine.it.start()
    await engine.upload(ONE, WORKER)
    _, method = LOOPS[name]
    well, calls = getattr(engine.store, method), Broken(error)

    async def broken_once(*given: Any, **named: Any) -> Any:
        await calls()
        return await well(*given, **named)

    monkeypatch.setattr(engine.store, method, broken_once)
    await engine.advance(2 * SECOND_TURN)
    assert engine.it.supervisor.failures[name] == 1
    assert calls.turns > 1
    assert not engine.it.lost.is_set()
    assert engine.it.broken == []
    execution = await engine.start()
    await engine.advance(1)
    assert (await engine.read(execution)).status == "completed"
    await engine.it.stop()


@pytest.mark.parametrize("error", ERRORS)
async def test_a_recovery_that_breaks_is_made_again(
    make_engine: Callable[..., Any], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    work = Broken(error)
    monkeypatch.setattr(engine.it.owner.uptake, "recover", work)
    await engine.it.start()
    await engine.advance(2)
    assert work.turns == 2
    assert engine.it.supervisor.failures["recovery"] == 1
    assert not engine.it.lost.is_set()
    await engine.it.stop()


async def test_timers_that_cannot_be_read_make_a_server_that_is_not_ready(
    make_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    await engine.it.start()

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    with monkeypatch.context() as breaking:
        breaking.setattr(engine.store, "due", broken)
        await engine.advance(40)
        assert engine.it.broken == ["timers"]
    await engine.advance(10)
    assert engine.it.broken == []
    await engine.it.stop()


# ---------------------------------------------------------------- the writer of steps


class NoStore:
    """A store whose commit breaks its contract."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    async def commit(self, _: Any) -> Any:
        return self._answer()


def cancelled() -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize("answer", [list, cancelled], ids=["too few verdicts", "a cancel"])
async def test_a_writer_that_dies_ends_the_process_and_nobody_waits_for_it(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Lost()
    batcher = Batcher(NoStore(answer), on_lost=lost)  # type: ignore[arg-type]
    batcher.start()
    write: Any = type("W", (), {"family": (), "records": (), "head": type("H", (), {"body": b""})})
    steps = [batcher.submit(write) for _ in range(3)]
    for step in steps:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(step, 5)
    assert lost.count == 1
    with pytest.raises(Unavailable):
        batcher.submit(write)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    await asyncio.wait_for(batcher.stop(), 5)
    assert lost.count == 1


async def test_an_engine_whose_writer_died_has_to_end(
    make_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    await engine.it.start()
    await engine.upload(ONE, WORKER)

    async def no_verdicts(_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(engine.store, "commit", no_verdicts)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(engine.start(), 5)
    assert engine.it.lost.is_set()
    monkeypatch.undo()
    await asyncio.wait_for(engine.it.stop(), 5)


# ---------------------------------------------------------------- looks


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()])
async def test_a_look_that_breaks_is_taken_again_and_holds_up_nobody(
    clock: FakeClock, error: BaseException
) -> None:
    seen: list[str] = []

    async def look(execution: str) -> None:
        seen.append(execution)
        if seen == ["one"]:
            raise error

    waker = Waker(clock, look)
    waker.wake("one")
    waker.wake("two")
    await clock.advance(0)
    assert seen == ["one", "two"]
    await clock.advance(2)
    assert seen == ["one", "two", "one"]
    await clock.advance(60)
    assert seen == ["one", "two", "one"]
    await waker.stop()


async def test_a_look_that_always_breaks_is_given_up_in_the_end(clock: FakeClock) -> None:
    work = Broken(*[RuntimeError("again") for _ in range(100)])
    waker = Waker(clock, work)
    waker.wake("one")
    await clock.advance(3_600)
    assert work.turns == 10
    await waker.stop()


# ---------------------------------------------------------------- batches, early events, lag

WAIT = {
    "states": [{"name": "wait", "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "wait"}],
}


async def test_a_batch_that_breaks_goes_on_and_counts_nobody_twice(
    make_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    await engine.it.start()
    await engine.upload(WAIT, [])
    executions = [await engine.start() for _ in range(3)]
    control, calls = engine.it.executions.control, Broken()
    error = RuntimeError("broken")

    async def breaks_at_the_second(*given: Any, **named: Any) -> Any:
        await calls()
        if calls.turns == 2:
            raise error
        return await control(*given, **named)

    monkeypatch.setattr(engine.it.executions, "control", breaks_at_the_second)
    ids = [one.id for one in executions]
    wanted = BatchRequest(action="pause", project=None, ids=ids)
    shown, _ = await engine.it.batches.create(wanted)
    await engine.advance(5)
    batch = await engine.it.batches.get(shown["id"], project=None)
    assert (batch["status"], batch["total"], batch["done"]) == ("done", 3, 3)
    assert [(await engine.read(one)).status for one in executions] == ["paused"] * 3
    await engine.it.stop()


async def test_early_events_that_could_not_be_brought_are_brought_later(
    make_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    await engine.it.start()
    await engine.upload(WAIT, [])
    until = engine.clock.now_ms() + 600_000
    event = EarlyEvent(
        project="p", activity=None, key="k", event=Outside(name="go", data=None), until=until
    )
    await engine.it.early.keep(event)
    read, calls = engine.store.early, Broken(RuntimeError("broken"))

    async def broken_once(*given: Any, **named: Any) -> Any:
        await calls()
        return await read(*given, **named)

    await engine.advance(1)
    monkeypatch.setattr(engine.store, "early", broken_once)
    execution = await engine.start(key="k")
    await engine.advance(10)
    assert calls.turns > 1
    assert (await engine.read(execution)).status == "completed"
    await engine.it.stop()


async def test_the_lag_of_the_loop_is_measured_again_and_again(clock: FakeClock) -> None:
    metrics = Metrics()
    supervisor = Supervisor(clock, on_lost=Lost())
    works = Broken(RuntimeError("broken"))

    async def measure() -> None:
        await works()
        await metrics.measure_lag(clock)

    supervisor.every("lag", measure, seconds=0.0)
    await clock.advance(10)
    assert works.turns > 10
    await supervisor.stop()
