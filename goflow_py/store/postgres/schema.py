"""Brings a database to this release's schema, one numbered migration after the other."""

import hashlib

import asyncpg

from goflow_py.errors import StartRefused
from goflow_py.store.marks import Marks
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.statements import migrations

LOCK_CLASS = 0x676F666C
"""The first half of every advisory lock of goflow."""
LINE_BYTES = 4
"""Of the name of an order of commits."""


KNOWN = migrations(__package__)
SCHEMA = max(KNOWN)
"""The version that this release reads and writes."""


async def migrate(
    connection: asyncpg.Connection,
    place: str,
    *,
    now: int,
    line: str,
    may_be_marked: bool = False,
) -> None:
    """Apply what is missing, in one transaction, alone; *line* names the order if it is new.

    Raises ``StartRefused`` for the tables of a newer release, of another build or program, and for
    what an unfinished move left, or one away from here, unless it *may_be_marked*.
    """
    async with connection.transaction():
        if await connection.fetchval(SQL["schema_name"].text) is None:
            raise StartRefused(f"{place} has no schema to write to: check its search_path")
        await connection.execute(SQL["lock_schema"].text, LOCK_CLASS)
        tables = {name for (name,) in await connection.fetch(SQL["own_tables"].text)}
        if tables and "goflow_schema" not in tables:
            raise StartRefused(
                f"{place} has tables of another program: name another database, or a schema "
                "of its own with ?search_path=NAME"
            )
        if not tables:
            await connection.execute(SQL["create_schema_table"].text)
        applied = dict(await connection.fetch(SQL["applied_migrations"].text))
        refuse(applied, place)
        if applied and not may_be_marked:
            Marks.of(dict(await connection.fetch(SQL["marks"].text))).refuse(place)
        for version, text in KNOWN.items():
            if version not in applied:
                await connection.execute(text)
                await connection.execute(SQL["note_migration"].text, version, digest_of(text), now)
        await _settle_line(connection, line)


def refuse(applied: dict[int, str], place: str) -> None:
    """Raise ``StartRefused`` for migrations that this release does not know like that."""
    newest = max(applied, default=0)
    if newest > SCHEMA:
        raise StartRefused(
            f"{place} has schema {newest}, this release knows {SCHEMA}: "
            "start the newer release, or restore a backup from before its first start"
        )
    for version, text in KNOWN.items():
        if version in applied and applied[version] != digest_of(text):
            raise StartRefused(
                f"{place} was made by another build (migration {version} differs): "
                "start the build that made it"
            )


def digest_of(text: str) -> str:
    """Return what a database notes of a migration."""
    return hashlib.sha256(text.encode()).hexdigest()


async def _settle_line(connection: asyncpg.Connection, line: str) -> None:
    """Name the order of commits; begin another one when the tables moved to another cluster."""
    system = await connection.fetchval(SQL["system"].text)
    row = await connection.fetchrow(SQL["line"].text)
    if row is None:
        await connection.execute(SQL["first_line"].text, line, system)
    elif row["system"] != system:
        await connection.execute(SQL["next_line"].text, line, system)
