"""Brings a data file to this release's schema, one numbered migration after the other."""

import hashlib
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from goflow_py.errors import StartRefused
from goflow_py.store.sqlite.queries import SQL


def migrations() -> dict[int, str]:
    """Return every migration that this release knows, by version, ascending."""
    folder = files(__package__).joinpath("migrations")
    found = {
        int(file.name[:4]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


KNOWN = migrations()
SCHEMA = max(KNOWN)
"""The version that this release reads and writes."""


def migrate(connection: sqlite3.Connection, path: Path, now: int) -> None:
    """Apply what is missing, inside the caller's transaction.

    Raises ``StartRefused`` for a file of a newer release, a changed migration, another program.
    """
    tables = {name for (name,) in connection.execute(SQL["tables"])}
    if tables and "goflow_schema" not in tables:
        raise StartRefused(f"{path} belongs to another program: name another file")
    connection.execute(SQL["create_schema_table"])
    applied = dict(connection.execute(SQL["applied_migrations"]).fetchall())
    newest = max(applied, default=0)
    if newest > SCHEMA:
        raise StartRefused(
            f"{path} has schema {newest}, this release knows {SCHEMA}: "
            "start the newer release, or restore a backup from before its first start"
        )
    for version, text in KNOWN.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        if version not in applied:
            for statement in statements(text):
                connection.execute(statement)
            connection.execute(SQL["note_migration"], (version, digest, now))
        elif applied[version] != digest:
            raise StartRefused(
                f"{path} was made by another build (migration {version} differs): "
                "start the build that made it"
            )


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
