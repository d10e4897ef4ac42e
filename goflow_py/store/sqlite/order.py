"""Reading records: those of one execution, and all in the order of their commits."""

from typing import Any

from goflow_py.ports import COMMITS_BYTES_MAX, CommitPage, RecordRow
from goflow_py.store import rows, rules
from goflow_py.store.sqlite.readers import Readers


class Ordered:
    """The readings of records of a store."""

    @property
    def _readers(self) -> Readers:
        raise NotImplementedError

    async def history(
        self, execution: str, *, after: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that end behind seq *after*, oldest first."""
        asked = {"execution": execution, "after": after, "limit": limit}
        return await _fitting(self._readers, "history_sizes", "history", asked, bytes_max)

    async def history_back(
        self, execution: str, *, before: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        """Return the records that begin in front of seq *before*, newest first."""
        asked = {"execution": execution, "before": before, "limit": limit}
        return await _fitting(self._readers, "history_back_sizes", "history_back", asked, bytes_max)

    async def newest_commit(self) -> tuple[str, int]:
        """Return the name of the order, and the number of its newest record."""
        return await _newest(self._readers)

    async def commits(self, *, after: int, limit: int) -> CommitPage:
        """Return the records behind the number *after* in the order of their commits."""
        return await _page(self._readers, after=after, limit=limit)


async def _fitting(
    readers: Readers, sized: str, query: str, asked: dict[str, Any], bytes_max: int | None
) -> list[RecordRow]:
    """Return records of an execution, as many as are not too long together."""
    sizes = await readers.all(sized, asked)
    fitting = rules.fitting((size for (size,) in sizes), bytes_max)
    found = await readers.all(query, {**asked, "limit": fitting})
    return [rows.record(row) for row in found]


async def _newest(readers: Readers) -> tuple[str, int]:
    """Return the name of the order, and the number of its newest record."""
    [(line,)] = await readers.all("commit_line")
    [(number,)] = await readers.all("newest_commit")
    return line, number


async def _page(readers: Readers, *, after: int, limit: int) -> CommitPage:
    """Return the records behind *after*, as many as are not too long together."""
    sizes = await readers.all("commit_sizes", {"after": after, "limit": limit})
    fitting = rules.fitting((size for _, size in sizes), COMMITS_BYTES_MAX)
    until = sizes[fitting - 1][0] if fitting else after
    found = await readers.all("commits", {"after": after, "until": until}) if fitting else []
    # Read last: what was deleted while the others were read is known then.
    forgotten = await readers.all("forgotten", {"after": after})
    items = [rows.committed(row) for row in found]
    return CommitPage(items=items, until=until, forgotten=dict(forgotten))
