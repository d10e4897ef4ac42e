"""What the tables beside the heads show: names, queues, columns, counts, bytes and uploads.

The rows are ``engine.auditor``'s business: here, its looks are taken at a store at rest, whose
histories were judged already.
"""

import sqlite3

from goflow_py.domain.execution import Execution
from goflow_py.engine import auditor_rows
from goflow_py.engine.checker import Breach
from goflow_py.errors import NotFound
from goflow_py.fsm.compile import Compiled
from goflow_py.store.sqlite.store import SqliteStore
from goflow_py.torture.disk import Disk
from goflow_py.torture.judge_store import Stored
from goflow_py.torture.notes import Notes

_SIZES = """
SELECT project, sum(bytes) FROM (
  SELECT project, sum(length(body)) AS bytes FROM executions GROUP BY project
  UNION ALL
  SELECT e.project, sum(length(h.entries))
  FROM history AS h JOIN executions AS e ON e.id = h.execution GROUP BY e.project
  UNION ALL
  SELECT project, sum(length(body) + length(findings)) FROM blueprints GROUP BY project
  UNION ALL
  SELECT project, sum(length(body)) FROM workers GROUP BY project
  UNION ALL
  SELECT project, sum(length(body)) FROM early GROUP BY project)
GROUP BY project
"""


async def breaches(store: SqliteStore, stored: Stored) -> list[Breach]:
    """Return what the rows beside the heads of *stored* break. They must be at rest."""

    async def compiled(head: Execution) -> Compiled:
        known = stored.compiled(head)
        if known is None:
            raise NotFound(f"version {head.version} of {head.activity} is gone")
        return known

    found: list[Breach] = []
    for head in stored.heads.values():
        if (known := stored.compiled(head)) is None:
            continue  # that is a breach already
        if head.parent is not None or head.children():
            found += await auditor_rows.family(store, head)
        found += await auditor_rows.of_one(store, head, known)
    found += await auditor_rows.queued(store, compiled)
    found += await auditor_rows.columns(store)
    found += await auditor_rows.tallies(store)
    return found


def sizes(db: sqlite3.Connection) -> list[Breach]:
    """S23: the bytes that a project's limit is held against are the bytes that it has."""
    counted = dict(db.execute("SELECT project, bytes FROM sizes WHERE bytes <> 0"))
    held = dict(db.execute(_SIZES))
    return [
        _breach("S23", f"{counted.get(one, 0)} bytes of '{one}' are counted, {held.get(one, 0)}")
        for one in sorted({*counted, *held})
        if counted.get(one, 0) != held.get(one, 0)
    ]


def strangers(disk: Disk) -> list[Breach]:
    """S11: whoever wrote a record owned its shard then, whatever came of it."""
    return [
        Breach(rule="S11", execution=execution, seq=seq, message=message)
        for execution, seq, message in disk.strangers
    ]


def uploads(notes: Notes, db: sqlite3.Connection) -> list[Breach]:
    """S1: each version whose upload was acknowledged is there, with the digest that was told."""
    kept = {
        (activity, version): digest
        for activity, version, digest in db.execute(
            "SELECT activity, version, digest FROM blueprints"
        )
    }
    found = []
    for op in notes.operations:
        if op.kind != "upload" or op.outcome != "ok" or op.activity is None:
            continue
        if kept.get((op.activity, op.revision or 0)) != op.code:
            message = f"version {op.revision} of '{op.activity}' was acknowledged, and is not kept"
            found.append(_breach("S1", message))
    return found


def _breach(rule: str, message: str) -> Breach:
    return Breach(rule=rule, execution="", seq=None, message=message)
