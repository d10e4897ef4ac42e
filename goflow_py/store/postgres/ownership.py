"""Nodes, their leases, and the shards that they own; each is one statement or one transaction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import asyncpg

from goflow_py.ports import BEATS_A_LEASE, NodeRow
from goflow_py.store.postgres.connections import change
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.reserved import Reserved
from goflow_py.store.postgres.schema import LOCK_CLASS

SHARDS_SECONDS = 10.0
"""For a claim, or a look who lives."""


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
        await change(session, SQL["forget_dead_nodes"], given)
        await change(session, SQL["register_node"], given)


async def leave(session: asyncpg.Connection, node: str) -> None:
    """Take this incarnation out; who came after it keeps what it owns."""
    async with session.transaction():
        await change(session, SQL["free_own_shards"], {"node": node})
        await change(session, SQL["bury_node"], {"node": node})


class Ownership:
    """What a node asks for its lease and its shards, on two sessions that serve nothing else.

    Times are the database's where *now* is None.
    """

    def __init__(self, url: str, node: str, *, ttl_ms: int) -> None:
        self._node = node
        self._ttl_ms = ttl_ms
        beat = ttl_ms / 1000 / BEATS_A_LEASE
        self._lease = Reserved(url, node, role="lease", seconds=beat)
        # Apart from the lease: to give up a shard waits for the commits in it.
        self._shards = Reserved(url, node, role="shards", seconds=SHARDS_SECONDS)

    async def heartbeat(self, *, now: int | None) -> bool:
        """Renew the lease, or end it for ever."""
        given = {"node": self._node, "now": now, "ttl": self._ttl_ms}
        [(renewed,)] = await self._lease.all("heartbeat", given)
        return bool(renewed)

    async def claim(self, *, now: int | None, limit: int) -> dict[int, int]:
        """Own free shards."""
        given = {"node": self._node, "now": now, "limit": limit}
        found = await self._shards.all("claim", given)
        return dict(sorted(tuple(row) for row in found))

    async def release(self, shards: Sequence[int]) -> None:
        """Give shards up."""
        await self._shards.all("release", {"node": self._node, "shards": list(shards)})

    async def nodes(self, *, now: int | None) -> list[NodeRow]:
        """Return who lives, oldest first."""
        return [
            NodeRow(
                node=node,
                address=where,
                version=version,
                started=started,
                lease_until=until,
                shards=shards,
            )
            for node, where, version, started, until, shards in await self._shards.all(
                "nodes", {"now": now}
            )
        ]

    def close(self) -> None:
        """End the sessions."""
        self._lease.close()
        self._shards.close()
