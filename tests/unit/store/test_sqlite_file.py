"""The data file: who may open it, what a crash leaves, what a backup has."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from goflow_py.errors import Conflict, StartRefused, Unavailable
from goflow_py.ports import Committed, HeadRow, Poisonous, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore
from goflow_py.store.sqlite.readers import Readers
from goflow_py.store.sqlite.schema import SCHEMA

NOW = 1_800_000_000_000


def start(number: int, **fields) -> Write:
    id_ = f"01900000-0000-7000-8000-{number:010x}00"
    given = {
        "id": id_, "project": "p", "activity": "a", "version": 1, "status": "running",
        "state": "init", "key": None, "labels": {}, "seq": 0, "wake": None, "started_at": NOW,
        "updated_at": NOW, "finished_at": None, "body": str(number).encode(),
    }  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="", entries=b"[]")
    return Write(head=HeadRow(**{**given, **fields}), epoch=1, records=[record], start=True)


async def opened(path: Path, *, node: str = "n", **options) -> SqliteStore:
    store = SqliteStore(path, **options)
    await store.open(node=node, now=NOW, ttl_ms=10_000)
    return store


async def owning(path: Path, **options) -> SqliteStore:
    store = await opened(path, **options)
    await store.claim(limit=256, now=NOW)
    return store


async def refusal(path: Path) -> str:
    """Return the one line of a refused start, which must leave no lock behind."""
    store = SqliteStore(path)
    with pytest.raises(StartRefused) as caught:
        await store.open(node="refused", now=NOW, ttl_ms=10_000)
    await store.close()
    assert "\n" not in caught.value.detail
    assert str(path.name) in caught.value.detail
    return caught.value.detail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "goflow.db"


# ---------------------------------------------------------------- permissions and refusals


async def test_directory_and_files_are_the_owners_alone(path):
    before = os.umask(0)
    try:
        store = await owning(path)
        await store.commit([start(1)])
        await store.head("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    names = {path.name + suffix for suffix in ("", "-wal", "-shm", ".lock", ".reserve")}
    assert set(modes) == names
    assert set(modes.values()) == {0o600}
    await store.close()
    assert {one.name for one in path.parent.iterdir()} == {path.name, path.name + ".lock"}


async def test_a_second_server_is_refused_with_the_process_of_the_first(path):
    store = await opened(path)
    line = await refusal(path)
    assert f"process {os.getpid()}" in line and "stop it" in line
    await store.ping()
    await store.close()
    await (await opened(path, node="next")).close()


async def test_a_second_server_in_another_process_is_refused(path):
    store = await opened(path)
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from goflow_py.store.sqlite import SqliteStore\n"
        "asyncio.run(SqliteStore(Path(sys.argv[1])).open(node='m', now=1, ttl_ms=1))"
    )
    second = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    )
    assert second.returncode != 0
    assert f"in use by another server (process {os.getpid()})" in second.stderr
    await store.close()


async def test_a_newer_schema_is_refused(path):
    await (await opened(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO goflow_schema VALUES (?, '', 0)", (SCHEMA + 1,))
    connection.close()
    assert "start the newer release" in await refusal(path)


async def test_a_changed_migration_is_refused(path):
    await (await opened(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE goflow_schema SET sha256 = 'other'")
    connection.close()
    assert "another build" in await refusal(path)


async def test_the_database_of_another_program_is_refused_unchanged(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    assert "another program" in await refusal(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    connection.close()


async def test_what_is_no_database_is_refused_unchanged(path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all " * 500)
    assert "not a database" in await refusal(path)
    assert path.read_bytes().startswith(b"no database")


async def test_a_damaged_file_is_refused(path):
    store = await owning(path)
    await store.commit([start(number) for number in range(50)])
    await store.close()
    with path.open("r+b") as file:
        file.seek(100)  # behind the header, the root of the schema
        file.write(b"\xff" * 3000)
    assert "damaged" in await refusal(path)


async def test_a_directory_in_the_place_of_the_file_is_refused(path):
    path.mkdir(parents=True)
    assert "cannot be" in await refusal(path)


async def test_a_parent_that_is_a_file_is_refused(path):
    path.parent.write_text("")
    assert "check its directory" in await refusal(path)


async def test_a_file_that_another_program_locks_is_refused(path, monkeypatch):
    monkeypatch.setattr("goflow_py.store.sqlite.writer.BUSY_SECONDS", 0.01)
    await (await opened(path)).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "held by another program" in await refusal(path)
    other.close()
    await (await opened(path)).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
async def test_a_file_without_the_right_to_write_is_refused(path):
    await (await opened(path)).close()
    path.chmod(0o400)
    assert "cannot be written" in await refusal(path)


async def test_open_twice_is_refused(path):
    store = await opened(path)
    with pytest.raises(StartRefused):
        await store.open(node="again", now=NOW, ttl_ms=1)
    await store.ping()
    await store.close()


# ---------------------------------------------------------------- crashes


async def test_a_crash_loses_nothing_that_returned_and_frees_the_shards_at_once(path, tmp_path):
    store = await owning(path)
    for number in range(200):
        await store.commit([start(number)])
    crashed = tmp_path / "crashed" / "goflow.db"
    crashed.parent.mkdir()
    for suffix in ("", "-wal"):  # the shared index is memory: a crash takes it
        shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")
    after = await opened(crashed, node="after")
    ids = [start(number).head.id for number in range(200)]
    assert await after.heads(ids) == [str(number).encode() for number in range(200)]
    claimed = await after.claim(limit=256, now=NOW)  # no lease to wait for: the lock is ours
    assert len(claimed) == 256 and set(claimed.values()) == {2}
    await after.close()
    await store.close()


async def test_a_log_that_was_cut_by_the_crash_opens_with_a_prefix(path, tmp_path):
    store = await owning(path)
    for number in range(50):
        await store.commit([start(number)])
    crashed = tmp_path / "goflow.db"
    shutil.copy(path, crashed)
    log, copy = path.with_name(path.name + "-wal"), crashed.with_name(crashed.name + "-wal")
    copy.write_bytes(log.read_bytes()[:-1000])
    after = await opened(crashed, node="after")
    heads = await after.heads([start(number).head.id for number in range(50)])
    kept = [head for head in heads if head is not None]
    assert heads[: len(kept)] == kept and 40 < len(kept) < 50
    await after.close()
    await store.close()


async def test_an_execution_on_a_damaged_page_is_set_apart_and_the_others_run(path):
    store = await owning(path)
    mark = b"damaged here"
    rest = b"x" * 3_000  # so that no two share a page
    await store.commit([start(1, body=mark + rest), start(2, body=rest), start(3, body=rest)])
    await store.close()
    image = bytearray(path.read_bytes())
    page = image.index(mark) // 4096 * 4096
    image[page] = 0xFF  # no kind of page
    path.write_bytes(image)
    store = await owning(path, node="after")
    steps = []
    for number in (2, 1, 3):
        record = replace(start(number).records[0], first_seq=1, seq=1)
        head = replace(start(number).head, seq=1)
        steps.append(Write(head=head, epoch=2, records=[record]))
    first, second, third = await store.commit(steps)
    assert isinstance(second, Poisonous)
    assert [first, third] == [Committed(), Committed()]
    assert len(await store.history(start(1).head.id, after=-1, limit=9)) == 1
    assert len(await store.history(start(3).head.id, after=-1, limit=9)) == 2
    with pytest.raises(Unavailable) as caught:
        await store.head(start(1).head.id)
    assert caught.value.reason == "store_corrupt"
    await store.close()


async def test_everything_is_written_back_at_the_end(path):
    store = await owning(path)
    await store.commit([start(1)])
    await store.close()
    assert not path.with_name(path.name + "-wal").exists()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (1,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


# ---------------------------------------------------------------- backup


async def test_a_backup_has_everything_and_opens_as_a_store(path, tmp_path):
    store = await owning(path)
    await store.commit([start(number) for number in range(20)])
    copy = tmp_path / "copy.db"
    backup = asyncio.ensure_future(store.backup(str(copy)))
    await store.commit([start(100)])
    await backup
    await store.commit([start(101)])
    restored = await opened(copy, node="restored")
    ids = [start(number).head.id for number in (*range(20), 101)]
    heads = await restored.heads(ids)
    assert None not in heads[:20] and heads[20] is None
    await restored.close()
    await store.close()


async def test_a_backup_that_cannot_be_written_leaves_nothing(path, tmp_path):
    store = await owning(path)
    with pytest.raises(Unavailable) as caught:
        await store.backup(str(tmp_path / "nowhere" / "copy.db"))
    assert caught.value.reason == "backup_failed"
    with pytest.raises(Conflict):
        await store.backup(str(path))
    assert {one.name for one in tmp_path.iterdir()} == {"data"}
    await store.ping()
    await store.close()


async def test_a_reader_of_a_file_that_is_no_database_leaves_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "goflow.db"
    path.write_bytes(b"no database at all" * 100)
    readers = Readers(path)
    before = threading.active_count()
    with pytest.raises(Unavailable):
        await readers.one("endpoints")
    await readers.close()
    async with asyncio.timeout(5):
        while threading.active_count() > before:  # noqa: ASYNC110  # a thread sets no event
            await asyncio.sleep(0.01)


async def test_a_link_to_a_file_in_use_is_the_file_in_use(path, tmp_path):
    store = SqliteStore(path)
    await store.open(node="a", now=1, ttl_ms=1_000)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(StartRefused, match="in use"):
        await SqliteStore(link).open(node="b", now=1, ttl_ms=1_000)
    await store.close()


async def test_a_file_with_a_second_name_is_refused(path, tmp_path):
    store = SqliteStore(path)
    await store.open(node="a", now=1, ttl_ms=1_000)
    await store.close()
    os.link(path, tmp_path / "other.db")
    assert "hard link" in await refusal(tmp_path / "other.db")
