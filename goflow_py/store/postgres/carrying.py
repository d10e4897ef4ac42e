"""A database that nothing else uses: filled with what is carried to it, cleared, set aside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from goflow_py.clock import Clock, uuid7
from goflow_py.errors import StartRefused
from goflow_py.store.carried import NUMBERED, TABLES, Source, Table
from goflow_py.store.marks import MOVING, Marks, Moving
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.queries import SQL as STORE
from goflow_py.store.postgres.queries import parse
from goflow_py.store.postgres.schema import LINE_BYTES, migrate
from goflow_py.store.postgres.writer import Writer

SQL = parse(files(__package__).joinpath("carrying.sql").read_text("utf-8"))
SET_ASIDE = files(__package__).joinpath("set_aside.sql").read_text("utf-8")
TABLE_SECONDS = 24 * 3_600.0
"""That one table may take."""
OWN_TABLES = (
    *(table.name for table in TABLES),
    *("goflow_schema", "meta", "nodes", "shards", "wakes", "commit_line"),
)
"""All that this release makes; what is not carried is of one place, or made of the others."""
LANES = frozenset({"tallies", "sizes"})
"""Counters: what is carried is in the lane of everything else."""


@asynccontextmanager
async def alone(url: str, *, clock: Clock) -> AsyncIterator["Database"]:
    """Hold a database, of this release's schema, that no server has; none gets it meanwhile.

    Raises ``StartRefused`` when a server has it, and for what a server would not start on.
    """
    place, is_open = address.with_schema(url), False
    writer = Writer(
        url,
        uuid7(clock),
        is_alone=True,
        ttl_ms=address.IDLE_IN_TRANSACTION_MS,
        clock=clock,
        on_fatal=lambda: None,
    )
    try:
        session = await writer.open()
        if not await writer.hold(session):
            raise StartRefused(f"{place} is in use by a server: stop it first")
        database = Database(session=session, place=place, clock=clock)
        await database.migrate()
        is_open = True
        yield database
    except failures.ERRORS as error:
        if is_open and isinstance(error, OSError) and not failures.is_lost_connection(error):
            raise  # of a file
        raise failures.refusal(place, error) from error
    finally:
        await writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database that is held by one session."""

    session: asyncpg.Connection
    place: str
    clock: Clock

    async def migrate(self) -> None:
        """Bring the tables to this release."""
        line = self.clock.token_bytes(LINE_BYTES).hex()
        await migrate(
            self.session, self.place, now=self.clock.now_ms(), line=line, may_be_marked=True
        )

    async def marks(self) -> Marks:
        """Return what the database says of its moves."""
        return Marks.of(dict(await self.session.fetch(STORE["marks"].text)))

    async def put_mark(self, name: str, text: str) -> None:
        """Write a mark; it is durable when this returns."""
        await self.session.execute(SQL["put_mark"].text, name, text)

    async def drop_mark(self, name: str) -> None:
        """Take a mark away."""
        await self.session.execute(SQL["drop_mark"].text, name)

    async def is_filled(self) -> bool:
        """Tell whether there is anything that a server or an operator put there."""
        return bool(await self.session.fetchval(SQL["is_filled"].text))

    async def counts(self) -> tuple[int, int]:
        """Return how many executions and records there are."""
        executions, records = await self.session.fetchrow(SQL["counts"].text)
        return executions, records

    async def newest_change(self) -> int | None:
        """Return the time of the last record; None: there is none."""
        at: int | None = await self.session.fetchval(SQL["newest_change"].text)
        return at

    async def clear(self) -> None:
        """Remove all that is in it."""
        async with self._transaction():
            await self._clear()

    async def load(self, source: Source, *, moving: Moving) -> None:
        """Take all of *source*, in place of what an unfinished move left. All of it, or nothing.

        No server takes the database before the mark that says *moving* is gone.
        """
        async with self._transaction():
            await self._clear()
            await self._fill(source)
            await self.put_mark(MOVING, moving.text())

    async def replace(self, source: Source, *, kept: str | None) -> None:
        """Take all of *source*; what is there goes to the schema *kept*. All of it, or nothing."""
        async with self._transaction():
            least = source.epoch
            if kept is not None:
                least = max(least, await self.session.fetchval(SQL["highest_epoch"].text))
                await self.session.fetch(SQL["give_kept_name"].text, kept, ",".join(OWN_TABLES))
                await self.session.execute(SET_ASIDE)
                await self.migrate()
            else:
                await self._clear()
            await self._fill(source, least=least)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self.session.transaction():
            await self.session.execute(SQL["take_time"].text)
            yield

    async def _clear(self) -> None:
        await self.session.execute(SQL["clear"].text)
        await self.session.execute(SQL["clear_facts"].text)

    async def _fill(self, source: Source, *, least: int = 0) -> None:
        schema = await self.session.fetchval(STORE["schema_name"].text)
        for table in TABLES:
            await self._take(table, source, schema)
        await self.session.execute(SQL["make_wakes"].text)
        for name in NUMBERED:
            await self.session.fetchval(SQL["set_number"].text, name, source.numbers[name])
        await self.session.execute(SQL["raise_epochs"].text, max(least, source.epoch))
        line = self.clock.token_bytes(LINE_BYTES).hex()
        await self.session.execute(SQL["new_line"].text, line)
        if source.key is not None:
            await self.session.execute(SQL["set_server_key"].text, source.key.hex())
        await self.session.execute(SQL["analyze"].text)

    async def _take(self, table: Table, source: Source, schema: str) -> None:
        columns, rows = list(table.columns), source.rows(table)
        if table.name in LANES:
            columns.append("lane")
            rows = ((*row, 0) for row in rows)
        if table.name == "sizes":
            await self.session.execute(SQL["clear_sizes"].text)
        try:
            await self.session.copy_records_to_table(
                table.name,
                records=rows,
                columns=columns,
                schema_name=schema,
                timeout=TABLE_SECONDS,
            )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            reason = " ".join(str(error).split())
            raise StartRefused(
                f"{self.place} cannot keep what is in the table {table.name} ({reason}): "
                "delete it in the source, or keep that"
            ) from error
