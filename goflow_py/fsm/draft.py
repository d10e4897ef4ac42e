"""A step in the making: a private copy of an execution, and the entries that changed it."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from goflow_py.domain import durations
from goflow_py.domain.execution import Execution, copy
from goflow_py.domain.history import Entry, EntryType
from goflow_py.domain.values import value
from goflow_py.fsm.bytes_bound import check_record, check_step, is_ending
from goflow_py.fsm.fold import apply, status_of

HASH_BYTES = 16
SMALL_BYTES = 1024 * 1024
"""Steps up to this size are over no limit."""
ENTRIES_AT_ONCE = 8
"""More are encoded one by one, so that what is too large is noticed before it fills the memory."""


Happening = Mapping[str, Any]
"""What expressions see as ``event``: its ``name`` and ``data``."""
NOTHING: Happening = {"name": None, "data": None}


@value
class SealedRecord:
    """What one digest wrote: its entries as JSON, chained to the record before it."""

    first_seq: int
    seq: int
    at: int
    entries: bytes
    hash: str


class Draft:
    """Collects entries; each changes the copy at once. ``before`` is never touched.

    *now* is the time of all entries, raised to the newest entry's where the clock fell back.
    """

    __slots__ = (
        "_closed",
        "_document",
        "_entries",
        "_event",
        "_facts",
        "after",
        "before",
        "now",
        "records",
        "size",
    )

    def __init__(self, execution: Execution, now: int) -> None:
        self.before = execution
        self.after = copy(execution)
        self.now = max(now, execution.at)
        self.records: list[SealedRecord] = []
        self.size = 0
        """Bytes of the records."""
        self._entries: list[Entry] = []
        self._closed = 0  # entries that are in a record already
        self._event = NOTHING
        self._facts: dict[str, Any] | None = None
        self._document: dict[str, Any] | None = None

    @property
    def changed(self) -> bool:
        """Tell whether anything was added."""
        return bool(self._entries)

    def add(self, type: EntryType, /, **fields: Any) -> Entry:  # noqa: A002  # the wire's own word
        """Add an entry, and change the copy by it."""
        after = self.after
        entry: Entry = {"seq": after.seq + 1, "at": self.now, "type": type, **fields}
        apply(after, entry)
        self._entries.append(entry)
        self._document = None
        return entry

    def mark(self) -> int:
        """Return where the draft stands, for ``roll_back``."""
        return len(self._entries)

    def roll_back(self, mark: int) -> None:
        """Forget all entries since *mark*, which must not be in a closed record."""
        entries, self._entries = self._entries[:mark], []
        self.after = copy(self.before)
        self._document = None
        for entry in entries:
            apply(self.after, entry)
        self._entries = entries
        if self.records:
            self.after.hash = self.records[-1].hash
            self.after.status = status_of(self.after)

    def close_record(self) -> None:
        """End a record: the entries since the last one belong to one digest.

        Raises ``Oversize``.
        """
        written = self._entries[self._closed :]
        if not written:
            return
        execution = self.after
        execution.status = status_of(execution)
        entries = self._encoded(written)
        execution.hash = chain(execution.hash, entries)
        self._closed = len(self._entries)
        self.records.append(
            SealedRecord(
                first_seq=written[0]["seq"],
                seq=execution.seq,
                at=execution.at,
                entries=entries,
                hash=execution.hash,
            )
        )

    def _encoded(self, written: list[Entry]) -> bytes:
        """Return entries as a JSON list. Raises ``Oversize``."""
        if len(written) <= ENTRIES_AT_ONCE:
            entries = orjson.dumps(written)
        else:
            parts, size = list[bytes](), self.size
            for entry in written:
                parts.append(orjson.dumps(entry))
                size += len(parts[-1]) + 1
                if size > SMALL_BYTES:
                    self._check(size - self.size)
            entries = b"[" + b",".join(parts) + b"]"
        if self.size + len(entries) > SMALL_BYTES:
            self._check(len(entries))
        self.size += len(entries)
        return entries

    def _check(self, size: int) -> None:
        """Raise ``Oversize`` for a record of *size* bytes, or for the step with it."""
        check_record(self.after, size)
        check_step(self.after.id, self.size + size, ends=is_ending(self.after))

    def seal(self) -> Execution:
        """End the last record, and return the execution as it is after all of them."""
        self.close_record()
        return self.after

    # What expressions see

    def happens(self, name: str | None, data: Any) -> None:
        """Note the input that begins a digest: ``event`` in all its microsteps."""
        self._event = {"name": name, "data": data}
        self._document = None

    def document(self, **extra: Any) -> dict[str, Any]:
        """Return what expressions see now (section 7 of the language); not to be changed."""
        known = self._document
        if known is None:
            known = self._document = self._new_document()
        return {**known, **extra} if extra else known

    def _new_document(self) -> dict[str, Any]:
        execution = self.after
        facts = self._facts
        if facts is None or not execution.seq:
            facts = self._facts = self._constant_facts()
        return {
            **execution.outputs,
            "input": execution.input,
            "data": execution.data,
            "event": self._event,
            "error": execution.error,
            "execution": {**facts, "state": execution.state, "visit": execution.visit},
        }

    def _constant_facts(self) -> dict[str, Any]:
        """Return what of ``execution`` is the same in the whole step."""
        execution = self.after
        return {
            "id": execution.id,
            "key": execution.key,
            "project": execution.project,
            "activity": execution.activity,
            "version": execution.version,
            "startedAt": durations.rfc3339(execution.started_at),
        }


def chain(before: str, entries: bytes) -> str:
    """Return the hash of a record, given the hash of the one before it."""
    return blake2b(before.encode() + entries, digest_size=HASH_BYTES).hexdigest()
