"""A session that is kept for calls which must not wait behind others: a lease lapses meanwhile."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from goflow_py.errors import GoFlowError, Unavailable
from goflow_py.store import rules
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.connections import fetch
from goflow_py.store.postgres.queries import SQL, Statement

TRIES_MAX = 3
"""Of one call: it meets another one, or its session was cut while nobody used it."""
WAITING_MAX = 100


class Reserved:
    """One session, opened again when it is lost, for one call after the other.

    A call has *seconds*, its wait for those before it and for a new session included. Each must be
    such that it may be made twice: who does not hear of one makes it again.
    """

    def __init__(self, url: str, node: str, *, role: str, seconds: float) -> None:
        self._url = url
        self._node = node
        self._role = role
        self._seconds = seconds
        self._order = asyncio.Lock()
        self._calls = 0
        self._closed = False
        self._session: asyncpg.Connection | None = None
        self._old: int | None = None
        """The server's number of a session that was given up."""

    async def all(self, query: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one statement of ``queries.sql``; return all rows. Raises ``Unavailable``."""
        if self._closed:
            raise rules.closed()
        if self._calls >= WAITING_MAX:
            raise Unavailable("too many calls wait for the database", code="store_busy")
        self._calls += 1
        try:
            async with asyncio.timeout(self._seconds), self._order:
                return await self._try(SQL[query], given)
        except failures.ERRORS as error:
            raise failures.unavailable(error) or error from error
        finally:
            self._calls -= 1

    def close(self) -> None:
        """End the session."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    async def _try(self, asked: Statement, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        tries = 0
        while True:
            tries += 1
            try:
                return await fetch(await self._ready(), asked, given)
            except GoFlowError:
                raise
            except failures.ERRORS as error:
                if failures.is_lost(error):
                    self._drop()
                elif not isinstance(error, failures.AGAIN):
                    raise
                if tries == TRIES_MAX:
                    raise
            except BaseException:
                self._drop()  # it is in the middle of something
                raise

    async def _ready(self) -> asyncpg.Connection:
        if self._session is not None and not self._session.is_closed():
            return self._session
        session = await address.connect(self._url, role=self._role, node=self._node)
        try:
            await self._end_old(session)
        except BaseException:
            session.terminate()
            raise
        if self._closed:
            session.terminate()
            raise rules.closed()
        self._session, self._old = session, session.get_server_pid()
        return session

    async def _end_old(self, session: asyncpg.Connection) -> None:
        """End what the session before still does: it may hold the row that is asked for next.

        A renewal that waits for a standby is done on the primary then.
        """
        if self._old is not None:
            name = address.application(self._role, self._node)
            await session.execute(SQL["end_session"].text, self._old, name)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()
