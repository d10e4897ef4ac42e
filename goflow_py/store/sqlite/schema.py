"""Brings a data file to this release's schema, one numbered migration after the other."""

import hashlib
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from goflow_py.errors import StartRefused
from goflow_py.store.marks import Marks
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.queries import SQL
from goflow_py.store.statements import migrations

KNOWN = migrations(__package__)
SCHEMA = max(KNOWN)
"""The version that this release reads and writes."""


def migrate(connection: sqlite3.Connection, path: Path, now: int) -> None:
    """Apply what is missing, inside the caller's transaction.

    Raises ``StartRefused`` for a file of a newer release, a changed migration, another program.
    """
    _refuse_foreign(connection, path, may_be_empty=True)
    connection.execute(SQL["create_schema_table"])
    applied = _applied(connection, path)
    for version, text in KNOWN.items():
        if version not in applied:
            for statement in statements(text):
                connection.execute(statement)
            connection.execute(SQL["note_migration"], (version, digest_of(text), now))


def refuse(path: Path) -> None:
    """Refuse what ``migrate`` refuses, and what was moved, before anything is written to it.

    To open a file for writing changes its header, also another program's.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = failures.text
    try:
        if version_of(connection, path, may_be_empty=True):
            Marks.of(dict(connection.execute(SQL["marks"]).fetchall())).refuse(path)
    except failures.ERRORS:
        return  # who opens it for writing says what is wrong
    finally:
        connection.close()


def version_of(connection: sqlite3.Connection, path: Path, *, may_be_empty: bool = False) -> int:
    """Return the schema of a file that may be read only; 0: it has none yet.

    Raises ``StartRefused`` for a file that ``migrate`` refuses, or that is empty.
    """
    if not _refuse_foreign(connection, path, may_be_empty=may_be_empty):
        return 0
    applied = _applied(connection, path)
    if not _made_by(frozenset(applied)) <= _made(connection):
        raise StartRefused(f"{path} is damaged, its tables are others: restore a backup")
    return max(applied, default=0)


def digest_of(text: str) -> str:
    """Return what a file notes of a migration."""
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_foreign(connection: sqlite3.Connection, path: Path, *, may_be_empty: bool) -> bool:
    """Tell whether a file has tables, which are ours then."""
    tables = {name for (name,) in connection.execute(SQL["tables"])}
    if not tables and not may_be_empty:
        raise StartRefused(f"{path} is empty: name a data file")
    if tables and "goflow_schema" not in tables:
        raise StartRefused(f"{path} belongs to another program: name another file")
    return bool(tables)


def _applied(connection: sqlite3.Connection, path: Path) -> set[int]:
    """Return the migrations that a file has, each as this release knows it."""
    applied = dict(connection.execute(SQL["applied_migrations"]).fetchall())
    newest = max(applied, default=0)
    if newest > SCHEMA:
        raise StartRefused(
            f"{path} has schema {newest}, this release knows {SCHEMA}: "
            "start the newer release, or restore a backup from before its first start"
        )
    for version, text in KNOWN.items():
        if version in applied and applied[version] != digest_of(text):
            raise StartRefused(
                f"{path} was made by another build (migration {version} differs): "
                "start the build that made it"
            )
    return set(applied)


@cache
def _made_by(versions: frozenset[int]) -> frozenset[str]:
    """Return what a file holds that has these migrations."""
    connection = sqlite3.connect(":memory:")
    try:
        for version in sorted(versions):
            connection.executescript(KNOWN[version])
        return _made(connection)
    finally:
        connection.close()


def _made(connection: sqlite3.Connection) -> frozenset[str]:
    """Return how each table, index and trigger was made, without white space."""
    return frozenset("".join(made.split()) for (made,) in connection.execute(SQL["schema"]))


def statements(script: str) -> Iterator[str]:
    """Split a script; a trigger's inner semicolons do not end it.

    ``executescript`` would do, but it commits the transaction that holds the migration together.
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""
    if any(line.strip() and not line.startswith("--") for line in pending.splitlines()):
        raise ValueError(f"a migration ends within a statement: {pending.strip()[:60]}")
