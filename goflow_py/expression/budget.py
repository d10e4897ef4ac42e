"""What all expressions of one input may cost together: each alone is bounded in ``engine``.

Digests are not interleaved: nothing in one waits. So one count is enough for a process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

from goflow_py.clock import SystemClock
from goflow_py.expression.errors import Fault

_CLOCK = SystemClock()
DIGEST_STEPS_MAX: Final = 100_000
"""Evaluation steps of all expressions of one input."""
DIGEST_FUSE_SECONDS: Final = 0.25
"""Of computing, in which nobody else is served; the machine may be slow, so it is only a fuse."""


class _Spent:
    steps = 0
    seconds = 0.0
    ever = 0.0
    payer = ""
    bills: ClassVar[dict[str, float]] = {}


def begin(payer: str = "") -> None:
    """Begin to count for another input, and charge *payer*, a project, for it."""
    _Spent.steps = 0
    _Spent.seconds = 0.0
    _Spent.payer = payer


def bill(payer: str) -> float:
    """Return the seconds that *payer* was charged since this was asked last."""
    return _Spent.bills.pop(payer, 0.0)


@contextmanager
def charged(payer: str) -> Iterator[None]:
    """Charge *payer* for what computes long and is no expression: the check of a schema."""
    began = _CLOCK.busy()
    try:
        yield
    finally:
        _Spent.bills[payer] = _Spent.bills.get(payer, 0.0) + _CLOCK.busy() - began


def left() -> tuple[int, float]:
    """Return the steps and the seconds that the input still has."""
    return DIGEST_STEPS_MAX - _Spent.steps, DIGEST_FUSE_SECONDS - _Spent.seconds


def seconds_ever() -> float:
    """Return what all expressions took since the process began, to compare it with later."""
    return _Spent.ever


def spend(steps: int, seconds: float) -> None:
    """Count what an expression took. Raises ``Fault`` when that was too much for one input."""
    _Spent.steps += steps
    _Spent.seconds += seconds
    _Spent.ever += seconds
    if _Spent.payer:
        _Spent.bills[_Spent.payer] = _Spent.bills.get(_Spent.payer, 0.0) + seconds
    if _Spent.steps > DIGEST_STEPS_MAX:
        raise Fault(f"the expressions of one input take more than {DIGEST_STEPS_MAX} steps")
    if _Spent.seconds > DIGEST_FUSE_SECONDS:
        raise Fault(f"the expressions of one input take longer than {DIGEST_FUSE_SECONDS:g} s")
