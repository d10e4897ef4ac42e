"""Timers on a wall clock that is wrong for a while, and many that ring at one moment."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from goflow_py.engine import uptake, waker
from goflow_py.engine.timers import LOOK_SECONDS, Timers
from goflow_py.testing import FakeClock
from tests.unit.engine.conftest import Engine

HOUR_MS = 3_600_000


class WrongClock(FakeClock):
    """A clock whose wall time can be set wrong."""

    wrong_ms = 0

    def now_ms(self) -> int:
        """Return the time that the wall shows."""
        return super().now_ms() + self.wrong_ms


def timers_on(clock: WrongClock) -> tuple[Timers, list[str]]:
    """Return timers, and whom they have woken."""
    woken: list[str] = []

    def wake(execution: str, _: str | None = None) -> None:
        woken.append(execution)

    return Timers(clock, wake), woken


async def test_a_clock_that_is_set_right_again_delays_no_timer_by_more_than_a_look() -> None:
    clock = WrongClock()
    timers, woken = timers_on(clock)
    timers.set("a", clock.now_ms() + 2_000)
    clock.wrong_ms = -HOUR_MS
    await clock.advance(5)
    assert woken == []
    clock.wrong_ms = 0
    await clock.advance(LOOK_SECONDS)
    assert woken == ["a"]


async def test_a_clock_that_jumps_on_rings_at_the_next_look_and_once() -> None:
    clock = WrongClock()
    timers, woken = timers_on(clock)
    timers.set("a", clock.now_ms() + 50_000)
    clock.wrong_ms = HOUR_MS
    await clock.advance(LOOK_SECONDS)
    assert woken == ["a"]
    clock.wrong_ms = 0
    await clock.advance(120)
    assert woken == ["a"]


async def test_a_storm_is_read_whole_and_each_is_looked_at_once_however_often_it_is_polled(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uptake, "DUE_PAGE", 7)
    moment = datetime.fromtimestamp(engine.clock.now_ms() / 1000 + 3_600, UTC)
    await engine.upload(
        {
            "states": ["sleep"],
            "actions": [{"name": "sleep", "type": "delay", "until": moment.isoformat()}],
            "transitions": [{"current": "init", "event": "start", "next": "sleep"}],
        },
        workers=[],
    )
    started = [await engine.start() for _ in range(30)]
    looks: Counter[str] = Counter()
    gate, look = asyncio.Event(), engine.it.owner.waker._look

    async def counted(execution: str) -> None:
        looks[execution] += 1
        await gate.wait()
        await look(execution)

    monkeypatch.setattr(engine.it.owner.waker, "_look", counted)
    monkeypatch.setattr(waker, "WAKERS_PROJECT_MAX", 5)
    await engine.advance(3_601)
    assert len(engine.it.owner.waker) == 25
    for _ in range(3):
        await engine.it.owner.uptake.poll_timers()
        assert len(engine.it.owner.timers) <= 5, "who waits for its turn is not set anew"
        await engine.advance(0)
    assert len(engine.it.owner.waker) + len(engine.it.owner.timers) <= 30, "ids wait once"
    gate.set()
    await engine.advance(1)
    assert {(await engine.read(one)).status for one in started} == {"completed"}
    assert set(looks) == {one.id for one in started}
    assert sum(looks.values()) <= 35, "only who was looked at is read once more"
