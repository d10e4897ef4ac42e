"""What a batch changes, gathered by statement: each is run once for all rows that it writes."""

import sqlite3
from dataclasses import dataclass

from goflow_py.ports import HeadRow, Write
from goflow_py.store import rows
from goflow_py.store.sqlite.queries import SQL


@dataclass(slots=True)
class Standing:
    """An execution's row, as it is once everything gathered so far is written."""

    n: int
    seq: int
    project: str
    activity: str
    version: int
    status: str
    wake: int | None
    finished_at: int | None
    purge_at: int | None
    bytes: int
    is_changed: bool = False
    """By this batch."""


@dataclass(slots=True)
class Order:
    """The order of commits. The one writer counts on: a number is given once, or never."""

    newest: int = 0
    """The number of the newest record, of the deleted ones too."""


class Changes:
    """Rows to be written. An execution's come in the order of its writes."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._starts: list[rows.Row] = []
        self._moves: list[rows.Row] = []
        self._steps: list[rows.Row] = []
        self._records: list[rows.Row] = []
        self._names: list[rows.Row] = []
        self._applied: list[rows.Row] = []
        self._queues: dict[str, list[rows.Row]] = {}
        """By execution: all that it has queued from now on."""
        self._freed: list[rows.Row] = []
        self._counts: dict[tuple[str, str, int, str], int] = {}
        self._bytes: dict[str, int] = {}

    def start(self, head: HeadRow, n: int) -> Standing:
        """Begin an execution with the number *n*; return how it stands then."""
        self._starts.append(rows.started(head, n))
        self._count(head, head.version, head.status, 1)
        self._weigh(head.project, len(head.body))
        return Standing(
            n=n,
            seq=head.seq,
            project=head.project,
            activity=head.activity,
            version=head.version,
            status=head.status,
            wake=head.wake,
            finished_at=head.finished_at,
            purge_at=head.purge_at,
            bytes=len(head.body),
            is_changed=True,
        )

    def step(self, head: HeadRow, before: Standing) -> None:
        """Change an execution, and how it stands."""
        is_counted = (before.status, before.version) == (head.status, head.version)
        times = (before.wake, before.finished_at, before.purge_at)
        is_still = is_counted and times == (head.wake, head.finished_at, head.purge_at)
        # A move is written before all steps: it must be the first that happens to its row.
        if is_still and not before.is_changed:
            self._moves.append(rows.moved(head, before.n))
        else:
            self._steps.append(rows.stepped(head, before.n))
        if not is_counted:
            self._count(head, before.version, before.status, -1)
            self._count(head, head.version, head.status, 1)
        self._weigh(head.project, len(head.body) - before.bytes)
        before.seq, before.version, before.status = head.seq, head.version, head.status
        before.bytes, before.is_changed = len(head.body), True

    def add(self, write: Write) -> None:
        """Take what comes with a head."""
        order, status = self._order, write.head.status
        for record in write.records:
            order.newest += 1
            self._records.append(rows.recorded(record, write.epoch, order.newest, status))
            self._weigh(write.head.project, len(record.entries))
        if write.names:
            self._names += map(rows.named, write.names)
        if write.freed:
            execution = write.head.id
            self._freed += [(*rows.name_key(name), execution) for name in write.freed]
        if write.inbox:
            self._applied += [(number, write.head.id) for number in write.inbox]
        if write.queue is not None:
            self._queues[write.head.id] = [rows.queued(row) for row in write.queue]

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all but the freed names."""
        for statement, found in (
            ("start", self._starts),
            ("move", self._moves),
            ("step", self._steps),
            ("record", self._records),
            ("take", self._names),
            ("applied", self._applied),
            ("unqueue", [(execution,) for execution in self._queues]),
            ("queue", [row for queue in self._queues.values() for row in queue]),
            ("tally", [(*place, count) for place, count in self._counts.items() if count]),
            ("weigh", [(project, count) for project, count in self._bytes.items() if count]),
        ):
            if found:
                connection.executemany(SQL[statement], found)

    def free(self, connection: sqlite3.Connection) -> None:
        """Free names, behind the last write: no order within a batch frees one early."""
        if self._freed:
            connection.executemany(SQL["free"], self._freed)

    def _count(self, head: HeadRow, version: int, status: str, more: int) -> None:
        place = (head.project, head.activity, version, status)
        self._counts[place] = self._counts.get(place, 0) + more

    def _weigh(self, project: str, more: int) -> None:
        self._bytes[project] = self._bytes.get(project, 0) + more
