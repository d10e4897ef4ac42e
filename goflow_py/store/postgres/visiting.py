"""A database that is looked at, or given a small thing, by who is no node of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from goflow_py.clock import Clock
from goflow_py.errors import StartRefused
from goflow_py.store.marks import Marks
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.connections import Connections
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.safety import refuse_unsafe
from goflow_py.store.postgres.schema import SCHEMA, refuse
from goflow_py.store.postgres.store import PostgresStore

VISITOR = "visitor"


class VisitedStore(PostgresStore):
    """``PostgresStore`` without its writer: no commit, no lease, no shard."""

    async def enter(self) -> None:
        """Make ready. Raises ``StartRefused`` when there is nothing of this release."""
        place = address.shown(self._url)
        session = await address.connect(self._url, role="reader", node=VISITOR)
        try:
            await refuse_unsafe(session, place)
            tables = {name for (name,) in await session.fetch(SQL["own_tables"].text)}
            if "goflow_schema" not in tables:
                raise StartRefused(f"{place} has no data of goflow: name another database")
            applied = dict(await session.fetch(SQL["applied_migrations"].text))
        finally:
            session.terminate()
        refuse(applied, place)
        if max(applied, default=0) < SCHEMA:
            raise StartRefused(f"{place} is of an older release: start this one on it first")
        self._open_connections = Connections(
            self._url, VISITOR, ttl_ms=address.IDLE_IN_TRANSACTION_MS
        )
        await self._open_connections.open()

    async def refuse_marked(self) -> None:
        """Raise ``StartRefused`` for a database that is being filled, or was moved away."""
        Marks.of(dict(await self._connections.all("marks"))).refuse(address.shown(self._url))

    async def close(self) -> None:
        """Close the sessions."""
        await self._shut()


@asynccontextmanager
async def visiting(url: str, *, clock: Clock) -> AsyncIterator[VisitedStore]:
    """Give a database's store to read from; servers go on. Raises ``StartRefused``."""
    store = VisitedStore(url, clock=clock)
    try:
        await store.enter()
    except failures.ERRORS as error:
        await store.close()
        raise failures.refusal(address.shown(url), error) from error
    except BaseException:
        await store.close()
        raise
    try:
        yield store
    finally:
        await store.close()
