"""Circuits and the budget of retries: what a worker that is known to be down still gets."""

from typing import Any

import pytest

from goflow_py.engine.breaker import (
    BREAKERS_MAX,
    BUDGET_SECONDS,
    CALLS_MIN,
    PROBE_AFTER_SECONDS,
    RETRIES_MIN,
    RETRY_SHARE,
    Breaker,
    Breakers,
    RetryBudget,
)
from goflow_py.errors import Unavailable
from goflow_py.testing import FakeClock, answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import workers
from tests.unit.engine.test_fairness import Held
from tests.unit.engine.test_families import START, machine

PROBE_PERIOD = PROBE_AFTER_SECONDS + 0.1


def dead(engine: Engine, *names: str) -> None:
    """Let workers answer 503, all or those of these names; the rest answer well."""
    engine.transport.script = lambda _, body: answer(
        status=503 if not names or body["action"] in names else 200
    )


async def open_circuit(engine: Engine, **action: Any) -> None:
    """Upload a call of `x`, and let its circuit be open now."""
    await engine.upload({**machine("x"), "actions": [{"name": "x", **action}]}, workers("x"))
    dead(engine)
    for _ in range(CALLS_MIN):
        await engine.start()
        await engine.advance(0)
    assert breaker_of(engine).is_open
    engine.transport.bodies.clear()
    engine.transport.requests.clear()


def breaker_of(engine: Engine) -> Breaker:
    return engine.it.dispatcher.breakers.of(("p", "x", "x"))


# ---------------------------------------------------------------- the budget itself


def test_a_budget_gives_a_fifth_of_the_calls_and_three_in_any_case() -> None:
    budget = RetryBudget()
    for _ in range(RETRIES_MIN):
        assert budget.has(0)
        budget.add(0, retries=1)
    assert not budget.has(0)
    budget.add(0, calls=100)
    for _ in range(int(100 * RETRY_SHARE) - RETRIES_MIN):
        assert budget.has(0)
        budget.add(0, retries=1)
    assert not budget.has(0)


def test_a_budget_forgets_what_is_older_than_its_window() -> None:
    budget = RetryBudget()
    budget.add(0, calls=1_000, retries=150)
    assert budget.has(BUDGET_SECONDS - 1)
    budget.add(BUDGET_SECONDS - 1, retries=RETRIES_MIN)
    assert not budget.has(BUDGET_SECONDS), "the calls are forgotten, and their share with them"
    assert budget.has(2 * BUDGET_SECONDS - 1)
    assert (budget.calls, budget.retries) == (0, 0)
    assert not budget.seconds


def test_a_retry_that_was_not_made_counts_for_nothing() -> None:
    breakers = Breakers(lambda: 0.0)
    breakers.of(("p", "x", "x")).opened_at = 0.0
    for _ in range(RETRIES_MIN):
        breakers.withdraw(("p", "x", "x"))
    assert not breakers.has(("p", "x", "x"))
    breakers.refund(("p", "x", "x"))
    assert breakers.has(("p", "x", "x"))


def test_the_endpoints_that_are_known_are_bounded_and_open_circuits_are_kept() -> None:
    breakers = Breakers(lambda: 0.0)
    breakers.of(("p", "down", "w")).opened_at = 0.0
    for number in range(BREAKERS_MAX + 10):
        breakers.of(("p", "notify", f"http://{number}"))
    assert len(breakers) <= BREAKERS_MAX + 1
    assert breakers.get(("p", "down", "w"), Breaker()).is_open


# ---------------------------------------------------------------- retries


async def test_a_dead_worker_gets_a_fifth_more_than_the_calls_that_come_anyway(
    engine: Engine,
) -> None:
    retry = {"interval": 1, "jitter": "none", "maxInterval": 1}
    await engine.upload(machine("x"), workers("x", retryCount=5, retry=retry))
    dead(engine)
    for _ in range(CALLS_MIN):
        await engine.start()
    await engine.advance(1)
    before, seconds, rate = len(engine.calls()), 40, 10
    for _ in range(seconds):
        for _ in range(rate):
            await engine.start()
        await engine.advance(1)
    seen = engine.calls()[before:]
    first = sum(attempt == 1 for _, _, attempt in seen)
    assert first == seconds * rate, "what comes anew is called as ever"
    assert len(seen) <= first * (1 + RETRY_SHARE) + RETRIES_MIN
    assert len(seen) > first * (1 + RETRY_SHARE / 2), "the budget is used"


async def test_all_go_on_when_the_worker_is_back_within_one_probe(engine: Engine) -> None:
    retry = {"interval": 1, "jitter": "none", "maxInterval": 1}
    await engine.upload(machine("x"), workers("x", retryCount=50, retry=retry))
    dead(engine)
    started = [await engine.start() for _ in range(200)]
    await engine.advance(30)
    engine.transport.script = lambda *_: answer()
    await engine.advance(PROBE_AFTER_SECONDS + 4)
    statuses = {(await engine.read(execution)).status for execution in started}
    assert statuses == {"completed"}
    assert engine.it.dispatcher.slots.waiting == 0


async def test_a_single_execution_retries_as_its_blueprint_says(engine: Engine) -> None:
    retry = {"interval": 1, "jitter": "none", "maxInterval": 1}
    await engine.upload(machine("x"), workers("x", retryCount=2, retry=retry))
    dead(engine)
    execution = await engine.start()
    await engine.advance(3)
    assert [attempt for _, _, attempt in engine.calls()] == [1, 2, 3]
    assert (await engine.read(execution)).status == "failed"


# ---------------------------------------------------------------- probes


async def test_an_open_circuit_gets_one_probe_in_ten_seconds(engine: Engine) -> None:
    await open_circuit(engine, whenOpen="wait")
    for _ in range(50):
        await engine.start()
    await engine.advance(3 * PROBE_PERIOD + 1)
    assert 2 <= len(engine.calls()) <= 4


async def test_while_a_probe_is_in_flight_nobody_else_calls(engine: Engine) -> None:
    await open_circuit(engine, whenOpen="fail")
    held = Held(engine)
    await engine.advance(PROBE_PERIOD)
    for _ in range(5):
        await engine.start()
    await engine.advance(1)
    assert len(held.waiting) == 1


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_a_probe_whose_execution_ends_is_given_back(engine: Engine, verb: str) -> None:
    await open_circuit(engine, whenOpen="fail")
    held = Held(engine)
    await engine.advance(PROBE_PERIOD)
    probing = await engine.start()
    await engine.advance(0)
    assert len(held.waiting) == 1
    await engine.control(probing, verb)
    await engine.advance(0)
    assert breaker_of(engine).probe is None
    await engine.start()
    await engine.advance(0)
    assert len(held.waiting) == 2, "the next one probes"


async def test_a_probe_whose_commit_fails_is_given_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_circuit(engine, whenOpen="fail")
    await engine.advance(PROBE_PERIOD)
    with monkeypatch.context() as patched:

        async def full(_: Any) -> Any:
            raise Unavailable("the disk is full")

        patched.setattr(engine.store, "commit", full)
        with pytest.raises(Unavailable):
            await engine.start()
    assert breaker_of(engine).probe is None
    assert engine.it.dispatcher.slots.total == 0
    engine.transport.script = lambda *_: answer()
    execution = await engine.start()
    await engine.advance(0)
    assert (await engine.read(execution)).status == "completed"
    assert not breaker_of(engine).is_open


async def test_another_call_of_the_same_execution_is_not_its_probe(engine: Engine) -> None:
    """The probe was known by its execution: any call of that counted as its answer."""
    await open_circuit(engine)
    document = {
        "activity": "b",
        "states": [{"name": "w", "tasks": [{"name": "1", "do": "x"}, {"name": "2", "do": "x"}]}],
        "transitions": [{**START, "next": "w"}],
        "actions": [{"name": "x"}],
    }
    await engine.upload(document, workers("x"))
    held = Held(engine)
    await engine.advance(PROBE_PERIOD)
    from goflow_py.engine.requests import StartRequest

    await engine.it.executions.start("p", "b", StartRequest())
    await engine.advance(0)
    assert len(held.waiting) == 2
    engine.transport.script = lambda *_: answer()
    held.waiting.reverse()
    held.let_go()
    await engine.advance(0)
    assert breaker_of(engine).is_open, "the probe is still in flight"
    held.let_go()
    await engine.advance(0)
    assert not breaker_of(engine).is_open


async def test_a_probe_that_a_crash_cut_holds_nobody_up(engine: Engine, clock: FakeClock) -> None:
    await open_circuit(engine, whenOpen="fail")
    Held(engine)
    await engine.advance(PROBE_PERIOD)
    await engine.start()
    await engine.advance(0)
    await engine.it.stop()
    again = Engine(clock, engine.store)
    await again.it.start()
    await again.advance(1)
    assert not breaker_of(again).is_open
    await again.it.stop()
    await engine.it.start()
