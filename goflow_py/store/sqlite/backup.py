"""Copies of the data file: made while work goes on, judged before they count, put back."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from goflow_py.errors import GoFlowError, StartRefused
from goflow_py.store import rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.queries import SQL
from goflow_py.store.sqlite.schema import migrate, version_of
from goflow_py.store.sqlite.writer import connect

KEY_SUFFIX = ".key"
"""The server's key stands beside its data: without it, callbacks of that time are refused."""
SIDES = ("-wal", "-shm")
"""SQLite's own files beside a data file."""

# ---------------------------------------------------------------- make a copy


def backup(source: Path, target: Path) -> None:
    """Copy *source* to the new file *target*, private, compact, and on disk when it returns.

    The copy was read whole before it gets its name; the server's key is copied with it.

    VACUUM INTO on a read-only connection of its own: one snapshot, no lock that a writer waits
    for. The page-wise backup would start again at every commit of the writer. Meanwhile the log
    cannot be reused and grows; it shrinks with the next checkpoint.
    """
    key, key_target = beside(source, KEY_SUFFIX), beside(target, KEY_SUFFIX)
    if target.exists() or key_target.exists():
        raise rules.exists(str(target if target.exists() else key_target))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        copy(source, part)
        try:
            judge(part)
        except StartRefused as error:
            raise rules.not_copied(error) from error
        if key.exists():
            copy_private(key, key_target)
        os.link(part, target)  # unlike a rename, it never replaces a file
        sync(target.parent)
    except FileExistsError as error:
        raise rules.exists(str(target)) from error
    except OSError as error:
        raise rules.not_written(str(target), error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def copy(source: Path, part: Path) -> None:
    """Write what *source* holds now into *part*, without its unused pages."""
    # SQLite fills an empty file, and would create one that everybody can read.
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    connection = _reading(source)
    try:
        connection.execute(SQL["backup"], (str(part.absolute()),))
    except failures.ERRORS as error:
        raise _failure(error) from error
    finally:
        connection.close()
    sync(part)


def judge(path: Path) -> int:
    """Read every page of a data file; return its schema.

    Raises ``StartRefused`` for a damaged file, another program's, one of another build or a newer
    release. What the pages say is for the history checker to judge.
    """
    connection = _reading(path)
    try:
        version = version_of(connection, path)
        [found] = connection.execute(SQL["integrity"]).fetchone()
    except failures.ERRORS as error:
        raise failures.refusal(path, error) from error
    finally:
        connection.close()
    if found != "ok":
        raise StartRefused(
            f"{path} is damaged: take another backup ({' '.join(found.split())[:200]})"
        )
    return version


def newest_change(path: Path) -> int | None:
    """Return the time of the last record in a data file; None: it has none."""
    connection = _reading(path)
    try:
        [at] = connection.execute(SQL["newest_change"]).fetchone()
    finally:
        connection.close()
    return None if at is None else int(at)


# ---------------------------------------------------------------- put one back


def settle(part: Path, *, replaced: Path, now: int) -> None:
    """Make a copy this release's, and its owner's epochs higher than any that was known.

    A node that still writes for what is *replaced* is fenced off for ever. Raises ``StartRefused``.
    """
    least = _highest_epoch(replaced)
    try:
        connection = connect(part)
        try:
            connection.execute("BEGIN IMMEDIATE")
            migrate(connection, part, now)
            connection.execute(SQL["raise_epochs"], {"least": least})
            connection.execute("COMMIT")
            # One file again: a log of its own would have to be moved with it.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        finally:
            connection.close()
        sync(part)
    except failures.ERRORS as error:
        raise failures.refusal(part, error) from error


def brought_up_to_date(source: Path, folder: Path) -> Path:
    """Return a copy of an older release's file in *folder* that this release can read."""
    part = folder / source.name
    copy(source, part)
    settle(part, replaced=source, now=0)
    return part


def put_in_place(part: Path, target: Path, *, kept: Path) -> bool:
    """Give *part* the name *target*; what was there gets the name *kept*. Tell whether it was.

    At no moment is there no data file: a crash leaves the old one or the new one, whole.
    """
    was_there = target.exists()
    if was_there:
        _write_log_back(target)
        os.link(target, kept)
        for side in SIDES:
            with contextlib.suppress(FileNotFoundError):
                # Of a file that could not be opened. The new one must not take it for its own.
                beside(target, side).rename(beside(kept, side))
        sync(target.parent)
    part.replace(target)
    sync(target.parent)
    return was_there


def put_key(source: Path, target: Path, *, kept: Path) -> bool:
    """Give *target* the key that stands beside *source*; False: there is none.

    The key that was there stays beside *kept*.
    """
    key, mine = beside(source, KEY_SUFFIX), beside(target, KEY_SUFFIX)
    if mine.exists() and not beside(kept, KEY_SUFFIX).exists():
        copy_private(mine, beside(kept, KEY_SUFFIX))
    if not key.exists():
        return False
    part = mine.with_name(f".{mine.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    copy_private(key, part)
    part.replace(mine)
    sync(mine.parent)
    return True


def _highest_epoch(path: Path) -> int:
    """Return the highest epoch that a file knows; 0: it says none."""
    with contextlib.suppress(*failures.ERRORS):
        connection = _reading(path)
        try:
            [epoch] = connection.execute(SQL["highest_epoch"]).fetchone()
            return int(epoch or 0)
        finally:
            connection.close()
    return 0


def _write_log_back(path: Path) -> None:
    """Put what stands in the log into the file, if it is one that can be written."""
    log = beside(path, "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return  # it was closed well: it is kept as it is, to the byte
    with contextlib.suppress(*failures.ERRORS):
        connection = connect(path)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


# ---------------------------------------------------------------- files


def beside(path: Path, suffix: str) -> Path:
    """Return the file that stands beside a data file."""
    return path.with_name(path.name + suffix)


def copy_private(source: Path, target: Path) -> None:
    """Copy a small file; only its owner reads it, and it is on disk."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, source.open("rb") as given:
        shutil.copyfileobj(given, file)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reading(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.text_factory = failures.text
    return connection


def _failure(error: Exception) -> GoFlowError:
    # A full disk here is the copy's; a failed sync as well: neither stops the store.
    return failures.unavailable(error) or rules.not_copied(error)
