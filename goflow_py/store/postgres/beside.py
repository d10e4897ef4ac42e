"""What a store keeps beside executions: batches, early events, settings, limits; and figures."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from goflow_py.ports import (
    BatchRow,
    EarlyRow,
    Figures,
    FiguresFilter,
    KeyRow,
    LimitsRow,
    Page,
    Survey,
    UsageRow,
)
from goflow_py.store import rows as values
from goflow_py.store.postgres import lists
from goflow_py.store.postgres.connections import Connections

BATCH = ("id", "project", "body", "status", "progress", "created_at", "updated_at")
EARLY = ("project", "activity", "key", "name", "body", "id", "created_at", "expires_at")
KEY = ("id", "hash", "project", "scopes", "roles", "description", "created_at", "expires_at")
LIMITS = ("project", "max_running", "starts_per_second", "max_open_calls", "max_stored_bytes")


class Beside:
    """The part of a store that is one statement a method, on any session."""

    @property
    def _connections(self) -> Connections:
        raise NotImplementedError

    def _time(self, now: int) -> int | None:
        raise NotImplementedError

    # nodes

    async def survey(self, *, now: int, limit: int) -> Survey:
        asked = {"now": self._time(now), "limit": limit + 1}
        return values.survey(await self._connections.all("survey", asked), limit)

    # batches

    async def put_batch(self, batch: BatchRow, *, before: BatchRow | None = None) -> bool:
        if before is None:
            new = _named(BATCH, values.batched(batch))
            return await self._connections.change("put_batch", new) > 0
        changed = values.batch_changed(batch, before)
        return await self._connections.change("change_batch", changed) > 0

    async def batch(self, batch: str) -> BatchRow | None:
        row = await self._connections.one("batch", {"batch": batch})
        return None if row is None else values.batch(row)

    async def batches(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        return await lists.batches(self._connections, project, limit=limit, cursor=cursor)

    async def open_batches(self) -> list[BatchRow]:
        return [values.batch(row) for row in await self._connections.all("open_batches")]

    async def sweep_batches(self, *, before: int, limit: int) -> int:
        return await self._connections.change("sweep_batches", {"before": before, "limit": limit})

    # early events

    async def put_early(self, row: EarlyRow) -> bool:
        return await self._connections.change("put_early", _named(EARLY, values.kept(row))) > 0

    async def early_keys(self, *, now: int) -> list[tuple[str, str]]:
        found = await self._connections.all("early_keys", {"now": now})
        return [(project, key) for project, key in found]

    async def early(self, project: str, key: str, *, now: int, limit: int) -> list[EarlyRow]:
        asked = {"project": project, "key": key, "now": now, "limit": limit}
        return [values.early(row) for row in await self._connections.all("early", asked)]

    async def count_early(self, project: str, key: str) -> int:
        asked = {"project": project, "key": key}
        [(count,)] = await self._connections.all("count_early", asked)
        return int(count)

    async def delete_early(self, numbers: Sequence[int]) -> None:
        await self._connections.change("delete_early", {"numbers": list(numbers)})

    async def sweep_early(self, *, before: int, limit: int) -> int:
        return await self._connections.change("sweep_early", {"before": before, "limit": limit})

    # settings

    async def put_endpoint(self, alias: str, url: str) -> None:
        await self._connections.change("put_endpoint", {"alias": alias, "url": url})

    async def delete_endpoint(self, alias: str) -> bool:
        return await self._connections.change("delete_endpoint", {"alias": alias}) > 0

    async def endpoints(self) -> dict[str, str]:
        return dict(await self._connections.all("endpoints"))

    async def put_key(self, key: KeyRow) -> None:
        await self._connections.change("put_key", _named(KEY, values.keyed(key)))

    async def delete_key(self, key: str) -> bool:
        return await self._connections.change("delete_key", {"key": key}) > 0

    async def keys(self) -> list[KeyRow]:
        return [values.key(row) for row in await self._connections.all("keys")]

    # limits

    async def put_limits(self, row: LimitsRow) -> None:
        await self._connections.change("put_limits", _named(LIMITS, values.limited(row)))

    async def delete_limits(self, project: str) -> bool:
        return await self._connections.change("delete_limits", {"project": project}) > 0

    async def limits(self) -> list[LimitsRow]:
        return [values.limits(row) for row in await self._connections.all("limits")]

    async def usage(self, project: str | None = None) -> list[UsageRow]:
        found = await self._connections.all("usage", {"project": project})
        return [
            UsageRow(project=name, running=running, stored_bytes=stored)
            for name, running, stored in found
        ]

    # figures

    async def figures(self, which: FiguresFilter) -> Figures:
        return values.figures(await self._connections.all("figures", asdict(which)))

    async def newest(
        self, project: str, activity: str, version: int, *, since: int, rows: int, limit: int
    ) -> list[str]:
        asked = {"project": project, "activity": activity, "version": version}
        found = await self._connections.all(
            "newest_of_version", {**asked, "since": since, "rows": rows, "limit": limit}
        )
        return [execution for (execution,) in found]


def _named(names: Sequence[str], row: values.Row) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))
