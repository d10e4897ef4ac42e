"""Migrations: an older data file is brought up to date, whole or not at all."""

import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from goflow_py.errors import StartRefused
from goflow_py.ports import (
    Committed,
    Filter,
    HeadRow,
    QueueRow,
    RecordRow,
    TaskFilter,
    UsageRow,
    Write,
)
from goflow_py.store.sqlite import SqliteStore, jobs, schema, writer
from goflow_py.store.sqlite.schema import SCHEMA, migrate, statements

NOW = 1_800_000_000_000


def start(number: int, parent: str | None = None) -> Write:
    id_ = f"01900000-0000-7000-8000-{number:010x}00"
    head = HeadRow(
        id=id_, project="p", activity="a", version=1, status="running", state="init", key=None,
        labels={}, seq=0, wake=None, started_at=NOW, updated_at=NOW, finished_at=None,
        parent=parent, body=str(number).encode(),
    )  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="", entries=b"[]")
    return Write(head=head, epoch=1, records=[record], start=True)


async def opened(path: Path, *, node: str = "n") -> SqliteStore:
    store = SqliteStore(path)
    await store.open(node=node, now=NOW, ttl_ms=10_000)
    return store


async def refused(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StartRefused, match="already exists"):
        await store.open(node="refused", now=NOW, ttl_ms=10_000)
    await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "goflow.db"


def test_a_script_is_split_at_the_ends_of_its_statements():
    script = (
        "-- a; comment\nCREATE TABLE a (x);\n\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n  SELECT ';';\nEND;\n-- end\n"
    )
    first, second = statements(script)
    assert first.endswith("(x);")
    assert second.startswith("CREATE TRIGGER") and second.endswith("END;")


def test_a_script_that_ends_within_a_statement_is_refused():
    with pytest.raises(ValueError, match="ends within"):
        list(statements("CREATE TABLE a (x);\nCREATE TABLE b ("))


async def test_a_migration_that_fails_leaves_nothing(path, monkeypatch):
    monkeypatch.setattr(schema, "KNOWN", {1: "CREATE TABLE a (x);\nCREATE TABLE a (x);\n"})
    await refused(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
    connection.close()


def test_a_released_migration_is_never_changed():
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in schema.KNOWN.values()]
    assert digests[0] == "f77cf7cf0769586434ce6fe82e7f4e29ddd50e906563bed9382205a3ce760460"


@pytest.fixture
def first_release(path, monkeypatch):
    """A data file as the first release left it: a running execution, its history and its key."""
    path.parent.mkdir()
    connection = writer.connect(path)
    connection.execute("BEGIN")
    with monkeypatch.context() as before:
        before.setattr(schema, "KNOWN", {1: schema.KNOWN[1]})
        schema.migrate(connection, path, NOW)
    connection.execute("UPDATE shards SET epoch = 4")
    head = start(1).head
    values = (head.id, 0, "p", "a", 1, "running", "init", "k", "{}", 0, 7, NOW, NOW, None, None)
    connection.execute(
        "INSERT INTO executions (id, shard, project, activity, version, status, state, key, labels,"
        " seq, wake, started_at, updated_at, finished_at, purge_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, b"as it was"),
    )
    connection.execute(
        "INSERT INTO history (execution, first_seq, seq, epoch, at, hash, entries)"
        " VALUES (?, 0, 0, 4, ?, '', ?)",
        (head.id, NOW, b"[]"),
    )
    connection.execute(
        "INSERT INTO names VALUES ('p', 'key', 'a', 'k', ?, '', x'', NULL)", [head.id]
    )
    connection.execute("COMMIT")
    connection.close()
    return head.id


async def test_a_file_of_the_first_release_is_brought_up_to_date_and_runs_on(path, first_release):
    one = first_release
    store = await opened(path)
    assert (await store.stats())["schema"] == SCHEMA
    assert await store.head(one) == b"as it was"
    assert len(await store.history(one, after=-1, limit=9)) == 1
    name = await store.name("p", "key", "a", "k")
    assert name is not None and name.execution == one
    assert await store.counts("p", "a") == {1: {"running": 1}}
    size = len(b"as it was") + len(b"[]")
    assert await store.usage() == [UsageRow(project="p", running=1, stored_bytes=size)]
    assert (await store.tasks(TaskFilter(), limit=9, cursor=None)).items == []
    epoch = (await store.claim(limit=256, now=NOW))[0]
    assert epoch == 5
    assert await store.due([0], until=9, limit=9) == [(7, one, "p")]
    record = replace(start(1).records[0], first_seq=1, seq=1)
    child = replace(start(2, parent=one), epoch=epoch)
    task = QueueRow(
        execution=one, task="t", visit=1, project="p", activity="a", queue="q", kind="pull",
        since=NOW, due=NOW,
    )  # fmt: skip
    step = Write(
        head=replace(start(1).head, seq=1), epoch=epoch, records=[record], queue=[task],
        family=[child],
    )  # fmt: skip
    assert await store.commit([step]) == [Committed()]
    assert (await store.list(Filter(parent=one), limit=9, cursor=None)).items == [b"2"]
    assert await store.ready(["q"], project="p", now=NOW, limit=9) == [task]
    size = len(b"1") + len(b"2") + 3 * len(b"[]")
    assert await store.usage() == [UsageRow(project="p", running=2, stored_bytes=size)]
    assert await store.delete(child.head.id)
    size -= len(b"2") + len(b"[]")
    assert await store.usage() == [UsageRow(project="p", running=1, stored_bytes=size)]
    assert await store.wrong_tallies() == []
    await store.commit([replace(child, head=replace(child.head, parent=one))])
    await store.close()
    again = await opened(path, node="again")
    assert await again.heads([one, child.head.id]) == [b"1", b"2"]
    await again.close()


async def test_a_newer_migration_that_fails_leaves_the_older_file_as_it_was(
    path, first_release, monkeypatch
):
    with sqlite3.connect(path) as connection:
        before = connection.execute("SELECT * FROM sqlite_schema").fetchall()
    connection.close()
    broken = {**schema.KNOWN, SCHEMA: schema.KNOWN[SCHEMA] + "CREATE TABLE meta (x);\n"}
    with monkeypatch.context() as failing:
        failing.setattr(schema, "KNOWN", broken)
        await refused(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == before
        assert connection.execute("SELECT version FROM goflow_schema").fetchall() == [(1,)]
    connection.close()
    store = await opened(path)
    assert await store.head(first_release) == b"as it was"
    await store.close()


def test_an_incarnation_that_leaves_late_takes_nothing_from_the_next_one() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("x.db"), 0)
    for node in ("old", "new"):
        jobs.register(connection, node, 0, 10_000)
        assert len(jobs.claim(connection, node, 256, 0)) == 256
    jobs.leave(connection, "old")
    owners = connection.execute("SELECT owner, count(*) FROM shards GROUP BY owner").fetchall()
    assert owners == [("new", 256)]
    jobs.leave(connection, "new")
    assert connection.execute("SELECT count(owner) FROM shards").fetchone() == (0,)
