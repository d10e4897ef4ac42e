"""The lists of executions and tasks: which condition leads, and where a page stops looking."""

from dataclasses import asdict
from typing import Any

import orjson

from goflow_py.ports import Filter, Page, TaskFilter
from goflow_py.store import rows, rules
from goflow_py.store.postgres.connections import Connections

LIST_ROWS_MAX = 50_000
"""Rows that one page looks at. What it did not find there, the next page may: ``next`` is set."""

COMMON = frozenset({"running", "completed"})
"""Statuses that no index has: nearly all executions have one of them."""

HEADS_AT_ONCE = 25
"""Before it is asked how many bytes they had."""

LEADING = ("key", "parent", "only", "project", "activity")
"""Conditions that an index has."""


async def page(connections: Connections, which: Filter, *, limit: int, cursor: str | None) -> Page:
    """Return the heads that *which* admits, newest first, *limit* at most, fewer when long."""
    items: list[bytes] = []
    while True:
        asked = min(limit - len(items), HEADS_AT_ONCE)
        part = await _page(connections, which, limit=asked, cursor=cursor)
        items, cursor = [*items, *part.items], part.next
        is_whole = len(part.items) < asked or len(items) == limit or cursor is None
        if is_whole or rules.fitting(len(body) for body in items) < len(items):
            return Page(items=items, next=cursor)


async def _page(connections: Connections, which: Filter, *, limit: int, cursor: str | None) -> Page:
    before = rules.INTEGER_MAX if cursor is None else rules.decode_cursor(cursor, int)[0]
    leaders = _leaders(which)
    asked = {**_parameters(which), "before": before, "limit": limit + 1, "rows": LIST_ROWS_MAX}
    rarer = which.status if "status" in leaders else [None]
    leading = {name: asked[name] if name in leaders else None for name in LEADING[:2]}
    leading |= {name: asked[name] if name in leaders else None for name in LEADING[3:]}
    floors, found = [0], []
    if _asked(which) - leaders:
        for only in rarer:
            row = await connections.one("floor", {**asked, **leading, "only": only})
            floors.append(row[0] if row else 0)
    asked["floor"] = floor = max(floors)
    for only in rarer:
        found += await connections.all("list", {**asked, "only": only})
    found.sort(key=lambda row: row[0], reverse=True)
    more = found[limit - 1][0] if len(found) > limit else floor
    following = rules.encode_cursor(more) if more > 0 else None
    return Page(items=[body for _, body in found[:limit]], next=following)


def _leaders(which: Filter) -> set[str]:
    """Return the conditions of the index with the fewest rows."""
    asked = _asked(which)
    for one in ("key", "parent"):
        if one in asked:
            return {one}
    if "status" in asked and COMMON.isdisjoint(which.status):
        return {"status"}
    if "project" in asked:
        return asked & {"project", "activity"}
    return set()


def _asked(which: Filter) -> set[str]:
    return {name for name, asked in _parameters(which).items() if asked is not None}


def _parameters(which: Filter) -> dict[str, Any]:
    return {
        "project": which.project,
        "activity": which.activity,
        "status": list(which.status) if which.status else None,
        "state": which.state,
        "key": which.key,
        "labels": orjson.dumps(dict(which.labels)).decode() if which.labels else None,
        "since": which.since,
        "until": which.until,
        "text": which.text,
        "parent": which.parent,
    }


async def tasks(
    connections: Connections, which: TaskFilter, *, limit: int, cursor: str | None
) -> Page:
    """Return the tasks that *which* admits, oldest first, *limit* at most."""
    after = (-1, "", "") if cursor is None else rules.decode_cursor(cursor, int, str, str)
    asked = {**asdict(which), "limit": limit + 1}
    asked |= {"after_since": after[0], "after_execution": after[1], "after_task": after[2]}
    found = await connections.all("tasks", asked)
    return rules.cut([rows.task(row) for row in found], limit, rules.task_place)


async def batches(
    connections: Connections, project: str | None, *, limit: int, cursor: str | None
) -> Page:
    """Return batches, newest first, *limit* at most."""
    before = (rules.INTEGER_MAX, "") if cursor is None else rules.decode_cursor(cursor, int, str)
    asked = {"project": project, "before": before[0], "before_id": before[1], "limit": limit + 1}
    found = [rows.batch(row) for row in await connections.all("batches", asked)]
    return rules.cut(found, limit, rules.batch_place)


async def stats(connections: Connections) -> dict[str, Any]:
    """Return sizes and counts for operators."""
    statuses = await connections.all("tallies")
    [(queued, claimed)] = await connections.all("task_counts")
    [(inbox,)] = await connections.all("inbox_size")
    [(batches,)] = await connections.all("open_batch_count")
    [(size,)] = await connections.all("bytes")
    return {
        "executions": dict(statuses),
        "inbox": inbox,
        "tasks": {"queued": queued, "claimed": claimed},
        "batches": batches,
        "bytes": size,
    }
