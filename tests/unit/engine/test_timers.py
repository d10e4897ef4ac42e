"""Timers on a wall clock that is wrong for a while."""

from goflow_py.engine.timers import LOOK_SECONDS, Timers
from goflow_py.testing import FakeClock

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
