"""How long to wait between the attempts of one worker: tenacity's stop and wait objects.

Only the policy is the library's; the loop is not: attempts are durable, counted in the history,
and an ``AsyncRetrying`` a call costs 40 us that a first attempt does not need.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from goflow_py.domain.workers import Retry, Worker

if TYPE_CHECKING:
    from tenacity import RetryCallState
    from tenacity.stop import stop_base
    from tenacity.wait import wait_base

RETRY_AFTER_SECONDS_MAX = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDefaults:
    """For workers that declare no interval of their own, in seconds."""

    interval: float = 1.0
    max_interval: float = 60.0


@lru_cache(maxsize=4_096)
def _policy(retry: Retry, attempts: int, defaults: RetryDefaults) -> "tuple[stop_base, wait_base]":
    # Nothing is tried again before something failed: 4 ms that a start can do without.
    from tenacity import stop_after_attempt, stop_after_delay, wait_exponential

    stop: stop_base = stop_after_attempt(attempts)
    if retry.max_elapsed is not None:
        stop = stop | stop_after_delay(retry.max_elapsed)
    interval = defaults.interval if retry.interval is None else retry.interval
    ceiling = defaults.max_interval if retry.max_interval is None else retry.max_interval
    wait = wait_exponential(multiplier=interval, max=ceiling, exp_base=retry.backoff_rate)
    return stop, wait


def _state(attempts: int, elapsed_seconds: float) -> "RetryCallState":
    from tenacity import RetryCallState

    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # no retry object: policy only
    state.attempt_number = max(attempts, 1)
    state.start_time = 0.0
    state.outcome_timestamp = elapsed_seconds
    return state


def exhausted(
    worker: Worker, *, used: int, elapsed_seconds: float, defaults: RetryDefaults
) -> bool:
    """Tell whether *worker* may not be tried again after *used* attempts that count."""
    if used == 0:
        return False
    stop, _ = _policy(worker.retry, 1 + worker.retry_count, defaults)
    return bool(stop(_state(used, elapsed_seconds)))


def pause_seconds(
    worker: Worker,
    *,
    used: int,
    chance: float,
    retry_after: float | None,
    defaults: RetryDefaults,
) -> float:
    """Return the seconds between attempt *used* of *worker* and its next one.

    Full jitter: *chance* of [0, 1) times the exponential ceiling, so that many executions that
    failed together do not come back together. ``Retry-After`` is a lower bound, up to an hour; the
    jitter comes on top, since it was told to many in the same words.
    """
    _, wait = _policy(worker.retry, 1 + worker.retry_count, defaults)
    ceiling = wait(_state(used, 0.0))
    least = min(retry_after or 0.0, RETRY_AFTER_SECONDS_MAX)
    return least + ceiling * chance if worker.retry.jitter == "full" else max(ceiling, least)
