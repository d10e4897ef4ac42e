"""One bit of the data file or its log is flipped: it is found, or it changes nothing.

A real server fills a file and ends, or is killed with its log full. Then a copy has one bit
flipped, and is opened, judged and read as a server, ``goflow verify`` and a client would. What
may differ unseen is named here, column by column; histories and heads may not.
"""

import asyncio
import contextlib
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goflow_py.engine import auditor
from goflow_py.errors import GoFlowError, StartRefused
from goflow_py.store.sqlite import SqliteStore, backup, wal
from tests.harness import Mock, Server, ended, until

FLIPS = int(os.environ.get("GOFLOW_BIT_FLIPS", "600"))
SOAK_FLIPS = max(FLIPS, 20_000)
NOW = 1_800_000_000_000
BLUEPRINT = {
    "project": "bits",
    "activity": "order",
    "key": "${ input.order }",
    "states": ["check", "wait", "approve"],
    "actions": [
        {"name": "check", "type": "sync"},
        {"name": "approve", "type": "human", "queue": "desk"},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "check"},
        {"current": "check", "event": "success", "next": "wait"},
        {"current": "wait", "event": "go", "next": "approve"},
        {"current": "approve", "event": "success", "next": "done"},
    ],
}
EXECUTIONS = 16
UNSEEN_MAX = 0.03
"""Of all flips; measured: 0.008. Each run has a file of its own, so that a few more may be met."""
UNSEEN = {
    "names": set(),
    "workers": {"body"},
    "blueprints": {"findings", "created_at"},
    "executions": {
        "shard", "project", "activity", "version", "state", "key", "labels", "started_at",
        "updated_at", "finished_at", "purge_at", "parent",
    },
}  # fmt: skip
"""What no hash covers, by table; no columns: all of them. Columns repeat what the head says."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Files = dict[str, bytes]
Content = dict[str, list[dict[str, Any]]]


def filled(folder: Path, *, killed: bool) -> Files:
    """Return the data file of a server that has worked, by suffix; with its log if *killed*."""
    data = folder / ("killed.db" if killed else "ended.db")
    with ended(mock := Mock(), server := Server(data)):
        workers = [{"name": "check", "workerEndpoint": f"{mock.url}/w"}]
        answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
        assert answer.status_code == 201, answer.text
        started = [
            server.start(
                "bits/order",
                {"order": f"o{number}", "filler": "x" * 300},
                **{"Idempotency-Key": f"k{number}"},
            )["id"]
            for number in range(EXECUTIONS)
        ]
        for number, execution in enumerate(started):
            until(lambda: server.get(execution)["state"] == "wait", "it waits")  # noqa: B023
            if number % 2:
                body = {"name": "go", "id": f"e{number}"}
                server.client.post(f"/v1/executions/{execution}/events", json=body)
        if killed:
            server.kill()
        else:
            assert server.stop() == 0
    log = data.with_name(data.name + "-wal")
    return {"": data.read_bytes()} | ({"-wal": log.read_bytes()} if killed else {})


def put(files: dict[str, Any], path: Path) -> None:
    """Write the files of a store in the place of what is there."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    for suffix, content in files.items():
        path.with_name(path.name + suffix).write_bytes(content)


async def look(path: Path) -> tuple[str, Content]:
    """Return how damage was found, if it was, and else all that is there."""
    if wal.damage(path) is not None:
        with pytest.raises(StartRefused, match="has a damaged log"):
            await SqliteStore(path).open(node="n", now=NOW, ttl_ms=10)
        return "log refused", {}
    try:
        backup.judge(path)
    except StartRefused:
        return "file refused", {}
    store = SqliteStore(path)
    try:
        await store.open(node="n", now=NOW, ttl_ms=10)
    except StartRefused:
        return "start refused", {}
    try:
        report = await auditor.verify(store)
        return ("breach", {}) if report.breaches else ("", content_of(path))
    except GoFlowError as error:
        return error.reason, {}
    finally:
        await store.close()


def content_of(path: Path) -> Content:
    uri = f"{path.as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda raw: raw.decode("latin-1")  # whatever bytes it has
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        return {
            name: sorted(
                (dict(row) for row in connection.execute(f"SELECT * FROM {name}")), key=repr
            )
            for (name,) in names
        }


def differences(whole: Content, found: Content) -> Iterator[tuple[str, set[str]]]:
    """Yield each table that differs, with the columns that do; none, where rows are missing."""
    for table, rows in whole.items():
        others = found.get(table, [])
        if rows == others:
            continue
        if len(rows) != len(others):
            yield table, {"rows"}
            continue
        pairs = zip(rows, others, strict=True)
        yield table, {name for one, other in pairs for name in one if one[name] != other.get(name)}


def flipped(files: Files, suffix: str, bit: int) -> dict[str, Any]:
    changed = bytearray(files[suffix])
    changed[bit // 8] ^= 1 << (bit % 8)
    return {**files, suffix: changed}


def flip(files: Files, suffix: str, flips: int, folder: Path) -> Counter[str]:
    """Flip one bit after the other, each in a whole copy; return what came of it."""
    path, chance = folder / "flipped.db", random.Random(flips)
    put(files, path)
    found, whole = asyncio.run(look(path))
    assert found == "" and len(whole["executions"]) == EXECUTIONS
    fates: Counter[str] = Counter()
    for _ in range(flips):
        bit = chance.randrange(len(files[suffix]) * 8)
        put(flipped(files, suffix, bit), path)
        found, content = asyncio.run(look(path))
        if found:
            fates[found] += 1
            continue
        differ = dict(differences(whole, content))
        fates["unseen" if differ else "harmless"] += 1
        if suffix == "":
            for table, columns in differ.items():
                assert columns <= (UNSEEN[table] or columns), (bit, table, columns)
        elif differ:
            assert bit // 8 > len(files[suffix]) * 0.9, "only the end of the log can be cut unseen"
    return fates


def test_a_bit_of_the_data_file_is_found_or_changes_no_history(tmp_path: Path) -> None:
    fates = flip(filled(tmp_path, killed=False), "", FLIPS * 6 // 10, tmp_path)
    assert fates["breach"] > 0 and fates["file refused"] > 0
    assert fates["unseen"] <= fates.total() * UNSEEN_MAX, fates


def test_a_bit_of_the_log_is_refused_at_the_start(tmp_path: Path) -> None:
    fates = flip(filled(tmp_path, killed=True), "-wal", FLIPS * 4 // 10, tmp_path)
    assert fates["log refused"] > fates.total() * 0.9, fates


@pytest.mark.soak
def test_many_more_bits_are_found(tmp_path: Path) -> None:
    fates = flip(filled(tmp_path, killed=False), "", SOAK_FLIPS, tmp_path)
    assert fates["unseen"] <= fates.total() * UNSEEN_MAX, fates


# ---------------------------------------------------------------- larger damage


def test_a_page_of_zeroes_is_found(tmp_path: Path) -> None:
    files = filled(tmp_path, killed=False)
    path, unseen = tmp_path / "zeroed.db", []
    put(files, path)
    _, whole = asyncio.run(look(path))
    for place in range(0, len(files[""]), 4096):
        changed = bytearray(files[""])
        changed[place : place + 4096] = bytes(4096)
        put({"": changed}, path)
        found, content = asyncio.run(look(path))
        if not found and content != whole:
            unseen.append(place)
    assert unseen == []


def test_a_log_that_is_cut_short_keeps_whole_commits(tmp_path: Path) -> None:
    files = filled(tmp_path, killed=True)
    path, chance = tmp_path / "cut.db", random.Random(1)
    for _ in range(40):
        put({**files, "-wal": files["-wal"][: chance.randrange(len(files["-wal"]))]}, path)
        found, content = asyncio.run(look(path))
        assert found in {"", "file refused"}, "the start of a log is a log"
        heads = {row["id"]: row["seq"] for row in content.get("executions", [])}
        last = {row["execution"]: row["seq"] for row in content.get("history", [])}
        assert heads.keys() == last.keys(), "nothing half"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nothing that SQLite knows " * 400, "is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 8000, "is (not a database|damaged)"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    data = tmp_path / "goflow.db"
    data.write_bytes(content)
    with pytest.raises(AssertionError, match=said) as caught:
        Server(data)
    assert "Traceback" not in str(caught.value)
    assert data.read_bytes() == content, "it is left as it is"


@pytest.mark.parametrize("name", [b"descr\xe9ption", b"descrkption"])
async def test_a_changed_name_of_a_column_is_refused(tmp_path: Path, name: bytes) -> None:
    data, store = tmp_path / "goflow.db", SqliteStore(tmp_path / "goflow.db")
    await store.open(node="n", now=NOW, ttl_ms=10)
    await store.close()
    whole = data.read_bytes()
    assert backup.judge(data) > 0
    data.write_bytes(whole.replace(b"description TEXT", name + b" TEXT"))
    assert data.read_bytes() != whole
    with pytest.raises(StartRefused, match="is damaged"):
        backup.judge(data)
    with pytest.raises(StartRefused, match="is damaged"):
        await SqliteStore(data).open(node="n", now=NOW, ttl_ms=10)


async def test_a_text_that_is_none_any_more_hides_no_other_row(tmp_path: Path) -> None:
    data, store = tmp_path / "goflow.db", SqliteStore(tmp_path / "goflow.db")
    await store.open(node="n", now=NOW, ttl_ms=10)
    await store.put_endpoint("sick", "http://sick")
    await store.put_endpoint("well", "http://well")
    await store.close()
    data.write_bytes(data.read_bytes().replace(b"http://sick", b"http://\xf3ick"))
    await store.open(node="n", now=NOW, ttl_ms=10)
    assert await store.endpoints() == {"sick": "http://\ufffdick", "well": "http://well"}
    await store.close()


def test_a_log_that_is_gone_after_a_kill_is_told_at_the_start(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    with ended(server := Server(data)):
        server.kill()
    assert server.child.returncode != 0
    (tmp_path / "goflow.db-wal").unlink()
    server = Server(data)
    server.child.terminate()
    _, errors = server.child.communicate(timeout=20)
    server.client.close()
    assert "its log is gone" in errors


# ---------------------------------------------------------------- one is damaged, others run


def damaged(data: Path, execution: str, table: str) -> None:
    """Flip a bit of an execution's head or of its first record, so that it is no JSON any more."""
    column, key = ("body", "id") if table == "executions" else ("entries", "execution")
    with contextlib.closing(sqlite3.connect(data, isolation_level=None)) as connection:
        [n, body] = connection.execute(
            f"SELECT n, {column} FROM {table} WHERE {key} = ? ORDER BY n LIMIT 1", (execution,)
        ).fetchone()
        changed = bytearray(body)
        changed[body.index(b'":')] ^= 1
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE n = ?", (bytes(changed), n))


def test_a_damaged_execution_is_an_error_of_its_own_and_the_others_run(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    with ended(mock := Mock()):
        mock.script(**{"w/check": [{"status": 200, "delay": 1.0, "body": {}}]})
        workers = [{"name": "check", "workerEndpoint": f"{mock.url}/w"}]
        with ended(server := Server(data)):
            answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
            assert answer.status_code == 201, answer.text
            started = [server.start("bits/order", {"order": f"o{n}"})["id"] for n in range(8)]
            server.kill()  # with calls in flight: the next start takes all of them up
        damaged(data, started[1], "executions")
        damaged(data, started[2], "history")
        with ended(server := Server(data)):
            for path in (started[1], f"{started[1]}/history", f"{started[2]}/history"):
                answer = server.client.get(f"/v1/executions/{path}")
                assert answer.status_code == 500, answer.text
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["code"] == "damaged"
            for execution in started[:1] + started[3:]:
                until(lambda: server.get(execution)["state"] == "wait", "it goes on")  # noqa: B023
            listed = server.client.get("/v1/executions").json()["items"]
            assert {one["id"] for one in listed} == {*started} - {started[1]}
            report = server.client.get("/v1/admin/verify").json()
            assert {one["rule"] for one in report["breaches"]} >= {"S5", "S19"}
            named = {one["execution"] for one in report["breaches"]}
            assert {started[2]} <= named <= {"", started[1], started[2]}
            assert report["executions"] == len(started) - 1
            assert server.client.get("/readyz").status_code == 200
