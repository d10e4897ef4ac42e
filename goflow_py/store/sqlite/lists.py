"""The lists of executions and tasks: which index leads, and where a page stops looking."""

from dataclasses import asdict
from typing import Any

import orjson

from goflow_py.ports import Filter, Page, TaskFilter
from goflow_py.store import rows, rules
from goflow_py.store.sqlite.readers import Readers

LIST_ROWS_MAX = 50_000
"""Rows that one page looks at. What it did not find there, the next page may: ``next`` is set."""

COMMON = frozenset({"running", "completed"})
"""Statuses that no index has: nearly all executions have one of them."""

HEADS_AT_ONCE = 25
"""Before it is asked how many bytes they had."""

NUMBER_MAX = rules.INTEGER_MAX


async def page(readers: Readers, which: Filter, *, limit: int, cursor: str | None) -> Page:
    """Return the heads that *which* admits, newest first, *limit* at most, fewer when long."""
    items: list[bytes] = []
    while True:
        asked = min(limit - len(items), HEADS_AT_ONCE)
        part = await _page(readers, which, limit=asked, cursor=cursor)
        items, cursor = [*items, *part.items], part.next
        is_whole = len(part.items) < asked or len(items) == limit or cursor is None
        if is_whole or rules.fitting(len(body) for body in items) < len(items):
            return Page(items=items, next=cursor)


async def _page(readers: Readers, which: Filter, *, limit: int, cursor: str | None) -> Page:
    before = NUMBER_MAX if cursor is None else rules.decode_cursor(cursor, int)[0]
    leader, rest = _leader(which)
    asked = {**_parameters(which), "before": before, "limit": limit + 1, "rows": LIST_ROWS_MAX}
    floors, found = [0], []
    choices = which.status if leader == "status" else [None]
    if rest:
        for only in choices:
            row = await readers.one(f"floor_by_{leader}", {**asked, "only": only})
            floors.append(max(0, row[0] or 0) if row else 0)
    asked["floor"] = floor = max(floors)
    for only in choices:
        found += await readers.all(f"list_by_{leader}", {**asked, "only": only})
    found.sort(reverse=True)
    more = floor
    if len(found) > limit:
        more = found[limit - 1][0]
    following = rules.encode_cursor(more) if more > 0 else None
    return Page(items=[body for _, body in found[:limit]], next=following)


def _leader(which: Filter) -> tuple[str, bool]:
    """Choose the index with the fewest rows; tell whether conditions are left for each row."""
    asked = {
        name
        for name in ("project", "activity", "state", "key", "since", "until", "text", "parent")
        if getattr(which, name) is not None
    }
    asked |= {name for name in ("status", "labels") if getattr(which, name)}
    if "key" in asked:
        leader, covered = "key", {"key"}
    elif "parent" in asked:
        leader, covered = "parent", {"parent"}
    elif "status" in asked and COMMON.isdisjoint(which.status):
        leader, covered = "status", {"status"}
    elif {"project", "activity"} <= asked:
        leader, covered = "activity", {"project", "activity"}
    elif "project" in asked:
        leader, covered = "project", {"project"}
    else:
        leader, covered = "all", set()
    return leader, bool(asked - covered)


def _parameters(which: Filter) -> dict[str, Any]:
    return {
        "project": which.project,
        "activity": which.activity,
        "status": rows.texts(which.status) if which.status else None,
        "state": which.state,
        "key": which.key,
        "labels": orjson.dumps(dict(which.labels)).decode() if which.labels else None,
        "since": which.since,
        "until": which.until,
        "text": which.text,
        "parent": which.parent,
    }


async def tasks(readers: Readers, which: TaskFilter, *, limit: int, cursor: str | None) -> Page:
    """Return the tasks that *which* admits, oldest first, *limit* at most."""
    after = (-1, "", "") if cursor is None else rules.decode_cursor(cursor, int, str, str)
    asked = {**asdict(which), "limit": limit + 1}
    asked |= {"after_since": after[0], "after_execution": after[1], "after_task": after[2]}
    if which.execution is not None:
        found = await readers.all("tasks_by_execution", asked)
    elif which.assigned_to is not None:
        found = await readers.all("tasks_by_assigned", asked)
    else:
        found = await readers.all("tasks_by_all", asked)
    return rules.cut([rows.task(row) for row in found], limit, rules.task_place)


async def batches(readers: Readers, project: str | None, *, limit: int, cursor: str | None) -> Page:
    """Return batches, newest first, *limit* at most."""
    before = (NUMBER_MAX, "") if cursor is None else rules.decode_cursor(cursor, int, str)
    asked = {"project": project, "before": before[0], "before_id": before[1], "limit": limit + 1}
    query = "batches" if project is None else "batches_in_project"
    found = [rows.batch(row) for row in await readers.all(query, asked)]
    return rules.cut(found, limit, rules.batch_place)


async def stats(readers: Readers) -> dict[str, Any]:
    """Return counts for operators."""
    statuses = await readers.all("tallies")
    [(queued, claimed)] = await readers.all("task_counts")
    [(inbox,)] = await readers.all("inbox_size")
    [(batches,)] = await readers.all("open_batch_count")
    return {
        "executions": dict(statuses),
        "inbox": inbox,
        "tasks": {"queued": queued, "claimed": claimed},
        "batches": batches,
    }
