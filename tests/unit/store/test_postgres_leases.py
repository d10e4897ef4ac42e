"""A lease is renewed whatever else the database does for this node, or does not."""

import asyncio

import pytest

from goflow_py.clock import SystemClock
from goflow_py.errors import StartRefused, Unavailable
from goflow_py.ports import SHARDS
from goflow_py.store.postgres import PostgresStore, address, connections
from goflow_py.store.postgres.connections import SESSIONS_MAX
from tests.contract.conftest import NOW, Make
from tests.postgres import server
from tests.unit.store.test_postgres_nodes import node, session, waits_for_a_lock

make = Make()
TTL_MS = 3_000


async def test_a_lease_is_renewed_while_every_session_is_busy(database):
    async with node(database, "a") as a, node(database, "b") as b, session(database) as slow:
        await a.claim(limit=9, now=NOW)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("LOCK TABLE executions")
        reads = [asyncio.create_task(a.head(make.id(1))) for _ in range(3 * SESSIONS_MAX)]
        await waits_for_a_lock(slow, SESSIONS_MAX)
        assert await a.heartbeat(now=NOW + 1)
        await a.release([3])
        assert await b.claim(limit=1, now=NOW) == {3: 2}
        assert [row.shards for row in await a.nodes(now=NOW)] == [8, 1]
        await transaction.rollback()
        assert await asyncio.gather(*reads) == [None] * len(reads)


async def test_a_lease_is_renewed_while_a_shard_cannot_be_given_up(database):
    async with node(database, "a") as a, session(database) as slow:
        await a.claim(limit=9, now=NOW)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("SELECT 1 FROM shards WHERE shard = 3 FOR SHARE")
        release = asyncio.create_task(a.release([3]))
        await waits_for_a_lock(slow)
        assert await a.heartbeat(now=NOW + 1)
        await transaction.rollback()
        await release


async def test_a_lease_is_renewed_after_its_session_was_cut(database):
    async with node(database, "a") as a, session(database) as other:
        await a.claim(limit=1, now=NOW)
        for _ in range(2):
            assert await a.heartbeat(now=NOW)
            assert len(await a.nodes(now=NOW)) == 1
            await other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name LIKE 'goflow %'"
            )


@pytest.mark.parametrize(("ttl_ms", "shown"), [(1_500, "1500ms"), (300_000, "5s")])
async def test_a_node_that_stands_still_holds_nothing_longer_than_its_lease(
    database, ttl_ms, shown
):
    store = PostgresStore(database, is_alone=False)
    await store.open(node="a", now=NOW, ttl_ms=ttl_ms)
    try:
        ask = "SHOW idle_in_transaction_session_timeout"
        assert await store._writer.read(lambda session: session.fetchval(ask)) == shown
        assert await store._connections.write(lambda session: session.fetchval(ask)) == shown
    finally:
        await store.close()


async def test_what_no_standby_has_is_not_said_to_be_done(monkeypatch):
    monkeypatch.setattr(address, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(connections, "LONGEST_SECONDS", 0.5)
    with server() as own:
        async with own.fresh() as url:
            store = PostgresStore(url, is_alone=False)
            await store.open(node="a", now=NOW, ttl_ms=TTL_MS)
            try:
                await own.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
                await own.execute("SELECT pg_reload_conf()")
                with pytest.raises(Unavailable):
                    await store.put_endpoint("pay", "http://a")
            finally:
                await own.execute("ALTER SYSTEM RESET synchronous_standby_names")
                await own.execute("SELECT pg_reload_conf()")
                await store.close()


async def test_a_lease_outlives_a_standby_that_does_not_answer():
    with server() as own:
        async with own.fresh() as url:
            store = PostgresStore(url, is_alone=False, has_own_time=False)
            await store.open(node="a", now=NOW, ttl_ms=TTL_MS)
            try:
                await store.claim(limit=1, now=NOW)
                await own.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
                await own.execute("SELECT pg_reload_conf()")
                # Each is given up before the lease is over, and counts on the primary.
                for later in (1_000, 3_500):
                    with pytest.raises(Unavailable):
                        await store.heartbeat(now=NOW + later)
                await own.execute("ALTER SYSTEM RESET synchronous_standby_names")
                await own.execute("SELECT pg_reload_conf()")
                assert await store.heartbeat(now=NOW + 6_000)
            finally:
                await store.close()


class OtherClock(SystemClock):
    """Differs from the database's."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ahead_ms = round(seconds * 1000)

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead_ms


@pytest.mark.parametrize(("seconds", "what"), [(3_600, "3600 s ahead of"), (-60, "60 s behind")])
async def test_a_clock_that_is_not_the_databases_begins_no_node(database, seconds, what):
    """Its timers would ring early, or late, where another node takes over."""
    store = PostgresStore(database, is_alone=False, clock=OtherClock(seconds))
    with pytest.raises(StartRefused, match=f"this machine's clock is {what}"):
        await store.open(node="a", now=NOW, ttl_ms=TTL_MS)
    async with node(database, "b", has_own_time=True) as b:
        assert len(await b.claim(limit=SHARDS, now=NOW)) == SHARDS


async def test_a_clock_that_goes_wrong_is_said_once(database, caplog):
    clock = OtherClock(0)
    async with node(database, "a", has_own_time=True, clock=clock) as a:
        assert "clock" not in caplog.text
        clock._ahead_ms = -5_000
        for _ in range(2):
            assert await a.heartbeat(now=NOW)
        assert caplog.text.count("this machine's clock is not the database's") == 1
