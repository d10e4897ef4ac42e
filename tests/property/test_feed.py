"""Whoever follows gets every entry once, in order, whatever happens meanwhile; or is told.

A cell of executions of two projects is committed to, deleted from and restarted at random, while
readers read a little, drop, and go on from the last id that they got.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from goflow_py.clock import SystemClock
from goflow_py.engine import feed as module
from goflow_py.engine.feed import Feed, Part, Place, Tail, Which
from goflow_py.ports import Committed, HeadRow, RecordRow, Store, Write
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_800_000_000_000
PROJECTS = ("shop", "bank")
STATUSES = ("running", "waiting", "failed")
Told = tuple[str, int]
"""An execution, and a seq."""


class Cell:
    """A store that is written to at random, and what was written, in order."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self.store, self.chance = store, chance
        self.log: list[tuple[Told, Mapping[str, Any]]] = []
        self.marks: list[tuple[int, int]] = [(0, 0)]
        """The newest number after each commit, and how long the log was then."""
        self.seqs: dict[str, int] = {}
        self.starts = 0

    async def open(self) -> None:
        self.starts += 1
        await self.store.open(node=f"node-{self.starts}", now=NOW, ttl_ms=10_000)
        await self.store.claim(limit=256, now=NOW)
        self.feed = Feed(store=self.store, clock=SystemClock())

    async def commit(self) -> None:
        """Commit a batch: starts and steps, with one record or several, some refused."""
        writes = [self._write() for _ in range(self.chance.randint(1, 4))]
        unique = {write.head.id: write for write in writes}
        verdicts = await self.store.commit(list(unique.values()))
        for write, verdict in zip(unique.values(), verdicts, strict=True):
            if isinstance(verdict, Committed):
                self._note(write)
        self.marks.append(((await self.store.newest_commit())[1], len(self.log)))
        self.feed.committed()

    def _write(self) -> Write:
        known = list(self.seqs)
        number = len(self.log) * 10 + self.chance.randrange(10)
        id_ = self.chance.choice([*known, f"01900000-0000-7000-8000-{number:012x}"])
        first = self.seqs.get(id_, -1) + 1
        records, seq = [], first
        for _ in range(self.chance.randint(1, 2)):
            last = seq + self.chance.randrange(3)
            entries = [{"seq": n, "at": NOW, "type": "control"} for n in range(seq, last + 1)]
            records.append(
                RecordRow(
                    execution=id_, first_seq=seq, seq=last, at=NOW, hash="h",
                    entries=orjson.dumps(entries),
                )
            )  # fmt: skip
            seq = last + 1
        head = HeadRow(
            id=id_, project=PROJECTS[int(id_[-1], 16) % 2], activity="order", version=1,
            status=self.chance.choice(STATUSES), state="s", key=None, labels={}, seq=seq - 1,
            wake=None, started_at=NOW, updated_at=NOW, finished_at=None, body=b"{}",
        )  # fmt: skip
        epoch = self.starts if self.chance.random() < 0.9 else 99
        return Write(head=head, epoch=epoch, records=records, start=first == 0)

    def _note(self, write: Write) -> None:
        head = write.head
        facts = {"project": head.project, "status": head.status}
        for record in write.records:
            for seq in range(record.first_seq, record.seq + 1):
                self.log.append(((head.id, seq), facts))
        self.seqs[head.id] = head.seq

    async def delete(self) -> None:
        if self.seqs:
            execution = self.chance.choice(list(self.seqs))
            await self.store.delete(execution)
            del self.seqs[execution]

    async def restart(self) -> None:
        await self.store.close()
        await self.open()


class Reader:
    """Follows, drops, and goes on from the last id that it got."""

    def __init__(self, cell: Cell, which: Which) -> None:
        self.cell, self.which = cell, which
        self.tail: Tail | None = None
        self.last: str | None = None
        self.got: list[Told] = []
        self.resets = 0
        self.begun = 0
        """Behind this number nothing may be missing."""

    async def read(self, *, some: bool = True) -> bool:
        """Read what is there; tell whether there was something. With *some* it may be cut short."""
        if self.tail is None:
            self.tail = await self.cell.feed.follow(self.which, self.last)
            self.begun = self.tail.after if self.last is None else self.begun
            if self.tail.is_lost is None:
                self.last = str(self.tail.place)
        before = str(self.tail.place)
        part = await self.tail.next(0.001)
        if part.reset is not None:
            self.resets += 1
            self.got, self.begun = [], part.place.after
            self.last = str(part.place)
            return True
        return self._take(part, some) or str(part.place) != before

    def _take(self, part: Part, some: bool) -> bool:
        items = list(part.items)
        count = len(items)
        if some and items and self.cell.chance.random() < 0.3:
            count = self.cell.chance.randrange(len(items) + 1)
        for item in items[:count]:
            said = orjson.loads(item.data)
            self.got.append((said["execution"], said["entry"]["seq"]))
            self.last = str(item.place)
        if count < len(items):
            self.drop()  # the connection broke within what was sent
        elif not items:
            self.last = str(part.place)
        return bool(items)

    def drop(self) -> None:
        if self.tail is not None:
            self.tail.close()
            self.tail = None

    def owed(self) -> list[Told]:
        begun = max(length for number, length in self.cell.marks if number <= self.begun)
        return [
            told
            for told, facts in self.cell.log[begun:]
            if (self.which.projects is None or facts["project"] in self.which.projects)
            and (not self.which.statuses or facts["status"] in self.which.statuses)
        ]


async def happen(cell: Cell, readers: list[Reader], *, deletes: bool) -> None:
    """Let one thing happen."""
    chance, reader = cell.chance.random(), cell.chance.choice(readers)
    if chance < 0.4:
        await cell.commit()
    elif chance < 0.85:
        # A commit beside it: the seam between the store and what is live.
        beside = asyncio.create_task(cell.commit())
        await reader.read()
        await beside
    elif chance < 0.94:
        reader.drop()
    elif chance < 0.97:
        await (cell.delete() if deletes else cell.commit())
    else:
        for one in readers:
            one.drop()
        await cell.restart()


async def play(cell: Cell, *, steps: int, deletes: bool) -> list[Reader]:
    """Let everything happen at random, then let every reader read to the end."""
    await cell.open()
    readers = [
        Reader(cell, which)
        for which in (
            Which(),
            Which(projects=frozenset({"shop"})),
            Which(statuses=frozenset({"failed"})),
            Which(projects=frozenset({"bank"}), statuses=frozenset({"running", "waiting"})),
        )
    ]
    for reader in readers:
        await reader.read()
    for _ in range(steps):
        await happen(cell, readers, deletes=deletes)
    for reader in readers:
        quiet = 0
        while quiet < 5:
            quiet = 0 if await reader.read(some=False) else quiet + 1
        reader.drop()
    return readers


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "sqlite":
        yield SqliteStore(tmp_path / "goflow.db")
    else:
        async with request.getfixturevalue("postgres").fresh() as url:
            yield PostgresStore(url)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(module, "PAGE_RECORDS", 3)


@pytest.mark.parametrize("seed", range(6))
async def test_no_entry_is_missed_or_doubled(store: Store, seed: int) -> None:
    cell = Cell(store, random.Random(seed))
    try:
        for reader in await play(cell, steps=200, deletes=False):
            assert reader.resets == 0
            assert reader.got == reader.owed()
            assert len(reader.got) > 20
    finally:
        await store.close()


@pytest.mark.parametrize("seed", range(6))
async def test_who_may_have_missed_what_was_deleted_is_told(store: Store, seed: int) -> None:
    cell = Cell(store, random.Random(seed))
    try:
        for reader in await play(cell, steps=300, deletes=True):
            assert reader.got == reader.owed()
    finally:
        await store.close()


async def test_a_slow_reader_is_told_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUFFER_ENTRIES_MAX", 40)
    monkeypatch.setattr(module, "PAGE_RECORDS", 50)
    cell = Cell(store, random.Random(1))
    await cell.open()
    slow, quick = Reader(cell, Which()), Reader(cell, Which())
    try:
        for reader in (slow, quick):
            await reader.read()
        for _ in range(20):
            await cell.commit()
            while quick.got != quick.owed():
                await quick.read(some=False)
        while not slow.resets:
            await slow.read(some=False)
        await cell.commit()
        while slow.got != slow.owed():
            await slow.read(some=False)
        assert (slow.resets, quick.resets) == (1, 0)
        assert slow.got
    finally:
        slow.drop()
        quick.drop()
        await store.close()


async def test_a_place_within_a_record_that_has_gone_skips_nothing_of_others(store: Store) -> None:
    cell = Cell(store, random.Random(3))
    await cell.open()
    reader = Reader(cell, Which(projects=frozenset({"bank"})))
    try:
        while True:
            await cell.commit()
            row = (await store.commits(after=0, limit=10_000)).items[-1]
            if row.project == "shop" and row.record.first_seq < row.record.seq:
                break
        line, newest = await store.newest_commit()
        within = Place(line=line, after=newest - 1, skip=row.record.first_seq)
        await store.delete(row.record.execution)
        del cell.seqs[row.record.execution]
        reader.last = str(within)
        while await reader.read(some=False):
            pass
        while (await store.newest_commit())[1] == newest:
            await cell.commit()
        there = Place(line=line, after=(await store.newest_commit())[1])
        while reader.tail is None or reader.tail.place.after < there.after:
            await reader.read(some=False)
        assert reader.tail.place == there
    finally:
        reader.drop()
        await store.close()
