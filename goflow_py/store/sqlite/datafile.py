"""The data file's place: directory, permissions, room, and the lock against a second server."""

import contextlib
import fcntl
import logging
import os
from pathlib import Path

from goflow_py.errors import StartRefused
from goflow_py.store.sqlite import failures, wal

log = logging.getLogger(__name__)

RESERVE_BYTES = 4 * 1024 * 1024
"""Kept from the disk for those who end or delete executions when it is full."""
ROOM_BYTES_MIN = 4 * RESERVE_BYTES
"""No reserve is made on a disk that has less."""
FREE_BYTES_MIN = 1024 * 1024
"""With less a disk is full: the next large commit may not fit."""
KEY_SUFFIX = ".key"
"""The server's key stands beside its data: without it, callbacks of that time are refused."""
SIDES = ("-wal", "-shm")
"""SQLite's own files beside a data file."""


class DataFile:
    """A private file that one server at a time has.

    SQLite itself lets many processes write, and versions before 3.51.3 can then damage the file.
    """

    def __init__(self, path: Path) -> None:
        # A link to the file is the file: its lock must be the same.
        self.path = path = path.resolve()
        self.lock_path = path.with_name(path.name + ".lock")
        self._reserve_path = path.with_name(path.name + ".reserve")
        self._lock: int | None = None
        self._log_is_gone = False

    def acquire(self) -> None:
        """Create what is missing, readable by its owner alone, and lock it; ``StartRefused``."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_hard_links()
            self._lock = self._locked()
            self._refuse_cut_restore()
            # Before SQLite does: closing it later would drop SQLite's own locks.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._sync_directories()
        except OSError as error:
            self.release()
            raise StartRefused(
                f"{self.path} cannot be written: {error.strerror}: check its directory"
            ) from error

    def release(self) -> None:
        """Let the next server have it. The lock file stays: deleting it would race."""
        if self._lock is not None:
            self.spend()
            with contextlib.suppress(OSError):  # says that it was not cut
                os.truncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def refuse_full(self) -> None:
        """Raise ``Unavailable`` when the disk has no room for a commit."""
        free = self._free()
        if free is not None and free < FREE_BYTES_MIN:
            raise failures.full()

    def reserve(self) -> None:
        """Take room that ``spend`` can give back, where there is plenty and none is taken yet."""
        if self._reserve_path.exists() or (self._free() or 0) < ROOM_BYTES_MIN:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self._reserve_path, flags, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:  # a limit that the disk's own numbers do not show
            self.spend()

    def spend(self) -> bool:
        """Give the reserve back to the disk; tell whether there was one."""
        try:
            self._reserve_path.unlink()
        except OSError:
            return False
        return True

    def _free(self) -> int | None:
        """Return the bytes that the disk has left for us; None where it does not say."""
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize if disk.f_blocks else None

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

    def _refuse_cut_restore(self) -> None:
        if finish_restore(self.path):
            self.release()  # whoever starts here has read the key that was there before
            raise StartRefused(
                f"a restore of {self.path} was cut short, and is finished now: start again"
            )

    def _sync_directories(self) -> None:
        """Make the way to the file durable: SQLite syncs the last directory, not those above.

        All of them, for who made them may have crashed before this.
        """
        for directory in self.path.parent.parents:
            with contextlib.suppress(OSError):  # one that we may not read is not ours
                sync(directory)

    def examine(self) -> None:
        """Raise ``StartRefused`` when acknowledged commits are lost in a damaged log."""
        if self._log_is_gone:
            log.warning(
                "the server before was cut, and its log is gone: what it held is lost",
                extra={"file": str(self.wal_path)},
            )
        damage = wal.damage(self.path)
        if damage is not None:
            raise StartRefused(f"{self.path} {damage}")

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
        was_cut = bool(os.pread(lock, 1, 0))
        self._log_is_gone = was_cut and self.size() > 0 and not self.wal_path.exists()
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock


# ---------------------------------------------------------------- a restore that was cut


def part_of(path: Path) -> Path:
    """Return the file that a restore is about to give the name *path*."""
    return path.with_name(f".{path.name}.part")


def key_part_of(path: Path) -> Path:
    """Return the key that a restore gives to *path* next."""
    return path.with_name(f".{path.name}{KEY_SUFFIX}.part")


def finish_restore(path: Path) -> bool:
    """Give a restored file its key, or remove what a restore left; tell whether it was given.

    A part that is there has not become the data: its key must not be the server's. One that is
    gone has, whatever was cut after it. The caller holds the lock.
    """
    part, key = part_of(path), key_part_of(path)
    is_replaced = key.exists() and not part.exists()
    if is_replaced:
        key.replace(path.with_name(path.name + KEY_SUFFIX))
    else:
        key.unlink(missing_ok=True)
    if is_replaced or part.exists():
        sync(path.parent)  # the key goes first, also when the power is cut
    for suffix in ("", "-journal", *SIDES):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    return is_replaced


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
