"""The sessions that read, and that make the small changes beside the commits."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.store import rules
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.queries import SQL, Statement

T = TypeVar("T")

SESSIONS_MAX = 8
IDLE_SECONDS = 300.0
"""After which a session that nobody used is closed."""
WAITING_MAX = 2_000
"""Calls that wait for a session."""
WAIT_SECONDS = 10.0
LONGEST_SECONDS = address.CALL_SECONDS
"""Of one call; it is over before the server's own limit cuts it."""
CLOSE_SECONDS = 5.0
"""That the calls under way get to end."""
AGAIN_MAX = 5
"""How often a change is tried that met another one."""
NOTHING: Mapping[str, Any] = {}


class Connections:
    """A pool of sessions. What one committed, the next one sees."""

    def __init__(self, url: str, node: str, *, ttl_ms: int) -> None:
        self._calls = 0
        self._closed = False
        self._pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=SESSIONS_MAX,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            reset=_as_it_is,
            **address.options("reader", node, ttl_ms=ttl_ms),
        )

    async def open(self) -> None:
        """Make ready; sessions are opened when they are needed."""
        await self._pool

    async def all(self, query: str, given: Mapping[str, Any] = NOTHING) -> list[tuple[Any, ...]]:
        """Return all rows of a statement of ``queries.sql``."""
        statement = SQL[query]
        try:
            async with asyncio.timeout(WAIT_SECONDS + LONGEST_SECONDS):
                return await self._with(lambda session: fetch(session, statement, given))
        except failures.ERRORS as error:
            raise failures.unreadable(error) from error

    async def one(self, query: str, given: Mapping[str, Any] = NOTHING) -> tuple[Any, ...] | None:
        """Return the first row; None when there is none."""
        rows = await self.all(query, given)
        return rows[0] if rows else None

    async def change(self, query: str, given: Mapping[str, Any] = NOTHING) -> int:
        """Run one statement; return how many rows it changed."""
        return await self.write(lambda session: change(session, SQL[query], given))

    async def transact(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run *job* in a transaction; what it raises rolls back."""

        async def whole(session: asyncpg.Connection) -> T:
            async with session.transaction():
                return await job(session)

        return await self.write(whole)

    async def write(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run *job*, which is whole in itself, to its end, also when whoever asks for it leaves.

        PostgreSQL ends the wait for a standby when a statement is cancelled, and shows what it did.
        """
        return await whole(self._write(job))

    async def _write(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        for _ in range(AGAIN_MAX):
            try:
                return await self._with(lambda one: uncancelled(one, job, seconds=LONGEST_SECONDS))
            except failures.AGAIN:
                continue
            except GoFlowError:
                raise
            except failures.ERRORS as error:
                raise failures.unavailable(error) or error from error
        raise Unavailable("the store is unavailable, the database is busy", code="store_busy")

    async def close(self) -> None:
        """Close what was opened, after the calls under way."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except failures.ERRORS:
            self._pool.terminate()

    async def _with(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        if self._closed:
            raise rules.closed()
        if self._calls >= WAITING_MAX:
            raise Unavailable("too many calls wait for the database", code="store_busy")
        self._calls += 1
        try:
            async with self._pool.acquire(timeout=WAIT_SECONDS) as session:
                return await job(session)
        except asyncpg.InterfaceError:
            if self._closed:
                raise rules.closed() from None
            raise
        finally:
            self._calls -= 1


async def _as_it_is(_: asyncpg.Connection) -> None:
    """Give a session back without a round trip: nothing that a call sets outlives its transaction.

    One that a call left open was rolled back before.
    """


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Do *work* to its end, also when whoever asked for it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


async def uncancelled(
    session: asyncpg.Connection,
    job: Callable[[asyncpg.Connection], Awaitable[T]],
    *,
    seconds: float,
) -> T:
    """Run *job* to its end, or give the session up; the driver would cancel it at the server."""
    task = asyncio.ensure_future(job(session))
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        session.terminate()
    return await task


async def fetch(
    session: asyncpg.Connection, statement: Statement, given: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return all rows of a statement."""
    rows: list[Any] = await session.fetch(statement.text, *statement.values(given))
    return rows


async def change(
    session: asyncpg.Connection, statement: Statement, given: Mapping[str, Any]
) -> int:
    """Run a statement; return how many rows it changed."""
    done: str = await session.execute(statement.text, *statement.values(given))
    return int(done.rpartition(" ")[2])


def pauses(seconds: Sequence[float]) -> Iterator[float]:
    """Return the seconds between two tries, for ever: the last of them stays."""
    return itertools.chain(seconds, itertools.repeat(seconds[-1]))
