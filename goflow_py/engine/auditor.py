"""Judging a whole store: every execution's history, and what only several rows show together.

Work may go on meanwhile: whatever two reads seem to show is read again before it is a breach.
"""

from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from goflow_py.domain.execution import Execution, decode, id_of
from goflow_py.engine import auditor_rows
from goflow_py.engine.auditor_rows import Histories, Rows
from goflow_py.engine.catalog import compile_row
from goflow_py.engine.checker import Breach
from goflow_py.engine.checker import verify as verify_one
from goflow_py.engine.heads import UNREADABLE, part_of, said
from goflow_py.errors import Damaged, NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import BlueprintRow, Filter, Page, RecordRow

HEADS_PAGE = 200
RECORDS_PAGE = 500
BREACHES_KEPT_MAX = 1_000
READS_MAX = 20

Versions = dict[tuple[str, str, int], Compiled]


class Listed(Histories, Protocol):
    """As much of a store as is asked of one that only shows histories."""

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None: ...

    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page: ...


@runtime_checkable
class Whole(Rows, Protocol):
    """A store that shows its other tables, too."""


@dataclass(kw_only=True)
class Report:
    """What was looked at, and every rule that is broken."""

    executions: int = 0
    records: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Tell whether every rule holds."""
        return not self.breaches

    @property
    def by_rule(self) -> dict[str, int]:
        """Return how often each broken rule is, in their order."""
        counts = Counter(breach.rule for breach in self.breaches)
        return {rule: counts[rule] for rule in sorted(counts, key=lambda rule: int(rule[1:]))}

    def as_json(self) -> dict[str, Any]:
        """Return the report as the API shows it."""
        return {
            "ok": self.ok,
            "executions": self.executions,
            "records": self.records,
            "byStatus": {str(status): count for status, count in self.by_status.items()},
            "byRule": self.by_rule,
            "breaches": [breach.as_json() for breach in self.breaches],
        }


async def verify(
    store: Listed, *, execution: str | None = None, overdue_before: int | None = None
) -> Report:
    """Check one execution, or all; work may go on meanwhile.

    Timers that were due *before* a time are lost: a server that has been up for long enough gives
    one. Raises ``NotFound`` for an execution that does not exist.
    """
    audit = _Audit(store, overdue_before)
    if execution is not None:
        body = await store.head(execution)
        if body is None:
            raise NotFound(f"there is no execution {execution}")
        await audit.look_at(body)
        return audit.report
    cursor = None
    while True:
        page = await store.list(Filter(), limit=HEADS_PAGE, cursor=cursor)
        gone = []
        for body in page.items:
            if not await audit.look_at(body):
                gone.append(body)
            if len(audit.report.breaches) >= BREACHES_KEPT_MAX:
                return audit.report
        if gone:
            again = await store.list(Filter(), limit=HEADS_PAGE, cursor=cursor)
            audit.strange(body for body in gone if body in again.items)
        if page.next is None:
            break
        cursor = page.next
    if isinstance(store, Whole):
        await audit.add(auditor_rows.queued(store, audit.compiled))
        await audit.add(auditor_rows.columns(store))
        await audit.add(auditor_rows.tallies(store))
    return audit.report


class _Audit:
    """One walk over a store."""

    def __init__(self, store: Listed, overdue_before: int | None) -> None:
        self.report = Report()
        self._store = store
        self._overdue_before = overdue_before
        self._versions: Versions = {}

    async def look_at(self, body: bytes) -> bool:
        """Judge one execution; *body* is its head as it was a moment ago. False: it is gone."""
        try:
            return await self._look_at(body)
        except UNREADABLE as error:
            self._note_unreadable(id_of(body) or "", error)
            return True

    async def add(self, looking: Awaitable[list[Breach]]) -> None:
        """Judge a whole table."""
        try:
            self.report.breaches += await looking
        except UNREADABLE as error:
            self._note_unreadable("", error)

    def _note_unreadable(self, execution: str, error: Exception) -> None:
        """Note what cannot even be read: it must not hide the rest."""
        self._note("S5", execution, f"what is stored cannot be read: {said(error)}")

    def _note(self, rule: str, execution: str, message: str) -> None:
        breach = Breach(rule=rule, execution=execution, seq=None, message=message)
        self.report.breaches.append(breach)

    async def _look_at(self, body: bytes) -> bool:
        found = await self._snapshot(body)
        if found is None:
            return False
        head, records = found
        report = self.report
        report.executions += 1
        report.records += len(records)
        report.by_status[head.status] += 1
        try:
            version = await self._version(head)
        except NotFound as error:
            self._note("S4", head.id, error.detail)
            return True
        except Damaged as error:
            self._note("S19", head.id, error.detail)
            return True
        compiled = part_of(version, head)
        broken = verify_one(head, records, compiled, overdue_before=self._overdue_before)
        report.breaches += broken
        if broken:
            return True  # a head that its history does not lead to says nothing about other rows
        report.breaches += await auditor_rows.family(self._store, head)
        if isinstance(self._store, Whole):
            report.breaches += await auditor_rows.of_one(self._store, head, compiled)
        return True

    def strange(self, bodies: Iterable[bytes]) -> None:
        """Note heads that are listed, and not found under the id that they say."""
        for body in bodies:
            self._note("S5", decode(body).id, "this head is stored under another id")

    async def compiled(self, head: Execution) -> Compiled:
        """Return what *head* runs. Raises ``NotFound``, ``Damaged``."""
        return part_of(await self._version(head), head)

    async def _version(self, head: Execution) -> Compiled:
        name = (head.project, head.activity, head.version)
        if name not in self._versions:
            row = await self._store.blueprint(*name)
            if row is None:
                raise NotFound(f"version {head.version} of {head.project}/{head.activity} is gone")
            self._versions[name] = compile_row(row)
        return self._versions[name]

    async def _snapshot(self, body: bytes) -> tuple[Execution, list[RecordRow]] | None:
        """Return a head and the history that leads to it; read again while it moves."""
        head, records = decode(body), list[RecordRow]()
        now: bytes | None = body
        for _ in range(READS_MAX):
            if now is None:
                return None
            head = decode(now)
            records = await self._records(head.id)
            if records and records[-1].seq == head.seq:
                return head, records
            now = await self._store.head(head.id)
        return head, [record for record in records if record.seq <= head.seq]

    async def _records(self, execution: str) -> list[RecordRow]:
        found: list[RecordRow] = []
        while page := await self._store.history(
            execution, after=found[-1].seq if found else -1, limit=RECORDS_PAGE
        ):
            found += page
        return found
