"""What SQLite's errors mean: come back later, never write again, do not even start."""

import sqlite3
from pathlib import Path

from goflow_py.errors import StartRefused, Unavailable

UNAVAILABLE = {
    sqlite3.SQLITE_FULL: ("store_full", "the disk is full: free some space"),
    sqlite3.SQLITE_BUSY: ("store_busy", "another program holds the data file: close it"),
    sqlite3.SQLITE_LOCKED: ("store_busy", "another program holds the data file: close it"),
    sqlite3.SQLITE_NOMEM: ("store_memory", "there is no memory left"),
    sqlite3.SQLITE_READONLY: ("store_readonly", "the data file cannot be written: check its mount"),
    sqlite3.SQLITE_IOERR: ("store_io", "the disk reports an error: check it"),
    sqlite3.SQLITE_CANTOPEN: ("store_io", "the data file cannot be opened: check its directory"),
    sqlite3.SQLITE_CORRUPT: ("store_corrupt", "the data file is damaged: restore a backup"),
    sqlite3.SQLITE_NOTADB: ("store_corrupt", "the data file is damaged: restore a backup"),
}
"""By primary code. Everything else is a mistake of ours, or a value that no column holds."""

ERRORS = (sqlite3.Error, UnicodeDecodeError, MemoryError)
"""What SQLite raises: the second for a message that quotes what is no text any more.

The third is how Python says SQLITE_NOMEM.
"""

FATAL = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
"""After a failed sync the kernel may have dropped the pages: nobody knows what is on disk."""


def text(raw: bytes) -> str:
    """Return a text of the file, whatever a sick disk made of it.

    It is another text then, and says so to whoever compares it; SQLite's own reading would break
    the whole list that it stands in.
    """
    return raw.decode("utf-8", "replace")


def is_full(error: BaseException) -> bool:
    """Tell whether there was no room on the disk."""
    return isinstance(error, sqlite3.Error) and _code(error) & 0xFF == sqlite3.SQLITE_FULL


def full() -> Unavailable:
    """Return the answer of a store whose disk is full."""
    code, reason = UNAVAILABLE[sqlite3.SQLITE_FULL]
    return Unavailable(f"the store is unavailable, {reason}", code=code)


def is_fatal(error: BaseException) -> bool:
    """Tell whether nothing may be written any more by this process."""
    return isinstance(error, sqlite3.Error) and _code(error) in FATAL


def unavailable(error: BaseException) -> Unavailable | None:
    """Return what the caller sees when the store cannot work now; None for any other error."""
    if is_fatal(error):
        return failed()
    if _is_memory(error):
        known = UNAVAILABLE.get(sqlite3.SQLITE_NOMEM)
    elif isinstance(error, sqlite3.Error):
        known = UNAVAILABLE.get(_code(error) & 0xFF)
    else:
        return None
    return (
        None
        if known is None
        else Unavailable(f"the store is unavailable, {known[1]}", code=known[0])
    )


def _is_memory(error: BaseException) -> bool:
    """Tell whether Python itself had no memory: for a statement, or for a thread."""
    without_thread = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, MemoryError) or without_thread


def concerns_all(error: BaseException) -> bool:
    """Tell whether *error* would meet every other write, too.

    A damaged page does not: who has it is set apart, and the others run.
    """
    found = unavailable(error)
    return found is not None and found.reason != "store_corrupt"


def failed() -> Unavailable:
    """Return the answer of a store that may never write again."""
    return Unavailable(
        "a sync of the data file failed: check the disk, then restart the server",
        code="store_failed",
    )


RESTORE = "restore a backup"


def refusal(path: Path, error: BaseException, *, remedy: str = RESTORE) -> StartRefused:
    """Return the one line that says why *path* cannot be used; *remedy*: if it is damaged."""
    code = _code(error) & 0xFF if isinstance(error, sqlite3.Error) else None
    if isinstance(error, UnicodeDecodeError):  # a name or a text in it is no text any more
        code = sqlite3.SQLITE_CORRUPT
    if _is_memory(error):
        code = sqlite3.SQLITE_NOMEM
    match code:
        case sqlite3.SQLITE_NOTADB:
            reason = f"is not a database: name another file, or {remedy}"
        case sqlite3.SQLITE_CORRUPT:
            reason = f"is damaged: {remedy}"
        case sqlite3.SQLITE_READONLY:
            reason = "is read-only: check its permissions and its mount"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            reason = "cannot be opened: check its permissions"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            reason = "is held by another program: close it"
        case sqlite3.SQLITE_FULL:
            reason = "is on a full disk: free some space"
        case sqlite3.SQLITE_NOMEM:
            reason = "cannot be opened, there is no memory left: give the server more"
        case _:
            reason = f"cannot be opened: {' '.join(str(error).split())}"
    return StartRefused(f"{path} {reason}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
