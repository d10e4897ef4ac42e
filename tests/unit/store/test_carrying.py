"""Data goes from a file to a database, and back: every table and byte, and who may start on it."""

import asyncio
import contextlib
import random
import sqlite3
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.clock import SystemClock
from goflow_py.errors import Conflict, StartRefused, Unavailable
from goflow_py.ports import KeyRow, LimitsRow, Message, Store
from goflow_py.store.carried import TABLES, Kind
from goflow_py.store.marks import MOVED, MOVING, MovedAway, Moving
from goflow_py.store.postgres import PostgresStore, carrying, server_key
from goflow_py.store.postgres.binary import Rows
from goflow_py.store.postgres.visiting import visiting
from goflow_py.store.sqlite import SqliteStore
from goflow_py.store.sqlite import carrying as files
from goflow_py.testing import FakeClock
from tests.contract.conftest import NOW, Make

make = Make()
KEY = b"k" * 32
ONE, TWO, GONE = make.id(1, 3), make.id(2, 3), make.id(3, 7)
MOVE = Moving(move="a1", source="/there/goflow.db")


async def opened(store: Any, name: str = "n") -> Any:
    await store.open(node=name, now=NOW, ttl_ms=10**9)
    await store.claim(limit=256, now=NOW)
    return store


async def fill(store: Store) -> None:
    """Put something into every table."""
    upload = make.upload("d1", workers=b"[]", findings=b"[1]", name=make.name("up", expires=NOW))
    await store.upload(upload)
    await store.upload(make.upload("d2"))
    await store.delete_version("default", "order", 1)
    await store.put_endpoint("w", "http://w/")
    await store.put_limits(
        LimitsRow(
            project="default", max_running=7, starts_per_second=0.5, max_open_calls=None,
            max_stored_bytes=2**40,
        )
    )  # fmt: skip
    await store.put_key(
        KeyRow(
            id="a1", hash="h", project=None, scopes=("admin", "task"), roles=(), description="ü",
            created_at=NOW, expires_at=None,
        )
    )  # fmt: skip
    key = make.name("k", ONE, kind="key", answer=b"\x00\xff")
    one = make.start(
        ONE, names=[key], version=2, key="k", labels={"b": "ü", "a": '"x"'}, wake=NOW + 5
    )
    task = make.task(ONE, assigned_to="mia", claimed_by="w", lease_until=NOW, status="claimed")
    await store.commit(
        [
            one,
            make.start(GONE, version=2),
            make.start(TWO, version=2, parent=ONE, body=bytes(range(256))),
        ]
    )
    await store.commit(
        [make.step(ONE, 1, 3, version=2, key="k", wake=NOW + 9, write={"queue": [task]})]
    )
    await store.delete(GONE)
    await store.deliver([make.message(ONE, "a"), make.message(TWO, "b", body=b"\x00")])
    last = (await store.drain(range(256), limit=9))[-1]
    assert await store.settle(last, None, epoch=None) is None
    await store.put_batch(make.batch("b1", project=None))
    await store.put_early(make.early("e1", activity=None))
    await store.put_early(make.early("e2"))
    await store.delete_early([(await store.early("default", "k", now=NOW, limit=9))[-1].number])


def rows_of(path: Path) -> dict[str, list[Any]]:
    """Return every row that is carried."""
    with files.readable(path, key=None) as source:
        return {table.name: sorted(source.rows(table), key=repr) for table in TABLES}


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    store = await opened(SqliteStore(tmp_path / "goflow.db"))
    await fill(store)
    await store.close()
    return tmp_path / "goflow.db"


@contextlib.asynccontextmanager
async def held(url: str) -> AsyncIterator[carrying.Database]:
    async with carrying.alone(url, clock=SystemClock()) as database:
        yield database


async def load(file: Path, url: str, *, is_done: bool = True) -> None:
    async with held(url) as database:
        with files.readable(file, key=KEY) as source:
            await database.load(source, moving=MOVE)
        if is_done:
            await database.drop_mark(MOVING)


async def run(database: str, statement: str) -> Any:
    session = await asyncpg.connect(database)
    try:
        return await session.fetchval(statement)
    finally:
        await session.close()


# ---------------------------------------------------------------- what is carried


async def test_every_row_is_the_same_behind_a_way_there_and_back(file, database, tmp_path):
    before = rows_of(file)
    assert [name for name, rows in before.items() if not rows] == []
    await load(file, database)
    async with visiting(database, clock=SystemClock()) as store:
        await store.backup(str(tmp_path / "back.db"))
    assert rows_of(tmp_path / "back.db") == before
    assert (tmp_path / "back.db.key").read_bytes() == KEY
    assert await server_key(database, b"x" * 32, clock=FakeClock()) == KEY


async def test_a_database_goes_the_other_way_whole(database, postgres, tmp_path):
    store = await opened(PostgresStore(database))
    await fill(store)
    await store.backup(str(tmp_path / "copy.db"))
    await store.close()
    before = rows_of(tmp_path / "copy.db")
    assert [name for name, rows in before.items() if not rows] == []
    async with postgres.fresh() as other:
        await load(tmp_path / "copy.db", other)
        async with visiting(other, clock=SystemClock()) as store:
            await store.backup(str(tmp_path / "again.db"))
    assert rows_of(tmp_path / "again.db") == before


async def test_what_is_carried_goes_on_in_the_database(file, database):
    await load(file, database)
    store = await opened(PostgresStore(database))
    try:
        [message] = await store.drain(range(256), limit=9)
        assert (message.execution, message.dedupe) == (ONE, "a")
        assert await store.due(range(256), until=NOW + 9, limit=9) == [(NOW + 9, ONE, "default")]
        [early] = await store.early("default", "k", now=NOW, limit=9)
        await store.deliver([Message(execution=ONE, kind="event", dedupe="c", body=b"", at=NOW)])
        await store.put_early(make.early("e3"))
        *_, new = await store.drain(range(256), limit=9)
        *_, later = await store.early("default", "k", now=NOW, limit=9)
        assert new.number > message.number + 1, "the number of one that is gone is not given again"
        assert later.number > early.number + 1
        _, newest = await store.newest_commit()
        epoch = (await epochs(database))[3]
        [verdict] = await store.commit([make.step(ONE, 4, epoch=epoch, version=2, key="k")])
        assert type(verdict).__name__ == "Committed"
        _, number = await store.newest_commit()
        assert number > newest
        assert await store.wrong_tallies() == []
        [usage] = await store.usage()
        assert usage.running == 2
        assert (await store.upload(make.upload("d3"))).version == 3
    finally:
        await store.close()


async def epochs(url: str) -> dict[int, int]:
    session = await asyncpg.connect(url)
    try:
        return dict(await session.fetch("SELECT shard, epoch FROM shards"))
    finally:
        await session.close()


async def test_owners_of_the_file_are_fenced_off_in_the_database(file, database):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE shards SET epoch = 41 WHERE shard = 9")
    await load(file, database)
    assert set((await epochs(database)).values()) == {42}


async def test_an_order_of_commits_that_was_ahead_is_not_gone_behind(file, database):
    """Numbers of a busier cluster are higher than any that this one would give."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE history SET n = n + (1 << 60)")
    await load(file, database)
    store = await opened(PostgresStore(database))
    try:
        line, before = await store.newest_commit()
        await store.commit([make.start(make.id(9), epoch=(await epochs(database))[0], version=2)])
        found, after = await store.newest_commit()
        assert (line == found, after > before > 1 << 60) == (True, True)
    finally:
        await store.close()


async def test_followers_begin_anew_behind_a_move(file, database):
    store = await opened(SqliteStore(file))
    line, _ = await store.newest_commit()
    await store.close()
    await load(file, database)
    async with visiting(database, clock=SystemClock()) as visited:
        assert (await visited.newest_commit())[0] != line


async def test_every_table_of_a_schema_is_carried_or_known_to_be_of_one_place(database, file):
    store = await opened(PostgresStore(database))
    await store.close()
    session = await asyncpg.connect(database)
    try:
        found = await session.fetch(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() ORDER BY ordinal_position"
        )
    finally:
        await session.close()
    assert {table for table, _ in found} == set(carrying.OWN_TABLES)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        here = {name for (name,) in connection.execute(names)}
        assert here == set(carrying.OWN_TABLES) - {"wakes"}
        for table in TABLES:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
            assert set(table.columns) == columns, table.name
            there = {column for name, column in found if name == table.name}
            assert set(table.columns) == there - {"lane"}, table.name


async def test_what_a_database_cannot_keep_is_said_in_one_line(file, database):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE endpoints SET url = 'http://w' || char(0)")
    with pytest.raises(StartRefused, match="cannot keep what is in the table endpoints") as caught:
        await load(file, database)
    assert "\n" not in caught.value.detail
    async with held(database) as kept:
        assert not await kept.is_filled()
        assert (await kept.marks()).moving is None


# ---------------------------------------------------------------- who may start


async def refused(store: Any) -> str:
    with pytest.raises(StartRefused) as caught:
        await store.open(node="n", now=NOW, ttl_ms=1)
    line: str = caught.value.detail
    assert "\n" not in line
    return line


async def test_no_server_takes_what_is_not_all_there(file, database):
    await load(file, database, is_done=False)
    says = "holds an unfinished move of /there/goflow.db"
    assert says in await refused(PostgresStore(database))
    assert says in await refused(PostgresStore(database, is_alone=False))
    with pytest.raises(StartRefused, match=says):
        await server_key(database, KEY, clock=FakeClock())
    async with visiting(database, clock=SystemClock()) as store:
        with pytest.raises(StartRefused, match=says):
            await store.refuse_marked()
    await load(file, database)
    await (await opened(PostgresStore(database))).close()


async def test_no_server_takes_what_was_moved_away(file, database):
    moved = MovedAway(move="a1", target="postgresql://there/db", at="2026-01-31T00:00:00Z")
    files.put_mark(file, MOVED, moved.text())
    before = rows_of(file)
    says = "was moved at 2026-01-31T00:00:00Z: serve postgresql://there/db"
    assert says in await refused(SqliteStore(file))
    assert rows_of(file) == before
    async with held(database) as place:
        await place.put_mark(MOVED, moved.text())
    assert says in await refused(PostgresStore(database))


async def test_a_database_that_a_server_has_is_not_filled(file, database, monkeypatch):
    monkeypatch.setattr("goflow_py.store.postgres.writer.LOCK_SECONDS", 0.0)
    for is_alone in (True, False):
        store = await opened(PostgresStore(database, is_alone=is_alone))
        with pytest.raises(StartRefused, match="is in use by a server: stop it first"):
            await load(file, database)
        await store.close()


async def test_a_server_waits_outside_while_a_database_is_filled(database, monkeypatch):
    monkeypatch.setattr("goflow_py.store.postgres.writer.LOCK_SECONDS", 0.0)
    async with held(database):
        assert "is in use" in await refused(PostgresStore(database, is_alone=False))


async def test_a_load_that_breaks_leaves_what_was_there(file, database):
    await load(file, database, is_done=False)
    async with held(database) as place:
        before = await place.counts()
        with files.readable(file, key=KEY) as source:
            broken = type(source)(
                rows=_breaking(source.rows), epoch=1, numbers=source.numbers, key=None
            )
            with pytest.raises(RuntimeError, match="cut"):
                await place.load(broken, moving=Moving(move="other", source="elsewhere"))
        assert await place.counts() == before
        marks = await place.marks()
        assert marks.moving is not None
        assert marks.moving.move == MOVE.move


def _breaking(rows):
    def some(table):
        for number, row in enumerate(rows(table)):
            if table.name == "history" and number:
                raise RuntimeError("cut")
            yield row

    return some


# ---------------------------------------------------------------- a copy put back


async def test_what_a_restore_replaces_can_be_served_from_its_own_schema(file, database):
    store = await opened(PostgresStore(database))
    await store.commit([make.start(make.id(5))])
    await store.upload(make.upload("old", workers=b"[]"))
    await store.close()
    async with held(database) as place:
        with files.readable(file, key=KEY) as source:
            await place.replace(source, kept="goflow_before_1")
        assert (await place.counts())[0] == 2
    now = await opened(PostgresStore(database))
    before = await opened(PostgresStore(f"{database}?search_path=goflow_before_1"))
    try:
        assert await now.head(make.id(5)) is None
        assert await before.head(make.id(5)) is not None
        assert await now.head(ONE) is not None
        await before.upload(make.upload("new", workers=b"[1]"))  # its triggers write there
        assert [row.stored_bytes for row in await now.usage()] == [
            row.stored_bytes for row in await _usage_of(file)
        ]
    finally:
        await now.close()
        await before.close()


async def _usage_of(file: Path) -> Any:
    store = await opened(SqliteStore(file))
    try:
        return await store.usage()
    finally:
        await store.close()


# ---------------------------------------------------------------- a copy made


async def test_a_copy_is_of_one_moment_and_opens_as_a_store(database, tmp_path):
    store = await opened(PostgresStore(database))
    try:
        await store.commit([make.start(ONE, body=b"\x00\xff"), make.start(TWO)])
        await store.backup(str(tmp_path / "copy.db"))
        await store.commit([make.start(make.id(9))])
    finally:
        await store.close()
    copy = await opened(SqliteStore(tmp_path / "copy.db"))
    try:
        assert await copy.heads([ONE, TWO, make.id(9)]) == [
            b"\x00\xff", f"{TWO} at 0".encode(), None,
        ]  # fmt: skip
        assert (await copy.stats())["executions"] == {"running": 2}
    finally:
        await copy.close()


async def test_a_copy_that_cannot_be_written_leaves_nothing(database, tmp_path):
    store = await opened(PostgresStore(database))
    try:
        for path in (tmp_path / "nowhere" / "copy.db", Path("/proc/copy.db")):
            with pytest.raises(Unavailable) as caught:
                await store.backup(str(path))
            assert caught.value.reason == "backup_failed"
        (tmp_path / "copy.db.key").write_bytes(b"")
        with pytest.raises(Conflict):
            await store.backup(str(tmp_path / "copy.db"))
        assert [one.name for one in tmp_path.iterdir()] == ["copy.db.key"]
    finally:
        await store.close()


async def test_a_copy_whose_session_is_cut_leaves_nothing(database, tmp_path, monkeypatch):
    put = files.Filling.put

    def cutting(filling: Any, table: Any, rows: Any) -> None:
        if table.name == "executions":
            asyncio.run(run(database, CUT))
        put(filling, table, rows)

    monkeypatch.setattr(files.Filling, "put", cutting)
    store = await opened(PostgresStore(database))
    try:
        await store.commit([make.start(ONE)])
        with pytest.raises(Unavailable):
            await store.backup(str(tmp_path / "copy.db"))
        assert list(tmp_path.iterdir()) == []
    finally:
        await store.close()


CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name LIKE 'goflow reader %'"
)


KINDS = (Kind.INTEGER, Kind.TEXT, Kind.BYTES, Kind.REAL)
VALUES = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    st.none() | st.binary(max_size=200),
    st.none() | st.floats(allow_nan=False),
)


@given(st.lists(VALUES, max_size=8), st.integers(0, 2**32))
def test_rows_are_read_wherever_their_parts_end(rows, seed):
    content = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(map(_binary, rows)) + b"\xff\xff"
    chance, reader, found, place = random.Random(seed), Rows(KINDS), [], 0
    while place < len(content):
        size = chance.randint(1, 40)
        found += reader.feed(content[place : place + size])
        place += size
    assert found == rows


def _binary(row: tuple[Any, ...]) -> bytes:
    made = struct.pack(">h", len(row))
    for value in row:
        match value:
            case None:
                made += struct.pack(">i", -1)
                continue
            case int():
                content = struct.pack(">q", value)
            case float():
                content = struct.pack(">d", value)
            case str():
                content = value.encode()
            case _:
                content = value
        made += struct.pack(">i", len(content)) + content
    return made
