"""goflow backup and goflow restore on real processes and files: what is copied is whole."""

import http.server
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goflow_py.store.sqlite.schema import SCHEMA
from tests.harness import Mock, Server, ended, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

BLUEPRINT = {
    "project": "shop",
    "activity": "order",
    "states": [
        "pay",
        {"name": "ship", "timeout": "2s", "on": {"shipped": "done", "timeout": "done"}},
    ],
    "actions": [{"name": "pay", "type": "async", "heartbeatTimeout": 1.5}],
    "transitions": [
        {"current": "init", "event": "start", "next": "pay"},
        {"current": "pay", "event": "success", "next": "ship"},
    ],
}
PATIENT = [{"name": "pay", "type": "async"}]
"""Waits for its callback as long as a restore takes."""
RETRY = {"interval": 0.05, "maxInterval": 0.2}


def goflow(*words: str | Path, good: bool = True) -> Any:
    """Run a command with --json; return what it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "goflow_py", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (ran.returncode == 0) == good, (ran.returncode, ran.stdout[-2_000:], ran.stderr)
    return json.loads(ran.stdout) if ran.stdout else {"detail": ran.stderr}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        callback = {"after": 0.05, "body": {"output": 1}}
        mock.script(**{"w/pay": [{"status": 202, "callback": callback}]})
        yield mock


def uploaded(server: Server, mock: Mock, **more: Any) -> None:
    workers = [{"name": "pay", "workerEndpoint": f"{mock.url}/w", "retryCount": 50, "retry": RETRY}]
    answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers, **more})
    assert answer.status_code == 201, answer.text


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data" / "goflow.db"


@pytest.fixture
def closed(data: Path, mock: Mock) -> Path:
    """A data file with a few executions that no server has."""
    server = Server(data)
    with ended(server):
        uploaded(server, mock)
        for number in range(3):
            server.start("shop/order", number)
    return data


def open_ones(server: Server) -> int:
    counts: dict[str, int] = server.client.get("/v1/admin/store").json()["executions"]
    return counts.get("running", 0) + counts.get("waiting", 0)


def test_a_copy_made_under_load_is_restored_and_everything_in_it_ends(
    data: Path, mock: Mock, tmp_path: Path
) -> None:
    server, stop = Server(data), threading.Event()
    started: list[str] = []
    failed: list[Exception] = []

    def load() -> None:
        try:
            while not stop.wait(0.005):
                started.append(server.start("shop/order", len(started))["id"])
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    with ended(server):
        uploaded(server, mock)
        loader = threading.Thread(target=load)
        loader.start()
        until(lambda: len(started) > 50 or failed, "there is something to copy")
        before = len(started)
        to = tmp_path / "copies"
        to.mkdir()
        copy = goflow("backup", "--to", to, "--server", server.url)
        until(lambda: len(started) > before + 20 or failed, "work goes on after the copy")
        stop.set()
        loader.join(timeout=30)
        assert failed == []
    assert copy["ok"] and copy["breaches"] == [] and copy["key"]
    assert copy["executions"] >= before
    file = Path(copy["path"])
    assert file.parent == to and mode(file) == 0o600
    assert mode(Path(f"{file}.key")) == 0o600
    assert list((data.parent / "backups").iterdir()) == []

    known = shutil.copy(data, tmp_path / "lost.db")
    restored = goflow("restore", file, "--data", data, "--force")
    assert restored["executions"] == copy["executions"]
    assert restored["byStatus"] == copy["byStatus"]
    assert Path(restored["kept"]).read_bytes() == Path(known).read_bytes()
    server = Server(data)
    with ended(server):
        until(lambda: not open_ones(server), "every execution of the copy ends", seconds=60)
        report = server.client.get("/v1/admin/verify", timeout=60.0).json()
        assert report["breaches"] == []
        assert report["byStatus"] == {"completed": copy["executions"]}
        for one in started[:before]:
            assert server.get(one)["status"] == "completed"
        assert server.start("shop/order")["id"] not in started


def test_a_file_that_a_server_has_is_neither_copied_nor_replaced(closed: Path) -> None:
    copy = closed.with_name("copy.db")
    assert goflow("backup", "--data", closed, "--to", copy)["ok"]
    server = Server(closed)
    with ended(server):
        refusal = goflow("backup", "--data", closed, "--to", f"{copy}2", good=False)
        assert "in use by a server" in refusal["detail"]
        refusal = goflow("restore", copy, "--data", closed, "--force", good=False)
        assert "in use by a server; stop it first" in refusal["detail"]
        assert not Path(f"{copy}2").exists()


def test_a_restore_replaces_nothing_unasked_and_keeps_what_it_replaces(closed: Path) -> None:
    copy = closed.with_name("copy.db")
    goflow("backup", "--data", closed, "--to", copy)
    before, key = closed.read_bytes(), Path(f"{closed}.key").read_bytes()
    refusal = goflow("restore", copy, "--data", closed, good=False)
    assert "--force" in refusal["detail"]
    assert closed.read_bytes() == before
    other = closed.with_name("other.db")
    made = goflow("restore", copy, "--data", other)
    assert made["kept"] is None and mode(other) == 0o600
    assert Path(f"{other}.key").read_bytes() == key
    kept = Path(goflow("restore", copy, "--data", closed, "--force")["kept"])
    assert kept.read_bytes() == before
    assert kept.name.startswith("goflow.db.before-")
    left = {one.name for one in closed.parent.iterdir() if one.name.startswith(".")}
    assert left == set()


def test_after_a_restore_the_epochs_are_higher_than_any_that_the_lost_data_knew(
    closed: Path,
) -> None:
    copy = closed.with_name("copy.db")
    goflow("backup", "--data", closed, "--to", copy)
    for _ in range(3):
        with ended(Server(closed)):
            pass
    lost = epochs(closed)
    goflow("restore", copy, "--data", closed, "--force")
    assert min(epochs(closed)) > max(lost)


def epochs(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        found = [epoch for (epoch,) in connection.execute("SELECT epoch FROM shards")]
    connection.close()
    return found


def spoil(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4_096] = os.urandom(4_096)
    path.write_bytes(content)


def make_foreign(path: Path) -> None:
    path.unlink()
    spoil(path, "CREATE TABLE theirs (x)")


BAD = {
    "damaged": (damage, "damaged"),
    "cut": (
        lambda path: os.truncate(path, path.stat().st_size // 2),
        "copy.db is damaged: take another copy",
    ),
    "with a key that is none": (
        lambda path: Path(f"{path}.key").write_bytes(b"k" * 31),
        "copy.db.key is no server key: it has 31 bytes, not 32",
    ),
    "not ours": (make_foreign, "belongs to another program"),
    "no database": (lambda path: path.write_bytes(b"x" * 10_000), "is not a database"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "newer": (
        lambda path: spoil(path, f"INSERT INTO goflow_schema VALUES ({SCHEMA + 1}, '', 0)"),
        f"has schema {SCHEMA + 1}, this release knows {SCHEMA}",
    ),
    "another build": (
        lambda path: spoil(path, "UPDATE goflow_schema SET sha256 = 'x' WHERE version = 1"),
        "was made by another build",
    ),
    "tampered with": (
        lambda path: spoil(
            path,
            "UPDATE history SET entries = CAST(replace(entries, 'start', 'stxrt') AS BLOB)"
            " WHERE n = 1",
        ),
        "breaks",
    ),
}


@pytest.mark.parametrize("way", BAD)
def test_a_bad_copy_is_refused_in_one_line_and_the_data_stays(closed: Path, way: str) -> None:
    copy = closed.with_name("copy.db")
    goflow("backup", "--data", closed, "--to", copy)
    spoils, says = BAD[way]
    spoils(copy)
    before = {one.name: one.read_bytes() for one in closed.parent.iterdir()}
    refusal = goflow("restore", copy, "--data", closed, "--force", good=False)
    assert says in refusal["detail"], refusal
    assert "\n" not in refusal["detail"].strip()
    assert {one.name: one.read_bytes() for one in closed.parent.iterdir()} == before


def test_a_copy_of_data_that_breaks_rules_is_made_and_said_to_be_bad(closed: Path) -> None:
    spoil(closed, "UPDATE history SET hash = 'x' WHERE n = 1")
    copy = closed.with_name("copy.db")
    made = goflow("backup", "--data", closed, "--to", copy, good=False)
    assert (made["ok"], [breach["rule"] for breach in made["breaches"]]) == (False, ["S19"])


def test_a_copy_that_cannot_get_its_name_is_not_made(data: Path, tmp_path: Path) -> None:
    (there := tmp_path / "there.db").write_bytes(b"mine")
    with ended(server := Server(data)):
        for to, says in [
            (there, "there.db exists: name a new file"),
            (tmp_path / "none" / "copy.db", "make it first"),
        ]:
            refusal = goflow("backup", "--to", to, "--server", server.url, good=False)
            assert says in refusal["detail"]
    assert not (data.parent / "backups").exists()
    assert there.read_bytes() == b"mine"


def test_a_copy_that_cannot_be_moved_leaves_nothing(data: Path) -> None:
    with ended(server := Server(data)):
        refusal = goflow("backup", "--to", "/proc/x.db", "--server", server.url, good=False)
        assert "/proc/" in refusal["detail"]
    backups = data.parent / "backups"
    assert not backups.exists() or list(backups.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["theirs.db", "backups/theirs.db", "goflow-2026-01-31T02-00-00Z.db"]
)
def test_a_server_that_names_another_file_moves_nothing(closed: Path, name: str) -> None:
    (named := closed.parent / name).parent.mkdir(exist_ok=True)
    shutil.copy(closed, named)

    class Liar(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"path": str(named), "bytes": 1}).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        to, url = closed.with_name("moved.db"), f"http://127.0.0.1:{server.server_port}"
        refusal = goflow("backup", "--to", to, "--server", url, good=False)
        server.shutdown()
    assert "no copy of ours" in refusal["detail"]
    assert named.exists() and not to.exists()


def test_data_of_another_program_is_named_as_it_was_given(tmp_path: Path) -> None:
    spoil(other := tmp_path / "other.db", "CREATE TABLE theirs (x)")
    refusal = goflow("backup", "--data", other, "--to", tmp_path / "copy.db", good=False)
    assert f"{other} belongs to another program" in refusal["detail"]
    assert ".part" not in refusal["detail"]


def test_a_restore_into_a_directory_is_refused_and_leaves_nothing(closed: Path) -> None:
    copy = closed.with_name("copy.db")
    goflow("backup", "--data", closed, "--to", copy)
    (target := closed.with_name("folder")).mkdir()
    before = set(closed.parent.iterdir())
    refusal = goflow("restore", copy, "--data", target, "--force", good=False)
    assert f"{target} is no file" in refusal["detail"]
    assert set(closed.parent.iterdir()) == before


def test_only_the_newest_copies_are_kept(closed: Path, tmp_path: Path) -> None:
    to = tmp_path / "copies"
    to.mkdir()
    mine = to / "mine.db"
    mine.write_bytes(b"not a copy of ours")
    made = [goflow("backup", "--data", closed, "--to", to, "--keep", "2") for _ in range(3)]
    names = [Path(one["path"]).name for one in made]
    assert made[-1]["removed"] == names[:1]
    left = {one.name for one in to.iterdir()}
    assert left == {"mine.db", *names[1:], *(f"{name}.key" for name in names[1:])}


def test_a_callback_of_the_lost_future_is_refused(data: Path, mock: Mock, tmp_path: Path) -> None:
    mock.script(**{"w/pay": [{"status": 202}]})
    server = Server(data)
    copy = tmp_path / "copy.db"
    port = int(server.url.rsplit(":", 1)[1])
    with ended(server):
        workers = [{"name": "pay", "workerEndpoint": f"{mock.url}/w"}]
        states = [{"name": "hold", "on": {"go": "pay"}}, *BLUEPRINT["states"]]
        rows = [
            {"current": "init", "event": "start", "next": "hold"},
            BLUEPRINT["transitions"][1],
        ]
        held = {
            **BLUEPRINT,
            "states": states,
            "transitions": rows,
            "workers": workers,
            "actions": PATIENT,
        }
        server.upload(json.dumps(held).encode())
        begun = server.start("shop/order")["id"]
        assert goflow("backup", "--to", copy, "--server", server.url)["ok"]
        lost = callback_after_go(server, mock, begun)
    goflow("restore", copy, "--data", data, "--force")
    server = Server(data, port=port)
    with ended(server):
        again = callback_after_go(server, mock, begun)
        answer = server.client.post(lost, json={"output": 1})
        assert answer.status_code == 409, answer.text
        assert server.get(begun)["status"] == "waiting"
        assert server.client.post(again, json={"output": 1}).status_code == 200
        assert server.end_of(begun)["status"] == "completed"
        report = server.client.get("/v1/admin/verify", timeout=60.0).json()
        assert report["breaches"] == []


def callback_after_go(server: Server, mock: Mock, execution: str) -> str:
    """Let an execution go on to its asynchronous call; return where its outcome goes."""
    known = len(mock.recorded())
    answer = server.client.post(f"/v1/executions/{execution}/events", json={"name": "go"})
    assert answer.status_code == 200, answer.text
    until(lambda: server.get(execution)["status"] == "waiting", "the worker has accepted it")
    until(lambda: len(mock.recorded()) > known, "the worker was called")
    url: str = mock.recorded()[-1]["body"]["callbackUrl"]
    return url


def test_a_restored_callback_of_the_copys_time_is_taken(
    data: Path, mock: Mock, tmp_path: Path
) -> None:
    mock.script(**{"w/pay": [{"status": 202}]})
    server = Server(data)
    copy = tmp_path / "copy.db"
    with ended(server):
        uploaded(server, mock, actions=PATIENT)
        begun = server.start("shop/order")["id"]
        until(lambda: server.get(begun)["status"] == "waiting", "the worker has accepted it")
        assert goflow("backup", "--to", copy, "--server", server.url)["ok"]
        port = int(server.url.rsplit(":", 1)[1])
    data.unlink()
    Path(f"{data}.key").unlink()
    goflow("restore", copy, "--data", data)
    server = Server(data, port=port)
    with ended(server):
        url = mock.recorded()[0]["body"]["callbackUrl"]
        answer = server.client.post(url, json={"output": 1})
        assert answer.status_code == 200, answer.text
        assert server.end_of(begun)["status"] == "completed"
