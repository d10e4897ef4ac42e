"""The history checker: judges one execution by what the store holds of it.

The rules are those of ``docs/guarantees.md`` that a store shows by itself. Each breach is one
``Breach`` with the rule's name and the seq where it shows. Pure: the same code judges a user's data
file and every fault test. Records are judged here, entries in ``checker_history``, attempts in
``checker_attempts``, the head in ``checker_head``; what only the whole store shows in ``auditor``.
"""

from collections.abc import Iterator, Sequence

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.domain.history import Entry
from goflow_py.engine.breaches import Breach
from goflow_py.engine.checker_head import judge_head
from goflow_py.engine.checker_history import History
from goflow_py.engine.stand_ins import Workers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import chain
from goflow_py.ports import RecordRow

__all__ = ["Breach", "verify"]


def verify(
    head: Execution,
    records: Sequence[RecordRow],
    compiled: Compiled,
    *,
    workers: Workers | None = None,
    by_engine: bool = True,
    overdue_before: int | None = None,
) -> list[Breach]:
    """Return every breach in the history of *head*; an empty list means that all rules hold.

    *workers* are those of the activity, where they have never changed: with them the budgets of
    calls are judged, too. A history that is not *by_engine* was made of pure steps alone: nobody
    dispatched its work. Timers that were due *before* a time are lost; None: time is not asked.
    """
    read = [_entries(record) for record in records]
    found = [*_sequence(head, records, read), *_chain(head, records), *_epochs(head, records)]
    if found:
        # A history with holes or changed bytes cannot be folded to any use.
        return found
    history = History(head, compiled, workers, by_engine=by_engine)
    for entries in read:
        for entry in entries:
            history.take(entry)
    found += history.close()
    found += judge_head(
        head, history.folded, compiled, by_engine=by_engine, overdue_before=overdue_before
    )
    return found


def _entries(record: RecordRow) -> list[Entry]:
    """Return what a record holds, as far as it can be read."""
    try:
        entries = orjson.loads(record.entries)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        return []
    return entries


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("seq")) is int
        and type(entry.get("at")) is int
        and isinstance(entry.get("type"), str)
    )


def _sequence(
    head: Execution, records: Sequence[RecordRow], read: Sequence[Sequence[Entry]]
) -> Iterator[Breach]:
    """S3: seq 0..n without gaps, time never falls."""
    expected, at = 0, 0
    for record, entries in zip(records, read, strict=True):
        if not entries:
            message = f"the record {record.first_seq} to {record.seq} cannot be read"
            yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
            return
        if record.first_seq != expected:
            message = f"the record says that it begins at {record.first_seq}"
            yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
        for entry in entries:
            if entry["seq"] != expected:
                message = f"seq {entry['seq']} where {expected} was due"
                yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
                return
            if entry["at"] != record.at:
                message = f"the time of this entry is {entry['at']}, its record's {record.at}"
                yield Breach(rule="S3", execution=head.id, seq=expected, message=message)
            expected += 1
        if record.at < at:
            message = "the time of this record is before that of the one before it"
            yield Breach(rule="S3", execution=head.id, seq=record.seq, message=message)
        at = record.at
        if record.seq != expected - 1:
            message = f"the record says that it ends at {record.seq}"
            yield Breach(rule="S3", execution=head.id, seq=expected - 1, message=message)
    if head.seq != expected - 1:
        message = f"the head is at seq {head.seq}, the history ends at {expected - 1}"
        yield Breach(rule="S3", execution=head.id, seq=expected - 1, message=message)


def _chain(head: Execution, records: Sequence[RecordRow]) -> Iterator[Breach]:
    """S19: each record's hash is that of its bytes and the hash before it."""
    before = ""
    for record in records:
        before = chain(before, record.entries)
        if record.hash != before:
            message = "the bytes of this record are not those that were written"
            yield Breach(rule="S19", execution=head.id, seq=record.seq, message=message)
            return
    if head.hash != before:
        message = "the head's hash is not that of the last record"
        yield Breach(rule="S19", execution=head.id, seq=head.seq, message=message)


def _epochs(head: Execution, records: Sequence[RecordRow]) -> Iterator[Breach]:
    """S11: no record of an older owner after one of a newer owner."""
    epoch = 0
    for record in records:
        if record.epoch < epoch:
            message = f"epoch {record.epoch} after epoch {epoch}"
            yield Breach(rule="S11", execution=head.id, seq=record.seq, message=message)
        epoch = max(epoch, record.epoch)
