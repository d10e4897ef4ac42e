"""Timers: promises of an event at a time."""

from typing import Any

from goflow_py.domain import durations
from goflow_py.errors import ExpressionFailed
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.rows import CompiledState

YEARS_TEN_MS = 315_600_000_000


def set_timer(draft: Draft, name: str, seconds: float, **fields: Any) -> None:
    """Promise an event in *seconds*."""
    set_timer_at(draft, name, draft.now + round(seconds * 1000), **fields)


def set_timer_at(draft: Draft, name: str, due: int, **fields: Any) -> None:
    """Promise an event at the time *due*. Raises ``ExpressionFailed`` beyond ten years."""
    if due > draft.now + YEARS_TEN_MS:
        raise ExpressionFailed(f"'{durations.rfc3339(due)}' is more than ten years from now")
    draft.add("timerSet", timer=name, due=due, **fields)


def cancel_timer(draft: Draft, name: str) -> None:
    """Take a promise back, if it was made."""
    if name in draft.after.timers:
        draft.add("timerCancelled", timer=name)


def arm_timers(draft: Draft, state: CompiledState) -> None:
    """Set all timers of a state that was just entered. Raises ``ExpressionFailed``."""
    for timer in state.timers:
        if timer.at is not None:
            due = moment(timer.at.render(draft.document()))
            set_timer_at(draft, timer.name, due)
        else:
            value = timer.delay
            seconds = (
                value
                if isinstance(value, float | int)
                else duration(value.render(draft.document()) if value is not None else 0)
            )
            set_timer(draft, timer.name, seconds)


def duration(value: Any) -> float:
    """Return seconds. Raises ``ExpressionFailed`` for what is no duration."""
    try:
        return durations.seconds(value)
    except (ValueError, TypeError) as error:
        raise ExpressionFailed(f"{value!r} is no duration: {error}") from None


def moment(value: Any) -> int:
    """Return milliseconds since 1970. Raises ``ExpressionFailed`` for what is no time."""
    try:
        return durations.timestamp_ms(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ExpressionFailed(f"{value!r} is no time: {error}") from None
