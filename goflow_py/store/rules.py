"""What every store decides alike: flawed writes, cursors, filters, refusals."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from goflow_py.errors import Conflict, MalformedRequest, NotFound, Unavailable
from goflow_py.ports import (
    PAGE_BYTES_MAX,
    BatchRow,
    BlueprintRow,
    Filter,
    HeadRow,
    Name,
    Page,
    Poisonous,
    QueueRow,
    RecordRow,
    TaskFilter,
    Upload,
    Write,
    shard_of,
)

T = TypeVar("T")

INTEGER_MAX = 2**63 - 1
"""What a column holds; beyond it lies a ``Poisonous`` write."""

MAY_BE_NONE = frozenset({"key", "wake", "finished_at", "purge_at", "parent", "expires"})
MAY_BE_NONE |= {"assigned_to", "claimed_by", "lease_until"}

ENDED = frozenset({"completed", "failed", "cancelled"})
"""Of an execution."""

KINDS = frozenset({"pull", "human"})
STATUSES = frozenset({"queued", "claimed"})
"""Of a queued task. Any other would make it one that nobody ever gets."""


def flaw(write: Write) -> str | None:
    """Say why *write* or its family contradicts itself, whatever the store holds.

    Its records must belong to its head, follow one another without a gap and end at the head's
    seq: the store keeps only the last seq, so nobody could notice a gap later.
    """
    head = write.head
    if not write.records:
        return "a write needs at least one record"
    expected = write.records[0].first_seq
    for record in write.records:
        if record.execution != head.id:
            return f"record {record.first_seq} belongs to another execution"
        if record.first_seq != expected or record.seq < expected:
            return f"record {record.first_seq} to {record.seq} does not follow entry {expected - 1}"
        expected = record.seq + 1
    if head.seq != expected - 1:
        return f"the head is at {head.seq}, its last record at {expected - 1}"
    try:
        shard_of(head.id)
    except ValueError:
        return "the id does not end with a byte in hex"
    if not (head.id.isascii() and head.id.isprintable()):
        return "the id is no plain text"
    reason = _flawed_queue(head.id, write.queue) if write.queue else None
    return reason or (_flawed_family(write) if write.family else None)


def _flawed_queue(execution: str, queue: Sequence[QueueRow]) -> str | None:
    tasks = set()
    for row in queue:
        if row.execution != execution:
            return f"the queued task {row.task} belongs to another execution"
        if row.task in tasks:
            return f"the task {row.task} is queued twice"
        if row.kind not in KINDS or row.status not in STATUSES:
            return f"the task {row.task} cannot be {row.status} for a {row.kind} worker"
        # Here, for a later write of the batch may replace the row before a column refuses it.
        reason = unfit_row(row)
        if reason is not None:
            return reason
        tasks.add(row.task)
    return None


def _flawed_family(write: Write) -> str | None:
    known = {write.head.id}
    for member in write.family:
        if member.head.id in known:
            return f"the family writes {member.head.id} twice"
        known.add(member.head.id)
        if member.family:
            return f"{member.head.id} has a family inside of one"
        reason = flaw(member)
        if reason is not None:
            return f"{member.head.id}: {reason}"
    return None


def unfit(write: Write) -> str | None:
    """Say which value of *write*, not of its family, no column can hold; None when all fit.

    For stores that have no columns. A database finds the same by itself.
    """
    rows: list[HeadRow | RecordRow | Name | QueueRow] = [write.head, *write.records]
    rows += [*write.names, *write.freed, *(write.queue or ())]
    for row in rows:
        reason = unfit_row(row)
        if reason is not None:
            return reason
    return None


def unfit_row(row: HeadRow | RecordRow | Name | QueueRow) -> str | None:
    """Say which value of *row* no column can hold; None when all fit."""
    for field in fields(row):
        reason = _unfit_value(field.name, getattr(row, field.name))
        if reason is not None:
            return f"{field.name}: {reason}"
    return None


def _unfit_value(name: str, value: Any) -> str | None:
    match value:
        case None:
            return None if name in MAY_BE_NONE else "missing"
        case int():
            return None if -INTEGER_MAX - 1 <= value <= INTEGER_MAX else "over 64 bits"
        case str():
            return None if _encodable(value) else "not valid Unicode"
        case bytes():
            return None
        case Mapping():
            fit = all(_encodable(key) and _encodable(item) for key, item in value.items())
            return None if fit else "not valid Unicode"
        case _:
            return f"cannot hold a {type(value).__name__}"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def deleted(project: str, activity: str, version: int) -> Poisonous:
    """Return the verdict of a write that would pin an execution to a version that is gone."""
    return Poisonous(message=f"version {version} of {project}/{activity} was deleted")


def same_id(execution: str, project: str, activity: str) -> Name:
    """Return the name that a start loses when its very id exists."""
    return Name(project=project, kind="id", scope=activity, name=execution, execution=execution)


def encode_cursor(*place: Any) -> str:
    """Return an opaque text for the *place* after which a list goes on."""
    text = json.dumps(place, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """Return the place of *cursor*, values of these *kinds*; ``MalformedRequest`` if it is none."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise MalformedRequest("the cursor is not one of this list: start again without it")
    if any(type(part) is int and not 0 <= part <= INTEGER_MAX for part in place):
        raise MalformedRequest("the cursor is out of range: start again without it")
    if any(type(part) is str and not _encodable(part) for part in place):
        raise MalformedRequest("the cursor is not one of this list: start again without it")
    return tuple(place)


def fitting(sizes: Iterable[int], most: int | None = None) -> int:
    """Return how many of the first, with so many bytes each, make a page: at least one."""
    total, count, most = 0, 0, PAGE_BYTES_MAX if most is None else most
    for size in sizes:
        if count and total >= most:
            break
        total, count = total + size, count + 1
    return count


def cut(found: Sequence[T], limit: int, place: Callable[[T], tuple[Any, ...]]) -> Page:
    """Return the first *limit* of what was *found*; with a cursor if there was more."""
    more = encode_cursor(*place(found[limit - 1])) if len(found) > limit else None
    return Page(items=found[:limit], next=more)


def name_of(row: BlueprintRow) -> tuple[str, str]:
    """Return the place of a blueprint in the list of the latest ones."""
    return row.project, row.activity


def task_place(row: QueueRow) -> tuple[int, str, str]:
    """Return the place of a queued task, oldest first."""
    return row.since, row.execution, row.task


def batch_place(row: BatchRow) -> tuple[int, str]:
    """Return the place of a batch, oldest first."""
    return row.created_at, row.id


def admits(which: Filter, head: HeadRow) -> bool:
    """Tell whether a list filtered by *which* has this execution."""
    return (
        (which.project is None or which.project == head.project)
        and (which.activity is None or which.activity == head.activity)
        and (not which.status or head.status in which.status)
        and (which.state is None or which.state == head.state)
        and (which.key is None or which.key == head.key)
        and (which.since is None or which.since <= head.started_at)
        and (which.until is None or head.started_at < which.until)
        and all(head.labels.get(name) == value for name, value in which.labels.items())
        and (which.text is None or which.text in head.id or which.text in (head.key or ""))
        and (which.parent is None or which.parent == head.parent)
    )


def admits_task(which: TaskFilter, row: QueueRow) -> bool:
    """Tell whether a list filtered by *which* has this queued task."""
    return (
        (which.project is None or which.project == row.project)
        and (which.activity is None or which.activity == row.activity)
        and (which.queue is None or which.queue == row.queue)
        and (which.assigned_to is None or which.assigned_to == row.assigned_to)
        and (which.status is None or which.status == row.status)
        and (which.kind is None or which.kind == row.kind)
        and (which.execution is None or which.execution == row.execution)
    )


def new_version(upload: Upload, version: int) -> BlueprintRow:
    """Return the row of an uploaded blueprint."""
    return BlueprintRow(
        project=upload.project,
        activity=upload.activity,
        version=version,
        digest=upload.digest or "",
        body=upload.body,
        findings=upload.findings,
        created_at=upload.at,
    )


def no_blueprint(upload: Upload) -> NotFound:
    """Return the refusal of workers for an activity that has no blueprint."""
    return NotFound(
        f"no blueprint {upload.project}/{upload.activity}: upload one before its workers"
    )


def pinned(project: str, activity: str, version: int) -> Conflict:
    """Return the refusal to delete a version that executions need."""
    return Conflict(
        f"executions are pinned to {project}/{activity} version {version}: delete them first",
        code="version_in_use",
    )


def exists(path: str) -> Conflict:
    """Return the refusal to write a backup over something."""
    return Conflict(f"{path} exists: name a new file", code="file_exists")


def not_written(path: str, error: OSError) -> Unavailable:
    """Return the failure of a backup; nothing of it is left."""
    return Unavailable(f"cannot write {path}: {error.strerror}", code="backup_failed")


def not_copied(error: Exception) -> Unavailable:
    """Return the failure of a backup whose source cannot be read."""
    return Unavailable(f"cannot copy the store: {error}", code="backup_failed")


def closed() -> Unavailable:
    """Return what a call on a store gets that is not open."""
    return Unavailable("the store is closed", code="store_closed")
