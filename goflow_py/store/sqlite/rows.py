"""Rows to values and back. The order of the columns is that of ``queries.sql``."""

from collections.abc import Sequence
from typing import Any

import orjson

from goflow_py.ports import BlueprintRow, HeadRow, KeyRow, Message, Name, RecordRow, Write
from goflow_py.store import rules

Row = tuple[Any, ...]


def texts(values: Sequence[Any]) -> str:
    """Return a JSON list, the one way to give a statement many values."""
    return orjson.dumps(list(values)).decode()


def started(head: HeadRow) -> Row:
    """Return the parameters of ``start``."""
    return (
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
        head.body,
    )


def stepped(head: HeadRow, before: int) -> Row:
    """Return the parameters of ``step``, from seq *before*."""
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
        head.id,
        before,
    )


def recorded(write: Write) -> list[Row]:
    """Return the parameters of ``record``, for each record."""
    epoch = write.epoch
    return [
        (one.execution, one.first_seq, one.seq, epoch, one.at, one.hash, one.entries)
        for one in write.records
    ]


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


def sent(message: Message) -> Row:
    """Return the parameters of ``deliver``."""
    shard = rules.shard_of(message.execution)
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


def _labels(head: HeadRow) -> str:
    return orjson.dumps(dict(head.labels)).decode() if head.labels else "{}"
