"""Rows to values and back. The order of the columns is that of each ``queries.sql``."""

from collections.abc import Sequence
from typing import Any

import orjson

from goflow_py.ports import (
    BatchRow,
    BlueprintRow,
    CommitRow,
    EarlyRow,
    Figures,
    HeadRow,
    KeyRow,
    LimitsRow,
    Load,
    Message,
    Name,
    NodeRow,
    OpenRow,
    QueueRow,
    RecordRow,
    Slot,
    Survey,
    shard_of,
)

Row = tuple[Any, ...]
WHOLE = -1
"""The number that stands for all slots of figures."""


def texts(values: Sequence[Any]) -> str:
    """Return a JSON list, the one way to give a statement many values."""
    return orjson.dumps(list(values)).decode()


def started(head: HeadRow, n: int) -> Row:
    """Return the parameters of ``start``; *n* is the row's number."""
    return (
        n,
        head.id,
        head.shard,
        head.project,
        head.activity,
        head.version,
        head.status,
        head.state,
        head.key,
        _labels(head),
        head.seq,
        head.wake,
        head.started_at,
        head.updated_at,
        head.finished_at,
        head.purge_at,
        head.parent,
        head.body,
    )


def moved(head: HeadRow, n: int) -> Row:
    """Return the parameters of ``move``."""
    return (head.state, _labels(head), head.seq, head.updated_at, head.body, n)


def stepped(head: HeadRow, n: int) -> Row:
    """Return the parameters of ``step``."""
    return (
        head.version,
        head.status,
        head.state,
        _labels(head),
        head.seq,
        head.wake,
        head.updated_at,
        head.finished_at,
        head.purge_at,
        head.body,
        n,
    )


def due(page: str) -> list[tuple[int, str, str]]:
    """Return the one row of ``due``, a page as a text."""
    return [(wake, execution, project) for wake, execution, project in orjson.loads(page)]


def recorded(record: RecordRow, epoch: int, n: int, status: str) -> Row:
    """Return the parameters of ``record``."""
    place = (record.execution, record.first_seq, record.seq)
    return (*place, epoch, record.at, record.hash, record.entries, n, status)


def committed(row: Row) -> CommitRow:
    """Return a row of ``commits``."""
    n, project, activity, key, status, *rest = row
    return CommitRow(
        n=n,
        project=project,
        activity=activity,
        key=key,
        status=status,
        record=record(tuple(rest)),
    )


def record(row: Row) -> RecordRow:
    """Return a row of ``history``."""
    execution, first_seq, seq, at, digest, entries, epoch = row
    return RecordRow(
        execution=execution,
        first_seq=first_seq,
        seq=seq,
        at=at,
        hash=digest,
        entries=entries,
        epoch=epoch,
    )


def open_row(row: Row) -> OpenRow:
    """Return a row of ``open_running`` or ``open_in_status``."""
    place, status, seq, wake, body = row
    return OpenRow(place=str(place), status=status, seq=seq, wake=wake, body=body)


def named(name: Name) -> Row:
    """Return the parameters of ``take``."""
    return (*name_key(name), name.execution, name.digest, name.answer, name.expires)


def name_key(name: Name) -> tuple[str, str, str, str]:
    """Return what makes a name one."""
    return name.project, name.kind, name.scope, name.name


def name(row: Row) -> Name:
    """Return a row of ``name``."""
    project, kind, scope, text, execution, digest, answer, expires = row
    return Name(
        project=project,
        kind=kind,
        scope=scope,
        name=text,
        execution=execution,
        digest=digest,
        answer=answer,
        expires=expires,
    )


def queued(row: QueueRow) -> Row:
    """Return the parameters of ``queue``."""
    return (
        row.execution,
        row.task,
        row.visit,
        row.project,
        row.activity,
        row.queue,
        row.kind,
        row.assigned_to,
        row.status,
        row.since,
        row.due,
        row.claimed_by,
        row.lease_until,
    )


def task(row: Row) -> QueueRow:
    """Return a row of ``tasks``."""
    execution, task, visit, project, activity, queue, kind, assigned_to, *rest = row
    status, since, due, claimed_by, lease_until = rest
    return QueueRow(
        execution=execution,
        task=task,
        visit=visit,
        project=project,
        activity=activity,
        queue=queue,
        kind=kind,
        assigned_to=assigned_to,
        status=status,
        since=since,
        due=due,
        claimed_by=claimed_by,
        lease_until=lease_until,
    )


def batched(row: BatchRow) -> Row:
    """Return the parameters of ``put_batch``."""
    times = (row.created_at, row.updated_at)
    return (row.id, row.project, row.body, row.status, row.progress, *times)


def batch_changed(row: BatchRow, before: BatchRow) -> dict[str, Any]:
    """Return the parameters of ``change_batch``."""
    return {
        "id": row.id,
        "status": row.status,
        "progress": row.progress,
        "updated_at": row.updated_at,
        "old_status": before.status,
        "old_progress": before.progress,
        "old_updated": before.updated_at,
    }


def batch(row: Row) -> BatchRow:
    """Return a row of ``batches``."""
    id_, project, body, status, progress, created_at, updated_at = row
    return BatchRow(
        id=id_,
        project=project,
        body=body,
        status=status,
        progress=progress,
        created_at=created_at,
        updated_at=updated_at,
    )


def kept(row: EarlyRow) -> Row:
    """Return the parameters of ``put_early``."""
    event = (row.name, row.body, row.id, row.created_at, row.expires_at)
    return (row.project, row.activity, row.key, *event)


def early(row: Row) -> EarlyRow:
    """Return a row of ``early``."""
    number, project, activity, key, name, body, id_, created_at, expires_at = row
    return EarlyRow(
        number=number,
        project=project,
        activity=activity,
        key=key,
        name=name,
        body=body,
        id=id_,
        created_at=created_at,
        expires_at=expires_at,
    )


def sent(message: Message) -> Row:
    """Return the parameters of ``deliver``."""
    shard = shard_of(message.execution)
    return shard, message.execution, message.kind, message.dedupe, message.body, message.at


def message(row: Row) -> Message:
    """Return a row of ``drain``."""
    execution, kind, dedupe, body, at, number = row
    return Message(execution=execution, kind=kind, dedupe=dedupe, body=body, at=at, number=number)


def uploaded(row: BlueprintRow) -> Row:
    """Return the parameters of ``add_blueprint``."""
    place = (row.project, row.activity, row.version)
    return (*place, row.digest, row.body, row.findings, row.created_at)


def blueprint(row: Row) -> BlueprintRow:
    """Return a row of ``blueprint``."""
    project, activity, version, digest, body, findings, created_at = row
    return BlueprintRow(
        project=project,
        activity=activity,
        version=version,
        digest=digest,
        body=body,
        findings=findings,
        created_at=created_at,
    )


def keyed(key: KeyRow) -> Row:
    """Return the parameters of ``put_key``."""
    rights = (texts(key.scopes), texts(key.roles))
    return (key.id, key.hash, key.project, *rights, key.description, key.created_at, key.expires_at)


def key(row: Row) -> KeyRow:
    """Return a row of ``keys``."""
    id_, digest, project, scopes, roles, description, created_at, expires_at = row
    return KeyRow(
        id=id_,
        hash=digest,
        project=project,
        scopes=tuple(orjson.loads(scopes)),
        roles=tuple(orjson.loads(roles)),
        description=description,
        created_at=created_at,
        expires_at=expires_at,
    )


def limited(row: LimitsRow) -> Row:
    """Return the parameters of ``put_limits``."""
    calls = (row.starts_per_second, row.max_open_calls)
    return (row.project, row.max_running, *calls, row.max_stored_bytes)


def limits(row: Row) -> LimitsRow:
    """Return a row of ``limits``."""
    project, max_running, starts_per_second, max_open_calls, max_stored_bytes = row
    return LimitsRow(
        project=project,
        max_running=max_running,
        starts_per_second=starts_per_second,
        max_open_calls=max_open_calls,
        max_stored_bytes=max_stored_bytes,
    )


def figures(found: Sequence[Row]) -> Figures:
    """Return the rows of ``figures``, each (what, slot, value)."""
    looked, oldest, slots = 0, None, dict[int, dict[str, Any]]()
    counts = dict.fromkeys(("started", "completed", "failed", "cancelled"), 0)
    for what, slot, number in found:
        if what == "looked":
            looked, oldest = slot, number
            continue
        slots.setdefault(slot, {})[what] = number
        if what in counts:
            counts[what] += number
    return Figures(
        looked=looked,
        oldest=oldest,
        whole=Slot(**counts, **slots.pop(WHOLE, {})),
        slots={number: Slot(**facts) for number, facts in sorted(slots.items())},
    )


def survey(found: Sequence[Row], limit: int) -> Survey:
    """Return the rows of ``survey``: a node each, and what nobody has, if there is such.

    When they count more than *limit* running executions, there may be any number.
    """
    is_counted = sum(row[7] or 0 for row in found) <= limit
    *_, (now, last, *_, unowned, running, messages, oldest) = found
    left = (unowned, running, messages, oldest) if last is None else (0, 0, 0, None)
    return Survey(
        now=now,
        nodes=[(_node(row), _load(*row[7:], is_counted=is_counted)) for row in found if row[1]],
        unowned=left[0],
        left=_load(*left[1:], is_counted=is_counted),
    )


def _node(row: Row) -> NodeRow:
    _, node, address, version, started, until, shards, *_ = row
    return NodeRow(
        node=node,
        address=address,
        version=version,
        started=started,
        lease_until=until,
        shards=shards or 0,
    )


def _load(
    running: float | None, messages: float | None, oldest: int | None, *, is_counted: bool
) -> Load:
    return Load(
        running=int(running or 0) if is_counted else None,
        messages=int(messages or 0),
        oldest=oldest,
    )


def _labels(head: HeadRow) -> str:
    return orjson.dumps(dict(head.labels)).decode() if head.labels else "{}"
