"""How many wrong keys are looked at, without a server."""

import pytest

from goflow_py.api import refusals
from goflow_py.api.refusals import FAILURES_MAX, WINDOW_SECONDS, Refusals
from goflow_py.errors import TooManyRequests
from goflow_py.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def counted(clock: FakeClock) -> Refusals:
    return Refusals(clock=clock)


def guess(counted: Refusals, address: str, times: int = FAILURES_MAX) -> None:
    for _ in range(times):
        counted.check(address)
        counted.failed(address)


def is_refused(counted: Refusals, address: str) -> bool:
    try:
        counted.check(address)
    except TooManyRequests as refusal:
        assert 1 <= refusal.facts["retryAfter"] <= WINDOW_SECONDS
        return True
    return False


def test_ten_wrong_keys_are_looked_at_and_no_more(counted: Refusals) -> None:
    guess(counted, "192.0.2.1", FAILURES_MAX - 1)
    assert not is_refused(counted, "192.0.2.1")
    counted.failed("192.0.2.1")
    assert is_refused(counted, "192.0.2.1")
    assert not is_refused(counted, "192.0.2.2"), "another peer"


async def test_a_minute_after_the_first_of_them_one_more_is(
    counted: Refusals, clock: FakeClock
) -> None:
    counted.failed("192.0.2.1")
    await clock.advance(30)
    guess(counted, "192.0.2.1", FAILURES_MAX - 1)
    await clock.advance(29.9)
    assert is_refused(counted, "192.0.2.1")
    await clock.advance(0.1)
    assert not is_refused(counted, "192.0.2.1")
    counted.failed("192.0.2.1")
    assert is_refused(counted, "192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_a_network_of_ipv6_is_one_peer(
    counted: Refusals, one: str, other: str, *, same: bool
) -> None:
    guess(counted, one)
    assert is_refused(counted, other) is same


def test_what_is_remembered_is_bounded(counted: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "PEERS_KEPT_MAX", 20)
    for number in range(100):
        counted.failed(f"192.0.2.{number}")
    assert len(counted._failures) == 20
    guess(counted, "192.0.2.99", FAILURES_MAX - 1)
    assert is_refused(counted, "192.0.2.99"), "the newest are kept"
