"""A copy of all tables in one file: for safekeeping, and to carry them elsewhere.

A zip file: ``goflow.json`` says which schema it is of, and each table is the text that PostgreSQL's
``COPY ... FROM`` reads. All are of one moment.
"""

import asyncio
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import asyncpg
import orjson

from goflow_py.store import rules
from goflow_py.store.postgres import failures
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.schema import SCHEMA

TABLE_SECONDS = 6 * 3_600.0
"""That the copy of one table may take."""


async def copy(session: asyncpg.Connection, path: str) -> None:
    """Write everything to the new file *path*; nothing is left of it when that fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise rules.exists(path) from error
    except OSError as error:
        raise rules.not_written(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                await _fill(session, archive)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except BaseException as error:
        await asyncio.to_thread(Path(path).unlink, missing_ok=True)
        if isinstance(error, OSError) and not failures.is_lost_connection(error):
            raise rules.not_written(path, error) from error
        if isinstance(error, failures.ERRORS):
            raise rules.not_copied(error) from error
        raise


async def _fill(session: asyncpg.Connection, archive: zipfile.ZipFile) -> None:
    async with session.transaction(isolation="repeatable_read", readonly=True):
        await session.execute(SQL["take_time"].text)
        schema = await session.fetchval(SQL["schema_name"].text)
        tables = [name for (name,) in await session.fetch(SQL["own_tables"].text)]
        archive.writestr("goflow.json", orjson.dumps({"schema": SCHEMA, "tables": tables}))
        for table in tables:
            with archive.open(f"{table}.copy", "w", force_zip64=True) as member:
                await session.copy_from_table(
                    table,
                    schema_name=schema,
                    output=_in_thread(member.write),
                    format="text",
                    timeout=TABLE_SECONDS,
                )


def _in_thread(write: Callable[[bytes], object]) -> Callable[[bytes], object]:
    async def written(part: bytes) -> None:
        await asyncio.to_thread(write, part)

    return written
