"""What became of the newest executions, of the store in memory."""

import itertools
from collections.abc import Iterable, Sequence

from goflow_py.domain.percentiles import percentile
from goflow_py.ports import Figures, FiguresFilter, HeadRow, Slot
from goflow_py.store.tables import Tables


class Counting:
    """The readings of figures of a store."""

    @property
    def _tables(self) -> Tables:
        raise NotImplementedError

    async def figures(self, which: FiguresFilter) -> Figures:
        """Count what began and what ended, among the newest executions."""
        heads = self._newest(which.project, which.activity if which.project else None, which.rows)
        times = [head.started_at for head in heads]
        numbers = {
            (at - which.since) // which.slot_ms
            for head in heads
            for at in (head.started_at, head.finished_at)
            if at is not None and which.since <= at < which.until
        }
        slots = {}
        for number in sorted(numbers):
            begin = which.since + number * which.slot_ms
            slots[number] = _slot(heads, begin, min(begin + which.slot_ms, which.until))
        return Figures(
            looked=len(heads),
            oldest=min(times, default=None),
            whole=_slot(heads, which.since, which.until),
            slots=slots,
        )

    async def newest(
        self, project: str, activity: str, version: int, *, since: int, rows: int, limit: int
    ) -> list[str]:
        """Return ids of executions of a version, newest first."""
        heads = self._newest(project, activity, rows)
        found = [h.id for h in heads if h.version == version and h.started_at >= since]
        return found[:limit]

    def _newest(self, project: str | None, activity: str | None, rows: int) -> list[HeadRow]:
        executions = self._tables.executions.values()
        found: Iterable[HeadRow] = (
            one.head
            for one in sorted(executions, key=lambda one: one.number, reverse=True)
            if project in (None, one.head.project) and activity in (None, one.head.activity)
        )
        return list(itertools.islice(found, rows))


def _slot(heads: Sequence[HeadRow], begin: int, end: int) -> Slot:
    ended = [h for h in heads if h.finished_at is not None and begin <= h.finished_at < end]
    lengths = sorted(
        max(0, (head.finished_at or 0) - head.started_at)
        for head in ended
        if head.status == "completed"
    )
    statuses = [head.status for head in ended]
    return Slot(
        started=sum(begin <= head.started_at < end for head in heads),
        completed=len(lengths),
        failed=statuses.count("failed"),
        cancelled=statuses.count("cancelled"),
        p50=percentile(lengths, 50),
        p95=percentile(lengths, 95),
    )
