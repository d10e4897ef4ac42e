"""A copy of a database: a data file, of one moment, while work goes on.

It can be verified, served, restored, or carried to another database, as any data file can.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg

from goflow_py.store import rules
from goflow_py.store.carried import NUMBERED, TABLES, Row, Table
from goflow_py.store.postgres import failures
from goflow_py.store.postgres.binary import Rows
from goflow_py.store.postgres.carrying import SQL, TABLE_SECONDS
from goflow_py.store.postgres.queries import SQL as STORE
from goflow_py.store.sqlite import backup
from goflow_py.store.sqlite.carrying import Filling

T = TypeVar("T")

ROWS_MAX, BYTES_MAX = 1_000, 1024 * 1024
"""What is written into the file at once; a single row may be longer."""


async def copy(
    session: asyncpg.Connection, path: str, *, now: int, mark: tuple[str, str] | None = None
) -> None:
    """Write everything, and a *mark*, to the new file *path*, the key beside it; or nothing."""
    target = Path(path)
    backup.refuse_existing(target)
    with backup.draft_of(target) as part:
        key = await _fill(session, part, now=now, mark=mark)
        await _in_thread(lambda: backup.publish(part, target, key=key))


async def _fill(
    session: asyncpg.Connection, part: Path, *, now: int, mark: tuple[str, str] | None
) -> bytes | None:
    """Make *part* a data file with everything, and with a *mark*; return the server's key.

    Raises ``OSError`` for the file, ``Unavailable`` for the database.
    """
    filling = await _in_thread(lambda: Filling(part, now=now))
    try:
        try:
            epoch, numbers, key = await _read(session, filling)
        except failures.ERRORS as error:
            if isinstance(error, OSError) and not failures.is_lost_connection(error):
                raise
            raise rules.not_copied(error) from error
        await _in_thread(lambda: filling.finish(epoch=epoch, numbers=numbers, mark=mark))
    finally:
        filling.close()
    return key


async def _read(
    session: asyncpg.Connection, filling: Filling
) -> tuple[int, dict[str, int], bytes | None]:
    async with session.transaction(isolation="repeatable_read", readonly=True):
        await session.execute(SQL["take_time"].text)
        for table in TABLES:
            await _carry(session, filling, table)
        epoch = await session.fetchval(SQL["highest_epoch"].text)
        numbers = {name: await session.fetchval(SQL["number"].text, name) for name in NUMBERED}
        key = await session.fetchval(STORE["server_key"].text)
    return epoch, numbers, None if key is None else bytes.fromhex(key)


async def _carry(session: asyncpg.Connection, filling: Filling, table: Table) -> None:
    """Put all rows of a table into the file; the database waits while they are written."""
    reader, pending, size = Rows(table.kinds), list[Row](), 0

    async def take(part: bytes) -> None:
        nonlocal pending, size
        pending += reader.feed(part)
        size += len(part)
        if size >= BYTES_MAX or len(pending) >= ROWS_MAX:
            ready, pending, size = pending, [], 0
            await _in_thread(lambda: filling.put(table, ready))

    query = SQL[f"read_{table.name}"].text.removesuffix(";")
    taken: Callable[[bytes], Awaitable[None]] = take
    await session.copy_from_query(query, output=taken, format="binary", timeout=TABLE_SECONDS)
    await _in_thread(lambda: filling.put(table, pending))


async def _in_thread(job: Callable[[], T]) -> T:
    """Run *job* to its end in a thread, also when whoever waits for it is cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(job))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
