"""Several nodes on one database: who may write, and in which order all is read."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from goflow_py.clock import SystemClock
from goflow_py.errors import Conflict, StartRefused, Unavailable
from goflow_py.ports import SHARDS, Committed, Fenced, Poisonous, Taken
from goflow_py.store.postgres import PostgresStore, writer
from goflow_py.store.postgres.address import application
from goflow_py.store.postgres.queries import SQL
from tests.contract.conftest import NOW, Make

make = Make()
ONE, TWO = make.id(1), make.id(2)


@asynccontextmanager
async def node(database: str, name: str, **options) -> AsyncIterator[PostgresStore]:
    """Open a node of many; its leases are by the times that the calls give."""
    store = PostgresStore(database, **{"is_alone": False, "has_own_time": False, **options})
    await store.open(node=name, now=NOW, ttl_ms=10_000)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def session(
    database: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[asyncpg.Connection]:
    found = await asyncpg.connect(database, server_settings=settings)
    try:
        yield found
    finally:
        await found.close()


# ---------------------------------------------------------------- who may write


async def test_a_node_that_comes_back_behind_its_lease_writes_nothing(database):
    async with node(database, "a") as a, node(database, "b") as b:
        assert len(await a.claim(limit=SHARDS, now=NOW)) == SHARDS
        await a.commit([make.start(ONE)])
        assert await b.claim(limit=SHARDS, now=NOW) == {}
        later = NOW + 10_000
        assert await b.heartbeat(now=NOW + 9_000)
        assert set((await b.claim(limit=SHARDS, now=later)).values()) == {2}
        assert await a.commit([make.step(ONE, 1), make.start(TWO)]) == [Fenced(), Fenced()]
        assert not await a.heartbeat(now=later)
        assert not await a.heartbeat(now=NOW), "for ever"
        assert await a.claim(limit=SHARDS, now=NOW) == {}
        assert await b.commit([make.step(ONE, 1, epoch=2)]) == [Committed()]
        assert [row.epoch for row in await b.history(ONE, after=-1, limit=9)] == [1, 2]


async def test_what_one_node_releases_another_takes(database):
    async with node(database, "a") as a, node(database, "b") as b:
        await a.claim(limit=SHARDS, now=NOW)
        await a.release([3, 4])
        assert await b.claim(limit=SHARDS, now=NOW) == {3: 2, 4: 2}
        await a.close()
        assert len(await b.claim(limit=SHARDS, now=NOW)) == SHARDS - 2


async def test_shards_are_given_up_in_the_order_in_which_commits_hold_them(database):
    async with node(database, "a") as a, session(database) as held, session(database) as other:
        await a.claim(limit=9, now=NOW)
        await other.execute("UPDATE shards SET epoch = epoch WHERE shard = 3")  # it lies last now
        transaction = held.transaction()
        await transaction.start()
        await held.execute("SELECT 1 FROM shards WHERE shard = 3 FOR SHARE")
        release = asyncio.create_task(a.release([3, 5]))
        await waits_for_a_lock(other)
        await held.execute("SELECT 1 FROM shards WHERE shard = 5 FOR SHARE NOWAIT")
        await transaction.rollback()
        await release


async def test_nodes_that_died_long_ago_are_forgotten(database):
    async with node(database, "a"), session(database) as other:
        for name, until in (("b", NOW), ("c", NOW - 2 * 86_400_000)):
            await other.execute("INSERT INTO nodes VALUES ($1, '', '', 1, $2)", name, until)
        async with node(database, "d"):
            found = await other.fetch("SELECT node FROM nodes ORDER BY node")
            assert [name for (name,) in found] == ["a", "b", "d"]


async def test_a_claim_passes_over_a_shard_in_which_its_owner_commits(database):
    async with node(database, "a") as a, node(database, "b") as b, session(database) as held:
        await a.claim(limit=1, now=NOW)
        await a.release([0])
        transaction = held.transaction()
        await transaction.start()
        await held.execute("SELECT 1 FROM shards WHERE shard = 0 FOR SHARE")
        assert list(await b.claim(limit=2, now=NOW)) == [1, 2]
        await transaction.rollback()
        assert await b.claim(limit=1, now=NOW) == {0: 2}


async def test_a_commit_behind_a_claim_waits_for_it_and_is_refused(database):
    async with node(database, "a") as a, session(database) as claiming:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE)])
        transaction = claiming.transaction()
        await transaction.start()
        await claiming.execute("UPDATE shards SET owner = 'b', epoch = epoch + 1 WHERE shard = 0")
        far = make.id(9, shard=9)
        late = asyncio.create_task(a.commit([make.step(ONE, 1), make.start(far)]))
        await waits_for_a_lock(claiming)
        await transaction.commit()
        assert await late == [Fenced(), Committed()]


async def test_starts_of_two_nodes_with_one_name_have_one_winner(database):
    async with node(database, "a") as a, node(database, "b") as b:
        mine, its = await a.claim(limit=10, now=NOW), await b.claim(limit=10, now=NOW)
        for turn in range(10):
            first, second = make.id(turn, shard=min(mine)), make.id(turn, shard=min(its))
            names = [make.name(f"n{turn}", one) for one in (first, second)]
            found = await asyncio.gather(
                a.commit([make.start(first, names=names[:1])]),
                b.commit([make.start(second, names=names[1:])]),
            )
            verdicts = [verdict for [verdict] in found]
            assert Committed() in verdicts
            winner = names[verdicts.index(Committed())]
            assert [one for one in verdicts if one != Committed()] == [Taken(name=winner)]
            assert await a.name("default", "idem", "s", f"n{turn}") == winner


async def test_counts_of_several_nodes_add_up(database):
    given: Any = {"is_alone": False, "ttl_ms": 1, "clock": SystemClock(), "on_fatal": list}
    lanes = {name: writer.Writer("", name, **given).lane for name in ("a", "b")}
    assert lanes["a"] != lanes["b"]
    async with node(database, "a") as a, node(database, "b") as b:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE, body=b"xx"), make.start(TWO, body=b"yy")])
        await a.release(range(SHARDS))
        await b.claim(limit=SHARDS, now=NOW)
        await b.commit([make.step(ONE, 1, epoch=2, status="completed", body=b"x")])
        assert await a.counts("default", "order") == {1: {"completed": 1, "running": 1}}
        assert await a.wrong_tallies() == []
        assert (await a.stats())["executions"] == {"completed": 1, "running": 1}
        [row] = await a.usage()
        kept = [await a.history(one, after=-1, limit=9) for one in (ONE, TWO)]
        assert row.stored_bytes == 3 + sum(len(one.entries) for rows in kept for one in rows)
        for one in (ONE, TWO):
            assert await a.delete(one)
        assert await a.usage() == []


async def test_leases_are_by_the_databases_clock(database):
    async with node(database, "a", has_own_time=True) as a, session(database) as other:
        assert await a.heartbeat(now=0)
        assert await a.heartbeat(now=2**60)
        assert await a.claim(limit=1, now=2**60) == {0: 1}
        await other.execute("UPDATE nodes SET lease_until = lease_until - 60000")
        assert await a.claim(limit=1, now=0) == {}
        assert not await a.heartbeat(now=0)


# ---------------------------------------------------------------- one server alone


async def test_a_second_server_is_refused_until_the_first_is_gone(database, monkeypatch):
    monkeypatch.setattr(writer, "LOCK_SECONDS", 0.0)
    async with node(database, "a", is_alone=True) as a:
        await a.claim(limit=SHARDS, now=NOW)
        with pytest.raises(StartRefused) as caught:
            await PostgresStore(database).open(node="b", now=NOW, ttl_ms=1)
        assert "is in use by another server" in caught.value.detail
        assert await a.commit([make.start(ONE)]) == [Committed()]
    async with node(database, "b", is_alone=True) as b:
        assert set((await b.claim(limit=SHARDS, now=NOW)).values()) == {2}


async def test_a_server_that_lost_the_database_to_another_ends(database, monkeypatch):
    monkeypatch.setattr(writer, "LOCK_SECONDS", 0.0)
    ends: list[int] = []
    async with node(database, "a", is_alone=True, on_fatal=lambda: ends.append(1)) as a:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE)])
        async with session(database) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = $1", application("writer", "a"),
            )  # fmt: skip
        async with node(database, "b", is_alone=True) as b:
            await b.claim(limit=SHARDS, now=NOW)
            with pytest.raises(Unavailable) as caught:
                await a.commit([make.step(ONE, 1)])
            assert (caught.value.reason, ends, a.failed) == ("store_taken", [1], True)
            assert not await a.heartbeat(now=NOW + 1)
            assert await b.commit([make.step(ONE, 1, epoch=2)]) == [Committed()]


# ---------------------------------------------------------------- the order of commits


async def numbers(store: PostgresStore) -> list[tuple[str, int]]:
    page = await store.commits(after=0, limit=99)
    assert (await store.newest_commit())[1] == page.until
    return [(row.record.execution, row.record.seq) for row in page.items]


async def test_nobody_reads_past_a_commit_that_is_under_way(database):
    far = make.id(9, shard=9)
    writing = {"application_name": application("writer", "c")}
    async with (
        node(database, "a") as a,
        node(database, "b") as b,
        session(database, writing) as slow,
        session(database) as other,
    ):
        await a.claim(limit=9, now=NOW)
        await b.claim(limit=9, now=NOW)
        await a.commit([make.start(ONE)])
        transaction = slow.transaction()
        await transaction.start()
        n = await slow.fetchval(
            "SELECT (base + pg_current_xact_id()::text::bigint) << 20 FROM commit_line"
        )
        await slow.execute(
            "INSERT INTO history SELECT execution, 7, 7, 1, 1, '', '[]', $1, status FROM history", n
        )
        assert await b.commit([make.start(far)]) == [Committed()]
        assert await numbers(a) == [(ONE, 0)], "what follows may come before it yet"
        await transaction.commit()
        assert await numbers(a) == [(ONE, 0), (ONE, 7), (far, 0)]
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval("SELECT pg_current_xact_id()::text")
        await b.commit([make.step(far, 1)])
        assert (await numbers(a))[-1] == (far, 1), "a long transaction of others holds nothing up"
        await transaction.rollback()


async def test_what_another_user_commits_is_waited_for_too(database):
    async with node(database, "a") as a, session(database) as admin:
        await a.claim(limit=9, now=NOW)
        await a.commit([make.start(ONE)])
        await admin.execute("CREATE ROLE plain LOGIN")
        try:
            await admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
            own = {"application_name": application("writer", "c")}
            async with (
                session(database.replace("goflow@", "plain@")) as reader,
                session(database, own) as slow,
            ):
                transaction = slow.transaction()
                await transaction.start()
                xid = await slow.fetchval("SELECT pg_current_xact_id()::text::bigint")
                await admin.fetchval("SELECT pg_current_xact_id()::text")  # a later one has ended
                assert await reader.fetchval(SQL["commit_bound"].text) == xid << 20
                await transaction.rollback()
                assert await reader.fetchval(SQL["commit_bound"].text) > xid << 20
        finally:
            await admin.execute("DROP OWNED BY plain; DROP ROLE plain")


async def test_a_writer_behind_others_that_are_under_way_hides_nothing_that_was_seen(database):
    writes = {"application_name": application("writer", "b")}
    async with node(database, "a") as store, session(database) as other:
        await store.claim(limit=SHARDS, now=NOW)
        await store.commit([make.start(ONE)])
        seen = await store.newest_commit()
        async with session(database, writes) as writing, other.transaction():
            await other.execute("SELECT pg_current_xact_id()")
            async with writing.transaction():
                # Its number is above the snapshot's end, which the other one holds back.
                await writing.execute("SELECT pg_current_xact_id()")
                assert await store.newest_commit() == seen


async def test_every_reader_gets_every_record_once_while_nodes_commit(database):
    async with node(database, "a") as a, node(database, "b") as b:
        work = {
            a: min(await a.claim(limit=9, now=NOW)),
            b: min(await b.claim(limit=9, now=NOW)),
        }
        writing = {store: make.id(1, shard=shard) for store, shard in work.items()}

        async def write(store: PostgresStore) -> None:
            one = writing[store]
            await store.commit([make.start(one)])
            for seq in range(1, 60):
                assert await store.commit([make.step(one, seq)]) == [Committed()]

        ends = asyncio.gather(write(a), write(b))
        found, after = [], 0
        while not ends.done() or after < (await a.newest_commit())[1]:
            page = await a.commits(after=after, limit=7)
            found += [(row.n, row.record.execution, row.record.seq) for row in page.items]
            after = page.until
        await ends
        assert [n for n, *_ in found] == sorted({n for n, *_ in found})
        for one in writing.values():
            assert [seq for _, execution, seq in found if execution == one] == list(range(60))


# ---------------------------------------------------------------- what meets a commit


async def waits_for_a_lock(asking: asyncpg.Connection, count: int = 1) -> None:
    """Return once so many sessions wait for others: each look is a round trip to the server."""
    while count > await asking.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    ):
        # A transaction sees the sessions that there were at its first look.
        await asking.execute("SELECT pg_stat_clear_snapshot()")


async def test_an_execution_that_is_deleted_under_a_step_stays_deleted(database):
    async with node(database, "a") as a, session(database) as deleting:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE), make.start(TWO)])
        transaction = deleting.transaction()
        await transaction.start()
        await deleting.execute("DELETE FROM executions WHERE id = $1", ONE)
        await deleting.execute("DELETE FROM history WHERE execution = $1", ONE)
        late = asyncio.create_task(a.commit([make.step(ONE, 1), make.step(TWO, 1)]))
        await waits_for_a_lock(deleting)
        await transaction.commit()
        assert await late == [Fenced(), Committed()]
        assert await a.head(ONE) is None
        assert await a.history(ONE, after=-1, limit=9) == []


async def test_a_deletion_behind_a_step_takes_its_record_too(database):
    async with node(database, "a") as a, session(database) as stepping:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE)])
        transaction = stepping.transaction()
        await transaction.start()
        await stepping.execute("UPDATE executions SET seq = 1")
        await stepping.execute(
            "INSERT INTO history SELECT execution, 1, 1, 1, 1, '', '[]', n + 1, status FROM history"
        )
        late = asyncio.create_task(a.delete(ONE))
        await waits_for_a_lock(stepping)
        await transaction.commit()
        assert await late
        assert await stepping.fetchval("SELECT count(*) FROM history") == 0


async def test_what_is_opened_again_is_neither_purged_nor_deleted(database):
    async with node(database, "a") as a, session(database) as opening:
        await a.claim(limit=SHARDS, now=NOW)
        ended: Any = {"status": "failed", "finished_at": NOW, "purge_at": NOW}
        await a.commit([make.start(ONE, **ended), make.start(TWO, **ended)])
        transaction = opening.transaction()
        await transaction.start()
        await opening.execute(
            "UPDATE executions SET seq = 1, finished_at = NULL, purge_at = NULL WHERE id = $1", ONE
        )
        assert await a.purge(before=NOW + 1, limit=9) == 1
        late = asyncio.create_task(a.delete(ONE, seq=0))
        await waits_for_a_lock(opening)
        await transaction.commit()
        assert not await late
        assert await a.purge(before=NOW + 1, limit=9) == 0
        assert await a.heads([ONE, TWO]) == [make.head(ONE).body, None]


async def test_a_commit_that_waits_in_a_circle_gives_way_and_is_written(database):
    async with node(database, "a") as a, session(database) as other:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE), make.start(TWO)])
        await other.execute("SET deadlock_timeout = '60s'")  # the other one is to find it
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT 1 FROM executions WHERE id = $1 FOR UPDATE", ONE)
        late = asyncio.create_task(a.commit([make.step(ONE, 1)]))
        await waits_for_a_lock(other)
        await other.execute("UPDATE shards SET epoch = epoch")  # waits for the commit to give way
        await transaction.rollback()
        assert await late == [Committed()]


async def test_a_start_that_waits_for_a_deletion_of_its_version_is_refused(database):
    async with node(database, "a") as a, session(database) as deleting:
        await a.claim(limit=SHARDS, now=NOW)
        await a.upload(make.upload("d1"))
        transaction = deleting.transaction()
        await transaction.start()
        await deleting.execute(SQL["lock_commits_out"].text)
        late = asyncio.create_task(a.commit([make.start(ONE), make.start(TWO, version=2)]))
        await waits_for_a_lock(deleting)
        await deleting.execute("DELETE FROM blueprints")
        await transaction.commit()
        gone, other = await late
        assert gone == Poisonous(message="version 1 of default/order was deleted")
        assert other == Committed()


async def test_a_deletion_of_a_version_waits_for_the_starts_of_all_nodes(database):
    async with node(database, "a") as a, node(database, "b") as b, session(database) as held:
        shard = min(await a.claim(limit=9, now=NOW))
        await a.upload(make.upload("d1"))
        transaction = held.transaction()
        await transaction.start()
        await held.execute("SELECT 1 FROM shards WHERE shard = $1 FOR UPDATE", shard)
        start = asyncio.create_task(a.commit([make.start(make.id(1, shard=shard))]))
        await waits_for_a_lock(held)
        late = asyncio.create_task(b.delete_version("default", "order", 1))
        await waits_for_a_lock(held, 2)
        await transaction.rollback()
        assert await start == [Committed()]
        with pytest.raises(Conflict) as caught:
            await late
        assert caught.value.reason == "version_in_use"
        assert await b.blueprint("default", "order", 1) is not None


async def test_nothing_is_counted_of_a_version_that_is_deleted(database):
    async with node(database, "a") as a, session(database) as other:
        await a.claim(limit=SHARDS, now=NOW)
        await a.upload(make.upload("d1"))
        await a.commit([make.start(ONE)])
        await a.delete(ONE)
        assert await a.delete_version("default", "order", 1)
        assert await other.fetchval("SELECT count(*) FROM tallies") == 0


async def test_a_deletion_of_a_version_gives_way_to_commits_that_last(database):
    async with node(database, "a") as a, session(database) as held:
        await a.upload(make.upload("d1"))
        transaction = held.transaction()
        await transaction.start()
        await held.execute(SQL["lock_commits_out"].text)
        with pytest.raises(Unavailable) as caught:
            await a.delete_version("default", "order", 1)
        assert caught.value.reason == "store_busy"
        await transaction.rollback()
        assert await a.delete_version("default", "order", 1)


HOSTILE = {
    "NUL in a state": lambda write: make.start(write.head.id, state="a\0b"),
    "NUL in a label": lambda write: make.start(write.head.id, labels={"a": "\0"}),
    "a key that no index holds": lambda write: make.start(
        write.head.id, key="".join(chr(0x4E00 + n) for n in range(5_000))
    ),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
async def test_a_write_that_only_postgres_refuses_is_refused_alone(database, spoil):
    async with node(database, "a") as a:
        await a.claim(limit=SHARDS, now=NOW)
        three, four, own = make.id(3), make.id(4), make.name("n", ONE)
        late = make.name("m", four)
        batch = [
            make.start(ONE, names=[own]),
            spoil(make.start(TWO)),
            make.step(ONE, 1, write={"freed": [own]}),
            make.start(three, names=[make.name("n", three)]),
            make.start(four, names=[late], write={"freed": [late]}),
            make.start(make.id(5), names=[make.name("m", make.id(5))]),
        ]
        first, second, third, *rest = await a.commit(batch)
        assert isinstance(second, Poisonous)
        assert second.message
        assert [first, third] == [Committed(), Committed()]
        assert rest == [Taken(name=own), Committed(), Taken(name=late)]
        assert await a.head(TWO) is None
        for name in "nm":
            assert await a.name("default", "idem", "s", name) is None
        assert await numbers(a) == [(ONE, 0), (ONE, 1), (four, 0)]
        assert await a.wrong_tallies() == []


async def test_a_history_that_is_ahead_of_its_head_fences(database):
    async with node(database, "a") as a, session(database) as other:
        await a.claim(limit=SHARDS, now=NOW)
        await a.commit([make.start(ONE), make.start(TWO)])
        await a.commit([make.step(ONE, 1)])
        await other.execute("UPDATE executions SET seq = 0 WHERE id = $1", ONE)
        assert await a.commit([make.step(ONE, 1), make.step(TWO, 1)]) == [Fenced(), Committed()]


async def test_what_a_call_left_open_is_no_part_of_the_next_one(database):
    async with node(database, "a") as a:
        await a.claim(limit=SHARDS, now=NOW)
        pids = []

        async def leave_open(session: asyncpg.Connection) -> None:
            pids.append(session.get_server_pid())
            await session.execute("BEGIN; SET LOCAL lock_timeout = 7; DELETE FROM shards")

        async def look(session: asyncpg.Connection) -> tuple[int, str, int]:
            found = await session.fetchrow(
                "SELECT pg_backend_pid(), current_setting('lock_timeout'), count(*) FROM shards"
            )
            return tuple(found)

        await a._connections.write(leave_open)
        assert await a._connections.write(look) == (pids[0], "0", SHARDS)
