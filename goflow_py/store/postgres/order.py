"""Reading the order of commits, of all nodes.

A record's number is made of its transaction's, so a later transaction's records have higher ones;
but a transaction may end before one that began earlier. Only what lies below every transaction that
still commits is shown: whoever has read up to a number misses nothing below it. The commits of one
node follow each other, so that each sees its own at once; those of another node that commits at
the moment may come some milliseconds later.
"""

from goflow_py.ports import COMMITS_BYTES_MAX, CommitPage
from goflow_py.store import rows, rules
from goflow_py.store.postgres.connections import Connections


async def newest(connections: Connections) -> tuple[str, int]:
    """Return the name of the order, and the number of its newest record."""
    [(line,)] = await connections.all("commit_line")
    [(bound,)] = await connections.all("commit_bound")
    [(number,)] = await connections.all("newest_commit", {"bound": bound})
    return line, number


async def page(connections: Connections, *, after: int, limit: int) -> CommitPage:
    """Return the records behind *after*, as many as are not too long together."""
    [(bound,)] = await connections.all("commit_bound")
    asked = {"after": after, "bound": bound, "limit": limit}
    sizes = await connections.all("commit_sizes", asked)
    fitting = rules.fitting((size for _, size in sizes), COMMITS_BYTES_MAX)
    until = sizes[fitting - 1][0] if fitting else after
    asked["until"] = until
    found = await connections.all("commits", asked) if fitting else []
    # Read last: what was deleted while the others were read is known then.
    forgotten = await connections.all("forgotten", asked)
    items = [rows.committed(row) for row in found]
    return CommitPage(items=items, until=until, forgotten=dict(forgotten))
