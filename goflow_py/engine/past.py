"""Reading a long history: in pages, in either direction, with turns for everybody else."""

import asyncio
from collections.abc import AsyncIterator

import orjson

from goflow_py.domain.history import Entry
from goflow_py.engine.heads import UNREADABLE, damaged
from goflow_py.ports import RecordRow, Store

RECORDS_PAGE = 500
PAGE_BYTES = 1024 * 1024
"""Of records that are in memory at once; one longer record is so, too."""
ENTRIES_MAX = 100_000
"""Of one history, in one answer."""
ENTRIES_BYTES_MAX = 64 * 1024 * 1024
ENTRIES_AT_ONCE = 250
"""Some milliseconds of work; then others have a turn."""
BYTES_AN_ENTRY = 2_048
"""Reading so many takes as long as going on by an entry."""


class Pace:
    """Gives others a turn whenever so much was done."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done = 0

    async def did(self, entries: int) -> None:
        """Note work that takes as long as going on by so many entries."""
        self._done += entries
        if self._done >= ENTRIES_AT_ONCE:
            self._done = 0
            await asyncio.sleep(0)  # noqa: TID251  # a turn for others: no time passes


class Past:
    """The history of one execution, record by record; between them others have turns."""

    def __init__(self, store: Store, execution: str) -> None:
        self._store = store
        self._execution = execution
        self.pace = Pace()

    async def records(self, *, after: int = -1) -> AsyncIterator[RecordRow]:
        """Go through the records that end behind seq *after*, oldest first."""
        while page := await self._store.history(
            self._execution, after=after, limit=RECORDS_PAGE, bytes_max=PAGE_BYTES
        ):
            for record in page:
                yield record
                await self.pace.did(_work(record))
            after = page[-1].seq

    async def back(self, *, before: int) -> AsyncIterator[RecordRow]:
        """Go through the records that begin in front of seq *before*, newest first."""
        while page := await self._store.history_back(
            self._execution, before=before, limit=RECORDS_PAGE, bytes_max=PAGE_BYTES
        ):
            for record in page:
                yield record
                await self.pace.did(_work(record))
            before = page[-1].first_seq


class Room:
    """What one answer may read of a history."""

    __slots__ = ("_bytes", "_entries")

    def __init__(self) -> None:
        self._entries = self._bytes = 0

    @staticmethod
    def is_enough_for(entries: int) -> bool:
        """Tell whether a history of so many entries may be read, if they are not too long."""
        return entries <= ENTRIES_MAX

    def ends_with(self, record: RecordRow) -> bool:
        """Note a record that was read; tell whether it was the last that has room."""
        self._entries += record.seq - record.first_seq + 1
        self._bytes += len(record.entries)
        return self._entries > ENTRIES_MAX or self._bytes > ENTRIES_BYTES_MAX


def entries_of(record: RecordRow) -> list[Entry]:
    """Return the entries of a record. Raises ``Damaged``."""
    try:
        found: list[Entry] = orjson.loads(record.entries)
    except UNREADABLE as error:
        raise damaged(record.execution) from error
    return found


def _work(record: RecordRow) -> int:
    return record.seq - record.first_seq + 1 + len(record.entries) // BYTES_AN_ENTRY
