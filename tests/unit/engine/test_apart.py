"""What breaks is set apart; what passes ends nothing."""

import pytest

from goflow_py.engine.apart import (
    LEFT_ALONE_SECONDS,
    PASSING_SECONDS,
    TRIES_MAX,
    TRY_SECONDS,
    Apart,
    passing,
)
from goflow_py.errors import Damaged, Unavailable
from goflow_py.testing import FakeClock

MISTAKE = ZeroDivisionError("a mistake of ours")
PASSING = [
    MemoryError(),
    OSError(24, "Too many open files"),
    RuntimeError("can't start new thread"),
    Unavailable("the disk is full", code="store_full"),
]


class Desk:
    """Looks at one execution with what breaks it now, and notes what becomes of it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.error: Exception | None = MISTAKE
        self.end_error: Exception | None = None
        self.ended: list[tuple[str, float]] = []
        self.looks: list[float] = []
        self.apart = Apart(end=self._end, again=self._again, clock=clock)
        self._asked = 0

    async def _end(self, execution: str, code: str, message: str) -> None:
        if self.end_error is not None:
            raise self.end_error
        self.ended.append((code, self.clock.monotonic()))

    def _again(self, execution: str) -> None:
        self._asked += 1

    async def look(self) -> None:
        if "x" in self.apart.left_alone:
            return
        self.looks.append(self.clock.monotonic())
        if self.error is None:
            self.apart.went_well("x")
        else:
            await self.apart.broke("x", self.error)

    async def pass_(self, seconds: float) -> None:
        """Let time pass, and look when it was asked for."""
        for _ in range(round(seconds)):
            await self.clock.advance(1)
            asked, self._asked = self._asked, 0
            for _ in range(asked):
                await self.look()


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    return Desk(clock)


@pytest.mark.parametrize("error", PASSING)
async def test_what_passes_is_never_counted_however_long_it_takes(
    desk: Desk, error: Exception
) -> None:
    desk.error = error
    await desk.look()
    await desk.pass_(600)
    assert not desk.ended and not desk.apart.left_alone
    before = len(desk.looks)
    desk.error = None
    await desk.pass_(PASSING_SECONDS + 1)
    assert len(desk.looks) > before, "it is looked at soon after it has passed"


async def test_many_that_break_at_once_are_one_look(desk: Desk) -> None:
    desk.error = MemoryError()
    for _ in range(20):
        await desk.look()
    desk.looks.clear()
    await desk.pass_(30)
    assert 10 <= len(desk.looks) <= 31


async def test_what_breaks_every_time_for_a_minute_ends(desk: Desk) -> None:
    await desk.look()
    await desk.pass_(TRY_SECONDS)
    for _ in range(10):
        await desk.look()  # others wake it, too
    assert not desk.ended
    await desk.pass_(TRY_SECONDS + 1)
    [(code, at)] = desk.ended
    assert code == "internal" and at >= (TRIES_MAX - 1) * TRY_SECONDS >= 60
    assert desk.apart.count == 1


async def test_what_breaks_for_less_than_a_minute_ends_nothing(desk: Desk) -> None:
    await desk.look()
    await desk.pass_(50)
    desk.error = None
    await desk.pass_(50)
    desk.error = MISTAKE
    await desk.look()
    await desk.pass_(50)
    assert not desk.ended, "the tries of long ago are forgotten"


@pytest.mark.parametrize("error", PASSING)
async def test_an_end_that_cannot_be_written_now_is_written_later(
    desk: Desk, error: Exception
) -> None:
    desk.end_error = error
    await desk.look()
    await desk.pass_(300)
    assert not desk.ended and not desk.apart.left_alone
    desk.end_error = None
    await desk.pass_(TRY_SECONDS + PASSING_SECONDS + 2)
    assert len(desk.ended) == 1


async def left_alone(desk: Desk) -> None:
    desk.end_error = ValueError("not even that")
    await desk.look()
    await desk.pass_(2 * TRY_SECONDS + 2)
    assert list(desk.apart.left_alone) == ["x"]
    desk.looks.clear()


async def test_one_that_is_left_alone_is_looked_at_once_an_hour(desk: Desk) -> None:
    await left_alone(desk)
    await desk.pass_(3 * LEFT_ALONE_SECONDS + 60)
    assert len(desk.looks) == 3
    assert list(desk.apart.left_alone) == ["x"]
    desk.error = None
    await desk.pass_(LEFT_ALONE_SECONDS + 60)
    assert not desk.apart.left_alone


async def test_a_step_that_goes_well_ends_being_left_alone(desk: Desk) -> None:
    await left_alone(desk)
    desk.apart.went_well("x")
    assert not desk.apart.left_alone
    await desk.look()
    assert desk.looks


def wrapped(cause: Exception) -> Exception:
    error = Damaged("cannot be read")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "no_memory"),
        (RuntimeError("can't start new thread"), "no_memory"),
        (OSError(24, "Too many open files"), "system"),
        (wrapped(MemoryError()), "no_memory"),
        (Unavailable("full", code="store_full"), "store_full"),
        (RuntimeError("something else"), None),
        (wrapped(ValueError()), None),
    ],
)
def test_trouble_of_the_machine_is_no_fault_of_an_execution(
    error: Exception, code: str | None
) -> None:
    found = passing(error)
    assert (found.reason if found else None) == code
