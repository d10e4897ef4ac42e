"""What a database must be like for a server to start on it, and what a start makes of it."""

import asyncio

import asyncpg
import pytest

from goflow_py.errors import StartRefused, Unavailable
from goflow_py.ports import Committed
from goflow_py.store.postgres import PostgresStore, safety, schema, server_key
from goflow_py.store.postgres.address import shown
from goflow_py.store.postgres.schema import SCHEMA
from goflow_py.testing import FakeClock
from tests.contract.conftest import NOW, Make

make = Make()
ONE = make.id(1)


async def opened(database: str, name: str = "n", **options) -> PostgresStore:
    store = PostgresStore(database, **options)
    await store.open(node=name, now=NOW, ttl_ms=10**9)
    await store.claim(limit=256, now=NOW)
    return store


async def refused(database: str) -> str:
    """Return the one line with which a start is refused."""
    with pytest.raises(StartRefused) as caught:
        await PostgresStore(database).open(node="n", now=NOW, ttl_ms=1)
    line: str = caught.value.detail
    assert "\n" not in line
    assert "secret" not in line
    return line


async def run(database: str, statement: str) -> list[asyncpg.Record]:
    session = await asyncpg.connect(database)
    try:
        found: list[asyncpg.Record] = await session.fetch(statement)
        return found
    finally:
        await session.close()


# ---------------------------------------------------------------- what a commit is worth

SAFE = {
    "server_version_num": "180000",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "synchronous_standby_names": "",
    "zero_damaged_pages": "off",
    "server_encoding": "UTF8",
    "transaction_read_only": "off",
}
FLAWS = [
    ({}, None),
    ({"synchronous_commit": "remote_apply", "synchronous_standby_names": "s"}, None),
    ({"synchronous_commit": "remote_write"}, None),
    ({"synchronous_commit": "local"}, None),
    ({"synchronous_commit": "local", "synchronous_standby_names": "s"}, "a failover loses"),
    ({"synchronous_commit": "off"}, "synchronous_commit off, so a crash loses"),
    ({"fsync": "off"}, "fsync off, so a power cut destroys it: turn fsync on"),
    ({"full_page_writes": "off"}, "full_page_writes off, so a power cut destroys it"),
    ({"zero_damaged_pages": "on"}, "turn it off"),
    ({"transaction_read_only": "on"}, "takes no writes"),
    ({"server_encoding": "LATIN1"}, "LATIN1: create it with UTF8"),
    ({"server_version_num": "130011"}, "is PostgreSQL 13: use 14 or newer"),
]


@pytest.mark.parametrize(("settings", "said"), FLAWS, ids=[str(one[0]) for one in FLAWS])
def test_a_setting_that_breaks_a_promise_is_named(settings, said):
    found = safety.flaw({**SAFE, **settings})
    assert found is None if said is None else said in str(found)


UNSAFE = {
    "synchronous_commit = off": "has synchronous_commit off, so a crash loses acknowledged work",
    "zero_damaged_pages = on": "has zero_damaged_pages on",
    "default_transaction_read_only = on": "takes no writes",
}


@pytest.mark.parametrize(("setting", "said"), UNSAFE.items(), ids=UNSAFE)
async def test_a_database_that_loses_commits_is_refused(database, setting, said):
    name = database.rpartition("/")[2]
    await run(database, f"ALTER DATABASE {name} SET {setting}")
    assert said in await refused(database)


async def test_a_setting_that_changes_is_seen_by_the_next_session(database):
    store = await opened(database)
    try:
        name = database.rpartition("/")[2]
        await run(database, f"ALTER DATABASE {name} SET synchronous_commit = off")
        await run(
            database,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name LIKE 'goflow writer%'",
        )
        with pytest.raises(Unavailable, match="synchronous_commit off") as caught:
            await store.commit([make.start(ONE)])
        assert caught.value.reason == "store_unsafe"
    finally:
        await store.close()


async def test_a_server_without_fsync_is_refused(tmp_path):
    from tests.postgres import server

    with server() as own:
        own.stop()
        own.start(fsync="off")
        assert "has fsync off" in await refused(own.url())


# ---------------------------------------------------------------- addresses


async def test_addresses_that_lead_nowhere_are_refused_in_one_line(postgres):
    nowhere = postgres.url("nowhere").replace("goflow@", "goflow:secret@")
    assert await refused(nowhere) == f"{shown(nowhere)} does not exist: create it"
    off = "postgresql://goflow:secret@127.0.0.1:1/db"
    assert await refused(off) == (
        "postgresql://goflow@127.0.0.1:1/db cannot be reached: check its address, and that it runs"
    )
    nobody = postgres.url(user="nobody")
    assert "nobody" in await refused(nobody)


async def test_a_database_without_a_connection_left_says_what_to_raise(database, postgres):
    await run(database, f"ALTER DATABASE {database.rpartition('/')[2]} CONNECTION LIMIT 0")
    await run(postgres.url(), "CREATE ROLE plain LOGIN")
    try:
        said = await refused(database.replace("goflow@", "plain@"))
    finally:
        await run(postgres.url(), "DROP ROLE plain")
    assert said.endswith("has no connection left: raise max_connections")


@pytest.mark.parametrize("port", ["port", "70000", "-1"])
async def test_an_address_that_cannot_be_read_is_refused_in_one_line(port):
    odd = f"postgresql://goflow:secret@127.0.0.1:{port}/db"
    assert f"postgresql://goflow@127.0.0.1:{port}/db cannot be" in await refused(odd)
    with pytest.raises(StartRefused):
        await server_key(odd, b"k" * 32, clock=FakeClock())


async def test_the_tables_of_another_program_are_refused_and_a_schema_of_our_own_is_not(database):
    await run(database, "CREATE TABLE things (n int)")
    assert "has tables of another program" in await refused(database)
    await run(database, "CREATE SCHEMA own")
    store = await opened(f"{database}?search_path=own")
    try:
        assert await store.commit([make.start(ONE)]) == [Committed()]
        beside = await _in_a_schema(database, "second")
        assert await beside.head(ONE) is None
        await beside.close()
    finally:
        await store.close()
    assert [name for (name,) in await run(database, PUBLIC)] == ["things"]


PUBLIC = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


async def _in_a_schema(database: str, name: str) -> PostgresStore:
    await run(database, f"CREATE SCHEMA {name}")
    return await opened(f"{database}?search_path={name}")


async def test_a_schema_that_is_not_there_is_refused(database):
    assert "check its search_path" in await refused(f"{database}?search_path=none")


# ---------------------------------------------------------------- migrations


async def test_nodes_that_start_at_one_moment_migrate_once(database):
    stores = [PostgresStore(database, is_alone=False) for _ in range(5)]
    try:
        await asyncio.gather(
            *(one.open(node=f"n{n}", now=NOW, ttl_ms=9) for n, one in enumerate(stores))
        )
        applied = await run(database, "SELECT version FROM goflow_schema ORDER BY version")
        assert [version for (version,) in applied] == list(schema.KNOWN)
        assert len(await run(database, "SELECT node FROM nodes")) == 5
    finally:
        for one in stores:
            await one.close()


async def test_a_database_of_a_newer_release_or_another_build_is_refused(database):
    await (await opened(database)).close()
    await run(database, f"INSERT INTO goflow_schema VALUES ({SCHEMA + 1}, '', 0)")
    assert f"has schema {SCHEMA + 1}, this release knows {SCHEMA}" in await refused(database)
    await run(database, "DELETE FROM goflow_schema WHERE sha256 = ''")
    await run(database, "UPDATE goflow_schema SET sha256 = 'x' WHERE version = 1")
    assert "migration 1 differs" in await refused(database)


async def test_a_start_that_fails_leaves_no_session_and_the_next_one_works(database, monkeypatch):
    broken = {**schema.KNOWN, SCHEMA: f"{schema.KNOWN[SCHEMA]}; SELECT 1 / 0"}
    with monkeypatch.context() as patch:
        patch.setattr(schema, "KNOWN", broken)
        assert "division by zero" in await refused(database)
    assert await run(database, PUBLIC) == []
    left = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'goflow%'"
    while await run(database, left):  # a round trip each
        pass
    await (await opened(database)).close()


async def test_tables_that_moved_to_another_cluster_begin_another_order(database):
    store = await opened(database, has_own_time=True)
    await store.commit([make.start(ONE)])
    line, newest = await store.newest_commit()
    await store.close()
    again = await opened(database)
    assert await again.newest_commit() == (line, newest)
    await again.close()
    # As if this cluster had just begun to count, far below what was counted before.
    await run(database, "UPDATE commit_line SET system = 'another'")
    await run(database, "UPDATE history SET n = n + (1::bigint << 50)")
    await run(database, "UPDATE executions SET n = n + (1::bigint << 50)")
    moved = await opened(database)
    try:
        other, number = await moved.newest_commit()
        assert other != line
        assert number == newest + (1 << 50)
        assert await moved.commit([make.step(ONE, 1, epoch=3)]) == [Committed()]
        page = await moved.commits(after=0, limit=9)
        assert [row.record.seq for row in page.items] == [0, 1]
        assert (await moved.newest_commit())[1] == page.until > number
    finally:
        await moved.close()


# ---------------------------------------------------------------- the key


async def test_every_server_has_the_same_key(database):
    clock = FakeClock()
    first = await server_key(database, b"a" * 32, clock=clock)
    assert first == b"a" * 32
    assert await server_key(database, b"b" * 32, clock=clock) == first
    with pytest.raises(StartRefused):
        await server_key(database.replace("/db", "/none"), b"", clock=clock)
