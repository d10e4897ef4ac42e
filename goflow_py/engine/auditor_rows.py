"""What only several rows of a store show together: S2, S5, S15.

Families, queued work, names, columns and counts against the heads. Every doubt is read again: work
goes on meanwhile, and a commit changes all that belongs together at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, Protocol

import orjson

from goflow_py.domain.execution import Execution, Status, decode
from goflow_py.engine.checker import Breach
from goflow_py.engine.heads import UNREADABLE
from goflow_py.engine.queues import has_queued, queue_rows
from goflow_py.errors import NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import Name, OpenRow, Page, QueueRow, RecordRow, TaskFilter

OPEN = (Status.RUNNING, Status.WAITING, Status.PAUSED)
ROWS_PAGE = 500
AGAIN_MAX = 5
"""Times that a doubt is looked at again, before what moves all the time is left alone."""


class Histories(Protocol):
    """Heads and their histories."""

    async def head(self, execution: str) -> bytes | None: ...

    async def history(self, execution: str, *, after: int, limit: int) -> list[RecordRow]: ...


class Rows(Histories, Protocol):
    """The tables beside them."""

    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None: ...

    async def tasks(self, which: TaskFilter, *, limit: int, cursor: str | None) -> Page: ...

    async def open_rows(self, status: str, *, after: str, limit: int) -> list[OpenRow]: ...

    async def wrong_tallies(self) -> list[tuple[str, int, int]]: ...


Compile = Callable[[Execution], Awaitable[Compiled]]


def _breach(rule: str, head: Execution, message: str) -> Breach:
    return Breach(rule=rule, execution=head.id, seq=head.seq, message=message)


# ---------------------------------------------------------------- families


async def family(store: Histories, head: Execution) -> list[Breach]:
    """S15: who waits for a child has one that is open and its own, and no child is forgotten."""
    found = []
    for child, task in head.children().items():
        known = await _read(store, child)
        if known is not None and not known.ended and _is_of(known, head, task.name):
            continue
        again = await _read(store, head.id)
        if again is not None and child in again.children():
            message = f"it waits for the child {child}, which is gone, has ended, or is another's"
            found.append(_breach("S15", head, message))
    if head.parent is not None:
        found += await _born(store, head, head.parent)
    return found


def _is_of(child: Execution, parent: Execution, task: str) -> bool:
    known = child.parent or {}
    return (known.get("id"), known.get("task")) == (parent.id, task)


async def _born(store: Histories, head: Execution, known: dict[str, Any]) -> list[Breach]:
    """S2: its parent bore it. S15: its parent waits for it, or has cancelled it.

    A parent that was deleted, or purged, tells nothing.
    """
    parent = await _read(store, known["id"])
    if parent is None:
        return []
    found = []
    records = await store.history(parent.id, after=known["fence"] - 1, limit=1)
    if records and not _bears(records[0], known["fence"], head.id):
        message = f"its parent {parent.id} has no attempt {known['fence']} that it is"
        found.append(_breach("S2", head, message))
    if not (head.ended or head.cancelling or head.id in parent.children()):
        again = await _read(store, head.id)
        if again is not None and not (again.ended or again.cancelling):
            message = f"it goes on, and its parent {parent.id} does not wait for it"
            found.append(_breach("S15", head, message))
    return found


def _bears(record: RecordRow, fence: int, child: str) -> bool:
    entries = orjson.loads(record.entries)
    return any(
        entry["seq"] == fence and entry["type"] == "attemptStarted" and entry.get("child") == child
        for entry in entries
    )


async def _read(store: Histories, execution: str) -> Execution | None:
    return _head(await store.head(execution))


def _head(body: bytes | None) -> Execution | None:
    """Return a head; None, too, for one that cannot be read: that is a breach already."""
    try:
        return None if body is None else decode(body)
    except UNREADABLE:
        return None


# ---------------------------------------------------------------- one execution's rows


async def of_one(store: Rows, head: Execution, compiled: Compiled) -> list[Breach]:
    """Return what is wrong with the rows that belong to *head*."""
    found = []
    if head.key is not None:
        found += await _key(store, head, head.key)
    if has_queued(head):
        found += await _queue(store, head, compiled)
    return found


async def _key(store: Rows, head: Execution, key: str) -> list[Breach]:
    """S2: an open execution has its business key, and an ended one has given it back."""
    taken = await store.name(head.project, "key", head.activity, key)
    is_own = taken is not None and taken.execution == head.id
    if is_own is not head.ended:
        return []
    again = await _read(store, head.id)
    taken = await store.name(head.project, "key", head.activity, key)
    if again is None or again.seq != head.seq:
        return []  # it moves: another look will tell
    if (taken is not None and taken.execution == head.id) is not head.ended:
        return []
    what = "it has ended, and still has" if head.ended else "it is open, and does not have"
    return [_breach("S2", head, f"{what} its business key '{key}'")]


async def _queue(store: Rows, head: Execution, compiled: Compiled) -> list[Breach]:
    """S15: what stands on a queue is the open work for pull workers and people, no more no less."""
    now: Execution | None = head
    for _ in range(AGAIN_MAX):
        if now is None:
            return []
        rows = await _rows_of(store, now.id)
        expected = {row.task: row for row in queue_rows(compiled, now)}
        differ = sorted(task for task in {*rows, *expected} if rows.get(task) != expected.get(task))
        if not differ:
            return []
        again = await _read(store, now.id)
        if again is not None and again.seq == now.seq:
            return [_breach("S15", now, f"the queue has '{differ[0]}' otherwise than the head")]
        now = again
    return []


async def _rows_of(store: Rows, execution: str) -> dict[str, QueueRow]:
    found: dict[str, QueueRow] = {}
    cursor = None
    while True:
        page = await store.tasks(TaskFilter(execution=execution), limit=ROWS_PAGE, cursor=cursor)
        found |= {row.task: row for row in page.items}
        if page.next is None:
            return found
        cursor = page.next


# ---------------------------------------------------------------- tables


async def queued(store: Rows, compiled: Compile) -> list[Breach]:
    """S15: nothing stands on a queue that no open work is."""
    found: list[Breach] = []
    cursor = None
    while True:
        page = await store.tasks(TaskFilter(), limit=ROWS_PAGE, cursor=cursor)
        rows = sorted(page.items, key=lambda row: row.execution)
        for execution, own in groupby(rows, key=lambda row: row.execution):
            found += await _left_over(store, execution, [row.task for row in own], compiled)
        if page.next is None:
            return found
        cursor = page.next


async def _left_over(
    store: Rows, execution: str, tasks: Sequence[str], compiled: Compile
) -> list[Breach]:
    for _ in range(AGAIN_MAX):
        head = await _read(store, execution)
        open_ones = set() if head is None else await _open_rows(compiled, head)
        if open_ones is None:
            return []
        extra = [task for task in tasks if task not in open_ones]
        if not extra:
            return []
        rows = await _rows_of(store, execution)
        again = await _read(store, execution)
        if (head is None) is (again is None) and (head and head.seq) == (again and again.seq):
            left = [task for task in extra if task in rows]
            seq = None if head is None else head.seq
            message = "stands on a queue, and is not open"
            return [
                Breach(rule="S15", execution=execution, seq=seq, message=f"'{task}' {message}")
                for task in left
            ]
    return []


async def _open_rows(compiled: Compile, head: Execution) -> set[str] | None:
    """Return what is to stand on queues; None where nobody can tell: that is a breach already."""
    try:
        return {row.task for row in queue_rows(await compiled(head), head)}
    except (*UNREADABLE, NotFound):
        return None


async def columns(store: Rows) -> list[Breach]:
    """S5: the columns that lists and wake-ups go by say what the heads say."""
    found = []
    for status in OPEN:
        place = ""
        while rows := await store.open_rows(status, after=place, limit=ROWS_PAGE):
            place = rows[-1].place
            for row in rows:
                head = _head(row.body)
                if head is None:
                    continue
                columns = {"status": row.status, "seq": row.seq, "wake": row.wake}
                for name, value in columns.items():
                    if value != getattr(head, name):
                        message = f"the column '{name}' is {value}, and not what the head says"
                        found.append(_breach("S5", head, message))
    return found


async def tallies(store: Rows) -> list[Breach]:
    """S5: the counts of executions are right."""
    return [
        Breach(
            rule="S5",
            execution="",
            seq=None,
            message=f"{kept} executions are counted as '{status or 'all'}', and there are {found}",
        )
        for status, kept, found in await store.wrong_tallies()
    ]
