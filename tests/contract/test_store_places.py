"""The store's contract: names in their order, and pages that end early when they are long."""

from dataclasses import replace

from goflow_py.ports import PAGE_BYTES_MAX, Committed, Filter


async def test_names_come_in_order_and_behind_a_name(store, make):
    for number, name in enumerate(["c", "a", "b"]):
        one = make.id(number)
        taken = [
            make.name(name, one, kind="waiting", scope="order"),
            make.name(name, one, kind="waiting", scope="other"),
        ]
        assert await store.commit([make.start(one, names=taken)]) == [Committed()]
    found = await store.names("default", "waiting", "order", after="", limit=10)
    assert [(one.name, one.execution) for one in found] == [
        ("a", make.id(1)),
        ("b", make.id(2)),
        ("c", make.id(0)),
    ]
    found = await store.names("default", "waiting", "order", after="a", limit=1)
    assert [one.name for one in found] == ["b"]
    assert await store.names("default", "place", "order", after="", limit=10) == []


async def test_the_scopes_of_names_are_the_activities_that_have_some(store, make):
    assert await store.scopes("waiting") == []
    upload = make.upload("d")
    await store.upload(upload)
    one = make.id(1)
    name = make.name("n", one, project=upload.project, kind="waiting", scope=upload.activity)
    await store.commit([make.start(one, names=[name])])
    assert await store.scopes("waiting") == [(upload.project, upload.activity)]
    assert await store.scopes("place") == []
    await store.commit([make.step(one, 1, write={"freed": [name]})])
    assert await store.scopes("waiting") == []


async def test_a_page_of_a_history_ends_early_when_it_is_long(store, make):
    one = make.id(1)
    big = b"[" + b" " * (PAGE_BYTES_MAX // 2) + b"]"
    await store.commit([make.start(one)])
    for seq in range(1, 5):
        write = make.step(one, seq)
        await store.commit([replace(write, records=[replace(write.records[0], entries=big)])])
    first = await store.history(one, after=-1, limit=100)
    assert [record.seq for record in first] == [0, 1, 2]
    second = await store.history(one, after=2, limit=100)
    assert [record.seq for record in second] == [3, 4]
    assert await store.history(one, after=4, limit=100) == []


async def test_a_list_is_whole_in_pages_of_any_size(store, make):
    ids = [make.id(number) for number in range(60)]
    for one in ids:
        await store.commit([make.start(one)])
    page = await store.list(Filter(), limit=60, cursor=None)
    assert (len(page.items), page.next) == (60, None)
    page = await store.list(Filter(), limit=59, cursor=None)
    assert len(page.items) == 59
    rest = await store.list(Filter(), limit=59, cursor=page.next)
    assert (len(rest.items), rest.next) == (1, None)


async def test_a_page_of_large_executions_ends_early(store, make):
    big = b"x" * (PAGE_BYTES_MAX // 8)
    for number in range(30):
        await store.commit([make.start(make.id(number), body=big)])
    seen, cursor, sizes = 0, None, []
    while seen < 30:
        page = await store.list(Filter(), limit=30, cursor=cursor)
        seen, cursor = seen + len(page.items), page.next
        sizes.append(len(page.items))
    assert (seen, cursor) == (30, None)
    assert len(sizes) > 1
