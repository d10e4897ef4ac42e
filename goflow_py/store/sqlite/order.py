"""Reading the order of commits."""

from goflow_py.ports import COMMITS_BYTES_MAX, CommitPage
from goflow_py.store import rules
from goflow_py.store.sqlite import rows
from goflow_py.store.sqlite.readers import Readers


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
