"""Judging a whole store: every execution's history against the rules of ``engine.checker``."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from goflow_py.domain.execution import Execution, decode
from goflow_py.engine.catalog import compile_row
from goflow_py.engine.checker import Breach
from goflow_py.engine.checker import verify as verify_one
from goflow_py.errors import NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.work import timer_task
from goflow_py.ports import Filter, RecordRow, Store

HEADS_PAGE = 200
RECORDS_PAGE = 500
BREACHES_KEPT_MAX = 1_000
READS_MAX = 20


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

    def as_json(self) -> dict[str, Any]:
        """Return the report as the API shows it."""
        return {
            "ok": self.ok,
            "executions": self.executions,
            "records": self.records,
            "byStatus": {str(status): count for status, count in self.by_status.items()},
            "breaches": [breach.as_json() for breach in self.breaches],
        }


async def verify(store: Store, *, execution: str | None = None) -> Report:
    """Check one execution, or all; work may go on meanwhile.

    Raises ``NotFound`` for an execution that does not exist.
    """
    report = Report()
    versions: dict[tuple[str, str, int], Compiled] = {}
    if execution is not None:
        if await store.head(execution) is None:
            raise NotFound(f"there is no execution {execution}")
        await _verify_one(store, execution, versions, report)
        return report
    cursor = None
    while True:
        page = await store.list(Filter(), limit=HEADS_PAGE, cursor=cursor)
        for body in page.items:
            await _verify_one(store, decode(body).id, versions, report)
            if len(report.breaches) >= BREACHES_KEPT_MAX:
                return report
        if page.next is None:
            return report
        cursor = page.next


async def _verify_one(
    store: Store,
    execution: str,
    versions: dict[tuple[str, str, int], Compiled],
    report: Report,
) -> None:
    found = await _snapshot(store, execution)
    if found is None:
        return
    head, records = found
    compiled = await _compiled(store, (head.project, head.activity, head.version), versions)
    report.executions += 1
    report.records += len(records)
    report.by_status[head.status] += 1
    if compiled is None:
        message = f"version {head.version} of {head.project}/{head.activity} is gone"
        report.breaches.append(Breach(rule="S4", execution=execution, seq=None, message=message))
        return
    if head.machine is not None:
        compiled = compiled.machines[head.machine]
    report.breaches += verify_one(head, records, compiled)
    report.breaches += await _children(store, head)


async def _children(store: Store, head: Execution) -> list[Breach]:
    """S15: whoever waits for a child has one that is open, and knows its parent."""
    found = []
    timed = {timer_task(timer) for timer in head.timers}
    for task in [] if head.paused or head.ended else head.open_tasks():
        if task.kind == "activity" and task.call is None and task.name not in timed:
            message = f"the task '{task.name}' has no child, and no time for one"
            found.append(Breach(rule="S15", execution=head.id, seq=head.seq, message=message))
    for child in head.children():
        body = await store.head(child)
        known = None if body is None else decode(body)
        if known is not None and not known.ended and (known.parent or {}).get("id") == head.id:
            continue
        again = await store.head(head.id)
        if again is not None and child in decode(again).children():
            message = f"it waits for the child {child}, which is gone or has ended"
            found.append(Breach(rule="S15", execution=head.id, seq=head.seq, message=message))
    return found


async def _snapshot(store: Store, execution: str) -> tuple[Execution, list[RecordRow]] | None:
    """Return a head and the history that leads to it; read again while it moves."""
    found = None
    for _ in range(READS_MAX):
        body = await store.head(execution)
        if body is None:
            return None
        head, records = decode(body), await _records(store, execution)
        found = head, [record for record in records if record.seq <= head.seq]
        if records and records[-1].seq == head.seq:
            break
    return found


async def _records(store: Store, execution: str) -> list[RecordRow]:
    found: list[RecordRow] = []
    while page := await store.history(
        execution, after=found[-1].seq if found else -1, limit=RECORDS_PAGE
    ):
        found += page
    return found


async def _compiled(
    store: Store,
    name: tuple[str, str, int],
    versions: dict[tuple[str, str, int], Compiled],
) -> Compiled | None:
    if name not in versions:
        row = await store.blueprint(*name)
        if row is None:
            return None
        versions[name] = compile_row(row)
    return versions[name]
