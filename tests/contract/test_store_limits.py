"""The store's contract: limits of projects, and what projects have."""

from goflow_py.ports import Committed, Fenced, LimitsRow, Poisonous, TaskFilter, UsageRow


def used(project: str, running: int, stored_bytes: int) -> UsageRow:
    return UsageRow(project=project, running=running, stored_bytes=stored_bytes)


async def test_limits_are_kept_replaced_and_forgotten(cell, make):
    store = await cell.open()
    some = LimitsRow(project="b", max_running=0, starts_per_second=0.5)
    others = LimitsRow(project="a", max_open_calls=3, max_stored_bytes=10**15)
    await store.put_limits(some)
    await store.put_limits(others)
    assert await store.limits() == [others, some]
    await store.put_limits(LimitsRow(project="b", max_running=5))
    await cell.close()
    after = await cell.open()
    assert await after.limits() == [others, LimitsRow(project="b", max_running=5)]
    assert await after.delete_limits("a")
    assert not await after.delete_limits("a")
    assert [row.project for row in await after.limits()] == ["b"]


async def test_a_project_is_what_has_a_blueprint_executions_or_limits(store, make):
    assert await store.usage() == []
    drawn = await store.upload(make.upload("d1", project="drawn"))
    await store.put_limits(LimitsRow(project="limited"))
    await store.commit([make.start(make.id(1), project="run", body=b"123")])
    record = make.record(make.id(1), 0, 0).entries
    found = [
        used("drawn", 0, len(drawn.body) + len(drawn.findings)),
        used("limited", 0, 0),
        used("run", 1, 3 + len(record)),
    ]
    assert await store.usage() == found
    assert await store.usage("run") == found[2:]
    assert await store.usage("other") == []


async def test_what_has_not_ended_is_counted_by_project(store, make):
    statuses = ["running", "waiting", "paused", "completed", "failed", "cancelled"]
    for number, status in enumerate(statuses):
        fields = {"status": status, "project": "a" if number % 2 else "b"}
        await store.commit([make.start(make.id(number), **fields)])
    assert [(row.project, row.running) for row in await store.usage()] == [("a", 1), ("b", 2)]
    await store.commit([make.step(make.id(0), 1, status="completed", project="b")])
    await store.commit([make.step(make.id(3), 1, status="running", project="a")])
    assert [(row.project, row.running) for row in await store.usage()] == [("a", 2), ("b", 1)]


async def test_bytes_are_those_of_heads_and_histories_whatever_becomes_of_them(store, make):
    one, two = make.id(1), make.id(2)

    async def stored() -> int:
        [row] = await store.usage("default")
        return int(row.stored_bytes)

    async def counted() -> int:
        found = 0
        for execution in (one, two):
            found += len(await store.head(execution) or b"")
            records = await store.history(execution, after=-1, limit=99)
            found += sum(len(record.entries) for record in records)
        return found

    await store.commit([make.start(one, body=b"x" * 100), make.start(two, body=b"y" * 7)])
    assert await stored() == await counted() > 107
    for seq, size in enumerate((1_000, 3, 3), 1):
        assert await store.commit([make.step(one, seq, body=b"z" * size)]) == [Committed()]
        assert await stored() == await counted()
    refused = await store.commit([make.step(one, 9, body=b"no"), make.start(two, body=b"no")])
    assert Committed() not in refused
    assert await stored() == await counted()
    await store.delete(two)
    assert await stored() == await counted()
    ended = {"status": "completed", "finished_at": 1, "purge_at": 1}
    await store.commit([make.step(one, 4, **ended)])
    assert await store.purge(before=2, limit=9) == 1
    assert await store.usage() == []


async def test_a_batch_that_writes_one_execution_many_times_counts_and_keeps_its_last(store, make):
    one, two = make.id(1), make.id(2)
    times = {"status": "waiting", "wake": 7}
    batch = [
        make.start(one, body=b"x" * 10),
        make.start(two, body=b"y" * 10),
        make.step(one, 1, body=b"x" * 20),
        make.step(one, 2, body=b"x" * 30, **times),
        make.step(two, 1, body=b"y", version=2, write={"queue": [make.task(two)]}),
        make.step(one, 3, state="paid", body=b"last", **times),
        make.step(two, 2, body=b"none", version=2, write={"queue": []}),
        make.step(one, 3, body=b"late"),
    ]
    verdicts = await store.commit(batch)
    assert verdicts == [*[Committed()] * 7, Fenced()]
    assert await store.heads([one, two]) == [b"last", b"none"]
    assert await store.due([0], until=9, limit=9) == [(7, one, "default")]
    assert await store.counts("default", "order") == {1: {"waiting": 1}, 2: {"running": 1}}
    assert (await store.tasks(TaskFilter(), limit=9, cursor=None)).items == []
    [row] = await store.usage("default")
    histories = [await store.history(each, after=-1, limit=9) for each in (one, two)]
    assert [len(history) for history in histories] == [4, 3]
    assert row.stored_bytes == 8 + sum(len(one.entries) for each in histories for one in each)


async def test_what_a_refused_write_would_have_added_is_not_counted(store, make):
    one, two, three = (make.id(number) for number in range(3))
    await store.commit([make.start(one, body=b"x")])
    spoilt = make.start(three, body=b"z" * 999, wake=2**63)
    batch = [make.step(one, 1, body=b"x" * 5), spoilt, make.start(two, body=b"y" * 7)]
    verdicts = await store.commit(batch)
    assert [type(verdict) for verdict in verdicts] == [Committed, Poisonous, Committed]
    [row] = await store.usage("default")
    entries = 2 * len(make.record(one, 0, 0).entries) + len(make.record(one, 1, 1).entries)
    assert (row.running, row.stored_bytes) == (2, 5 + 7 + entries)


async def test_blueprints_and_workers_weigh_until_they_are_gone_or_replaced(store, make):
    async def stored() -> int:
        [row] = await store.usage("default")
        return int(row.stored_bytes)

    await store.upload(make.upload("d1", body=b"x" * 100, findings=b"[1]"))
    assert await stored() == 103
    await store.upload(make.upload("d1", body=b"x" * 100, findings=b"[1]", workers=b"w" * 50))
    assert await stored() == 153, "the same version is stored once"
    await store.upload(make.upload("d2", body=b"y" * 10, findings=b"[]", workers=b"w" * 20))
    assert await stored() == 103 + 12 + 20
    assert await store.delete_version("default", "order", 1)
    assert await stored() == 12 + 20


async def test_early_events_weigh_until_they_are_taken_or_swept(store, make):
    async def stored() -> dict[str, int]:
        return {row.project: row.stored_bytes for row in await store.usage()}

    for number, size in enumerate((100, 20, 3)):
        assert await store.put_early(make.early(str(number), body=b"e" * size))
    assert not await store.put_early(make.early("0", body=b"e" * 999))
    assert await store.put_early(make.early("9", project="", body=b"e" * 7))
    assert await stored() == {"": 7, "default": 123}
    [first, *_] = await store.early("default", "k", now=0, limit=9)
    await store.delete_early([first.number])
    assert await stored() == {"": 7, "default": 23}
    await store.sweep_early(before=10**15, limit=9)
    assert await stored() == {}
