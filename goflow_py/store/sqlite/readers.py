"""Read-only connections: single statements, each fetched whole, beside the writer."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from goflow_py.errors import Unavailable
from goflow_py.store import rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.queries import SQL

READERS = 2
CACHE_KIB = 2_048
BUSY_SECONDS = 2.0


class Readers:
    """Reads of the last commit. No transaction outlives a call: none would see the next commit."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._opening: dict[int, asyncio.Future[aiosqlite.Connection]] = {}
        self._load = [0] * READERS
        self._closed = False

    async def all(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a statement of ``queries.sql``."""
        if self._closed:
            raise rules.closed()
        number = self._load.index(min(self._load))
        self._load[number] += 1
        try:
            connection = await self._connection(number)
            return list(await connection.execute_fetchall(SQL[query], parameters))  # type: ignore[arg-type]
        except failures.ERRORS as error:
            raise _unavailable(error) from error
        except RuntimeError as error:  # no thread for a connection
            raise failures.unavailable(error) or error from error
        finally:
            self._load[number] -= 1

    async def one(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> tuple[Any, ...] | None:
        """Return the first row; None when there is none."""
        rows = await self.all(query, parameters)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Close what was opened, after the reads that wait."""
        self._closed = True
        for opening in list(self._opening.values()):
            with contextlib.suppress(*failures.ERRORS, RuntimeError):
                await (await opening).close()
        self._opening.clear()

    async def _connection(self, number: int) -> aiosqlite.Connection:
        # Opened when first needed, so that the server is ready sooner; not by the caller itself,
        # so that a cancelled one leaves no half-open connection.
        if number not in self._opening:
            self._opening[number] = asyncio.ensure_future(_open(self._uri))
        opening = self._opening[number]
        try:
            return await asyncio.shield(opening)
        except Exception:
            if self._opening.get(number) is opening:
                del self._opening[number]  # the next call tries again
            raise


async def _open(uri: str) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=64
    )
    connection.text_factory = failures.text
    try:
        for pragma in ("query_only = ON", f"cache_size = -{CACHE_KIB}", "trusted_schema = OFF"):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
    except BaseException:
        # Its thread would keep the process from ending.
        await connection.close()
        raise
    return connection


def _unavailable(error: Exception) -> Exception:
    return failures.unavailable(error) or Unavailable(
        f"the store cannot be read: {error}", code="store_unreadable"
    )
