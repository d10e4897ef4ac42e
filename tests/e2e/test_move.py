"""goflow move on real processes: what runs in a file goes on in a database, whatever is killed."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.e2e.test_backup_and_restore import goflow
from tests.e2e.test_kills import mock
from tests.e2e.test_postgres import database
from tests.harness import Mock, Server, ended, until
from tests.postgres import Server as Postgres

__all__ = ["mock"]  # the fixture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BLUEPRINT = {
    "project": "shop",
    "activity": "order",
    "states": ["check", "pay", {"name": "hold", "on": {"paid": "nap"}}, "nap", "ship"],
    "actions": [
        {"name": "check", "type": "sync"},
        {"name": "pay", "type": "async"},
        {"name": "nap", "type": "delay", "seconds": 0.3},
        {"name": "ship", "type": "pull"},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "check"},
        {"current": "check", "event": "success", "next": "pay"},
        {"current": "pay", "event": "success", "next": "hold"},
        {"current": "nap", "event": "success", "next": "ship"},
    ],
}
MANY = 3
GOOD, HELD = [{"status": 200, "body": {}}], [{"delay": 100}]


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with database(postgres) as found:
        yield found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "goflow.db"


Places = dict[str, list[str]]


def served(data: Path | str, *flags: str) -> Server:
    """Start a server that waits for no call when it is stopped."""
    return Server(data, "--drain-timeout", "0", *flags)


def in_flight(server: Server, mock: Mock) -> Places:
    """Start executions that stand still in different places; return their ids by place."""
    workers = [
        {"name": name, "workerEndpoint": f"{mock.url}/w", "retryCount": 5}
        for name in ("check", "pay")
    ]
    answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
    assert answer.status_code == 201, answer.text
    callback = {"after": 0.02, "body": {"output": 1}}
    found: Places = {}
    for state, check, pay in (
        ("hold", GOOD, [{"status": 202, "callback": callback}]),
        ("pay", GOOD, [{"status": 202}]),
        ("check", HELD, GOOD),
    ):
        mock.script(**{"w/check": check, "w/pay": pay})
        before = len(mock.calls())
        ids = [start(server, f"{state}-{number}") for number in range(MANY)]
        until(partial(at, server, ids, state), f"they are at {state}")
        until(partial(called, mock, before + MANY), "they are called")
        found[state] = ids
    mock.script(**{"w/check": GOOD, "w/pay": [{"status": 202, "callback": callback}]})
    return found


def start(server: Server, name: str) -> str:
    found: str = server.start("shop/order", {"name": name}, **{"Idempotency-Key": name})["id"]
    return found


def at(server: Server, ids: list[str], state: str) -> bool:
    return all(server.get(one)["state"] == state for one in ids)


def called(mock: Mock, often: int) -> bool:
    return len(mock.calls()) >= often


def finish(server: Server, mock: Mock, places: Places) -> None:
    """Give all of them what they wait for; they end, and every rule holds."""
    for state, ids in places.items():
        assert [start(server, f"{state}-{number}") for number in range(MANY)] == ids
    for call in mock.recorded():
        body = call["body"]
        if call["action"] == "pay" and body["executionId"] in places["pay"]:
            path = urlsplit(body["callbackUrl"]).path
            answer = server.client.post(path, json={"output": 1})
            assert answer.status_code < 300, answer.text
    ids = [one for some in places.values() for one in some]
    until(lambda: at(server, ids, "hold"), "their calls are made again, and called back")
    for one in ids:
        answer = server.client.post(f"/v1/executions/{one}/events", json={"name": "paid"})
        assert answer.status_code < 300, answer.text
    until(lambda: at(server, ids, "ship"), "they have napped")
    asked = {"queues": ["ship"], "worker": "w", "max": len(ids)}
    tasks = server.client.post("/v1/tasks:poll", json=asked).json()["tasks"]
    assert len(tasks) == len(ids)
    for task in tasks:
        done = {"token": task["token"], "output": 1}
        assert server.client.post(f"/v1/tasks/{task['id']}:complete", json=done).is_success
    assert {server.end_of(one)["status"] for one in ids} == {"completed"}
    report = server.client.get("/v1/admin/verify", timeout=60).json()
    assert (report["breaches"], report["byStatus"]) == ([], {"completed": len(ids)})


HISTORY = "SELECT execution, first_seq, seq, epoch, at, hash, entries FROM history "


def records(place: Path | str) -> list[Any]:
    """Return all histories, to the byte."""
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as connection:
            return connection.execute(f"{HISTORY} ORDER BY 1, 2").fetchall()

    async def read() -> list[Any]:
        session = await asyncpg.connect(place)
        try:
            return [tuple(row) for row in await session.fetch(f"{HISTORY} ORDER BY 1, 2")]
        finally:
            await session.close()

    return asyncio.run(read())


def refusal(*words: str | Path) -> str:
    """Run a command that is refused; return its one line."""
    ran = subprocess.run(
        [sys.executable, "-m", "goflow_py", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode in (1, 2), (ran.stdout, ran.stderr)
    return " ".join(ran.stderr.split())


def is_served(data: Path | str) -> bool:
    """Tell whether a server starts on it."""
    ran = subprocess.run(
        [sys.executable, "-c", STARTS, str(data)], capture_output=True, timeout=100, check=False
    )
    return ran.returncode == 0


STARTS = """
import asyncio, sys
from goflow_py.bootstrap import running
from goflow_py.config import Settings
from goflow_py.errors import StartRefused

async def main():
    async with running(Settings(port=0, data=sys.argv[1])):
        pass

try:
    asyncio.run(main())
except StartRefused:
    sys.exit(1)
"""


# ---------------------------------------------------------------- all goes on


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_what_was_in_flight_goes_on_in_the_database(
    data: Path, url: str, mock: Mock, way: str
) -> None:
    server = served(data)
    with ended(server):
        places = in_flight(server, mock)
        getattr(server, way)()
    before = records(data)
    facts = goflow("move", "--from", data, "--to", url)
    assert records(url) == before
    assert (facts["ok"], facts["executions"], facts["key"]) == (True, 3 * MANY, True)
    assert facts["records"] == len(before)
    assert goflow("verify", "--data", url)["breaches"] == []
    assert f"was moved at {facts['movedAt']}: serve {url}" in refusal("serve", "--data", data)
    one, other = served(url, "--lease", "2"), served(url, "--lease", "2")
    with ended(one, other):
        finish(other, mock, places)


def test_what_was_in_flight_goes_back_into_a_file(data: Path, url: str, mock: Mock) -> None:
    server = served(url)
    with ended(server):
        places = in_flight(server, mock)
        server.kill()
    before = records(url)
    assert goflow("move", "--from", url, "--to", data)["key"]
    assert records(data) == before
    assert "was moved at" in refusal("serve", "--data", url)
    assert "was moved at" in refusal("key", "create", "--data", url, "--scope", "admin")
    server = served(data)
    with ended(server):
        finish(server, mock, places)


# ---------------------------------------------------------------- killed half way

DIES = """
import os, signal, sys
from goflow_py.cli import main, move, places
from goflow_py.store.postgres.carrying import Database
from goflow_py.store.sqlite import carrying

def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv.pop(1)
if point == "loaded":
    Database.put_mark = carrying.Filling.finish = dies
elif point == "judged":
    places.verified = move.judge_file = dies
elif point == "marked":
    Database.drop_mark = carrying.drop_mark = dies
main()
"""


def killed(point: str, *words: str | Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DIES, point, "move", *map(str, words)],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == -9, (ran.stdout, ran.stderr)


@pytest.mark.parametrize("point", ["loaded", "judged", "marked"])
def test_a_move_that_is_killed_leaves_one_place_at_most_and_is_given_again(
    data: Path, url: str, mock: Mock, point: str
) -> None:
    server = served(data)
    with ended(server):
        places = in_flight(server, mock)
    killed(point, "--from", data, "--to", url)
    if point != "loaded":  # of that, nothing is in the database
        says = f"holds an unfinished move of {data}: give the same 'goflow move' again"
        assert says in refusal("serve", "--data", url)
        assert says in refusal("key", "create", "--data", url, "--scope", "admin")
    if point == "marked":
        assert "was moved at" in refusal("serve", "--data", data)
    else:
        server = served(data)  # it is there still, and goes on
        with ended(server):
            until(lambda: at(server, places["check"], "hold"), "they go on in the file")
    facts = goflow("move", "--from", data, "--to", url)
    assert facts["records"] == len(records(data))
    assert records(url) == records(data)
    server = served(url)
    with ended(server):
        finish(server, mock, places)


@pytest.mark.parametrize("point", ["loaded", "judged", "marked"])
def test_a_move_back_that_is_killed_leaves_one_place_at_most_and_is_given_again(
    data: Path, url: str, mock: Mock, point: str
) -> None:
    server = served(url)
    with ended(server):
        places = in_flight(server, mock)
    killed(point, "--from", url, "--to", data)
    if point != "loaded":
        assert "holds an unfinished move of postgresql://" in refusal("serve", "--data", data)
    if point == "marked":
        assert "was moved at" in refusal("serve", "--data", url)
    else:
        server = served(url)
        with ended(server):
            until(lambda: at(server, places["check"], "hold"), "they go on in the database")
    goflow("move", "--from", url, "--to", data)
    assert records(url) == records(data)
    assert not list(data.parent.glob(".*"))
    server = served(data)
    with ended(server):
        finish(server, mock, places)


# ---------------------------------------------------------------- what is refused


def test_a_move_is_refused_in_one_line(data: Path, url: str, mock: Mock, tmp_path: Path) -> None:
    server = served(data)
    with ended(server):
        places = in_flight(server, mock)
        assert "is in use by another server" in refusal("move", "--from", data, "--to", url)
    other, before = tmp_path / "other.db", data.read_bytes()
    server = served(other)
    with ended(server):
        pass
    assert "postgresql:// address" in refusal("move", "--from", data, "--to", other)
    assert "there is no data file" in refusal("move", "--from", tmp_path / "none", "--to", url)
    assert "cannot be reached" in refusal(
        "move", "--from", data, "--to", "postgresql://127.0.0.1:9/none"
    )
    server = served(url)
    with ended(server):
        assert "is in use by a server: stop it first" in refusal(
            "move", "--from", data, "--to", url
        )
        in_flight(server, mock)
    assert "has data: name an empty database" in refusal("move", "--from", data, "--to", url)
    assert f"{other} exists: name a new file" in refusal("move", "--from", url, "--to", other)
    assert "there is no directory" in refusal(
        "move", "--from", url, "--to", tmp_path / "no" / "new.db"
    )
    assert data.read_bytes() == before
    server = served(data)  # nothing of all that was a move
    with ended(server):
        finish(server, mock, places)


def test_an_unfinished_move_is_cleared_by_its_own_file_alone(
    data: Path, url: str, mock: Mock, tmp_path: Path
) -> None:
    for path in (data, tmp_path / "other.db"):
        server = served(path)
        with ended(server):
            in_flight(server, mock)
    killed("judged", "--from", data, "--to", url)
    says = f"holds an unfinished move of {data}"
    assert says in refusal("move", "--from", tmp_path / "other.db", "--to", url)
    assert says in refusal("move", "--from", url, "--to", tmp_path / "new.db")
    assert says in refusal("backup", "--data", url, "--to", tmp_path / "copy.db")
    assert goflow("move", "--from", data, "--to", url)["ok"]


def test_data_that_breaks_rules_is_not_moved(data: Path, url: str, mock: Mock) -> None:
    server = served(data)
    with ended(server):
        in_flight(server, mock)
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("UPDATE history SET hash = 'x' WHERE n = 1")
    assert "breaks" in refusal("move", "--from", data, "--to", url)
    with closing(sqlite3.connect(data)) as connection:
        assert connection.execute("SELECT v FROM meta WHERE k = 'moved'").fetchall() == []
    assert is_served(url), "nothing of it is left there"


# ---------------------------------------------------------------- copies of a database


def test_a_copy_of_a_database_is_restored_to_it_to_another_and_to_a_file(
    data: Path, url: str, mock: Mock, postgres: Postgres
) -> None:
    server = served(url)
    copy = data.with_name("copy.db")
    with ended(server):
        places = in_flight(server, mock)
        made = goflow("backup", "--data", url, "--to", copy)
        assert (made["ok"], made["executions"], made["key"]) == (True, 3 * MANY, True)
        assert goflow("verify", "--data", url)["executions"] == 3 * MANY
        assert "is in use by a server" in refusal("restore", copy, "--data", url)
    assert "has data; use --force" in refusal("restore", copy, "--data", url)
    before = records(url)
    with database(postgres) as empty:
        assert goflow("restore", copy, "--data", empty)["kept"] is None
        assert records(empty) == records(copy)
    kept = goflow("restore", copy, "--data", url, "--force")["kept"]
    assert kept.startswith("goflow_before_")
    assert records(f"{url}?search_path={kept}") == before
    assert records(url) == records(copy)
    assert goflow("verify", "--data", f"{url}?search_path={kept}")["breaches"] == []
    assert goflow("restore", copy, "--data", data)["executions"] == 3 * MANY
    server = served(url)
    with ended(server):
        finish(server, mock, places)


def test_a_server_on_a_database_makes_copies_that_can_be_served(
    url: str, mock: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = served(url)
    with ended(server):
        places = in_flight(server, mock)
        answer = server.client.post("/v1/admin/backup")
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert Path(made["path"]).parent == tmp_path / "goflow-data" / "backups"
        facts = goflow("backup", "--to", tmp_path / "copy.db", "--server", server.url)
        assert (facts["ok"], facts["executions"]) == (True, 3 * MANY)
    server = served(tmp_path / "copy.db")
    with ended(server):
        finish(server, mock, places)


def test_a_key_is_made_in_a_database_beside_its_server(url: str) -> None:
    says = "has no data of goflow"
    assert says in refusal("key", "create", "--data", url, "--scope", "admin")
    server = served(url)
    with ended(server):
        made = goflow("key", "create", "--data", url, "--scope", "admin")
        assert made["key"].startswith("gf_")

        def known() -> list[str]:
            return [one["id"] for one in server.client.get("/v1/keys").json()["items"]]

        until(lambda: known() == [made["id"]], "the server has seen it")
