"""``ports.Store`` in one SQLite file: one writer, two readers, a lock against a second server."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from goflow_py.errors import StartRefused, Unavailable
from goflow_py.ports import (
    BatchRow,
    BlueprintRow,
    EarlyRow,
    Filter,
    KeyRow,
    LimitsRow,
    Name,
    OpenRow,
    Page,
    QueueRow,
    Taken,
    TaskFilter,
    Upload,
    UsageRow,
    Verdict,
    Write,
)
from goflow_py.store import rows, rules
from goflow_py.store.bell import Bell
from goflow_py.store.sqlite import backup, failures, jobs, lists
from goflow_py.store.sqlite.changes import Order
from goflow_py.store.sqlite.commit import commit, ends
from goflow_py.store.sqlite.datafile import DataFile
from goflow_py.store.sqlite.figures import Counting
from goflow_py.store.sqlite.meeting import Meeting
from goflow_py.store.sqlite.order import Ordered
from goflow_py.store.sqlite.queries import SQL
from goflow_py.store.sqlite.readers import Readers
from goflow_py.store.sqlite.schema import SCHEMA, migrate, refuse
from goflow_py.store.sqlite.writer import Freeing, Writer

T = TypeVar("T")
RUNNING = "running"
"""The status whose executions have an index of their own."""
PROOF_BYTES = 1024 * 1024
"""What a ping writes after a refused write: as much as a large commit."""


class SqliteStore(Meeting, Ordered, Counting):
    """Durable to the last commit that returned: through kill -9, power loss and reboot.

    *on_fatal* is called on the event loop, once, when a sync failed: the server must end, for
    nothing can be written any more (``failed``, and ``Unavailable`` with code ``store_failed``).
    """

    def __init__(self, path: Path, *, on_fatal: Callable[[], object] = lambda: None) -> None:
        self._file = DataFile(path)
        self._on_fatal = on_fatal
        self._node = ""
        self._ttl_ms = 0
        self._bell = Bell()
        self._order = Order()
        self._doubted = False
        """The last write was refused."""
        self._open_writer: Writer | None = None
        self._open_readers: Readers | None = None

    @property
    def failed(self) -> bool:
        """Tell whether a sync failed: only a new process may write again."""
        return self._open_writer is not None and self._open_writer.failed

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        if self._open_writer is not None:
            raise StartRefused("this store is open already: close it first")
        self._file.acquire()
        self._node, self._ttl_ms, self._bell = node, ttl_ms, Bell()
        path = self._file.path
        self._open_writer = Writer(self._file, self._on_fatal)
        self._open_readers = Readers(path)
        try:
            await asyncio.to_thread(refuse, path)
            await asyncio.to_thread(self._file.examine)
            await self._open_writer.run(lambda db: self._take_over(db, now))
        except BaseException as error:
            await self._shut()
            if isinstance(error, StartRefused) or not isinstance(error, Exception):
                raise
            raise failures.refusal(path, error.__cause__ or error) from error

    def _take_over(self, connection: sqlite3.Connection, now: int) -> None:
        """Bring the file up to date, and own it."""
        migrate(connection, self._file.path, now)
        jobs.register(connection, self._node, now, now + self._ttl_ms)
        [self._order.newest] = connection.execute(SQL["newest_commit"]).fetchone()

    async def close(self) -> None:
        if self._open_writer is None:
            return
        try:
            await self._open_writer.run(lambda connection: jobs.leave(connection, self._node))
        except Exception:  # noqa: BLE001 - the next start frees the shards anyway
            pass
        finally:
            await self._shut()

    # executions

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        job = Freeing(lambda db: commit(db, self._node, writes, self._order), ends(writes))
        return await self._write(job)

    async def head(self, execution: str) -> bytes | None:
        row = await self._readers.one("head", (execution,))
        return None if row is None else bytes(row[0])

    async def heads(self, executions: Sequence[str]) -> list[bytes | None]:
        return [body for (body,) in await self._readers.all("heads", (rows.texts(executions),))]

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        asked = {"shards": rows.texts(shards), "after": after, "limit": limit}
        return [body for (body,) in await self._readers.all("live", asked)]

    async def due(
        self, shards: Sequence[int], *, until: int, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[tuple[int, str, str]]:
        asked = {"shards": rows.texts(shards), "until": until, "limit": limit}
        asked |= {"wake": after[0], "last": after[1]}
        [(found,)] = await self._readers.all("due", asked)
        return rows.due(found)

    async def open_rows(self, status: str, *, after: str, limit: int) -> list[OpenRow]:
        if status == RUNNING:
            found = await self._readers.all("open_running", {"after": after, "limit": limit})
        else:
            asked = {"status": status, "after": int(after or 0), "limit": limit}
            found = await self._readers.all("open_in_status", asked)
        return [rows.open_row(row) for row in found]

    async def wrong_tallies(self) -> list[tuple[str, int, int]]:
        found = await self._readers.all("wrong_tallies")
        return [(status, kept, counted) for status, kept, counted in found]

    async def counts(self, project: str, activity: str) -> dict[int, dict[str, int]]:
        counts: dict[int, dict[str, int]] = {}
        asked = {"project": project, "activity": activity}
        for version, status, count in await self._readers.all("counts", asked):
            counts.setdefault(version, {})[status] = count
        return counts

    async def delete(self, execution: str, *, seq: int | None = None) -> bool:
        return await self._write(Freeing(lambda db: jobs.delete(db, execution, seq)))

    async def purge(self, *, before: int, limit: int) -> int:
        return await self._write(Freeing(lambda db: jobs.purge(db, before, limit)))

    # queued work

    async def ready(
        self, queues: Sequence[str], *, project: str | None, now: int, limit: int
    ) -> list[QueueRow]:
        asked = {"queues": rows.texts(sorted(set(queues))), "now": now, "limit": limit}
        if project is None:
            found = await self._readers.all("ready", asked)
        else:
            found = await self._readers.all("ready_in_project", {**asked, "project": project})
        return [rows.task(row) for row in found]

    async def next_due(self, queues: Sequence[str], *, project: str | None, now: int) -> int | None:
        asked = {"queues": rows.texts(queues), "project": project, "now": now}
        row = await self._readers.one("next_due", asked)
        return None if row is None else row[0]

    async def tasks(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
        return await lists.tasks(self._readers, which, limit=limit, cursor=cursor)

    # batches

    async def put_batch(self, batch: BatchRow, *, before: BatchRow | None = None) -> bool:
        if before is None:
            return await self._change("put_batch", rows.batched(batch)) > 0
        return await self._change("change_batch", rows.batch_changed(batch, before)) > 0

    async def batch(self, batch: str) -> BatchRow | None:
        row = await self._readers.one("batch", (batch,))
        return None if row is None else rows.batch(row)

    async def batches(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        return await lists.batches(self._readers, project, limit=limit, cursor=cursor)

    async def open_batches(self) -> list[BatchRow]:
        return [rows.batch(row) for row in await self._readers.all("open_batches")]

    async def sweep_batches(self, *, before: int, limit: int) -> int:
        return await self._change("sweep_batches", {"before": before, "limit": limit})

    # early events

    async def put_early(self, row: EarlyRow) -> bool:
        return await self._change("put_early", rows.kept(row)) > 0

    async def early_keys(self, *, now: int) -> list[tuple[str, str]]:
        found = await self._readers.all("early_keys", {"now": now})
        return [(project, key) for project, key in found]

    async def early(self, project: str, key: str, *, now: int, limit: int) -> list[EarlyRow]:
        asked = {"project": project, "key": key, "now": now, "limit": limit}
        return [rows.early(row) for row in await self._readers.all("early", asked)]

    async def count_early(self, project: str, key: str) -> int:
        [(count,)] = await self._readers.all("count_early", (project, key))
        return int(count)

    async def delete_early(self, numbers: Sequence[int]) -> None:
        await self._change("delete_early", (rows.texts(numbers),))

    async def sweep_early(self, *, before: int, limit: int) -> int:
        return await self._change("sweep_early", {"before": before, "limit": limit})

    # names

    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None:
        row = await self._readers.one("name", (project, kind, scope, name))
        return None if row is None else rows.name(row)

    async def names(
        self, project: str, kind: str, scope: str, *, after: str, limit: int
    ) -> list[Name]:
        found = await self._readers.all("names", (project, kind, scope, after, limit))
        return [rows.name(row) for row in found]

    async def scopes(self, kind: str) -> list[tuple[str, str]]:
        found = await self._readers.all("scopes", {"kind": kind})
        return [(project, activity) for project, activity in found]

    async def put_name(self, name: Name) -> Name | None:
        return await self._write(lambda db: jobs.take(db, name))

    async def sweep(self, *, before: int, limit: int) -> int:
        return await self._change("sweep", {"before": before, "limit": limit})

    # blueprints

    async def upload(self, upload: Upload) -> BlueprintRow | Taken:
        return await self._write(lambda db: jobs.upload(db, upload))

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None:
        if version is None:
            row = await self._readers.one("latest_blueprint", (project, activity))
        else:
            row = await self._readers.one("blueprint", (project, activity, version))
        return None if row is None else rows.blueprint(row)

    async def blueprints(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        after = ("", "") if cursor is None else rules.decode_cursor(cursor, str, str)
        asked = {"project": project, "limit": limit + 1}
        asked |= {"after_project": after[0], "after_activity": after[1]}
        found = [rows.blueprint(row) for row in await self._readers.all("blueprints", asked)]
        return rules.cut(found, limit, rules.name_of)

    async def versions(self, project: str, activity: str) -> list[BlueprintRow]:
        found = await self._readers.all("versions", (project, activity))
        return [rows.blueprint(row) for row in found]

    async def delete_version(self, project: str, activity: str, version: int) -> bool:
        return await self._write(lambda db: jobs.delete_version(db, project, activity, version))

    async def workers(self, project: str, activity: str) -> bytes | None:
        row = await self._readers.one("workers", (project, activity))
        return None if row is None else bytes(row[0])

    async def all_workers(self) -> list[tuple[str, str, bytes]]:
        found = await self._readers.all("all_workers")
        return [(project, activity, body) for project, activity, body in found]

    # settings

    async def put_endpoint(self, alias: str, url: str) -> None:
        await self._change("put_endpoint", (alias, url))

    async def delete_endpoint(self, alias: str) -> bool:
        return await self._change("delete_endpoint", (alias,)) > 0

    async def endpoints(self) -> dict[str, str]:
        return dict(await self._readers.all("endpoints"))

    async def put_key(self, key: KeyRow) -> None:
        await self._change("put_key", rows.keyed(key))

    async def delete_key(self, key: str) -> bool:
        return await self._change("delete_key", (key,)) > 0

    async def keys(self) -> list[KeyRow]:
        return [rows.key(row) for row in await self._readers.all("keys")]

    # limits

    async def put_limits(self, row: LimitsRow) -> None:
        await self._change("put_limits", rows.limited(row))

    async def delete_limits(self, project: str) -> bool:
        return await self._change("delete_limits", (project,)) > 0

    async def limits(self) -> list[LimitsRow]:
        return [rows.limits(row) for row in await self._readers.all("limits")]

    async def usage(self, project: str | None = None) -> list[UsageRow]:
        found = await self._readers.all("usage", {"project": project})
        return [
            UsageRow(project=name, running=running, stored_bytes=stored)
            for name, running, stored in found
        ]

    # operations

    async def ping(self) -> None:
        self._file.refuse_full()
        # After a refused write a few bytes are no proof: they may fit where nothing else does.
        await self._change("ping", {"proof": " " * PROOF_BYTES if self._doubted else ""})

    async def stats(self) -> Mapping[str, Any]:
        counts = await lists.stats(self._readers)
        return {**counts, "bytes": self._file.size(), "schema": SCHEMA}

    async def backup(self, path: str) -> None:
        _ = self._readers  # refused when closed
        await asyncio.to_thread(backup.backup, self._file.path, Path(path))

    @property
    def _readers(self) -> Readers:
        if self._open_readers is None:
            raise rules.closed()
        return self._open_readers

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        if self._open_writer is None:
            raise rules.closed()
        try:
            result = await self._open_writer.run(job)
        except Unavailable:
            self._doubted = True
            raise
        self._doubted = False
        return result

    async def _change(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        return await self._write(lambda db: db.execute(SQL[query], parameters).rowcount)

    async def _shut(self) -> None:
        self._bell.close()
        if self._open_readers is not None:
            await self._open_readers.close()
        if self._open_writer is not None:
            await self._open_writer.close()
        self._open_readers = self._open_writer = None
        self._file.release()

    # Last, because below it ``list`` no longer means the type.
    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        return await lists.page(self._readers, which, limit=limit, cursor=cursor)
