"""A consistent copy of the file while work goes on."""

import contextlib
import os
import sqlite3
from pathlib import Path

from goflow_py.errors import GoFlowError
from goflow_py.store import rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.queries import SQL


def backup(source: Path, target: Path) -> None:
    """Copy *source* to the new file *target*, private, compact, and on disk when it returns.

    VACUUM INTO on a read-only connection of its own: one snapshot, no lock that a writer waits
    for. The page-wise backup would start again at every commit of the writer. Meanwhile the log
    cannot be reused and grows; it shrinks with the next checkpoint.
    """
    if target.exists():
        raise rules.exists(str(target))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _copy(source, part)
        os.link(part, target)  # unlike a rename, it never replaces a file
        _sync(target.parent)
    except FileExistsError as error:
        raise rules.exists(str(target)) from error
    except OSError as error:
        raise rules.not_written(str(target), error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _copy(source: Path, part: Path) -> None:
    # SQLite fills an empty file, and would create one that everybody can read.
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    uri = f"{source.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute(SQL["backup"], (str(part.absolute()),))
    except sqlite3.Error as error:
        raise _failure(error) from error
    finally:
        connection.close()
    _sync(part)


def _failure(error: sqlite3.Error) -> GoFlowError:
    # A full disk here is the copy's; a failed sync as well: neither stops the store.
    return failures.unavailable(error) or rules.not_copied(error)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
