"""The statements: each is used, each can be prepared, and none walks a whole table."""

import re
import sqlite3
from pathlib import Path

import pytest

import goflow_py.store.sqlite as package
from goflow_py.ports import Filter, HeadRow, RecordRow, Write
from goflow_py.store.sqlite import SqliteStore, lists, queries, schema, writer

SQL = queries.SQL
NOW = 1_800_000_000_000


@pytest.fixture
def connection(tmp_path):
    connection = writer.connect(tmp_path / "goflow.db")
    connection.execute("BEGIN")
    schema.migrate(connection, tmp_path / "goflow.db", 1)
    connection.execute("COMMIT")
    yield connection
    connection.close()


def parameters(statement: str):
    named: dict[str, object] = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    named |= {name: "[]" for name in ("shards", "status", "labels", "queues") if name in named}
    return named or ["[]"] * statement.count("?")


def plan(connection: sqlite3.Connection, name: str) -> list[str]:
    explained = connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", parameters(SQL[name]))
    return [row[3] for row in explained]


SMALL = {  # what they walk is small, or is asked for whole
    "all_workers", "blueprints", "drain", "endpoints", "keys", "inbox_size", "tallies", "tables",
    "applied_migrations", "forget_nodes", "free_all_shards", "free_own_shards", "claim", "release",
    "task_counts", "nodes", "survey",
    "open_batches", "open_batch_count", "early_keys", "wrong_tallies", "raise_epochs",
    "limits", "usage", "scopes", "schema", "commit_line", "new_commit_line",
    "figures_by_all",  # down the table, as far as its limit
}  # fmt: skip
SMALL_ITSELF = r"(json_each|asked|wanted|held|looked|ended|ranked)\b|\(subquery"
UNPLANNED = {"backup", "create_schema_table"}


@pytest.mark.parametrize("name", sorted(set(SQL) - UNPLANNED))
def test_a_statement_searches_and_does_not_scan(connection, name):
    steps = plan(connection, name)
    scans = [
        step for step in steps
        if step.startswith("SCAN") and not re.search(rf"SCAN ({SMALL_ITSELF})", step)
        and "CONSTANT ROW" not in step
    ]  # fmt: skip
    assert not scans or name in SMALL, steps


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in SQL
        if name.startswith(("list_", "floor_")) or name in ("due", "live", "purgeable")
    ],
)
def test_a_list_is_not_sorted(connection, name):
    steps = plan(connection, name)
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    assert any(step.startswith("SEARCH executions USING") for step in steps), steps


@pytest.mark.parametrize("name", ["figures_by_activity", "figures_by_project", "newest_of_version"])
def test_the_newest_executions_are_found_without_sorting_all(connection, name):
    steps = plan(connection, name)
    leads = next(
        number for number, step in enumerate(steps) if step.startswith("SEARCH executions")
    )
    assert "TEMP B-TREE" not in " ".join(steps[: leads + 2]), steps
    assert "LIMIT :rows" in SQL[name]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ready", "tasks_ready"),
        ("ready_in_project", "tasks_ready_project"),
        ("next_due", "tasks_due"),
        ("tasks_by_all", "tasks_oldest"),
    ],
)
def test_queued_work_is_chosen_inside_an_index(connection, name, index):
    steps = plan(connection, name)
    assert [step for step in steps if f"USING COVERING INDEX {index} " in step], steps


@pytest.mark.parametrize(
    "name",
    [
        "history",
        "history_back",
        "history_back_sizes",
        "drain",
        "sweep",
        "tasks_by_assigned",
        "batches",
        "batches_in_project",
        "early",
    ],
)
def test_a_page_is_read_in_the_order_of_its_index(connection, name):
    assert not [step for step in plan(connection, name) if "TEMP B-TREE" in step]


def test_a_page_of_one_moment_begins_where_the_one_before_ended(connection):
    steps = plan(connection, "due")
    assert [step for step in steps if step.endswith("executions_wake (wake=? AND rowid>?)")], steps


def test_a_move_touches_no_index(connection):
    changed = [
        row
        for row in connection.execute(f"EXPLAIN {SQL['move']}", parameters(SQL["move"]))
        if row[1] in ("IdxInsert", "IdxDelete")
    ]
    assert changed == []


def test_every_statement_is_used():
    folder = Path(package.__file__).parent
    source = "".join(file.read_text() for file in folder.glob("*.py"))
    unused = {name for name in SQL if f'"{name}"' not in source}
    assert all(name.startswith(("list_by_", "floor_by_", "figures_by_")) for name in unused)


def test_python_holds_no_sql():
    folder = Path(package.__file__).parent
    for file in folder.glob("*.py"):
        assert not re.search(r'"\s*(SELECT|INSERT|UPDATE|DELETE)\b', file.read_text()), file


def test_a_text_of_blocks_is_parsed():
    text = "intro\n-- name: one\n-- why\nSELECT\n  1;\n\n-- name: two\nSELECT 2;\n"
    assert queries.parse(text) == {"one": "SELECT\n  1;", "two": "SELECT 2;"}


@pytest.mark.parametrize(
    "text",
    [
        "-- name: a\nSELECT 1;\n-- name: a\nSELECT 1;",
        "-- name: a\nSELECT 1",
        "-- name: a\nSELECT 1; SELECT 2;",
        "-- name: a\n-- nothing",
    ],
)
def test_a_wrong_block_is_refused(text):
    with pytest.raises(ValueError, match="'a'"):
        queries.parse(text)


# ---------------------------------------------------------------- bounded pages


def start(number: int, state: str, **fields) -> Write:
    id_ = f"01900000-0000-7000-8000-{number:010x}00"
    given = {
        "id": id_, "project": "p", "activity": "a", "version": 1, "status": "running",
        "state": state, "key": None, "labels": {}, "seq": 0, "wake": None, "started_at": NOW,
        "updated_at": NOW, "finished_at": None, "body": str(number).encode(),
    }  # fmt: skip
    record = RecordRow(execution=id_, first_seq=0, seq=0, at=NOW, hash="", entries=b"[]")
    return Write(head=HeadRow(**{**given, **fields}), epoch=1, records=[record], start=True)


@pytest.mark.parametrize(
    "which",
    [
        Filter(state="rare"),
        Filter(state="rare", project="p"),
        Filter(state="rare", project="p", activity="a"),
        Filter(state="rare", status=["failed", "waiting"]),
        Filter(state="rare", status=["failed", "running", "waiting"]),
        Filter(state="rare", key="k"),
    ],
    ids=str,
)
async def test_a_page_that_finds_little_ends_early_with_a_cursor(tmp_path, monkeypatch, which):
    monkeypatch.setattr(lists, "LIST_ROWS_MAX", 10)
    store = SqliteStore(tmp_path / "goflow.db")
    await store.open(node="n", now=NOW, ttl_ms=10_000)
    await store.claim(limit=256, now=NOW)
    rare = {3, 5, 55, 98}
    await store.commit(
        [
            start(
                number,
                "rare" if number in rare else "init",
                status=["failed", "waiting"][number % 3 == 0],
                key="k",
            )
            for number in range(100)
        ]
    )
    found: list[bytes] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await store.list(which, limit=2, cursor=cursor)
        found += page.items
        cursor = page.next
        pages += 1
    assert found == [b"98", b"55", b"5", b"3"]
    assert 5 < pages <= 14
    await store.close()


async def test_the_children_of_one_are_on_one_page_however_far_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "LIST_ROWS_MAX", 10)
    store = SqliteStore(tmp_path / "goflow.db")
    await store.open(node="n", now=NOW, ttl_ms=10_000)
    await store.claim(limit=256, now=NOW)
    await store.commit(
        [
            start(number, "init", parent="one" if number in (3, 98) else None)
            for number in range(100)
        ]
    )
    page = await store.list(Filter(parent="one", state="init"), limit=9, cursor=None)
    assert (page.items, page.next) == ([b"98", b"3"], None)
    await store.close()
