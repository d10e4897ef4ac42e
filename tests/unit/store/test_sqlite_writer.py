"""The writer: one connection, whole jobs, and what a sick disk does to it."""

import asyncio
import contextlib
import os
import random
import resource
import sqlite3
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goflow_py.errors import Unavailable
from goflow_py.ports import Committed, HeadRow, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore, failures, jobs, writer

NOW = 1_800_000_000_000


def start(number: int, body: bytes = b"{}") -> Write:
    id_ = f"01900000-0000-7000-8000-{number:010x}00"
    head = HeadRow(
        id=id_, project="p", activity="a", version=1, status="running", state="init", key=None,
        labels={}, seq=0, wake=None, started_at=NOW, updated_at=NOW, finished_at=None, body=body,
    )  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="", entries=b"[]")
    return Write(head=head, epoch=1, records=[record], start=True)


def id_of(number: int) -> str:
    return start(number).head.id


async def owning(path: Path, **options) -> SqliteStore:
    store = SqliteStore(path, **options)
    await store.open(node="n", now=NOW, ttl_ms=10_000)
    await store.claim(limit=256, now=NOW)
    return store


@pytest.fixture
async def store(tmp_path):
    store = await owning(tmp_path / "goflow.db")
    yield store
    await store.close()


async def test_there_is_one_writing_descriptor_on_the_data_file(store, tmp_path):
    await asyncio.gather(*(store.head(id_of(1)) for _ in range(20)))
    await store.commit([start(1)])
    modes = sorted(open_modes(tmp_path / "goflow.db"))
    assert modes == [os.O_RDONLY, os.O_RDONLY, os.O_RDWR]


def open_modes(path: Path):
    """Yield how each descriptor of this process on *path* is open."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them is gone again
            if descriptor.readlink() == path:
                flags = Path(f"/proc/self/fdinfo/{descriptor.name}").read_text()
                yield int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE


async def test_the_writer_is_durable_and_careful(store):
    def pragmas(db):
        names = ("journal_mode", "synchronous", "wal_autocheckpoint", "trusted_schema")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await store._write(pragmas) == ["wal", 2, 0, 0]


async def test_readers_cannot_write(store):
    await store.head("x")
    connection = await next(iter(store._open_readers._opening.values()))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await connection.execute("DELETE FROM executions")


async def test_callers_that_are_cancelled_leave_a_working_store(store):
    chance = random.Random(7)
    tasks = []
    for number in range(200):
        tasks.append(asyncio.ensure_future(store.commit([start(number)])))
        tasks.append(asyncio.ensure_future(store.head(id_of(number))))
        await asyncio.wait(tasks[-1:], timeout=0)
        chance.choice(tasks).cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) > 20
    assert not [one for one in answers if isinstance(one, Exception)]
    assert await store.commit([start(1000)]) == [Committed()]
    for number in range(200):
        head = await store.head(id_of(number))
        records = await store.history(id_of(number), after=-1, limit=9)
        assert (head is not None) == (len(records) == 1), "whole or not at all"
        if answers[2 * number] == [Committed()]:
            assert head is not None


async def test_a_cancelled_commit_is_still_written_whole(store):
    task = asyncio.ensure_future(store.commit([start(number) for number in range(500)]))
    await asyncio.wait([task], timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.ping()  # behind it in the queue
    assert None not in await store.heads([id_of(number) for number in range(500)])


async def test_a_job_that_raises_leaves_nothing_and_harms_nobody(store):
    def broken(db):
        db.execute("DELETE FROM shards")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await store._write(broken)
    assert await store.commit([start(1)]) == [Committed()]


async def test_the_queue_is_bounded(store, monkeypatch):
    monkeypatch.setattr(writer, "JOBS_MAX", 3)
    answers = await asyncio.gather(*(store.ping() for _ in range(10)), return_exceptions=True)
    assert [type(one).__name__ for one in answers] == ["NoneType"] * 3 + ["Unavailable"] * 7
    assert isinstance(answers[-1], Unavailable) and answers[-1].reason == "store_busy"
    await store.ping()


async def test_the_log_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "WAL_BYTES", 400_000)
    monkeypatch.setattr(writer, "WAL_KEPT_BYTES", 40_000)
    store = await owning(tmp_path / "goflow.db")
    for number in range(200):
        await store.commit([start(number, os.urandom(20_000))])
        assert (tmp_path / "goflow.db-wal").stat().st_size < 600_000
    await store.close()


async def test_an_idle_writer_writes_the_log_back_and_gives_free_pages_back(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.001)
    monkeypatch.setattr(writer, "FREE_PAGES_MAX", 10)
    path = tmp_path / "goflow.db"
    tidied = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = writer.Writer._tidy

    def tidy(self, connection):
        real(self, connection)
        if path.stat().st_size < 1_000_000:
            loop.call_soon_threadsafe(tidied.set)

    store = await owning(path)
    await store.commit([start(number, os.urandom(50_000)) for number in range(50)])
    monkeypatch.setattr(writer.Writer, "_tidy", tidy)
    for number in range(50):
        await store.delete(id_of(number))
    await asyncio.wait_for(tidied.wait(), 10)
    await store.close()


async def test_idle_once_gives_back_many_pages_and_not_one(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.001)
    monkeypatch.setattr(writer, "FREE_PAGES_MAX", 100)
    given_back: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    real = writer.Writer._tidy

    def tidy(self, connection):
        [before] = connection.execute("PRAGMA freelist_count").fetchone()
        real(self, connection)
        [after] = connection.execute("PRAGMA freelist_count").fetchone()
        if before > 100:
            loop.call_soon_threadsafe(given_back.put_nowait, before - after)

    monkeypatch.setattr(writer.Writer, "_tidy", tidy)
    store = await owning(tmp_path / "goflow.db")
    await store.commit([start(1, os.urandom(1_000_000))])
    await store.delete(id_of(1))
    assert await asyncio.wait_for(given_back.get(), 10) == 100
    await store.close()


async def test_a_purge_of_long_histories_ends_early(store, monkeypatch):
    monkeypatch.setattr(jobs, "PURGE_RECORDS_MAX", 2)
    for number in range(5):
        write = start(number)
        head = replace(write.head, status="failed", finished_at=NOW, purge_at=NOW)
        await store.commit([replace(write, head=head)])
    assert [await store.purge(before=NOW + 1, limit=9) for _ in range(4)] == [2, 2, 1, 0]


# ---------------------------------------------------------------- sick disks


async def heals(store: SqliteStore, code: str, sick, healthy) -> None:
    """Hold a store to: nothing of a refused call is there, reads go on, and then all is well."""
    assert await store.commit([start(1)]) == [Committed()]
    sick()
    try:
        with pytest.raises(Unavailable) as caught:
            await store.commit([start(2), start(3, os.urandom(3_000_000))])
        assert caught.value.reason == code
        assert await store.heads([id_of(1), id_of(2), id_of(3)]) == [b"{}", None, None]
    finally:
        healthy()
    assert not store.failed
    assert await store.commit([start(2), start(3)]) == [Committed(), Committed()]
    assert len(await store.history(id_of(2), after=-1, limit=9)) == 1


async def test_a_file_that_may_not_grow_is_unavailable_and_heals(store):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    await heals(
        store,
        "store_io",
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard)),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)),
    )


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")
    yield place
    subprocess.run(["umount", place], check=True)


async def test_a_full_disk_is_unavailable_and_heals(small_disk):
    store = await owning(small_disk / "goflow.db")
    filler = small_disk / "filler"
    await heals(store, "store_full", lambda: filler.write_bytes(b"x" * 3_000_000), filler.unlink)
    await store.close()


async def test_a_start_on_a_full_disk_is_one_line(small_disk):
    (small_disk / "filler").write_bytes(b"x" * (4 * 1024 * 1024 - 8192))
    with pytest.raises(Exception, match=r"full disk|cannot be written") as caught:
        await owning(small_disk / "goflow.db")
    assert type(caught.value).__name__ == "StartRefused"


def fsync_error(db):
    db.execute("DELETE FROM shards")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    raise error


async def test_after_a_failed_sync_nothing_is_written_ever_again(tmp_path):
    calls = []
    store = await owning(tmp_path / "goflow.db", on_fatal=lambda: calls.append("fatal"))
    await store.commit([start(1)])
    waiting = [asyncio.ensure_future(store.ping()) for _ in range(2)]
    jobs = [store._write(fsync_error), store._write(fsync_error), *waiting, store.ping()]
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    failures = [one for one in answers[:2] if isinstance(one, Unavailable)]
    assert [one.reason for one in failures] == ["store_failed"] * 2
    assert store.failed and calls == ["fatal"]
    for call in (store.ping(), store.commit([start(2)]), store.heartbeat(now=NOW)):
        with pytest.raises(Unavailable) as caught:
            await call
        assert caught.value.reason == "store_failed"
    assert await store.head(id_of(1)) == b"{}"
    await store.close()
    assert calls == ["fatal"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_FULL, "store_full"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "store_busy"),
        (sqlite3.SQLITE_IOERR_WRITE, "store_io"),
        (sqlite3.SQLITE_IOERR_DIR_FSYNC, "store_failed"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "store_corrupt"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "store_readonly"),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, None),
        (sqlite3.SQLITE_MISMATCH, None),
    ],
)
def test_an_error_of_sqlite_has_one_meaning(code, reason):
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    found = failures.unavailable(error)
    assert (found.reason if found else None) == reason


async def test_a_data_file_that_another_program_holds_is_busy_and_heals(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.01)
    store = await owning(tmp_path / "goflow.db")
    other = sqlite3.connect(tmp_path / "goflow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        await store.ping()
    assert caught.value.reason == "store_busy"
    other.close()
    await store.ping()
    await store.close()


async def test_a_seq_that_only_the_history_has_is_fenced(store):
    one = start(1)
    await store.commit([one])
    await store._write(lambda db: db.execute("UPDATE executions SET seq = -1"))
    verdicts = await store.commit([replace(one, start=False), start(2)])
    assert [type(verdict).__name__ for verdict in verdicts] == ["Fenced", "Committed"]


# ---------------------------------------------------------------- no memory, and a thread that ends


class Forgetful:
    """A connection that has no memory for some statements."""

    def __init__(self, real: sqlite3.Connection, word: str) -> None:
        self._real = real
        self._word = word
        self.met = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        self._remember(statement)
        return self._real.execute(statement, *parameters)

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        self._remember(statement)
        return self._real.executemany(statement, rows)

    def _remember(self, statement: str) -> None:
        if self._word in statement:
            self.met.set()
            raise MemoryError


async def forgetful(tmp_path, monkeypatch, word):
    """Return a store whose writer has no memory for statements with *word*, and its connection."""
    opened = []

    def connect(path):
        opened.append(Forgetful(real(path), word))
        return opened[-1]

    real = writer.connect
    monkeypatch.setattr(writer, "connect", connect)
    calls = []
    store = await owning(tmp_path / "goflow.db", on_fatal=lambda: calls.append("fatal"))
    return store, opened[0], calls


@pytest.mark.parametrize("word", ["wal_checkpoint", "freelist_count"])
async def test_tidying_without_memory_does_not_end_the_writer(tmp_path, monkeypatch, word):
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.01)
    store, connection, calls = await forgetful(tmp_path, monkeypatch, word)
    assert await asyncio.to_thread(connection.met.wait, 20)
    async with asyncio.timeout(20):
        assert [type(one) for one in await store.commit([start(1)])] == [Committed]
        await store.close()
    assert calls == []


async def test_a_write_without_memory_is_unavailable_and_heals(tmp_path, monkeypatch):
    store, connection, _ = await forgetful(tmp_path, monkeypatch, "INSERT INTO history")
    with pytest.raises(Unavailable) as caught:
        await store.commit([start(1), start(2)])
    assert caught.value.reason == "store_memory"
    connection._word = "nothing"
    assert len(await store.commit([start(1), start(2)])) == 2
    assert await store.head(id_of(2)) == b"{}"
    await store.close()


async def test_a_rollback_without_memory_leaves_nothing_of_its_job(tmp_path, monkeypatch):
    store, _, calls = await forgetful(tmp_path, monkeypatch, "ROLLBACK")
    with pytest.raises(ZeroDivisionError):
        await store._write(lambda db: db.execute("DELETE FROM shards") and 1 // 0)
    async with asyncio.timeout(20):
        assert [type(one) for one in await store.commit([start(1)])] == [Committed]
        await store.close()
    assert calls == []


async def test_whatever_ends_the_thread_answers_everybody(tmp_path, monkeypatch):
    calls = []
    store = await owning(tmp_path / "goflow.db", on_fatal=lambda: calls.append("fatal"))

    def broken(self):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(writer.Writer, "_wal_is_long", broken)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(store.commit([start(number)]) for number in range(3)), return_exceptions=True
        )
        assert [getattr(one, "reason", one) for one in answers[1:]] == ["store_failed"] * 2
        with pytest.raises(Unavailable) as caught:
            await store.ping()
        assert caught.value.reason == "store_failed" and store.failed
        await store.close()
    assert calls == ["fatal"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
async def test_a_reader_that_cannot_be_opened_is_opened_later(store, monkeypatch, error):
    await store.commit([start(1)])

    def connect(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("goflow_py.store.sqlite.readers.aiosqlite.connect", connect)
        with pytest.raises(Unavailable) as caught:
            await store.head(id_of(1))
    assert caught.value.reason == "store_memory"
    assert await store.head(id_of(1)) == b"{}"
