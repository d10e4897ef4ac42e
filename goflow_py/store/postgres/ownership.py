"""Nodes, their leases, and the shards that they own; each is one statement or one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import asyncpg

from goflow_py.clock import Clock
from goflow_py.errors import StartRefused
from goflow_py.ports import BEATS_A_LEASE, NodeRow
from goflow_py.store.postgres.connections import change
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.reserved import Reserved
from goflow_py.store.postgres.schema import LOCK_CLASS

SHARDS_SECONDS = 10.0
"""For a claim, or a look who lives."""
CLOCK_MS_SAID = 1_000
"""By which a clock may differ from the database's before it is said: timers go by it."""
CLOCK_MS_MAX = 30_000
"""With a clock that differs by more, no node begins."""

log = logging.getLogger(__name__)


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

    def __init__(self, url: str, node: str, *, ttl_ms: int, clock: Clock) -> None:
        self._node = node
        self._ttl_ms = ttl_ms
        self._clock = clock
        self._ahead_ms = 0
        """Of the database's clock, at least; below nothing when it is behind."""
        self._is_said = False
        beat = ttl_ms / 1000 / BEATS_A_LEASE
        self._lease = Reserved(url, node, role="lease", seconds=beat)
        # Apart from the lease: to give up a shard waits for the commits in it.
        self._shards = Reserved(url, node, role="shards", seconds=SHARDS_SECONDS)

    async def heartbeat(self, *, now: int | None) -> bool:
        """Renew the lease, or end it for ever."""
        given = {"node": self._node, "now": now, "ttl": self._ttl_ms}
        sent = self._clock.now_ms()
        [(renewed, time)] = await self._lease.all("heartbeat", given)
        if now is None:
            self._compare(time, sent=sent, came=self._clock.now_ms())
        return bool(renewed)

    async def refuse_wrong_clock(self, session: asyncpg.Connection) -> None:
        """Raise ``StartRefused`` when this machine's clock is not the database's."""
        sent = self._clock.now_ms()
        time = await session.fetchval(SQL["time"].text)
        self._compare(time, sent=sent, came=self._clock.now_ms())
        if abs(self._ahead_ms) > CLOCK_MS_MAX:
            where = "ahead of" if self._ahead_ms > 0 else "behind"
            raise StartRefused(
                f"this machine's clock is {abs(self._ahead_ms) / 1000:.0f} s {where} the "
                "database's, and timers would ring at wrong times: set the clocks right"
            )

    def _compare(self, time: int, *, sent: int, came: int) -> None:
        self._ahead_ms = sent - time if time < sent else min(0, came - time)
        is_off = abs(self._ahead_ms) > CLOCK_MS_SAID
        if is_off and not self._is_said:
            log.error(
                "this machine's clock is not the database's, timers go wrong by that: set it right",
                extra={"aheadSeconds": self._ahead_ms / 1000},
            )
        self._is_said = is_off

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
