"""The store's contract: the order of commits has every record once, and says what is gone."""

from goflow_py.ports import COMMITS_BYTES_MAX, RecordRow


async def read(store, after=0, limit=100):
    """Return (number, execution, seq) of all that was committed behind *after*."""
    found = []
    while True:
        page = await store.commits(after=after, limit=limit)
        assert len(page.items) <= limit
        assert all(after < row.n <= page.until for row in page.items)
        found += [(row.n, row.record.execution, row.record.seq) for row in page.items]
        if page.until == after:
            return found
        after = page.until


async def test_records_come_in_the_order_of_their_commits(store, make):
    one, two = make.id(1), make.id(2, shard=7)
    await store.commit([make.start(one), make.start(two)])
    await store.commit([make.step(two, 1, 3), make.step(one, 1)])
    await store.commit([make.step(two, 4)])
    found = await read(store)
    assert [row[1:] for row in found] == [(one, 0), (two, 0), (two, 3), (one, 1), (two, 4)]
    assert [n for n, *_ in found] == sorted({n for n, *_ in found})
    for limit in (1, 2, 3):
        assert await read(store, limit=limit) == found
    for n, *_ in found:
        assert await read(store, after=n) == [row for row in found if row[0] > n]


async def test_a_commit_says_whose_it_is_and_which_status_it_led_to(store, make):
    one = make.id(1)
    await store.commit([make.start(one, project="shop", activity="buy", key="k", status="running")])
    fields = {"project": "shop", "activity": "buy", "key": "k"}
    await store.commit([make.step(one, 1, status="waiting", **fields)])
    await store.commit([make.step(one, 2, status="completed", **fields)])
    page = await store.commits(after=0, limit=10)
    assert [row.status for row in page.items] == ["running", "waiting", "completed"]
    assert {(row.project, row.activity, row.key) for row in page.items} == {("shop", "buy", "k")}
    assert [row.record for row in page.items] == await store.history(one, after=-1, limit=9)


async def test_what_was_refused_is_not_in_the_order(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    await store.commit([make.step(one, 5), make.step(one, 1, epoch=9), make.start(one)])
    await store.commit([make.step(one, 1)])
    assert [row[2] for row in await read(store)] == [0, 1]


async def test_the_newest_number_is_that_of_the_last_record(store, make):
    line, newest = await store.newest_commit()
    assert newest == 0
    await store.commit([make.start(make.id(1)), make.start(make.id(2))])
    assert await store.newest_commit() == (line, (await read(store))[-1][0])


async def test_a_number_is_never_given_twice(store, make, reopened):
    given = []
    for turn in range(4):
        one = make.id(turn)
        await store.commit([make.start(one, turn // 2 + 1)])
        given += [n for n, *_ in await read(store)]
        assert await store.delete(one)
        assert await read(store) == []
        line, newest = await store.newest_commit()
        assert newest == given[-1]
        if turn == 1:
            store = await reopened()
            await store.claim(limit=256, now=make.now)
            assert await store.newest_commit() == (line, newest)
    assert given == sorted(set(given))


async def test_what_was_deleted_is_said_by_project(store, make):
    ids = [make.id(number) for number in range(3)]
    for one, project in zip(ids, ("shop", "bank", "shop"), strict=True):
        await store.commit([make.start(one, project=project)])
    numbers = [n for n, *_ in await read(store)]
    assert (await store.commits(after=0, limit=9)).forgotten == {}
    await store.delete(ids[2])
    await store.delete(ids[0])
    assert (await store.commits(after=0, limit=9)).forgotten == {"shop": numbers[2]}
    assert (await store.commits(after=numbers[1], limit=9)).forgotten == {"shop": numbers[2]}
    assert (await store.commits(after=numbers[2], limit=9)).forgotten == {}
    ended = {"status": "completed", "finished_at": 1, "purge_at": 1, "project": "bank"}
    await store.commit([make.step(ids[1], 1, **ended)])
    newest = (await store.newest_commit())[1]
    assert await store.purge(before=2, limit=9) == 1
    page = await store.commits(after=0, limit=9)
    assert page.forgotten == {"shop": numbers[2], "bank": newest}
    assert page.items == []


async def test_a_page_of_long_records_is_short_and_all_of_them_come(store, make):
    one = make.id(1)
    await store.commit([make.start(one)])
    for seq in range(1, 6):
        write = make.step(one, seq)
        long = RecordRow(
            execution=one, first_seq=seq, seq=seq, at=make.now, hash="", entries=b"[]" + b" " * (
                COMMITS_BYTES_MAX // 2
            ),
        )  # fmt: skip
        write.records = [long]
        await store.commit([write])
    page = await store.commits(after=0, limit=100)
    assert 1 < len(page.items) < 6
    assert [row[2] for row in await read(store)] == list(range(6))
