"""How endpoints were lately: latencies, errors and signs of life, in bounded room."""

import pytest

from goflow_py.engine.breaker import CALLS_MIN, PROBE_AFTER_SECONDS, WINDOW_SECONDS, Breaker
from goflow_py.engine.lately import ATTEMPTS_KEPT_MAX, MS_MAX, Figures, Lately
from goflow_py.engine.verdict import Acceptance, Definite, Failure, Success, Verdict
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import workers
from tests.unit.engine.test_breaker import breaker_of
from tests.unit.engine.test_families import machine

GOOD = Success(output=None)
BAD = Failure(code="server_error", message="the worker answered 500", status=500)


def test_the_newest_attempts_count_and_older_ones_are_forgotten() -> None:
    lately = Lately()
    assert lately.figures() == Figures(attempts=0, errors=0, p50=None, p95=None)
    for _ in range(3 * ATTEMPTS_KEPT_MAX // 2):
        lately.note(BAD, at=0, ms=9_999)
    for ms in range(1, ATTEMPTS_KEPT_MAX + 1):
        assert lately.figures().errors == min(ATTEMPTS_KEPT_MAX, ATTEMPTS_KEPT_MAX - ms + 1)
        lately.note(GOOD, at=0, ms=ms)
    assert lately.figures() == Figures(attempts=ATTEMPTS_KEPT_MAX, errors=0, p50=50, p95=95)
    assert len(lately.lengths) * lately.lengths.itemsize <= 400


def test_an_attempt_that_failed_at_once_is_an_error_and_one_of_a_month_fits() -> None:
    lately = Lately()
    lately.note(BAD, at=0, ms=0)
    lately.note(BAD, at=0, ms=40 * 86_400_000)
    assert lately.figures() == Figures(attempts=2, errors=2, p50=0, p95=MS_MAX)


@pytest.mark.parametrize(
    ("verdict", "is_up", "is_seen"),
    [
        (GOOD, True, True),
        (Acceptance(), True, True),
        (Definite(code="refused", message="no", status=400), True, True),
        (BAD, False, True),
        (Failure(code="timeout", message="it took too long"), False, False),
    ],
)
def test_every_answer_is_a_sign_of_life(verdict: Verdict, is_up: bool, is_seen: bool) -> None:
    lately = Lately()
    lately.note(verdict, at=7, ms=1)
    assert lately.is_up is is_up
    assert lately.seen_at == (7 if is_seen else None)
    assert (lately.fault is None) is is_up


def test_calls_that_left_the_window_are_not_counted_when_nobody_calls() -> None:
    breaker = Breaker()
    breaker.report(0.0, ok=False, by=None)
    assert breaker.window(WINDOW_SECONDS) == (1, 1)
    assert breaker.window(WINDOW_SECONDS + 0.1) == (0, 0)


async def test_an_open_circuit_keeps_the_latencies_and_its_probe_counts(engine: Engine) -> None:
    await engine.upload(machine("x"), workers("x"))
    engine.transport.script = lambda *_: answer(status=503)
    for _ in range(CALLS_MIN):
        await engine.start()
        await engine.advance(0)
    lately = breaker_of(engine).lately
    assert breaker_of(engine).is_open
    assert (lately.figures().attempts, lately.figures().errors) == (CALLS_MIN, CALLS_MIN)
    assert lately.fault is not None
    assert (lately.fault.code, lately.fault.status) == ("server_error", 503)
    engine.transport.script = lambda *_: answer()
    await engine.advance(PROBE_AFTER_SECONDS)
    await engine.start()
    await engine.advance(0)
    assert not breaker_of(engine).is_open
    assert (lately.figures().attempts, lately.figures().errors) == (CALLS_MIN + 1, CALLS_MIN)
    assert lately.is_up
