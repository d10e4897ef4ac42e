"""A store in memory: for tests, and for trials that may forget everything."""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from goflow_py.errors import StartRefused
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
from goflow_py.store import rules
from goflow_py.store.bell import Bell
from goflow_py.store.counting import Counting
from goflow_py.store.meeting import Meeting
from goflow_py.store.ordered import Ordered
from goflow_py.store.tables import Stored, Tables

SCHEMA = 3


class MemoryStore(Meeting, Ordered, Counting):
    """``ports.Store`` over dicts. What it holds outlives ``close``, not the process.

    Stores over the same *tables* are nodes of one cell, with leases and fencing between them.
    """

    def __init__(self, tables: Tables | None = None) -> None:
        self._all = tables or Tables()
        self._node: str | None = None
        self._ttl_ms = 0
        self._bell = Bell()

    @property
    def _tables(self) -> Tables:
        if self._node is None:
            raise rules.closed()
        return self._all

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        if self._node is not None:
            raise StartRefused("this store is open already: close it first")
        self._node, self._ttl_ms, self._bell = node, ttl_ms, Bell()
        self._all.leases[node] = now + ttl_ms
        self._all.joined[node] = now
        self._all.bells.append(self._bell)

    async def close(self) -> None:
        if self._node is None:
            return
        await self.release(list(self._all.shards))
        self._all.leases.pop(self._node, None)
        self._all.bells.remove(self._bell)
        self._bell.close()
        self._node = None

    # executions

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        tables = self._tables
        assert self._node is not None
        return tables.commit(self._node, writes)

    async def head(self, execution: str) -> bytes | None:
        stored = self._tables.executions.get(execution)
        return stored.head.body if stored else None

    async def heads(self, executions: Sequence[str]) -> list[bytes | None]:
        return [await self.head(execution) for execution in executions]

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        heads = [stored.head for stored in self._of(shards)]
        running = [head for head in heads if head.status == "running" and head.id > after]
        return [head.body for head in sorted(running, key=lambda head: head.id)[:limit]]

    async def due(
        self, shards: Sequence[int], *, until: int, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[tuple[int, str, str]]:
        last = self._tables.executions.get(after[1])
        behind = (after[0], -1 if last is None else last.number)
        found = sorted(
            (stored.head.wake, stored.number, stored.head)
            for stored in self._of(shards)
            if stored.head.wake is not None and stored.head.wake <= until
        )
        left = [(wake, head) for wake, number, head in found if (wake, number) > behind]
        return [(wake, head.id, head.project) for wake, head in left[:limit]]

    async def open_rows(self, status: str, *, after: str, limit: int) -> list[OpenRow]:
        heads = [stored.head for stored in self._tables.executions.values()]
        found = sorted(
            (head for head in heads if head.status == status and head.id > after),
            key=lambda head: head.id,
        )
        return [
            OpenRow(place=head.id, status=head.status, seq=head.seq, wake=head.wake, body=head.body)
            for head in found[:limit]
        ]

    async def wrong_tallies(self) -> list[tuple[str, int, int]]:
        return []  # it counts whenever it is asked

    async def counts(self, project: str, activity: str) -> dict[int, dict[str, int]]:
        counts: dict[int, dict[str, int]] = {}
        for stored in self._tables.executions.values():
            head = stored.head
            if (head.project, head.activity) == (project, activity):
                statuses = counts.setdefault(head.version, {})
                statuses[head.status] = statuses.get(head.status, 0) + 1
        return counts

    async def delete(self, execution: str, *, seq: int | None = None) -> bool:
        stored = self._tables.executions.get(execution)
        if stored is None or seq not in (None, stored.head.seq):
            return False
        return self._tables.delete({execution}) > 0

    async def purge(self, *, before: int, limit: int) -> int:
        found = [
            (stored.head.purge_at, stored.number, stored.head.id)
            for stored in self._tables.executions.values()
            if stored.head.purge_at is not None
            and stored.head.purge_at < before
            and stored.head.finished_at is not None
        ]
        return self._tables.delete({execution for _, _, execution in sorted(found)[:limit]})

    # queued work

    async def ready(
        self, queues: Sequence[str], *, project: str | None, now: int, limit: int
    ) -> list[QueueRow]:
        return self._tables.tasks.ready(queues, project, now, limit)

    async def next_due(self, queues: Sequence[str], *, project: str | None, now: int) -> int | None:
        return self._tables.tasks.next_due(queues, project, now)

    async def tasks(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
        return self._tables.tasks.page(which, limit, cursor)

    # batches

    async def put_batch(self, batch: BatchRow, *, before: BatchRow | None = None) -> bool:
        return self._tables.batches.put(batch, before)

    async def batch(self, batch: str) -> BatchRow | None:
        return self._tables.batches.rows.get(batch)

    async def batches(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        return self._tables.batches.page(project, limit, cursor)

    async def open_batches(self) -> list[BatchRow]:
        return self._tables.batches.open()

    async def sweep_batches(self, *, before: int, limit: int) -> int:
        return self._tables.batches.sweep(before, limit)

    # early events

    async def put_early(self, row: EarlyRow) -> bool:
        return self._tables.early.put(row)

    async def early_keys(self, *, now: int) -> list[tuple[str, str]]:
        return self._tables.early.keys(now)

    async def early(self, project: str, key: str, *, now: int, limit: int) -> list[EarlyRow]:
        rows = self._tables.early.of(project, key)
        return [row for row in rows if row.expires_at > now][:limit]

    async def count_early(self, project: str, key: str) -> int:
        return len(self._tables.early.of(project, key))

    async def delete_early(self, numbers: Sequence[int]) -> None:
        self._tables.early.delete(numbers)

    async def sweep_early(self, *, before: int, limit: int) -> int:
        return self._tables.early.sweep(before, limit)

    # names

    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None:
        return self._tables.names.get((project, kind, scope, name))

    async def names(
        self, project: str, kind: str, scope: str, *, after: str, limit: int
    ) -> list[Name]:
        place = (project, kind, scope)
        found = sorted(key for key in self._tables.names if key[:3] == place and key[3] > after)
        return [self._tables.names[key] for key in found[:limit]]

    async def scopes(self, kind: str) -> list[tuple[str, str]]:
        return sorted({(key[0], key[2]) for key in self._tables.names if key[1] == kind})

    async def put_name(self, name: Name) -> Name | None:
        return self._tables.take(name)

    async def sweep(self, *, before: int, limit: int) -> int:
        names = self._tables.names
        ends = [
            (one.expires, key)
            for key, one in names.items()
            if one.expires is not None and not one.execution
        ]
        old = sorted(end for end in ends if end[0] < before)[:limit]
        for _, key in old:
            del names[key]
        return len(old)

    # blueprints

    async def upload(self, upload: Upload) -> BlueprintRow | Taken:
        return self._tables.upload(upload)

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None:
        versions = self._tables.blueprints.get((project, activity), {})
        return versions.get(max(versions, default=0) if version is None else version)

    async def blueprints(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        after = ("", "") if cursor is None else rules.decode_cursor(cursor, str, str)
        latest = [
            versions[max(versions)]
            for place, versions in sorted(self._tables.blueprints.items())
            if versions and place > after and project in (None, place[0])
        ]
        return rules.cut(latest, limit, rules.name_of)

    async def versions(self, project: str, activity: str) -> list[BlueprintRow]:
        versions = self._tables.blueprints.get((project, activity), {})
        return [versions[number] for number in sorted(versions, reverse=True)]

    async def delete_version(self, project: str, activity: str, version: int) -> bool:
        versions = self._tables.blueprints.get((project, activity), {})
        if version not in versions:
            return False
        if version in await self.counts(project, activity):
            raise rules.pinned(project, activity, version)
        del versions[version]
        return True

    async def workers(self, project: str, activity: str) -> bytes | None:
        return self._tables.workers.get((project, activity))

    async def all_workers(self) -> list[tuple[str, str, bytes]]:
        return [(*place, body) for place, body in sorted(self._tables.workers.items())]

    # settings

    async def put_endpoint(self, alias: str, url: str) -> None:
        self._tables.endpoints[alias] = url

    async def delete_endpoint(self, alias: str) -> bool:
        return self._tables.endpoints.pop(alias, None) is not None

    async def endpoints(self) -> dict[str, str]:
        return dict(sorted(self._tables.endpoints.items()))

    async def put_key(self, key: KeyRow) -> None:
        self._tables.keys[key.id] = replace(key, scopes=tuple(key.scopes), roles=tuple(key.roles))

    async def delete_key(self, key: str) -> bool:
        return self._tables.keys.pop(key, None) is not None

    async def keys(self) -> list[KeyRow]:
        return [key for _, key in sorted(self._tables.keys.items())]

    # limits

    async def put_limits(self, row: LimitsRow) -> None:
        self._tables.limits[row.project] = row

    async def delete_limits(self, project: str) -> bool:
        return self._tables.limits.pop(project, None) is not None

    async def limits(self) -> list[LimitsRow]:
        return [row for _, row in sorted(self._tables.limits.items())]

    async def usage(self, project: str | None = None) -> list[UsageRow]:
        return [row for row in self._tables.usage() if project in (None, row.project)]

    # operations

    async def ping(self) -> None:
        _ = self._tables

    async def stats(self) -> Mapping[str, Any]:
        return {**self._tables.stats(), "schema": SCHEMA}

    async def backup(self, path: str) -> None:
        """Write everything as JSON: to be looked at, as there is nothing to restore it into."""
        text = self._tables.dump()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise rules.exists(path) from error
        except OSError as error:
            raise rules.not_written(path, error) from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)

    def _of(self, shards: Sequence[int]) -> list[Stored]:
        wanted = set(shards)
        return [one for one in self._tables.executions.values() if one.head.shard in wanted]

    # Last, because below it ``list`` no longer means the type.
    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        before = None if cursor is None else rules.decode_cursor(cursor, int)[0]
        found = (
            stored
            for stored in reversed(self._tables.executions.values())
            if (before is None or stored.number < before) and rules.admits(which, stored.head)
        )
        page = [*itertools.islice(found, limit + 1)]
        limit = min(limit, rules.fitting(len(stored.head.body) for stored in page))
        more = rules.encode_cursor(page[limit - 1].number) if len(page) > limit else None
        return Page(items=[stored.head.body for stored in page[:limit]], next=more)
