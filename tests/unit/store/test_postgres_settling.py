"""A commit whose answer is lost: what is stored says what became of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from goflow_py.errors import Unavailable
from goflow_py.ports import Committed, Fenced, Poisonous, Taken
from goflow_py.store.postgres import PostgresStore, writer
from goflow_py.store.postgres.queries import SQL, Statement
from tests.contract.conftest import NOW, Make
from tests.postgres import server
from tests.proxy import Proxy

COMMIT = b"the body of this step"
"""Is in what is sent to commit a step, and in no look at what is stored."""
make = Make()


@asynccontextmanager
async def cut_off(database: str, **options) -> AsyncIterator[tuple[Proxy, PostgresStore]]:
    """Give a store behind a proxy, with every shard, and an execution at seq 0."""
    async with Proxy(database) as proxy:
        store = PostgresStore(proxy.url, **options)
        await store.open(node="n", now=NOW, ttl_ms=10**9)
        try:
            await store.claim(limit=256, now=NOW)
            await store.commit([make.start(make.id(1))])
            yield proxy, store
        finally:
            await store.close()


async def records(database: str) -> list[tuple[str, int]]:
    session = await asyncpg.connect(database)
    try:
        found = await session.fetch("SELECT execution, seq FROM history ORDER BY n")
        return [tuple(row) for row in found]
    finally:
        await session.close()


@pytest.mark.parametrize("keep_far_end", [False, True], ids=["both ends", "one end"])
@pytest.mark.parametrize("fault", ["lose", "lose_answer_to"])
async def test_a_commit_that_is_cut_is_written_once_and_known(database, fault, keep_far_end):
    one, two = make.id(1), make.id(2)
    async with cut_off(database) as (proxy, store):
        setattr(proxy, fault, COMMIT)
        proxy.keep_far_end = keep_far_end
        batch = [make.step(one, 1, body=COMMIT), make.start(two, names=[make.name("n", two)])]
        assert await store.commit(batch) == [Committed(), Committed()]
        assert proxy.faults == 1
        assert await records(database) == [(one, 0), (one, 1), (two, 0)]
        assert await store.heads([one, two]) == [COMMIT, make.head(two).body]
        assert await store.commit([make.step(one, 2)]) == [Committed()], "it goes on"
        assert not store.failed


@pytest.mark.parametrize("fault", ["lose", "lose_answer_to"])
async def test_verdicts_are_the_same_whatever_is_cut(database, fault):
    one, two = make.id(1), make.id(2)
    async with cut_off(database) as (proxy, store):
        name = make.name("n", one)
        await store.commit([make.step(one, 1, write={"names": [name]})])
        setattr(proxy, fault, COMMIT)
        batch = [
            make.step(one, 2, body=COMMIT),
            make.start(two, names=[make.name("n", two)]),
            make.step(one, 9),
        ]
        assert await store.commit(batch) == [Committed(), Taken(name=name), Fenced()]
        assert await records(database) == [(one, 0), (one, 1), (one, 2)]


@pytest.mark.parametrize("fault", ["lose", "lose_answer_to"])
async def test_a_batch_that_is_written_one_by_one_is_settled_too(database, fault):
    one, two = make.id(1), make.id(2)
    async with cut_off(database) as (proxy, store):
        long = make.name("x" * 9_000 + str(list(range(3_000))), two)  # no index holds it
        batch = [make.step(one, 1, body=COMMIT), make.start(two, names=[long])]
        setattr(proxy, fault, b"COMMIT;")
        first, second = await store.commit(batch)
        assert first == Committed()
        assert isinstance(second, Poisonous)
        assert "index row" in second.message
        assert proxy.faults == 1
        assert await records(database) == [(one, 0), (one, 1)]


async def test_a_commit_that_nobody_can_ask_about_ends_the_server(database, monkeypatch):
    monkeypatch.setattr(writer, "SETTLE_SECONDS", 0.0)
    ends = []
    async with cut_off(database, on_fatal=lambda: ends.append(1)) as (proxy, store):
        proxy.lose_answer_to = COMMIT
        proxy.refuse()
        with pytest.raises(Unavailable) as caught:
            await store.commit([make.step(make.id(1), 1, body=COMMIT)])
        assert caught.value.reason == "store_unknown"
        assert (ends, store.failed) == ([1], True)
        with pytest.raises(Unavailable) as caught:
            await store.commit([make.step(make.id(1), 2)])
        assert caught.value.reason == "store_unknown"
        assert ends == [1]


async def test_a_database_that_is_away_writes_nothing_says_so_and_comes_back():
    with server() as own:
        async with own.fresh() as url:
            store = PostgresStore(url)
            await store.open(node="n", now=NOW, ttl_ms=10**9)
            try:
                await store.claim(limit=256, now=NOW)
                await store.commit([make.start(make.id(1))])
                await asyncio.to_thread(own.stop)
                for call in (
                    lambda: store.commit([make.step(make.id(1), 1)]),
                    lambda: store.head(make.id(1)),
                    store.ping,
                ):
                    with pytest.raises(Unavailable) as caught:
                        await call()
                    assert caught.value.reason == "store_unreachable"
                await asyncio.to_thread(own.start)
                assert await store.commit([make.step(make.id(1), 1)]) == [Committed()]
                assert await store.head(make.id(1)) == make.head(make.id(1), seq=1).body
                await store.ping()
                assert not store.failed
            finally:
                await store.close()


async def test_nothing_is_sent_while_the_session_before_may_still_commit(database, monkeypatch):
    one = make.id(1)
    async with cut_off(database) as (proxy, store):
        stays = Statement("SELECT $1::int = 0 AND $2::text = ''", SQL["end_session"].names)
        with monkeypatch.context() as patch:
            patch.setattr(writer, "SQL", {**SQL, "end_session": stays})
            seen = asyncio.Event()
            assert store._writer._session is not None
            store._writer._session.add_termination_listener(lambda _: seen.set())
            proxy.cut()
            await seen.wait()
            with pytest.raises(Unavailable):
                await store.commit([make.step(one, 1)])
            assert not store.failed
        assert await store.commit([make.step(one, 1)]) == [Committed()]


async def test_a_caller_that_leaves_cuts_no_commit(database):
    one = make.id(1)
    async with cut_off(database) as (_, store):
        leaving = asyncio.create_task(store.commit([make.step(one, 1)]))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await store.commit([make.step(one, 2)]) == [Committed()]
        assert await records(database) == [(one, 0), (one, 1), (one, 2)]
