"""The process whose power fails: the real store at work, noting what it was promised.

``python -m tests.faults.power_workload DIRECTORY FULL|NORMAL``. What was acknowledged goes, one
line each, into the file ``acknowledged``, and so into the record between the operations on the
data.
"""

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goflow_py.fsm.draft import chain
from goflow_py.ports import Committed, HeadRow, Name, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore, writer

NOW = 1_800_000_000_000
COMMITS = 90
REOPENED_AFTER = 50
BACKED_UP_AFTER = 70
WAL_BYTES = 96 * 1024
WAL_KEPT_BYTES = 24 * 1024

Content = tuple[list[Any], list[Any], list[Any]]
"""Executions, history and names, as ``content_of`` reads them."""


@dataclass(frozen=True)
class Commit:
    """One transaction: its writes or the execution that it deletes, and what is there then."""

    writes: tuple[Write, ...]
    deleted: str | None
    content: Content


def plan() -> list[Commit]:
    """Return the same commits every time: small and large, starts, steps, ends, deletions."""
    chance = random.Random(4)
    heads: dict[str, tuple[HeadRow, str]] = {}
    records: dict[tuple[str, int], RecordRow] = {}
    names: dict[tuple[str, str], Name] = {}
    commits = []
    for number in range(COMMITS):
        deleted = chance.choice(sorted(heads)) if number % 11 == 10 else None
        writes = [] if deleted else list(_writes(chance, number, heads))
        if deleted:
            del heads[deleted]
            records = {key: one for key, one in records.items() if key[0] != deleted}
            names = {key: one for key, one in names.items() if one.execution != deleted}
        for write in writes:
            [record] = write.records
            heads[write.head.id] = (write.head, record.hash)
            records[write.head.id, record.seq] = record
            names |= {(name.kind, name.name): name for name in write.names}
        content = (
            [(id, head.seq, head.state, head.body) for id, (head, _) in sorted(heads.items())],
            [(id, seq, r.hash, r.entries) for (id, seq), r in sorted(records.items())],
            [(*key, name.execution) for key, name in sorted(names.items())],
        )
        commits.append(Commit(tuple(writes), deleted, content))
    return commits


def _writes(
    chance: random.Random, number: int, heads: dict[str, tuple[HeadRow, str]]
) -> Iterator[Write]:
    for place in range(12 if number % 17 == 16 else chance.randint(1, 2)):
        id_ = f"01900000-0000-7000-8000-{number:06x}{place:04x}{chance.randrange(256):02x}"
        yield _write(chance, id_, -1, "", f"{number}-{place}")
    for id_ in chance.sample(sorted(heads), min(len(heads), chance.randint(0, 3))):
        head, before = heads[id_]
        yield _write(chance, id_, head.seq, before, None)


def _write(chance: random.Random, id: str, seq: int, before: str, name: str | None) -> Write:
    entries = b'[%d,"%s"]' % (
        seq + 1,
        chance.randbytes(chance.choice((30, 200, 1200))).hex().encode(),
    )
    record = RecordRow(
        execution=id, first_seq=seq + 1, seq=seq + 1, at=NOW, hash=chain(before, entries),
        entries=entries, epoch=1,
    )  # fmt: skip
    head = HeadRow(
        id=id, project="p", activity="a", version=1, status="running", state=f"s{seq + 1}",
        key=name, labels={}, seq=seq + 1, wake=None, started_at=NOW, updated_at=NOW,
        finished_at=None, body=b"{%d %s}" % (seq + 1, chance.randbytes(60).hex().encode()),
    )  # fmt: skip
    taken = [] if name is None else [
        Name(project="p", kind=kind, scope="a", name=name, execution=id) for kind in ("idem", "key")
    ]  # fmt: skip
    return Write(head=head, epoch=1, records=[record], start=seq < 0, names=taken)


def content_of(connection: sqlite3.Connection) -> Content:
    """Read all that the commits wrote."""
    return (
        connection.execute("SELECT id, seq, state, body FROM executions ORDER BY id").fetchall(),
        connection.execute(
            "SELECT execution, seq, hash, entries FROM history ORDER BY execution, seq"
        ).fetchall(),
        connection.execute(
            "SELECT kind, name, execution FROM names ORDER BY kind, name"
        ).fetchall(),
    )


async def work(directory: Path, synchronous: str) -> None:
    notes = os.open(directory / "acknowledged", os.O_WRONLY | os.O_CREAT)
    path = directory / "data" / "goflow.db"
    if synchronous != "FULL":
        _weaken(synchronous)
    writer.WAL_BYTES, writer.WAL_KEPT_BYTES = WAL_BYTES, WAL_KEPT_BYTES
    store, epoch = await _opened(path)
    os.write(notes, b"open\n")
    for number, commit in enumerate(plan()):
        if number == REOPENED_AFTER:
            await store.close()
            store, epoch = await _opened(path)
        if number == BACKED_UP_AFTER:
            await store.backup(str(directory / "copy.db"))
            os.write(notes, b"backup\n")
        if commit.deleted:
            assert await store.delete(commit.deleted)
        else:
            writes = [replace(write, epoch=epoch[write.head.shard]) for write in commit.writes]
            assert await store.commit(writes) == [Committed()] * len(writes)
        os.write(notes, b"%d\n" % number)
    await store.close()
    os.write(notes, b"closed\n")


async def _opened(path: Path) -> tuple[SqliteStore, dict[int, int]]:
    store = SqliteStore(path)
    await store.open(node="n", now=NOW, ttl_ms=10_000)
    return store, await store.claim(limit=256, now=NOW)


def _weaken(synchronous: str) -> None:
    real = writer.connect

    def connect(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
        connection = real(path, check_same_thread=check_same_thread)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    writer.connect = connect


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
