"""The store's contract: inbox, names, blueprints, settings, operations."""

import asyncio
import stat
from dataclasses import replace

import orjson
import pytest

from goflow_py.domain.execution import Status
from goflow_py.errors import Conflict, NotFound
from goflow_py.ports import Committed, Fenced, KeyRow, Poisonous, Taken

# ---------------------------------------------------------------- inbox


async def test_messages_are_delivered_once_and_drained_in_order(store, make):
    one, two = make.id(1), make.id(2, shard=5)
    sent = [
        make.message(one, "a"),
        make.message(two, "a"),
        make.message(one, "a"),
        make.message(one, "b"),
    ]
    assert await store.deliver(sent) == [True, True, False, True]
    assert await store.deliver(
        [make.message(one, "b"), make.message(one, "b", kind="control")]
    ) == [
        False,
        True,
    ]
    found = await store.drain([0, 5], limit=10)
    assert [(row.execution, row.dedupe, row.kind) for row in found] == [
        (one, "a", "event"), (two, "a", "event"), (one, "b", "event"), (one, "b", "control"),
    ]  # fmt: skip
    assert [replace(row, number=0) for row in found[:2]] == sent[:2]
    numbers = [row.number for row in found]
    assert numbers == sorted(set(numbers))
    assert await store.drain([0, 5], limit=10) == found
    assert await store.drain([5], limit=10) == [found[1]]
    assert await store.drain([0, 5], limit=2) == found[:2]
    assert await store.drain([], limit=2) == []
    assert await store.drain([0, 5], limit=2, after=numbers[0]) == found[1:3]
    assert await store.drain([0, 5], limit=2, after=numbers[-1]) == []


async def test_a_commit_deletes_the_messages_that_it_applied(store, make):
    one, two = make.id(1), make.id(2)
    await store.commit([make.start(one), make.start(two)])
    await store.deliver([make.message(one, "a"), make.message(one, "b"), make.message(two, "c")])
    a, b, c = await store.drain([0], limit=10)
    applied = {"inbox": [a.number, c.number]}
    assert await store.commit([make.step(one, 1, write=applied)]) == [Committed()]
    assert await store.drain([0], limit=10) == [b, c], "a message of another execution stays"
    assert await store.commit([make.step(one, 9, write={"inbox": [b.number]})]) == [Fenced()]
    assert await store.drain([0], limit=10) == [b, c]


async def test_a_number_is_never_given_twice(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    await store.deliver([make.message(one, "a")])
    [before] = await store.drain([0], limit=1)
    await store.commit([make.step(one, 1, write={"inbox": [before.number]})])
    assert await store.deliver([make.message(one, "a")]) == [True]
    [after] = await store.drain([0], limit=1)
    assert after.number > before.number


async def test_a_delivery_gives_a_hint_and_many_give_one(store, make):
    hints = store.hints()
    await anext(hints)
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()
    await store.deliver([make.message(make.id(1), "a"), make.message(make.id(1), "b")])
    await store.deliver([make.message(make.id(1), "c")])
    await waiting
    await store.close()
    with pytest.raises(StopAsyncIteration):
        await anext(hints)


# ---------------------------------------------------------------- names


async def test_a_name_is_put_once(store, make):
    name = make.name("n", digest="d", answer=b"\x00\xff", expires=7)
    assert await store.name("default", "idem", "s", "n") is None
    assert await store.put_name(name) is None
    assert await store.name("default", "idem", "s", "n") == name
    assert await store.put_name(replace(name, digest="other")) == name
    assert await store.put_name(name) == name


async def test_a_sweep_deletes_what_expired_before_a_time_up_to_a_limit(store, make):
    for number, expires in enumerate([10, 20, 30, None]):
        await store.put_name(make.name(f"n{number}", expires=expires))
    assert await store.sweep(before=10, limit=10) == 0
    assert await store.sweep(before=31, limit=2) == 2
    assert await store.sweep(before=31, limit=2) == 1
    assert await store.sweep(before=10**15, limit=2) == 0
    assert await store.name("default", "idem", "s", "n3") is not None


# ---------------------------------------------------------------- blueprints


async def test_an_upload_makes_versions_and_an_equal_one_makes_none(store, make):
    first = await store.upload(make.upload("d1", at=5, findings=b"[1]"))
    assert (first.version, first.digest, first.body) == (1, "d1", b"d1")
    assert (first.created_at, first.findings) == (5, b"[1]")
    assert await store.upload(make.upload("d1", at=6, body=b"else")) == first
    second = await store.upload(make.upload("d2"))
    assert second.version == 2
    third = await store.upload(make.upload("d1"))
    assert (third.version, third.digest) == (3, "d1"), "equal to an older one is a new one"
    assert await store.blueprint("default", "order", None) == third
    assert await store.blueprint("default", "order", 1) == first
    assert await store.blueprint("default", "order", 4) is None
    assert await store.blueprint("other", "order", None) is None
    assert await store.versions("default", "order") == [third, second, first]
    assert await store.versions("default", "nothing") == []


async def test_workers_are_replaced_with_a_blueprint_or_alone(store, make):
    row = await store.upload(make.upload("d", workers=b"w1"))
    assert await store.workers("default", "order") == b"w1"
    assert await store.upload(make.upload("d")) == row
    assert await store.workers("default", "order") == b"w1"
    assert await store.upload(make.upload(None, workers=b"w2")) == row
    assert await store.workers("default", "order") == b"w2"
    await store.upload(make.upload("d", "alone"))
    assert await store.workers("default", "alone") is None
    await store.upload(make.upload("d", "basket", workers=b"w3"))
    assert await store.all_workers() == [("default", "basket", b"w3"), ("default", "order", b"w2")]


async def test_workers_without_a_blueprint_are_refused(store, make):
    with pytest.raises(NotFound):
        await store.upload(make.upload(None, workers=b"w", name=make.name("n")))
    assert await store.workers("default", "order") is None
    assert await store.name("default", "idem", "s", "n") is None


async def test_an_upload_with_a_taken_name_stores_nothing(store, make):
    name = make.name("n", answer=b"first")
    await store.upload(make.upload("d1", workers=b"w1", name=name))
    again = make.upload("d2", workers=b"w2", name=replace(name, answer=b"second"))
    assert await store.upload(again) == Taken(name=name)
    assert (await store.blueprint("default", "order", None)).digest == "d1"
    assert await store.workers("default", "order") == b"w1"


async def test_blueprints_lists_the_latest_of_each_by_name_in_pages(store, make):
    for project, activity in [("b", "a"), ("a", "z"), ("a", "b"), ("c", "a")]:
        for digest in ("1", "2"):
            await store.upload(make.upload(digest, activity, project=project))

    async def names(limit, project=None):
        found, cursor = [], None
        while True:
            page = await store.blueprints(project=project, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [(row.project, row.activity, row.version) for row in page.items]
            cursor = page.next
            if cursor is None:
                return found

    expected = [("a", "b", 2), ("a", "z", 2), ("b", "a", 2), ("c", "a", 2)]
    for limit in (1, 2, 4, 10):
        assert await names(limit) == expected
    assert await names(1, "a") == expected[:2]
    assert await names(1, "nobody") == []


async def test_a_version_is_deleted_unless_an_execution_is_pinned_to_it(store, make):
    one = make.id(1)
    await store.upload(make.upload("d1"))
    await store.upload(make.upload("d2"))
    await store.commit([make.start(one, version=1, status="completed")])
    with pytest.raises(Conflict) as caught:
        await store.delete_version("default", "order", 1)
    assert caught.value.reason == "version_in_use"
    assert await store.delete_version("default", "order", 2)
    assert not await store.delete_version("default", "order", 2)
    assert [row.version for row in await store.versions("default", "order")] == [1]
    await store.delete(one)
    assert await store.delete_version("default", "order", 1)
    assert await store.blueprint("default", "order", None) is None
    assert (await store.blueprints(project=None, limit=9, cursor=None)).items == []


async def test_nothing_is_pinned_to_a_deleted_version_any_more(store, make):
    one, two, three = make.id(1), make.id(2), make.id(3)
    for digest in ("d1", "d2"):
        await store.upload(make.upload(digest))
    await store.commit([make.start(one, version=2)])
    await store.delete_version("default", "order", 1)
    key = make.name("n", two)
    verdicts = await store.commit(
        [
            make.start(two, names=[key], version=1),
            make.step(one, 1, version=1),
            make.start(three, version=2),
            make.start(make.id(4), version=3),
            make.start(make.id(5), version=1, activity="other"),
        ]
    )
    gone = Poisonous(message="version 1 of default/order was deleted")
    assert verdicts == [gone, gone, *[Committed()] * 3], "what was never uploaded is not gone"
    assert await store.head(two) is None
    assert await store.name("default", "idem", "s", "n") is None
    assert await store.commit([make.step(one, 1, version=2)]) == [Committed()]
    taken = Taken(name=make.name("m", one))
    await store.commit([make.step(one, 2, version=2, write={"names": [taken.name]})])
    repeated = make.start(two, names=[make.name("m", two)], version=1)
    assert await store.commit([repeated]) == [taken], "a repeat is answered as ever"


async def test_a_deleted_version_is_never_given_again(store, make):
    await store.upload(make.upload("d1"))
    await store.upload(make.upload("d2"))
    await store.delete_version("default", "order", 2)
    row = await store.upload(make.upload("d3"))
    assert row.version == 3


# ---------------------------------------------------------------- settings


async def test_endpoints_are_put_replaced_and_deleted(store):
    await store.put_endpoint("pay", "http://a")
    await store.put_endpoint("pay", "http://b")
    await store.put_endpoint("mail", "http://c")
    assert await store.endpoints() == {"pay": "http://b", "mail": "http://c"}
    assert await store.delete_endpoint("pay")
    assert not await store.delete_endpoint("pay")
    assert await store.endpoints() == {"mail": "http://c"}


async def test_keys_are_kept_and_revoked(store):
    every = KeyRow(
        id="k1", hash="h", project=None, scopes=("admin",), roles=(), description="", created_at=1
    )
    one = replace(every, id="k2", project="p", roles=("clerk", "boss"), expires_at=9)
    await store.put_key(one)
    await store.put_key(every)
    assert sorted(await store.keys(), key=lambda key: key.id) == [every, one]
    assert await store.delete_key("k1")
    assert not await store.delete_key("k1")
    assert await store.keys() == [one]


# ---------------------------------------------------------------- operations


async def test_everything_is_there_after_the_next_start(store, reopened, make):
    one = make.id(1)
    name = make.name("n", one)
    row = await store.upload(make.upload("d", workers=b"w"))
    await store.commit([make.start(one, names=[name], wake=3)])
    await store.deliver([make.message(one, "a")])
    await store.put_endpoint("pay", "http://a")
    after = await reopened()
    assert await after.head(one) == make.head(one).body
    assert len(await after.history(one, after=-1, limit=9)) == 1
    assert await after.name("default", "idem", "s", "n") == name
    assert await after.blueprint("default", "order", None) == row
    assert await after.workers("default", "order") == b"w"
    assert len(await after.drain([0], limit=9)) == 1
    assert await after.endpoints() == {"pay": "http://a"}
    assert await after.due([0], until=3, limit=9) == [(3, one, "default")]
    assert await after.counts("default", "order") == {1: {"running": 1}}


async def test_ping_and_stats(store, make):
    await store.ping()
    await store.commit([make.start(make.id(1)), make.start(make.id(2), status="failed")])
    await store.deliver([make.message(make.id(1), "a")])
    stats = await store.stats()
    assert stats["executions"] == {"running": 1, "failed": 1}
    assert stats["inbox"] == 1
    assert stats["tasks"] == {"queued": 0, "claimed": 0} and stats["batches"] == 0
    assert stats["bytes"] > 0
    assert stats["schema"] >= 1


async def test_stats_are_plain_values_that_can_be_answered_as_json(store, make):
    await store.commit([make.start(make.id(1), status=Status.WAITING)])
    assert orjson.loads(orjson.dumps(await store.stats()))["executions"] == {"waiting": 1}


async def test_stats_count_queued_work_and_open_batches(store, make):
    one, two = make.id(1), make.id(2)
    rows = [make.task(one, "a"), make.task(one, "b", kind="human"), make.task(one, "c")]
    await store.commit([make.start(one, write={"queue": rows}), make.start(two)])
    await store.commit([make.step(two, 1, write={"queue": [make.task(two, status="claimed")]})])
    for number, status in enumerate(["running", "done", "cancelled", "running"]):
        await store.put_batch(make.batch(f"b{number}", status=status))
    stats = await store.stats()
    assert stats["tasks"] == {"queued": 3, "claimed": 1}
    assert stats["batches"] == 2


async def test_a_backup_is_a_new_private_file(store, make, tmp_path):
    await store.commit([make.start(make.id(1))])
    path = tmp_path / "copy"
    await store.backup(str(path))
    assert path.stat().st_size > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(Conflict):
        await store.backup(str(path))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if "copy" in one.name] == ["copy"]
