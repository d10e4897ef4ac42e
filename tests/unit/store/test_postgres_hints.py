"""Hints between nodes on one database: soon, few, and missed by nobody for long."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from goflow_py.clock import SystemClock
from goflow_py.ports import SHARDS, Hint, Name
from goflow_py.store.postgres import PostgresStore, herald
from goflow_py.store.postgres.address import application
from goflow_py.store.postgres.news import NAMES_MAX, TEXT_BYTES_MAX, News, echo, heard
from goflow_py.store.postgres.queries import SQL
from tests.contract.conftest import NOW, Make
from tests.proxy import Proxy
from tests.unit.store.test_postgres_nodes import node, session

make = Make()
SECONDS = 30.0
"""More than anything here takes; nothing waits for them to pass."""


class Ear:
    """What a session of somebody else hears on the channel of a database."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._some = asyncio.Event()

    def hear(self, _: object, __: int, ___: str, said: object) -> None:
        self.said.append(str(said))
        self._some.set()

    async def until(self, part: str) -> None:
        """Wait until something was said that has *part* in it."""
        async with asyncio.timeout(SECONDS):
            while not any(part in one for one in self.said):
                await self._some.wait()
                self._some.clear()


@asynccontextmanager
async def ear(database: str) -> AsyncIterator[Ear]:
    found = Ear()
    async with session(database) as listening:
        channel = await listening.fetchval(SQL["channel"].text)
        await listening.add_listener(channel, found.hear)
        yield found


@asynccontextmanager
async def both(database: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Open two nodes that hear each other, *a* with every shard."""
    async with node(database, "a") as a, node(database, "b") as b:
        await a.claim(limit=SHARDS, now=NOW)
        for one in (a, b):
            await one.nodes(now=NOW)
            await listens(one)
        yield a, b


async def listens(store: PostgresStore) -> None:
    """Wait until a node hears others."""
    async with asyncio.timeout(SECONDS):
        while not store._herald.is_listening:  # noqa: ASYNC110  # it is the other side of a socket
            await asyncio.sleep(0)


async def hints(store: PostgresStore, about: Hint) -> AsyncIterator[None]:
    """Return the hints from now on."""
    found = store.hints(about)
    await anext(found)
    return found


async def one_of(found: AsyncIterator[None]) -> None:
    async with asyncio.timeout(SECONDS):
        await anext(found)


async def cut(database: str, name: str) -> None:
    """End the session in which a node hears."""
    async with session(database) as other:
        ended = await other.fetchval(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE application_name = $1",
            application("herald", name),
        )
    assert ended == 1


async def settle(store: PostgresStore, number: int, said: Name | None) -> None:
    """Answer a message, of a shard that is the node's own for the first time."""
    await store.claim(limit=SHARDS, now=NOW)
    asked = dataclasses.replace(make.message(make.id(1, shard=7), "a"), number=number)
    assert await store.settle(asked, said, epoch=1) is None


def answer(asker: str) -> Name:
    return Name(project="", kind="answer", scope=asker, name="1", execution="", expires=NOW)


# ---------------------------------------------------------------- who hears what


async def test_the_owner_of_a_message_is_told_and_nobody_else(database):
    async with both(database) as (a, b), node(database, "c") as c:
        await listens(c)
        owner, sender, third = [await hints(one, Hint.MESSAGES) for one in (a, b, c)]
        others = [asyncio.ensure_future(anext(found)) for found in (sender, third)]
        free = [await hints(one, Hint.SHARDS) for one in (a, c)]
        await b.deliver([make.message(make.id(1, shard=7), "a")])
        await one_of(owner)
        await b.release([])  # told behind the message
        for found in free:
            await one_of(found)
        assert not any(waiting.done() for waiting in others)
    await asyncio.gather(*others, return_exceptions=True)


async def test_an_answer_is_told_to_the_one_who_asked(database):
    async with both(database) as (a, b), ear(database) as heard_by_all:
        asker = await hints(b, Hint.ANSWERS)
        await settle(a, 1, answer("b"))
        await one_of(asker)
        await settle(a, 2, None)
        await settle(a, 3, answer("a"))
        await a.release([3])
        await heard_by_all.until("shards")
        assert [one for one in heard_by_all.said if "answers" in one] == ['{"answers":["b"]}']


async def test_shards_that_a_node_gives_away_or_leaves_are_told(database):
    async with both(database) as (a, b):
        free = await hints(b, Hint.SHARDS)
        await a.release([3])
        await one_of(free)
        await a.close()
        await one_of(free)


async def test_commits_and_work_are_told_while_others_live(database):
    async with node(database, "a") as a, ear(database) as heard_by_all:
        await a.claim(limit=SHARDS, now=NOW)
        await a.nodes(now=NOW)
        await listens(a)
        await a.commit([make.start(make.id(1))])
        async with node(database, "b") as b:
            await listens(b)
            await a.nodes(now=NOW)
            commits, work = await hints(b, Hint.COMMITS), await hints(b, Hint.WORK)
            await a.commit([make.start(make.id(2))])
            await one_of(commits)
            await heard_by_all.until("commits")
            assert [one for one in heard_by_all.said if "commits" in one] == ['{"commits":[]}']
            three = make.id(3)
            await a.commit([make.start(three, write={"queue": [make.task(three)]})])
            await one_of(work)
            await one_of(commits)


async def test_two_stores_of_one_database_do_not_hear_each_other(database):
    async with session(database) as other:
        await other.execute("CREATE SCHEMA one")
        await other.execute("CREATE SCHEMA two")
    first, second = (f"{database}?search_path={name}" for name in ("one", "two"))
    async with both(first) as (a, b), node(second, "c") as c, node(second, "d") as d:
        for one in (c, d):
            await listens(one)
        here, there = await hints(a, Hint.SHARDS), await hints(c, Hint.SHARDS)
        answers = await hints(c, Hint.ANSWERS)
        far = asyncio.ensure_future(anext(there))
        await b.release([])
        await one_of(here)
        await settle(d, 1, answer("c"))  # told behind it
        await one_of(answers)
        assert not far.done()
    await asyncio.gather(far, return_exceptions=True)


async def test_a_server_that_is_alone_needs_no_session_for_hints(database):
    async with node(database, "a", is_alone=True) as a, session(database) as other:
        found = await hints(a, Hint.SHARDS)
        await a.release([3])
        await one_of(found)
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1"
        assert await other.fetchval(sessions, "goflow herald%") == 0


# ---------------------------------------------------------------- how many


async def test_many_messages_are_told_in_few_notifications(database):
    async with both(database) as (_, b), ear(database) as heard_by_all:
        began = time.monotonic()
        await asyncio.gather(
            *(b.deliver([make.message(make.id(n, shard=n % 50), "a")]) for n in range(300))
        )
        await b.release([])
        await heard_by_all.until("shards")
        most = (time.monotonic() - began) / herald.PAUSE_SECONDS + 2
        assert len(heard_by_all.said) <= min(most, 100)
        told = {shard for one in heard_by_all.said for shard in json.loads(one).get("messages", [])}
        assert told == {*range(50)}


async def test_commits_are_told_more_rarely_the_more_nodes_there_are(database):
    async with both(database) as (a, _), ear(database) as heard_by_all:
        a._herald.others = 8
        began = time.monotonic()
        for number in range(60):
            await a.commit([make.start(make.id(number))])
        await a.release([])
        await heard_by_all.until("shards")
        most = (time.monotonic() - began) / (8 * herald.BEHIND_SECONDS) + 2
        assert 1 <= sum("commits" in one for one in heard_by_all.said) <= most


# ---------------------------------------------------------------- sessions that are lost


async def test_a_node_whose_session_was_lost_looks_once_and_hears_again(database):
    async with both(database) as (a, b):
        found = await hints(a, Hint.MESSAGES)
        await cut(database, "a")
        await one_of(found)
        await listens(a)
        again = await hints(a, Hint.MESSAGES)
        await b.deliver([make.message(make.id(1), "a")])
        await one_of(again)


async def test_what_could_not_be_told_is_told_later(database):
    async with both(database) as (a, b):
        found = await hints(a, Hint.MESSAGES)
        await cut(database, "b")
        assert await b.deliver([make.message(make.id(1), "a")]) == [True]
        await one_of(found)


async def test_a_notification_that_is_lost_on_its_way_is_sent_again(database):
    async with Proxy(database) as proxy, node(database, "a") as a:
        await a.claim(limit=SHARDS, now=NOW)
        await listens(a)
        found = await hints(a, Hint.MESSAGES)
        async with node(proxy.url, "b") as b:
            await listens(b)
            proxy.lose = b'"messages"'
            assert await b.deliver([make.message(make.id(1), "a")]) == [True]
            await one_of(found)
            assert proxy.faults == 1


async def test_a_node_without_a_session_works_and_says_so_once(monkeypatch, caplog):
    tries, enough = 0, asyncio.Event()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.close()
        if tries == 9:
            enough.set()

    monkeypatch.setattr(herald, "AGAIN_SECONDS", (0.0,))
    nobody = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    one = herald.Herald(f"postgresql://x@127.0.0.1:{port}/x", "a", clock=SystemClock())
    one.start()
    found = one.bell.listen(Hint.SHARDS)
    await anext(found)
    one.delivered([1])
    one.freed([1])
    await one_of(found)
    async with asyncio.timeout(SECONDS):
        await enough.wait()
    await one.close()
    nobody.close()
    said = [record.message for record in caplog.records if record.name == herald.__name__]
    assert said == ["hints of other nodes do not come, this one polls"]


async def test_where_notifications_do_not_come_through_a_node_speaks_and_polls(database, caplog):
    async with Proxy(database) as proxy, node(database, "a") as a:
        await a.claim(limit=SHARDS, now=NOW)
        await listens(a)
        found = await hints(a, Hint.MESSAGES)
        proxy.replace = (b'LISTEN "goflow_', b'LISTEN "nobody_')
        async with node(proxy.url, "b") as b:
            await b.deliver([make.message(make.id(1), "a")])
            await one_of(found)
            assert not b._herald.is_listening
    said = [record.message for record in caplog.records if record.name == herald.__name__]
    assert said == ["notifications do not come through, this node polls"]


# ---------------------------------------------------------------- what is said


def test_more_than_can_be_named_is_all():
    news = News()
    news.add(Hint.MESSAGES, shards=range(NAMES_MAX))
    assert json.loads(news.text()) == {"messages": [*range(NAMES_MAX)]}
    news.add(Hint.MESSAGES | Hint.ANSWERS, shards=[NAMES_MAX], askers=["x"])
    assert json.loads(news.text()) == {"messages": [], "answers": ["x"]}
    news.add(Hint.COMMITS, shards=[1])
    assert heard(news.text(), node="y", shards=[200]) == Hint.MESSAGES | Hint.COMMITS
    news.add(Hint.ANSWERS, askers=["n" * TEXT_BYTES_MAX])
    assert news.text() == ""


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"messages":[3,4]}', Hint.MESSAGES),
        ('{"messages":[4]}', Hint.NOTHING),
        ('{"answers":["n"],"messages":[4]}', Hint.ANSWERS),
        ('{"answers":["m"],"work":[]}', Hint.WORK),
        ('{"messages":null,"another":[1]}', Hint.MESSAGES),
        ('{"echo":"n"}', None),
        ('{"echo":"m"}', Hint.NOTHING),
        ("", Hint.ANYTHING),
        ("[]", Hint.ANYTHING),
        ("{", Hint.ANYTHING),
    ],
)
def test_a_node_hears_what_concerns_it(text, hint):
    assert heard(text, node="n", shards=[3]) == hint


def test_only_its_own_echo_is_none_of_a_nodes_news():
    assert heard(echo("n"), node="n", shards=[]) is None
    assert heard(echo("n"), node="m", shards=[]) == Hint.NOTHING
