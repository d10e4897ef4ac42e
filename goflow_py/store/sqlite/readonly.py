"""A data file that is only looked at: nothing is locked, migrated or written."""

from pathlib import Path

from goflow_py.store.sqlite.readers import Readers
from goflow_py.store.sqlite.store import SqliteStore


class ReadOnlyStore(SqliteStore):
    """``SqliteStore`` without its writer: every method that changes something is refused."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._open_readers = Readers(path)

    async def close(self) -> None:
        """Close the file."""
        if self._open_readers is not None:
            await self._open_readers.close()
            self._open_readers = None
