"""The statements: each is used, each is known to the server, and none walks a whole large table."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import goflow_py.store.postgres as package
from goflow_py.ports import Filter, TaskFilter
from goflow_py.store.postgres import PostgresStore, address, lists, queries
from goflow_py.store.postgres.changes import Changes
from tests.contract.conftest import NOW, Make
from tests.postgres import Server

SQL = queries.SQL
make = Make()
ID = make.id(77)
EXECUTIONS = 30_000

FILL = f"""
INSERT INTO executions (id, n, shard, project, activity, version, status, state, key, labels, seq,
  started_at, updated_at, purge_at, finished_at, parent, body)
SELECT '01900000-0000-7000-8000-' || lpad(to_hex(i), 10, '0') || '00', i::bigint << 20, 0,
  'p' || i % 50, 'a' || i % 7, 1,
  CASE WHEN i % 100 = 0 THEN 'failed' WHEN i % 100 = 1 THEN 'running'
    WHEN i % 100 = 2 THEN 'waiting' ELSE 'completed' END,
  'init', CASE WHEN i % 3 = 0 THEN 'k' || i END, '{{}}', 1, i, i, CASE WHEN i % 2 = 0 THEN i END,
  CASE WHEN i % 2 = 0 THEN i END,
  CASE WHEN i % 50 = 0 THEN '01900000-0000-7000-8000-000000000100' END, repeat('b', 200)::bytea
FROM generate_series(1, {EXECUTIONS}) AS i;
INSERT INTO history SELECT id, seq, seq, 1, 1, '', repeat('e', 100)::bytea, n, status
  FROM executions;
INSERT INTO wakes SELECT id, shard, n, n FROM executions WHERE status = 'waiting';
INSERT INTO names SELECT project, 'idem', 's', id, id, '', '', NULL FROM executions;
INSERT INTO names SELECT project, 'idem', 't', id, '', '', '', started_at FROM executions;
INSERT INTO inbox (shard, execution, kind, dedupe, body, at)
  SELECT shard, id, 'event', 'd', '', 1 FROM executions LIMIT 20000;
INSERT INTO tasks SELECT id, 't', 1, project, activity, 'q' || n % 9, 'pull', NULL, 'queued',
  started_at, started_at, NULL, NULL FROM executions;
INSERT INTO early (project, key, name, body, id, created_at, expires_at)
  SELECT project, id, 'e', '', id, 1, started_at FROM executions;
ANALYZE;
"""

VALUES: dict[str, Any] = {
    "activity": "a1", "after": 0, "after_activity": "", "after_execution": "", "after_project": "",
    "after_since": 0, "after_task": "", "alias": "a", "answer": b"", "application": "a",
    "assigned_to": None, "at": 0, "batch": "b", "before": 2**62, "before_id": "", "body": b"",
    "bound": 2**62, "class": 1, "created_at": 0, "dedupe": "d", "description": "", "digest": "",
    "epoch": 1, "execution": ID, "expires": None, "expires_at": 1, "findings": b"", "floor": 0,
    "hash": "", "id": ID, "ids": [ID], "key": "k3", "kind": "idem", "labels": None, "limit": 10,
    "line": "", "max_open_calls": 1, "max_running": 1, "max_stored_bytes": 1, "name": "n",
    "node": "n", "now": 10, "numbers": [1], "one": ID, "only": None, "parent": None, "pid": 1,
    "progress": b"", "project": "p1", "queues": ["q1", "q2"], "records": 9, "roles": "[]",
    "rows": 500, "scope": "s", "scopes": "[]", "seq": 1, "shards": [0], "since": 0, "slot_ms": 9,
    "starts_per_second": 1.0, "state": None, "status": "failed", "system": "", "task": "t",
    "text": None, "ttl": 1, "until": 2**62, "updated_at": 0, "url": "", "version": 1, "wake": 0,
    "address": "", "queue": None, "number": 1, "channel": "c", "said": "s",
    "old_status": "", "old_progress": b"", "old_updated": 0, "shard": 0, "silent": False,
}  # fmt: skip
LARGE = ("executions", "history", "wakes", "names", "inbox", "tasks", "early")
WHOLE = {  # what they walk is asked for whole, or is an operator's
    "wrong_tallies", "task_counts", "inbox_size", "early_keys", "drain", "survey",
}  # fmt: skip
UNPLANNED = {
    "create_schema_table", "take_time", "commit", "commit_bare", "settings", "own_tables",
    "lock_schema", "first_line", "next_line", "deliver", "free", "holders",
    "deleted", "forget_tallies", "hurry", "lock_commits_out",
}  # fmt: skip


@pytest.fixture(scope="module")
def full(postgres: Server) -> Iterator[str]:
    """A database with many of everything."""
    fresh = postgres.fresh()
    with asyncio.Runner() as runner:
        url = runner.run(fresh.__aenter__())

        async def fill() -> None:
            store = PostgresStore(url)
            await store.open(node="n", now=NOW, ttl_ms=1)
            await store.close()
            session = await asyncpg.connect(url)
            await session.execute(FILL)
            await session.close()

        runner.run(fill())
        yield url
        runner.run(fresh.__aexit__(None, None, None))


def plan(url: str, query: str, given: dict[str, Any], role: str = "reader") -> str:
    """Return how a session of a *role* runs a statement."""

    async def explained() -> str:
        session = await address.connect(url, role=role, node="n")
        statement = SQL[query]
        try:
            rows = await session.fetch(f"EXPLAIN {statement.text}", *statement.values(given))
        finally:
            await session.close()
        return "\n".join(line for (line,) in rows)

    return asyncio.run(explained())


def test_every_statement_is_used():
    code = "".join(path.read_text() for path in Path(package.__path__[0]).glob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in code] == []


@pytest.mark.parametrize("name", sorted(set(SQL) - UNPLANNED))
def test_a_statement_walks_no_large_table(full, name):
    texts: dict[str, Any] = {"status": ["failed"]} if name == "list" else {}
    texts |= {"after": ""} if name in ("live", "open_running", "names") else {}
    texts |= {"version": "1"} if name == "register_node" else {}
    texts |= {"until": 9 << 20} if name == "commits" else {}
    found = plan(full, name, {**VALUES, **texts})
    scanned = re.findall(rf"Seq Scan on ({'|'.join(LARGE)})\b", found)
    assert not scanned or name in WHOLE, found


LEADERS = {
    "key": Filter(key="k300"),
    "parent": Filter(parent=make.id(1)),
    "status": Filter(status=["failed"]),
    "activity": Filter(project="p1", activity="a1"),
    "project": Filter(project="p1"),
    "n": Filter(),
}


@pytest.mark.parametrize(("leader", "which"), LEADERS.items(), ids=LEADERS)
@pytest.mark.parametrize("query", ["list", "floor"])
def test_a_list_goes_down_the_index_of_its_filter_without_sorting(full, leader, which, query):
    asked = {**VALUES, **lists._parameters(which), "status": None}
    asked["only"] = which.status[0] if which.status else None
    found = plan(full, query, asked)
    fitting = "(project|activity)" if leader == "project" else leader  # one begins like the other
    assert re.search(rf"(using|Index Scan on) executions_{fitting}\b", found), found
    assert query == "floor" or leader == "parent" or "Sort" not in found, found


async def test_a_page_stops_looking(full, monkeypatch):
    monkeypatch.setattr(lists, "LIST_ROWS_MAX", 100)
    store = PostgresStore(full)
    await store.open(node="m", now=NOW, ttl_ms=1)
    try:
        cursor, pages = "", 0
        while pages == 0 or cursor:
            page = await store.list(Filter(state="none"), limit=10, cursor=cursor or None)
            assert page.items == []
            cursor, pages = page.next or "", pages + 1
        assert pages == pytest.approx(EXECUTIONS / 100, abs=2)
        which = TaskFilter(project="p1", kind="human")
        assert (await store.tasks(which, limit=9, cursor=None)).items == []
    finally:
        await store.close()


def test_a_commit_looks_everything_up_by_a_key(full):
    changes = Changes()
    changes.add(make.step(ID, 2, write={"names": [make.name("n", ID)], "inbox": [1]}))
    changes.add(make.start(make.id(99_999_999), write={"queue": [make.task(ID)]}))
    given = {**changes.arguments(), "node": "n", "lane": 1}
    for name in ("commit", "commit_bare"):
        found = plan(full, name, given, role="writer")
        assert re.findall(rf"Seq Scan on ({'|'.join(LARGE)}|shards)\b", found) == [], found
        assert not re.search("Hash Join|Merge Join|Function Scan", found), found


def test_a_bare_commit_looks_at_nothing_that_is_not_in_its_batch():
    assert re.findall("names|inbox|tasks", SQL["commit_bare"].text) == []
    assert set(SQL["commit_bare"].names) < set(SQL["commit"].names)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "comes twice"),
        ("-- name: a\nSELECT 1", "not one statement"),
        ("-- name: a\nSELECT 1; SELECT 2;", "not one statement"),
    ],
)
def test_a_flawed_file_of_statements_is_refused(text, flaw):
    with pytest.raises(ValueError, match=flaw):
        queries.parse(text)


def test_parameters_are_numbered_by_their_first_use():
    parsed = queries.parse("-- name: a\n-- :no\nSELECT :b::text, :a::int[], :b, x::text;")
    assert parsed["a"] == queries.Statement("SELECT $1::text, $2::int[], $1, x::text;", ("b", "a"))


def test_a_marked_part_is_left_out_of_a_second_statement():
    parsed = queries.parse("-- name: a\nSELECT :x\n  -- not in b:\n, :y\n  -- end\n, :z;")
    assert parsed["b"] == queries.Statement("SELECT $1\n, $2;", ("x", "z"))
    assert parsed["a"].names == ("x", "y", "z")
