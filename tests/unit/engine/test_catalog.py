"""Definitions are read once, however many need them, and never as they were before a change."""

import asyncio

import pytest

from goflow_py.engine.catalog import Catalog
from goflow_py.errors import NotFound
from goflow_py.store.memory import MemoryStore
from tests.unit.engine.conftest import Engine

MANY = 50
DOCUMENT = {
    "states": ["call"],
    "actions": [{"name": "call", "type": "sync"}],
    "transitions": [{"current": "init", "event": "start", "next": "call"}],
}
WORKERS = [{"name": "call", "workerEndpoint": "w"}]


class Counting(MemoryStore):
    """Counts what is read, and lets the readers wait."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.begun = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()

    async def blueprint(self, project, activity, version):
        self.reads.append("blueprint")
        self.begun.release()
        await self.gate.wait()
        return await super().blueprint(project, activity, version)

    async def workers(self, project, activity):
        self.reads.append("workers")
        self.begun.release()
        await self.gate.wait()
        return await super().workers(project, activity)


@pytest.fixture
async def known(clock):
    store = Counting()
    engine = Engine(clock, store)
    await engine.it.start()
    await engine.upload(DOCUMENT, WORKERS)
    store.reads.clear()
    store.begun = asyncio.Semaphore(0)
    yield store, engine.it.catalog
    await engine.it.stop()


async def test_many_who_need_a_definition_at_once_read_it_once(known):
    store, catalog = known
    await catalog.refresh()
    found = await asyncio.gather(*(catalog.activity("p", "a") for _ in range(MANY)))
    assert all(one is found[0] for one in found)
    assert sorted(store.reads) == ["blueprint", "workers"]
    store.reads.clear()
    fresh = Catalog(store, endpoints={}, fallback="http://mock")
    await asyncio.gather(*(fresh.compiled("p", "a", 1) for _ in range(MANY)))
    assert store.reads == ["blueprint"]


async def test_who_comes_behind_a_change_waits_for_no_reading_before_it(known):
    store, catalog = known
    await catalog.refresh()
    store.gate.clear()
    early = asyncio.create_task(catalog.activity("p", "a"))
    await store.begun.acquire()
    catalog.changed("p", "a")
    late = asyncio.create_task(catalog.activity("p", "a"))
    await store.begun.acquire()
    assert store.reads == ["blueprint", "blueprint"]
    store.gate.set()
    await asyncio.gather(early, late)


async def test_a_reader_that_leaves_takes_nothing_from_the_others(known):
    store, catalog = known
    await catalog.refresh()
    store.gate.clear()
    first = asyncio.create_task(catalog.activity("p", "a"))
    other = asyncio.create_task(catalog.activity("p", "a"))
    await store.begun.acquire()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    store.gate.set()
    assert (await other).latest.version == 1


async def test_what_is_not_there_is_asked_for_again(known):
    store, catalog = known
    for _ in range(2):
        with pytest.raises(NotFound):
            await catalog.activity("p", "none")
    assert store.reads == ["blueprint", "blueprint"]
