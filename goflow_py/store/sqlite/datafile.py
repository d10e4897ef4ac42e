"""The data file's place: its directory, its permissions, and the lock against a second server."""

import contextlib
import fcntl
import os
from pathlib import Path

from goflow_py.errors import StartRefused


class DataFile:
    """A private file that one server at a time has.

    SQLite itself lets many processes write, and versions before 3.51.3 can then damage the file.
    """

    def __init__(self, path: Path) -> None:
        # A link to the file is the file: its lock must be the same.
        self.path = path = path.resolve()
        self.lock_path = path.with_name(path.name + ".lock")
        self._lock: int | None = None

    def acquire(self) -> None:
        """Create what is missing, readable by its owner alone, and lock it; ``StartRefused``."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_hard_links()
            self._lock = self._locked()
            # Before SQLite does: closing it later would drop SQLite's own locks.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            self.release()
            raise StartRefused(
                f"{self.path} cannot be written: {error.strerror}: check its directory"
            ) from error

    def release(self) -> None:
        """Let the next server have it. The lock file stays: deleting it would race."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def size(self) -> int:
        """Return the bytes on disk, those of the write-ahead log included."""
        total = 0
        for name in (self.path, self.wal_path):
            with contextlib.suppress(FileNotFoundError):
                total += name.stat().st_size
        return total

    @property
    def wal_path(self) -> Path:
        """Return where SQLite keeps the write-ahead log."""
        return self.path.with_name(self.path.name + "-wal")

    def _refuse_hard_links(self) -> None:
        if self.path.is_file() and self.path.stat().st_nlink > 1:
            raise StartRefused(
                f"{self.path} has a second name (a hard link), under which another server could "
                "write it: remove one of them"
            )

    def _locked(self) -> int:
        lock = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise StartRefused(
                f"{self.path} is in use by another server (process {holder}): "
                "stop it, or name another file"
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock
