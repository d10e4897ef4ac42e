"""Data of every older schema, opened by the code of today: all that was under way ends well.

The files were made by ``python -m tools.make_upgrade_file`` with each release's own code, which was
killed then. New ones are added with a schema, old ones never change.
"""

import asyncio
import contextlib
import json
import lzma
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from goflow_py.bootstrap import running
from goflow_py.cli.audit import judge_file
from goflow_py.config import Settings
from goflow_py.store.sqlite import schema
from goflow_py.testing import FakeClock, StubTransport
from tests.upgrade.cases import Case, Feed, case_of

FILES = sorted(Path(__file__).parent.joinpath("files").glob("*.db.xz"))
ROUNDS_MAX = 60
ROUND_BEATS = 30
BEAT_SECONDS = 20.0
DIGESTS = {
    1: "f77cf7cf0769586434ce6fe82e7f4e29ddd50e906563bed9382205a3ce760460",
    2: "b9de868aed4f93def832c4c3fcaadae57983e6603dad4e4081609d4e4abd9f10",
    3: "78ed85a1ed16388384f9f6895c47b131758971508f0edbfe18d0e6838e936789",
    4: "623350626ef77cd5be765601fea2247ae2c5ec8e2c2d38dba13086f3d13f0213",
    5: "a2c2bbb4f79a7be7365c174aa1e8885a2b18876eee8e5d9236085277f6280519",
}
"""A release has them in its users' files: a text that changed is refused there."""


@dataclass(frozen=True, kw_only=True)
class Old:
    """A data file of an older release, unpacked, and what is known of it."""

    path: Path
    facts: dict[str, Any]

    def cases(self) -> list[tuple[Case, dict[str, Any]]]:
        return [(case_of(known["case"]), known) for known in self.facts["executions"]]


@pytest.fixture(params=FILES, ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    packed: Path = request.param
    facts = json.loads(packed.with_suffix("").with_suffix(".json").read_text("utf-8"))
    path = tmp_path / "goflow.db"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    path.with_name("goflow.db.key").write_bytes(bytes.fromhex(facts["key"]))
    return Old(path=path, facts=facts)


class Today:
    """The code of today on an old file, a little after it was killed."""

    def __init__(self, client: httpx.AsyncClient, clock: FakeClock) -> None:
        self.client, self.clock = client, clock

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def feed(self, what: Feed, known: dict[str, Any]) -> None:
        """Give an execution what it waits for."""
        body = what.body
        if isinstance(body, dict):
            body = {name: _filled(value, known) for name, value in body.items()}
        await self.ask(what.method, what.path.format_map(known), body)

    async def status(self, execution: str) -> str:
        return str((await self.ask("GET", f"/v1/executions/{execution}"))["status"])

    async def work(self) -> None:
        """Do what stands on the queues, as pull workers and people."""
        wanted = {"queues": ["queued", "claimed"], "worker": "after", "max": 10}
        for task in (await self.ask("POST", "/v1/tasks:poll", wanted))["tasks"]:
            done = {"token": task["token"], "output": 1}
            await self.ask("POST", f"/v1/tasks/{task['id']}:complete", done)
        people = await self.ask("GET", "/v1/tasks?assignedTo=desk&status=queued")
        for task in people["items"]:
            taken = await self.ask("POST", f"/v1/tasks/{task['id']}:claim", {"worker": "mia"})
            done = {"token": taken["token"], "output": 1}
            await self.ask("POST", f"/v1/tasks/{task['id']}:complete", done)


def _filled(value: Any, known: dict[str, Any]) -> Any:
    return value.format_map(known) if isinstance(value, str) else value


@contextlib.asynccontextmanager
async def today(old: Old, data: str) -> AsyncIterator[Today]:
    clock = FakeClock(start_ms=old.facts["madeAt"] + 1_000)
    # Hours pass here, and leases are by the database's clock.
    settings = Settings(port=0, data=data, lease=300, endpoint={"w": "http://127.0.0.1:9/w"})
    async with (
        running(settings, clock=clock, transport=StubTransport()) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30.0) as client,
    ):
        yield Today(client, clock)


def test_there_is_a_file_of_every_older_schema() -> None:
    made = {json.loads(one.read_text())["schema"] for one in FILES[0].parent.glob("*.json")}
    assert made >= set(range(1, schema.SCHEMA))


@pytest.fixture
def data(request: pytest.FixtureRequest, old: Old) -> str:
    """Where the old data is served: where it is, or where a move takes it."""
    if request.param == "here":
        return str(old.path)
    url: str = request.getfixturevalue("database")
    moved("--from", old.path, "--to", url)
    if request.param == "in a database":
        return url
    back = old.path.with_name("back.db")
    moved("--from", url, "--to", back)
    assert records(back) == records(old.path)
    return str(back)


def moved(*words: str | Path) -> None:
    command = [sys.executable, "-m", "goflow_py", "move", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr


def records(path: Path) -> list[Any]:
    """Return all histories, to the byte."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT n, execution, first_seq, seq, epoch, at, hash, entries FROM history ORDER BY n"
        ).fetchall()


PLACES = [(file, "here") for file in FILES] + [
    (FILES[0], "in a database"),
    (FILES[-1], "in a database"),
    (FILES[-1], "there and back"),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("old", "data"),
    PLACES,
    indirect=True,
    ids=[f"{file.name.partition('.')[0]} {place}" for file, place in PLACES],
)
async def test_what_was_under_way_ends_as_it_would_have(old: Old, data: str) -> None:
    before = await asyncio.to_thread(asyncio.run, judge_file(old.path, None))
    assert before["breaches"] == []
    assert before["executions"] >= len(old.cases())
    async with today(old, data) as now:
        await now.clock.advance(5)
        report = await now.ask("GET", "/v1/admin/verify")
        assert report["breaches"] == []
        if data == str(old.path):
            assert (await now.ask("GET", "/v1/admin/store"))["schema"] == schema.SCHEMA
        await _feed_all(now, old)
        left = await _play(now, old)
        assert left == {}
        report = await now.ask("GET", "/v1/admin/verify")
        assert report["breaches"] == []
        await _starts_are_known(now, old)


async def _feed_all(now: Today, old: Old) -> None:
    for case, known in old.cases():
        if case.name == "batch":
            await _batch(now, known)
        for feed in case.after:
            await now.feed(feed, known)


async def _play(now: Today, old: Old) -> dict[str, str]:
    """Let hours pass and work be done; return who has not ended as they should."""
    left = {known["id"]: case for case, known in old.cases()}
    found: dict[str, str] = {}
    for _ in range(ROUNDS_MAX):
        await now.work()
        for _ in range(ROUND_BEATS):
            await now.clock.advance(BEAT_SECONDS)
            await now.ask("GET", "/readyz")  # the file takes real time
        found = {one: await now.status(one) for one in left}
        left = {one: case for one, case in left.items() if found[one] != case.ends}
        if not left:
            break
    return {case.name: found[one] for one, case in left.items()}


async def _batch(now: Today, known: dict[str, Any]) -> None:
    """The batch goes on where it was, over everybody; then they end."""
    batch: dict[str, Any] = {}
    for _ in range(ROUNDS_MAX):
        batch = await now.ask("GET", f"/v1/batches/{known['batch']}")
        if batch["status"] == "done":
            break
        await now.clock.advance(1)
    assert (batch["status"], batch["done"], batch["failed"]) == ("done", batch["total"], 0)
    for one in known["others"]:
        assert await now.status(one) == "paused"
        await now.ask("POST", f"/v1/executions/{one}:terminate", {})


async def _starts_are_known(now: Today, old: Old) -> None:
    """A start that is repeated with its Idempotency-Key is the same one."""
    for case, known in old.cases():
        path = f"/v1/activities/up/{case.activity}/executions"
        again = await now.ask(
            "POST",
            path,
            {"input": {"key": case.name}},
            **{"Idempotency-Key": f"start-of-{case.activity}"},
        )
        assert again["id"] == known["id"], case.name


# ---------------------------------------------------------------- a crash in the midst of it

CRASHES = """
import os, signal, shutil, sqlite3, sys
from pathlib import Path
from goflow_py.store.sqlite import schema, writer

class Dies:
    def __init__(self, connection, left):
        self.connection, self.left = connection, left
    def execute(self, *given):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return self.connection.execute(*given)

source, count = Path(sys.argv[1]), 0
while True:
    path = source.with_name(f"crash-{count}.db")
    shutil.copy(source, path)
    child = os.fork()
    if child == 0:
        connection = writer.connect(path)
        connection.execute("BEGIN IMMEDIATE")
        schema.migrate(Dies(connection, count), path, 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        path.unlink()
        break
    count += 1
print(count)
"""


def content(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    with contextlib.closing(connection):
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name"
        ).fetchall()
        return [
            *tables,
            connection.execute("SELECT version, sha256 FROM goflow_schema").fetchall(),
            connection.execute("SELECT id, seq, body FROM executions ORDER BY id").fetchall(),
        ]


def test_a_crash_at_any_statement_of_a_migration_leaves_the_older_file(old: Old) -> None:
    before = content(old.path)
    ran = subprocess.run(
        [sys.executable, "-c", CRASHES, str(old.path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    count = int(ran.stdout)
    is_older = len(before[-2]) < schema.SCHEMA
    assert count > (5 if is_older else 0)
    for number in range(count):
        assert content(old.path.with_name(f"crash-{number}.db")) == before, number


# ---------------------------------------------------------------- what is refused


def refusal(path: Path, *command: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "goflow_py", *command],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 1, (ran.stdout, ran.stderr)
    [line] = ran.stderr.strip().splitlines()
    return line


SPOILS = {
    "newer": (
        f"INSERT INTO goflow_schema VALUES ({schema.SCHEMA + 1}, 'x', 0)",
        f"has schema {schema.SCHEMA + 1}, this release knows {schema.SCHEMA}: "
        "start the newer release",
    ),
    "changed": (
        "UPDATE goflow_schema SET sha256 = 'x' WHERE version = 1",
        "was made by another build (migration 1 differs)",
    ),
    "foreign": ("DROP TABLE goflow_schema", "belongs to another program"),
}


@pytest.mark.e2e
@pytest.mark.parametrize("way", SPOILS)
@pytest.mark.parametrize("command", ["serve", "verify", "backup", "key", "move"])
def test_data_that_is_not_ours_to_touch_is_refused_in_one_line(
    tmp_path: Path, way: str, command: str
) -> None:
    path = tmp_path / "goflow.db"
    path.write_bytes(lzma.decompress(FILES[0].read_bytes()))
    statement, says = SPOILS[way]
    connection = sqlite3.connect(path)
    with contextlib.closing(connection):
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    more = {
        "serve": ("--port", "0"),
        "backup": ("--to", str(tmp_path / "copy.db")),
        "key": ("create", "--scopes", "admin"),
    }
    words = more.get(command, ())
    given = (command, *words[:1], "--data", str(path), *words[1:]) if command == "key" else (
        command, "--data", str(path), *words
    )  # fmt: skip
    if command == "move":
        given = ("move", "--from", str(path), "--to", "postgresql://127.0.0.1:9/none")
    assert says in refusal(path, *given)
    assert path.read_bytes() == before
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("version", DIGESTS)
def test_a_released_migration_is_never_changed(version: int) -> None:
    assert schema.digest_of(schema.KNOWN[version]) == DIGESTS[version]
