"""Nodes, their leases, and the shards that they own; each is one statement or one transaction."""

from dataclasses import asdict, dataclass

import asyncpg

from goflow_py.store.postgres.connections import change, fetch
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.schema import LOCK_CLASS


@dataclass(frozen=True, kw_only=True)
class About:
    """What a node says of itself."""

    node: str
    address: str
    version: str


async def register(
    session: asyncpg.Connection, about: About, *, now: int | None, ttl_ms: int
) -> None:
    """Enter this incarnation. While no other has a session, every shard is free from now on.

    An owner that was cut off then can write nothing any more: it finds that its lease is gone.
    """
    given = {**asdict(about), "now": now, "ttl": ttl_ms}
    async with session.transaction():
        if await session.fetchval(SQL["lock_others_out"].text, LOCK_CLASS):
            await session.execute(SQL["forget_nodes"].text)
            await session.execute(SQL["free_all_shards"].text)
        await change(session, SQL["register_node"], given)


async def leave(session: asyncpg.Connection, node: str) -> None:
    """Take this incarnation out; who came after it keeps what it owns."""
    async with session.transaction():
        await change(session, SQL["free_own_shards"], {"node": node})
        await change(session, SQL["bury_node"], {"node": node})


async def heartbeat(
    session: asyncpg.Connection, node: str, *, now: int | None, ttl_ms: int
) -> bool:
    """Renew the lease, or end it for ever."""
    given = {"node": node, "now": now, "ttl": ttl_ms}
    [(renewed,)] = await fetch(session, SQL["heartbeat"], given)
    return bool(renewed)


async def claim(
    session: asyncpg.Connection, node: str, *, now: int | None, limit: int
) -> dict[int, int]:
    """Own free shards."""
    found = await fetch(session, SQL["claim"], {"node": node, "now": now, "limit": limit})
    return dict(sorted(tuple(row) for row in found))
