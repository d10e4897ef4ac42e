"""``ports.Store`` in PostgreSQL: a session that commits, two for ownership, a pool for the rest."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from goflow_py import __version__
from goflow_py.clock import Clock, SystemClock
from goflow_py.errors import StartRefused
from goflow_py.ports import (
    BlueprintRow,
    CommitPage,
    Filter,
    Name,
    NodeRow,
    OpenRow,
    Page,
    QueueRow,
    RecordRow,
    Taken,
    TaskFilter,
    Upload,
    Verdict,
    Write,
)
from goflow_py.store import rows, rules
from goflow_py.store.postgres import address, failures, jobs, lists, order, ownership
from goflow_py.store.postgres.beside import Beside
from goflow_py.store.postgres.commit import commit
from goflow_py.store.postgres.connections import Connections, whole
from goflow_py.store.postgres.herald import Herald
from goflow_py.store.postgres.meeting import Meeting, is_work
from goflow_py.store.postgres.schema import LINE_BYTES, SCHEMA, migrate
from goflow_py.store.postgres.writer import Writer

T = TypeVar("T")

RUNNING = "running"
"""The status whose executions have an index of their own."""


class PostgresStore(Meeting, Beside):
    """Durable to the last commit that returned, as far as the database is.

    *is_alone*: a lock keeps every other server out. Without, any number of servers share the
    shards by leases; the first of them that finds no other waits for no lease of the dead.
    *address*: where others can reach this node, for those who look. *has_own_time*: leases are by
    the database's clock; without, by the times that the calls give. *on_fatal* is called on the
    event loop, once, when nobody can say what is stored, or another server has taken over: the
    server must end.
    """

    def __init__(
        self,
        url: str,
        *,
        is_alone: bool = True,
        address: str = "",
        has_own_time: bool = True,
        clock: Clock | None = None,
        on_fatal: Callable[[], object] = lambda: None,
    ) -> None:
        self._url = url
        self._is_alone = is_alone
        self._address = address
        self._has_own_time = has_own_time
        self._clock = clock or SystemClock()
        self._on_fatal = on_fatal
        self._node = ""
        self._herald = Herald(url, "", clock=self._clock)
        self._open_writer: Writer | None = None
        self._open_connections: Connections | None = None
        self._open_ownership: ownership.Ownership | None = None

    @property
    def failed(self) -> bool:
        """Tell whether only a new process may write again."""
        return self._open_writer is not None and self._open_writer.failed

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        if self._open_writer is not None:
            raise StartRefused("this store is open already: close it first")
        self._node = node
        self._herald = Herald(self._url, node, clock=self._clock)
        self._open_writer = Writer(
            self._url,
            node,
            is_alone=self._is_alone,
            ttl_ms=ttl_ms,
            clock=self._clock,
            on_fatal=self._on_fatal,
        )
        place = address.shown(self._url)
        try:
            session = await self._open_writer.open()
            line = self._clock.token_bytes(LINE_BYTES).hex()
            await migrate(session, place, now=now, line=line)
            if not await self._open_writer.hold(session):
                raise StartRefused(f"{place} is in use by another server: stop it first")
            about = ownership.About(node=node, address=self._address, version=__version__)
            await ownership.register(session, about, now=self._time(now), ttl_ms=ttl_ms)
            self._open_connections = Connections(self._url, node, ttl_ms=ttl_ms)
            await self._open_connections.open()
            self._open_ownership = ownership.Ownership(
                self._url, node, ttl_ms=ttl_ms, clock=self._clock
            )
            if self._has_own_time and not self._is_alone:
                await self._open_ownership.refuse_wrong_clock(session)
            if not self._is_alone:
                self._herald.start()
        except BaseException as error:
            await self._shut()
            if isinstance(error, StartRefused) or not isinstance(error, Exception):
                raise
            raise failures.refusal(place, error) from error

    async def close(self) -> None:
        if self._open_writer is None:
            return
        try:
            await self._own(lambda session: ownership.leave(session, self._node))
            self._herald.freed(self._herald.shards)
        except Exception:  # noqa: BLE001 - the next start, or the end of the lease, frees the shards
            pass
        finally:
            await self._shut()

    # ownership

    async def heartbeat(self, *, now: int) -> bool:
        renewed = await self._ownership.heartbeat(now=self._time(now))
        self._writer.keep()
        return renewed

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        claimed = await self._ownership.claim(limit=limit, now=self._time(now))
        self._herald.shards.update(claimed)
        return claimed

    async def release(self, shards: Sequence[int]) -> None:
        await self._ownership.release(shards)
        self._herald.freed(shards)

    async def nodes(self, *, now: int) -> list[NodeRow]:
        found = await self._ownership.nodes(now=self._time(now))
        self._herald.others = sum(one.node != self._node for one in found)
        return found

    # executions

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        verdicts = await whole(commit(self._writer, writes)) if writes else []
        if self._herald.others:
            self._herald.committed(is_work=is_work(writes))
        return verdicts

    async def head(self, execution: str) -> bytes | None:
        row = await self._connections.one("head", {"execution": execution})
        return None if row is None else bytes(row[0])

    async def heads(self, executions: Sequence[str]) -> list[bytes | None]:
        found = await self._connections.all("heads", {"ids": list(executions)})
        return [body for (body,) in found]

    async def history(
        self, execution: str, *, after: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        asked = {"execution": execution, "after": after, "limit": limit}
        return await self._records("history_sizes", "history", asked, bytes_max)

    async def history_back(
        self, execution: str, *, before: int, limit: int, bytes_max: int | None = None
    ) -> list[RecordRow]:
        asked = {"execution": execution, "before": before, "limit": limit}
        return await self._records("history_back_sizes", "history_back", asked, bytes_max)

    async def _records(
        self, sized: str, query: str, asked: dict[str, Any], bytes_max: int | None
    ) -> list[RecordRow]:
        sizes = await self._connections.all(sized, asked)
        fitting = rules.fitting((size for (size,) in sizes), bytes_max)
        found = await self._connections.all(query, {**asked, "limit": fitting})
        return [rows.record(row) for row in found]

    async def newest_commit(self) -> tuple[str, int]:
        return await order.newest(self._connections)

    async def commits(self, *, after: int, limit: int) -> CommitPage:
        return await order.page(self._connections, after=after, limit=limit)

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        asked = {"shards": list(shards), "after": after, "limit": limit}
        return [body for (body,) in await self._connections.all("live", asked)]

    async def due(
        self, shards: Sequence[int], *, until: int, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[tuple[int, str, str]]:
        asked = {"shards": list(shards), "until": until, "limit": limit}
        asked |= {"wake": after[0], "one": after[1]}
        found = await self._connections.all("due", asked)
        return [(wake, execution, project) for wake, execution, project in found]

    async def open_rows(self, status: str, *, after: str, limit: int) -> list[OpenRow]:
        if status == RUNNING:
            found = await self._connections.all("open_running", {"after": after, "limit": limit})
        else:
            asked = {"status": status, "after": int(after or 0), "limit": limit}
            found = await self._connections.all("open_in_status", asked)
        return [rows.open_row(row) for row in found]

    async def wrong_tallies(self) -> list[tuple[str, int, int]]:
        found = await self._connections.all("wrong_tallies")
        return [(status, kept, counted) for status, kept, counted in found]

    async def counts(self, project: str, activity: str) -> dict[int, dict[str, int]]:
        counts: dict[int, dict[str, int]] = {}
        asked = {"project": project, "activity": activity}
        for version, status, count in await self._connections.all("counts", asked):
            counts.setdefault(version, {})[status] = count
        return counts

    async def delete(self, execution: str, *, seq: int | None = None) -> bool:
        return await self._connections.transact(
            lambda session: jobs.delete(session, execution, seq)
        )

    async def purge(self, *, before: int, limit: int) -> int:
        return await self._connections.transact(lambda session: jobs.purge(session, before, limit))

    # queued work

    async def ready(
        self, queues: Sequence[str], *, project: str | None, now: int, limit: int
    ) -> list[QueueRow]:
        asked = {"queues": sorted(set(queues)), "project": project, "now": now, "limit": limit}
        return [rows.task(row) for row in await self._connections.all("ready", asked)]

    async def next_due(self, queues: Sequence[str], *, project: str | None, now: int) -> int | None:
        asked = {"queues": list(queues), "project": project, "now": now}
        row = await self._connections.one("next_due", asked)
        return None if row is None else row[0]

    async def tasks(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
        return await lists.tasks(self._connections, which, limit=limit, cursor=cursor)

    # names

    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None:
        asked = {"project": project, "kind": kind, "scope": scope, "name": name}
        row = await self._connections.one("name", asked)
        return None if row is None else rows.name(row)

    async def names(
        self, project: str, kind: str, scope: str, *, after: str, limit: int
    ) -> list[Name]:
        asked = {"project": project, "kind": kind, "scope": scope, "after": after, "limit": limit}
        return [rows.name(row) for row in await self._connections.all("names", asked)]

    async def scopes(self, kind: str) -> list[tuple[str, str]]:
        found = await self._connections.all("scopes", {"kind": kind})
        return [(project, activity) for project, activity in found]

    async def put_name(self, name: Name) -> Name | None:
        return await self._connections.write(lambda session: jobs.take(session, name))

    async def sweep(self, *, before: int, limit: int) -> int:
        return await self._connections.change("sweep", {"before": before, "limit": limit})

    # blueprints

    async def upload(self, upload: Upload) -> BlueprintRow | Taken:
        try:
            return await self._connections.transact(lambda session: jobs.upload(session, upload))
        except jobs.NameLost as lost:
            return lost.taken

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None:
        asked = {"project": project, "activity": activity, "version": version}
        query = "latest_blueprint" if version is None else "blueprint"
        row = await self._connections.one(query, asked)
        return None if row is None else rows.blueprint(row)

    async def blueprints(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        after = ("", "") if cursor is None else rules.decode_cursor(cursor, str, str)
        asked = {"project": project, "limit": limit + 1}
        asked |= {"after_project": after[0], "after_activity": after[1]}
        found = [rows.blueprint(row) for row in await self._connections.all("blueprints", asked)]
        return rules.cut(found, limit, rules.name_of)

    async def versions(self, project: str, activity: str) -> list[BlueprintRow]:
        asked = {"project": project, "activity": activity}
        return [rows.blueprint(row) for row in await self._connections.all("versions", asked)]

    async def delete_version(self, project: str, activity: str, version: int) -> bool:
        return await self._connections.transact(
            lambda session: jobs.delete_version(session, project, activity, version)
        )

    async def workers(self, project: str, activity: str) -> bytes | None:
        row = await self._connections.one("workers", {"project": project, "activity": activity})
        return None if row is None else bytes(row[0])

    async def all_workers(self) -> list[tuple[str, str, bytes]]:
        found = await self._connections.all("all_workers")
        return [(project, activity, body) for project, activity, body in found]

    # operations

    async def ping(self) -> None:
        await self._connections.change("ping")

    async def stats(self) -> Mapping[str, Any]:
        return {**await lists.stats(self._connections), "schema": SCHEMA}

    async def backup(self, path: str) -> None:
        from goflow_py.store.postgres import copying  # with it comes the other adapter

        now = self._clock.now_ms()
        await self._connections.write(lambda session: copying.copy(session, path, now=now))

    @property
    def _connections(self) -> Connections:
        if self._open_connections is None:
            raise rules.closed()
        return self._open_connections

    @property
    def _ownership(self) -> ownership.Ownership:
        if self._open_ownership is None:
            raise rules.closed()
        return self._open_ownership

    @property
    def _writer(self) -> Writer:
        if self._open_writer is None:
            raise rules.closed()
        return self._open_writer

    def _time(self, now: int) -> int | None:
        """Return the time of leases; None: the database has it."""
        return None if self._has_own_time else now

    async def _own(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run *job* in a transaction of the session that commits."""
        return await whole(self._writer.transact(job))

    async def _shut(self) -> None:
        await self._herald.close()
        connections, self._open_connections = self._open_connections, None
        writer, self._open_writer = self._open_writer, None
        owning, self._open_ownership = self._open_ownership, None
        if owning is not None:
            owning.close()
        if connections is not None:
            await connections.close()
        if writer is not None:
            await writer.close()

    # Last, because below it ``list`` no longer means the type.
    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        return await lists.page(self._connections, which, limit=limit, cursor=cursor)
