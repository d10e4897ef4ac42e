"""How much began, ended and failed, and how long it took: over time, for sparklines."""

from typing import Any

from goflow_py.clock import Clock
from goflow_py.domain.durations import rfc3339
from goflow_py.domain.values import value
from goflow_py.engine.fresh import Fresh
from goflow_py.errors import MalformedRequest
from goflow_py.ports import Figures, FiguresFilter, Slot, Store

STATS_EXECUTIONS_MAX = 50_000
"""Executions that one answer looks at, the newest: about 0.2 s of a core."""
WINDOW_SECONDS = 86_400
"""How far an answer looks back that names no ``since``."""
WINDOW_SECONDS_MAX = 90 * 86_400
DAY_MS = 86_400_000
BUCKETS = 60
"""Of an answer that names no ``bucket``: at most so many."""
BUCKETS_MAX = 500
BUCKET_SECONDS_MIN = 1.0
BUCKET_SECONDS_MAX = 30 * 86_400
STEPS_SECONDS = (1, 5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400)
"""Buckets that people like to read."""

_EMPTY = Figures(looked=0, oldest=None, whole=Slot(), slots={})


@value
class StatsRequest:
    """What to count; times in milliseconds, None: what suits."""

    project: str | None = None
    activity: str | None = None
    since: int | None = None
    bucket_ms: int | None = None


class Statistics:
    """Counts the newest executions."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._fresh = Fresh(clock)

    async def stats(self, asked: StatsRequest, *, foreign: bool = False) -> dict[str, Any]:
        """Return counts and percentiles, whole and by bucket.

        *foreign*: the caller may not look at the project, and sees what is seen of one that does
        not exist. Raises ``MalformedRequest``, ``Unavailable``.
        """
        now = self._clock.now_ms()
        since, bucket = _window(asked, now)

        which = FiguresFilter(
            project=asked.project,
            activity=asked.activity,
            since=since,
            until=now + 1,
            slot_ms=bucket,
            rows=STATS_EXECUTIONS_MAX,
        )
        if foreign:
            return _view(which, _EMPTY)

        async def work() -> dict[str, Any]:
            return _view(which, await self._store.figures(which))

        key = (asked.project, asked.activity, since, bucket)
        found: dict[str, Any] = await self._fresh.get(key, work, project=asked.project)
        return found


def _window(asked: StatsRequest, now: int) -> tuple[int, int]:
    """Return where the first bucket begins, and how long each is. Raises ``MalformedRequest``."""
    since = now - WINDOW_SECONDS * 1_000 if asked.since is None else asked.since
    window = now - since
    if window < 0:
        raise _refusal("'since' lies in the future; name a time that has passed")
    if window > WINDOW_SECONDS_MAX * 1_000:
        days = WINDOW_SECONDS_MAX // 86_400
        raise _refusal(f"'since' lies more than {days} days back; name a later time")
    bucket = asked.bucket_ms
    if bucket is None:
        suits = (step * 1_000 for step in STEPS_SECONDS if step * 1_000 * BUCKETS >= window)
        bucket = next(suits, -(-window // (BUCKETS * DAY_MS)) * DAY_MS)
    if asked.since is None:
        since -= since % bucket
    if (now - since) // bucket >= BUCKETS_MAX:
        least = (now - since) // (BUCKETS_MAX * 1_000) + 1
        raise _refusal(f"that makes more than {BUCKETS_MAX} buckets; take a bucket of {least} s")
    return since, bucket


def _refusal(detail: str) -> MalformedRequest:
    return MalformedRequest(detail, code="bad_parameter")


def _view(which: FiguresFilter, figures: Figures) -> dict[str, Any]:
    last = (which.until - 1 - which.since) // which.slot_ms
    begins = ((number, which.since + number * which.slot_ms) for number in range(last + 1))
    whole, none = figures.looked < which.rows, Slot()
    oldest = figures.oldest
    return {
        "project": which.project,
        "activity": which.activity,
        "since": rfc3339(which.since),
        "until": rfc3339(which.until - 1),
        "bucket": which.slot_ms / 1_000,
        **_slot(figures.whole),
        "series": [
            {"at": rfc3339(begin), **_slot(figures.slots.get(number, none))}
            for number, begin in begins
        ],
        "looked": {
            "executions": figures.looked,
            "max": which.rows,
            "oldest": None if oldest is None else rfc3339(oldest),
        },
        "exact": {
            "started": whole or (oldest is not None and oldest < which.since),
            "ended": whole,
        },
    }


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "started": slot.started,
        "completed": slot.completed,
        "failed": slot.failed,
        "cancelled": slot.cancelled,
        "p50": seconds(slot.p50),
        "p95": seconds(slot.p95),
    }


def seconds(ms: int | None) -> float | None:
    """Return a length of time as the API writes it."""
    return None if ms is None else ms / 1_000
