"""Reading records, of the store in memory: those of one execution, and all in their order."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from goflow_py.ports import CommitPage, RecordRow
from goflow_py.store import rules
from goflow_py.store.tables import Tables

LINE = "memory"
"""Its order of commits goes with the process, and so does the key that seals cursors."""


class Ordered:
    """The readings of records of a store."""

    @property
    def _tables(self) -> Tables:
        raise NotImplementedError

    async def history(
        self, execution: str, *, after: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that end behind seq *after*, oldest first."""
        records = self._records(execution)
        first = bisect_right(records, after, key=lambda record: record.seq)
        return _fitting(records[first : first + limit], bytes_max)

    async def history_back(
        self, execution: str, *, before: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that begin in front of seq *before*, newest first."""
        records = self._records(execution)
        end = bisect_left(records, before, key=lambda record: record.first_seq)
        return _fitting(records[max(0, end - limit) : end][::-1], bytes_max)

    async def newest_commit(self) -> tuple[str, int]:
        """Return the name of the order, and the number of its newest record."""
        return LINE, self._tables.committed

    async def commits(self, *, after: int, limit: int) -> CommitPage:
        """Return the records behind the number *after* in the order of their commits."""
        return self._tables.commits(after, limit)

    def _records(self, execution: str) -> Sequence[RecordRow]:
        stored = self._tables.executions.get(execution)
        return stored.records if stored else ()


def _fitting(found: Sequence[RecordRow], bytes_max: int | None) -> list[RecordRow]:
    return list(found[: rules.fitting((len(record.entries) for record in found), bytes_max)])
