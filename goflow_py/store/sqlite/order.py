"""Reading records: those of one execution, and all in the order of their commits."""

from typing import Any

from goflow_py.ports import COMMITS_BYTES_MAX, CommitPage, RecordRow
from goflow_py.store import rules
from goflow_py.store.sqlite import rows
from goflow_py.store.sqlite.readers import Readers


async def history(
    readers: Readers, asked: dict[str, Any], bytes_max: int | None
) -> list[RecordRow]:
    """Return the records of an execution, as many as are not too long together."""
    sizes = await readers.all("history_sizes", asked)
    fitting = rules.fitting((size for (size,) in sizes), bytes_max)
    found = await readers.all("history", {**asked, "limit": fitting})
    return [rows.record(row) for row in found]


async def newest(readers: Readers) -> tuple[str, int]:
    """Return the name of the order, and the number of its newest record."""
    [(line,)] = await readers.all("commit_line")
    [(number,)] = await readers.all("newest_commit")
    return line, number


async def page(readers: Readers, *, after: int, limit: int) -> CommitPage:
    """Return the records behind *after*, as many as are not too long together."""
    sizes = await readers.all("commit_sizes", {"after": after, "limit": limit})
    fitting = rules.fitting((size for _, size in sizes), COMMITS_BYTES_MAX)
    until = sizes[fitting - 1][0] if fitting else after
    found = await readers.all("commits", {"after": after, "until": until}) if fitting else []
    # Read last: what was deleted while the others were read is known then.
    forgotten = await readers.all("forgotten", {"after": after})
    items = [rows.committed(row) for row in found]
    return CommitPage(items=items, until=until, forgotten=dict(forgotten))
