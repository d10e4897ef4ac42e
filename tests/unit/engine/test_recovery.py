"""A crash at any time: what was committed goes on by itself, what was in flight is abandoned."""

from collections.abc import Callable
from typing import Any

from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock, answer

ONE = {"states": ["a"], "transitions": [{"current": "init", "event": "start", "next": "a"}]}
WORKER = [{"name": "a", "workerEndpoint": "w", "retryCount": 1}]
LEASE_SECONDS = 11
"""A crashed node's lease lapses within this time."""


class Crash:
    """Two engines on one store: the first is dropped without a word, the second takes over."""

    def __init__(self, make: Callable[..., Any], clock: FakeClock) -> None:
        self._make = make
        self._clock = clock
        self._tables = Tables()
        self.engine: Any = None

    async def begin(self, document: dict[str, Any], workers: list[dict[str, Any]]) -> Any:
        self.engine = self._make(MemoryStore(self._tables))
        await self.engine.it.start()
        await self.engine.upload(document, workers)
        return self.engine

    async def crash(self) -> Any:
        await self.engine.it.supervisor.stop()
        for call in self.engine.it.owner.flights._all:
            call.cancel()
        self.engine.it.owner.timers.stop()
        await self._clock.advance(LEASE_SECONDS)
        self.engine = self._make(MemoryStore(self._tables))
        await self.engine.it.start()
        return self.engine


async def test_a_call_in_flight_is_abandoned_and_made_again_with_the_same_key(
    make_engine: Any, clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(ONE, WORKER)
    engine.transport.script = lambda *_: None
    execution = await engine.start({"n": 1})
    await engine.advance(0)
    first = engine.transport.requests[0]
    engine = await crash.crash()
    await engine.advance(1)
    second = engine.transport.requests[0]
    assert second.headers["Idempotency-Key"] == first.headers["Idempotency-Key"]
    assert int(second.headers["Goflow-Fence"]) > int(first.headers["Goflow-Fence"])
    assert engine.transport.bodies[0]["input"] == {"n": 1}
    outcomes = [
        e["outcome"] for e in await engine.entries(execution) if e["type"] == "attemptEnded"
    ]
    assert outcomes == ["abandoned", "success"]
    assert (await engine.read(execution)).status == "completed"
    await engine.verify()


async def test_abandoned_attempts_cost_no_budget_but_the_fifth_does(
    make_engine: Any, clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    engine = await crash.begin(ONE, WORKER)
    execution = None
    for _ in range(5):
        engine.transport.script = lambda *_: None
        execution = execution or await engine.start()
        await engine.advance(0)
        engine = await crash.crash()
        engine.transport.script = lambda *_: None
    await engine.advance(0)
    task = (await engine.read(execution)).tasks["a"]
    assert (task.attempts, task.used, task.abandoned) == (6, {"w": 1}, 5)


async def test_a_back_off_survives_and_is_not_shortened(make_engine: Any, clock: FakeClock) -> None:
    crash = Crash(make_engine, clock)
    retry = {"interval": 100, "maxInterval": 100, "jitter": "none"}
    engine = await crash.begin(ONE, [{**WORKER[0], "retry": retry}])
    engine.transport.script = lambda *_: answer(status=500)
    execution = await engine.start()
    await engine.advance(1)
    engine = await crash.crash()
    await engine.advance(80)
    assert engine.calls() == []
    await engine.advance(20)
    assert len(engine.calls()) == 1
    assert (await engine.read(execution)).status == "completed"
    await engine.verify()


async def test_a_long_delay_survives_and_fires_once(make_engine: Any, clock: FakeClock) -> None:
    crash = Crash(make_engine, clock)
    document = {
        "states": ["d"],
        "actions": [{"name": "d", "type": "delay", "seconds": "24h"}],
        "transitions": [{"current": "init", "event": "start", "next": "d"}],
    }
    engine = await crash.begin(document, [])
    execution = await engine.start()
    assert engine.it.owner.counts()["live"] == 0
    engine = await crash.crash()
    await engine.advance(86_400 - 60)
    assert (await engine.read(execution)).status == "waiting"
    await engine.advance(120)
    assert (await engine.read(execution)).status == "completed"
    fired = [e for e in await engine.entries(execution) if e["type"] == "timerFired"]
    assert len(fired) == 1
    await engine.verify()


async def test_a_wait_survives_and_takes_its_event(make_engine: Any, clock: FakeClock) -> None:
    crash = Crash(make_engine, clock)
    document = {
        "states": ["w"],
        "actions": [{"name": "w", "type": "wait", "event": "paid"}],
        "transitions": [{"current": "init", "event": "start", "next": "w"}],
    }
    engine = await crash.begin(document, [])
    execution = await engine.start()
    engine = await crash.crash()
    await engine.send(execution, "paid", 7)
    assert (await engine.read(execution)).output == 7
    await engine.verify()


async def test_a_timer_that_was_due_while_the_server_was_down_comes_before_a_later_event(
    make_engine: Any, clock: FakeClock
) -> None:
    crash = Crash(make_engine, clock)
    document = {
        "states": [
            {"name": "a", "timeout": 5, "on": {"go": "done", "timeout": "late"}},
            {"name": "late", "on": {"go": "done"}},
        ],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    engine = await crash.begin(document, [])
    execution = await engine.start()
    engine = await crash.crash()
    await engine.send(execution, "go")
    path = [e["to"] for e in await engine.entries(execution) if e["type"] == "transition"]
    assert path == ["a", "late", "done"]


async def test_a_drain_closes_calls_as_abandoned_and_the_next_start_goes_on(
    make_engine: Any, clock: FakeClock
) -> None:
    tables = Tables()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    await engine.upload(ONE, WORKER)
    engine.transport.script = lambda *_: None
    execution = await engine.start()
    await engine.advance(0)
    await engine.it.stop()
    again = make_engine(MemoryStore(tables))
    await again.it.start()
    await again.advance(1)
    outcomes = [e["outcome"] for e in await again.entries(execution) if e["type"] == "attemptEnded"]
    assert outcomes == ["abandoned", "success"]
    await again.verify()
