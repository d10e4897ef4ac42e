"""The store's contract: what nodes know of each other, and how they answer each other."""

import asyncio
from dataclasses import replace

from goflow_py.ports import Committed, Fenced, Load, Name

MANY = 1_000
"""Executions that are counted."""


def answer(body: bytes = b"yes", *, scope: str = "asker", name: str = "000000000001") -> Name:
    return Name(
        project="", kind="answer", scope=scope, name=name, execution="", answer=body, expires=50
    )


async def test_a_node_is_listed_with_its_shards_while_its_lease_holds(idle, make):
    [before] = await idle.nodes(now=make.now)
    assert before.shards == 0 and before.started == make.now
    assert before.lease_until == make.now + 10_000
    await idle.claim(limit=7, now=make.now)
    await idle.release([0, 1])
    await idle.heartbeat(now=make.now + 5)
    [after] = await idle.nodes(now=make.now + 10_004)
    assert after == replace(before, shards=5, lease_until=make.now + 10_005)
    assert await idle.nodes(now=make.now + 10_005) == []


async def test_a_message_is_settled_by_its_answer(store, make):
    one = make.id(1)
    await store.deliver([make.message(one, "a"), make.message(one, "b")])
    a, b = await store.drain([0], limit=9)
    assert await store.settle(a, answer(), epoch=1) is None
    assert await store.drain([0], limit=9) == [b]
    assert await store.name("", "answer", "asker", "000000000001") == answer()
    assert await store.settle(a, answer(name="000000000002"), epoch=1) is None, (
        "it is gone: no matter"
    )
    found = await store.names("", "answer", "asker", after="000000000001", limit=9)
    assert [one.name for one in found] == ["000000000002"]


async def test_a_message_whose_asker_went_away_stays(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    await store.deliver([make.message(one, "a")])
    [message] = await store.drain([0], limit=9)
    gone = answer(b"")
    assert await store.put_name(gone) is None
    assert await store.settle(message, answer(), epoch=1) == gone
    assert await store.drain([0], limit=9) == [message]
    assert await store.name("", "answer", "asker", "000000000001") == gone
    applied = make.step(one, 1, write={"inbox": [message.number]})
    assert await store.commit([applied]) == [Committed()]
    assert await store.drain([0], limit=9) == []


async def test_a_message_can_be_dropped_without_an_answer(store, make):
    await store.deliver([make.message(make.id(1), "a")])
    [message] = await store.drain([0], limit=9)
    assert await store.settle(message, None, epoch=1) is None
    assert await store.drain([0], limit=9) == []


async def test_a_node_that_lost_the_shard_settles_nothing(store, make):
    await store.deliver([make.message(make.id(1), "a")])
    [message] = await store.drain([0], limit=9)
    assert await store.settle(message, answer(), epoch=2) == Fenced()
    await store.release([0])
    for said in (answer(), None):
        assert await store.settle(message, said, epoch=1) == Fenced()
    assert await store.drain([0], limit=9) == [message]
    assert await store.names("", "answer", "asker", after="", limit=9) == []
    await store.claim(limit=1, now=make.now)
    assert await store.settle(message, answer(), epoch=1) == Fenced(), "an epoch before"
    assert await store.settle(message, answer(), epoch=2) is None
    assert await store.drain([0], limit=9) == []
    await store.release([0])
    done = answer(name="000000000002")
    assert await store.settle(message, done, epoch=None) is None, "what was committed is true"
    assert await store.settle(message, done, epoch=None) == done


async def test_answers_are_swept_when_they_are_old(store, make):
    await store.settle(make.message(make.id(1), "a"), answer(), epoch=1)
    assert await store.sweep(before=50, limit=9) == 0
    assert await store.sweep(before=51, limit=9) == 1


async def test_answers_and_free_shards_give_a_hint(store, make):
    hints = store.hints()
    await anext(hints)
    for change in (
        lambda: store.settle(make.message(make.id(1), "a"), answer(), epoch=1),
        lambda: store.release([3]),
    ):
        waiting = asyncio.ensure_future(anext(hints))
        await asyncio.wait([waiting], timeout=0)
        assert not waiting.done()
        await change()
        await waiting


async def test_a_survey_says_what_each_node_has_to_do(idle, make):
    await idle.claim(limit=3, now=make.now)
    await idle.commit(
        [
            make.start(make.id(1)),
            make.start(make.id(2, shard=2)),
            make.start(make.id(3, shard=2), status="waiting"),
        ]
    )
    sent = [(make.id(1), "a", 7), (make.id(1), "b", 5), (make.id(4, shard=255), "c", 6)]
    await idle.deliver([make.message(id, dedupe, at=at) for id, dedupe, at in sent])
    survey = await idle.survey(now=make.now + 1, limit=MANY)
    assert survey.now == make.now + 1
    [(node, load)] = survey.nodes
    assert [node] == await idle.nodes(now=make.now + 1) and node.shards == 3
    assert load == Load(running=2, messages=2, oldest=5)
    assert (survey.unowned, survey.left) == (253, Load(running=0, messages=1, oldest=6))


async def test_a_survey_shows_a_lost_node_until_its_shards_are_taken(store, make):
    lost = await store.survey(now=make.now + 10_000, limit=MANY)
    [(node, _)] = lost.nodes
    assert (node.shards, node.lease_until) == (256, lost.now)
    assert (lost.unowned, lost.left) == (0, Load(running=0, messages=0, oldest=None))
    await store.release(range(256))
    taken = await store.survey(now=make.now + 10_000, limit=MANY)
    assert (taken.nodes, taken.unowned) == ([], 256)


async def test_a_survey_names_no_owner_that_is_not_there(store, make):
    assert not await store.heartbeat(now=make.now + 10_000), "it is forgotten"
    survey = await store.survey(now=make.now + 10_000, limit=MANY)
    assert (survey.nodes, survey.unowned) == ([], 256)


async def test_a_survey_counts_no_more_than_it_may(store, make):
    await store.commit([make.start(make.id(1))])
    [(_, load)] = (await store.survey(now=make.now, limit=1)).nodes
    assert load.running == 1
    await store.commit([make.start(make.id(2))])
    survey = await store.survey(now=make.now, limit=1)
    assert [load.running for _, load in survey.nodes] == [None] and survey.left.running is None
