"""Copies of the data file: made while work goes on, judged before they count, put back."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from goflow_py.errors import GoFlowError, StartRefused
from goflow_py.store import rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.datafile import (
    KEY_SUFFIX,
    SIDES,
    finish_restore,
    key_part_of,
    part_of,
    sync,
)
from goflow_py.store.sqlite.queries import SQL
from goflow_py.store.sqlite.schema import migrate, version_of
from goflow_py.store.sqlite.writer import connect

KEY_BYTES = 32
TAKE_ANOTHER = "take another copy"
"""What helps when it is the copy that is damaged."""

# ---------------------------------------------------------------- make a copy


def backup(source: Path, target: Path) -> None:
    """Copy *source* to the new file *target*, private, compact, and on disk when it returns.

    The copy was read whole before it gets its name; the server's key is copied with it.

    VACUUM INTO on a read-only connection of its own: one snapshot, no lock that a writer waits
    for. The page-wise backup would start again at every commit of the writer. Meanwhile the log
    cannot be reused and grows; it shrinks with the next checkpoint.
    """
    refuse_existing(target)
    if key_part_of(source).exists():
        raise StartRefused(f"a restore of {source} was cut short: start its server, or restore")
    key = key_of(source)
    with draft_of(target) as part:
        copy(source, part)
        publish(part, target, key=key)


@contextlib.contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """Give the name of a file that becomes the new *target*; what is left of it goes at the end."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    except FileExistsError as error:
        raise rules.exists(str(target)) from error
    except OSError as error:
        raise rules.not_written(str(target), error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def publish(part: Path, target: Path, *, key: bytes | None) -> None:
    """Give a copy its name, with the key, once it was read whole. Raises ``OSError``."""
    key_target = beside(target, KEY_SUFFIX)
    try:
        judge(part)
    except StartRefused as error:
        raise rules.not_copied(error) from error
    if key is not None:
        write_private(key, key_target)
    try:
        os.link(part, target)  # unlike a rename, it never replaces a file
    except OSError:
        if key is not None:
            key_target.unlink()
        raise
    sync(target.parent)


def refuse_existing(target: Path) -> None:
    """Raise ``Conflict`` when there is something where a copy, or its key, would be."""
    for path in (target, beside(target, KEY_SUFFIX)):
        if path.exists() or path.is_symlink():
            raise rules.exists(str(path))


def remove(path: Path) -> None:
    """Remove a copy and its key."""
    for suffix in ("", KEY_SUFFIX):
        beside(path, suffix).unlink(missing_ok=True)


def copy(source: Path, part: Path) -> None:
    """Write what *source* holds now into *part*, without its unused pages."""
    create(part)
    connection = reading(source)
    try:
        connection.execute(SQL["backup"], (str(part.absolute()),))
    except failures.ERRORS as error:
        raise _failure(error) from error
    finally:
        connection.close()
    sync(part)


def create(part: Path) -> None:
    """Make an empty file: SQLite fills it, and would create one that everybody can read."""
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def judge(path: Path, *, remedy: str = failures.RESTORE) -> int:
    """Read every page of a data file; return its schema. *remedy* helps if it is damaged.

    Raises ``StartRefused`` for a damaged file, another program's, one of another build or a newer
    release. What the pages say is for the history checker to judge.
    """
    connection = reading(path)
    try:
        version = version_of(connection, path)
        [found] = connection.execute(SQL["integrity"]).fetchone()
    except failures.ERRORS as error:
        raise failures.refusal(path, error, remedy=remedy) from error
    finally:
        connection.close()
    if found != "ok":
        raise StartRefused(f"{path} is damaged: {remedy} ({' '.join(found.split())[:200]})")
    return version


def newest_change(path: Path) -> int | None:
    """Return the time of the last record in a data file; None: it has none."""
    connection = reading(path)
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
            connection.execute(SQL["new_commit_line"])
            connection.execute(SQL["forget_moves"])
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


def put_in_place(target: Path, *, key: bytes | None, kept: Path) -> bool:
    """Make the part the data, with *key*; what was there gets the name *kept*. Tell if it was.

    At no moment is there no data file: a crash leaves the old one or the new one, whole, and
    ``finish_restore`` gives it the key that it needs. None: the key that is there stays.
    """
    part, was_there = part_of(target), target.exists()
    sync(target.parent)  # that the part was here tells whether it has become the data
    if key is not None:
        write_private(key, key_part_of(target))
    if was_there:
        _write_log_back(target)
        os.link(target, kept)
    try:
        if was_there:
            _keep_what_is_beside(target, kept)
        sync(target.parent)
        part.replace(target)
    except BaseException:
        if was_there and part.exists():
            _take_back(target, kept)
        raise
    sync(target.parent)
    finish_restore(target)
    return was_there


def key_of(path: Path) -> bytes | None:
    """Return the key beside a data file; None: there is none. Raises ``StartRefused``."""
    file = beside(path, KEY_SUFFIX)
    try:
        with file.open("rb") as opened:
            key = opened.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartRefused(f"the server key {file} cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise StartRefused(
            f"{file} is no server key: it has {file.stat().st_size} bytes, not {KEY_BYTES}; "
            "put back the one that belongs to it"
        )
    return key


def _keep_what_is_beside(target: Path, kept: Path) -> None:
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            # Of a file that could not be opened. The new one must not take it for its own.
            beside(target, side).rename(beside(kept, side))
    with contextlib.suppress(FileNotFoundError):
        # As it is: a key that no server would take is no reason not to replace it.
        write_private(beside(target, KEY_SUFFIX).read_bytes(), beside(kept, KEY_SUFFIX))


def _take_back(target: Path, kept: Path) -> None:
    """Leave the old data as it was found."""
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            beside(kept, side).rename(beside(target, side))
    for suffix in ("", KEY_SUFFIX):
        beside(kept, suffix).unlink(missing_ok=True)


def _highest_epoch(path: Path) -> int:
    """Return the highest epoch that a file knows; 0: it says none."""
    with contextlib.suppress(*failures.ERRORS):
        connection = reading(path)
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


def write_private(content: bytes, target: Path) -> None:
    """Write a small file; only its owner reads it, and it is on disk."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        raise


def reading(path: Path) -> sqlite3.Connection:
    """Open a file that is looked at only."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.text_factory = failures.text
    return connection


def _failure(error: Exception) -> GoFlowError:
    # A full disk here is the copy's; a failed sync as well: neither stops the store.
    return failures.unavailable(error) or rules.not_copied(error)
