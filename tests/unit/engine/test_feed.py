"""The seam between reading from the store and following live, with things happening within it."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from goflow_py.engine import feed as module
from goflow_py.engine.feed import Which
from goflow_py.ports import CommitPage, Store
from goflow_py.store.memory import MemoryStore
from tests.property.test_feed import Cell, Reader

Happening = Callable[[], Awaitable[object]]


class Eventful:
    """A store in which things happen just before, or after, it is read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.happenings: list[tuple[Happening | None, Happening | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commits(self, *, after: int, limit: int) -> CommitPage:
        first, then = self.happenings.pop(0) if self.happenings else (None, None)
        if first is not None:
            await first()
        page = await self._store.commits(after=after, limit=limit)
        if then is not None:
            await then()
        return page


@pytest.fixture
def store() -> Eventful:
    return Eventful(MemoryStore())


@pytest.fixture
async def cell(store: Eventful, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cell]:
    monkeypatch.setattr(module, "READ_EVERY_SECONDS", 0.0)
    cell = Cell(cast("Store", store), random.Random(7))
    await cell.open()
    yield cell
    await store.close()


async def whole(reader: Reader) -> None:
    """Read until nothing more comes."""
    quiet = 0
    while quiet < 5:
        quiet = 0 if await reader.read(some=False) else quiet + 1


async def live(cell: Cell) -> Reader:
    """Return a reader that follows live."""
    reader = Reader(cell, Which())
    await whole(reader)
    return reader


async def commit_and(cell: Cell, *readers: Reader) -> None:
    """Commit something, and let *readers* have it before anything else happens."""
    length = len(cell.log)
    while len(cell.log) == length:
        await cell.commit()
    for reader in readers:
        await whole(reader)


async def test_a_commit_between_the_last_look_and_the_first_follower_comes_by_itself(
    cell: Cell, store: Eventful
) -> None:
    reader = Reader(cell, Which())
    store.happenings = [(None, lambda: commit_and(cell))]
    await whole(reader)
    assert reader.got == reader.owed() != []
    reader.drop()


async def test_what_others_were_handed_before_a_reader_joined_is_read_from_the_store(
    cell: Cell, store: Eventful
) -> None:
    quick, reader = await live(cell), Reader(cell, Which())
    store.happenings = [(None, lambda: commit_and(cell, quick))]
    await whole(reader)
    assert reader.got == reader.owed() != []
    quick.drop()
    reader.drop()


async def test_what_comes_from_the_store_and_live_is_told_once(cell: Cell, store: Eventful) -> None:
    quick, reader = await live(cell), Reader(cell, Which())

    async def at_the_join() -> None:
        await commit_and(cell, quick)
        # Its next look: what is committed before it is handed to it as well.
        store.happenings = [(lambda: commit_and(cell, quick), None)]

    store.happenings = [(None, at_the_join)]
    await whole(reader)
    assert reader.got == reader.owed() != []
    quick.drop()
    reader.drop()


async def test_what_was_deleted_before_anybody_read_it_is_told(cell: Cell, store: Eventful) -> None:
    shop = Reader(cell, Which(projects=frozenset({"shop"})))
    bank = Reader(cell, Which(projects=frozenset({"bank"})))
    for reader in (shop, bank):
        await whole(reader)

    async def come_and_gone() -> None:
        while not any(facts["project"] == "shop" for _, facts in cell.log):
            await cell.commit()
        for execution in list(cell.seqs):
            if int(execution[-1], 16) % 2 == 0:
                await cell.store.delete(execution)
                del cell.seqs[execution]

    store.happenings = [(come_and_gone, None)]
    cell.feed.committed()
    for reader in (shop, bank):
        await whole(reader)
    assert (shop.resets, bank.resets) == (1, 0)
    await commit_and(cell, shop, bank)
    assert (shop.got, bank.got) == (shop.owed(), bank.owed())
    shop.drop()
    bank.drop()


async def test_a_store_that_cannot_be_read_for_a_while_is_read_on(
    cell: Cell, store: Eventful, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    reader = await live(cell)

    async def breaks() -> None:
        raise OSError("no")

    store.happenings = [(breaks, None), (None, breaks)]
    await commit_and(cell, reader)
    await whole(reader)
    assert reader.got == reader.owed() != []
    reader.drop()
