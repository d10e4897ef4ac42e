"""What is purged or deleted leaves no row behind, and takes its space along."""

import contextlib
import sqlite3
from pathlib import Path

import orjson
import pytest

from goflow_py.domain.event import Control
from goflow_py.domain.execution import decode
from goflow_py.engine.orchestrator import EngineOptions, Orchestrator
from goflow_py.engine.requests import Repeat, StartRequest
from goflow_py.errors import Conflict
from goflow_py.ports import Filter
from goflow_py.store.sqlite import SqliteStore
from goflow_py.testing import FakeClock, StubTransport, answer
from tests.upgrade.cases import blueprints_of

KEPT = {
    "goflow_schema", "meta", "nodes", "shards", "blueprints", "versions", "workers", "commit_line",
    "forgotten",
}  # fmt: skip
"""Tables that hold nothing of an execution."""
DAY = 86_400


def rows(path: Path) -> dict[str, int]:
    """Return how many rows each table has that may hold something of an execution."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with contextlib.closing(connection):
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name not in KEPT and not name.startswith("sqlite")
        ]
        found = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in tables
        }
        if "tallies" in found:
            query = "SELECT count(*) FROM tallies WHERE count <> 0"
            [found["tallies"]] = connection.execute(query).fetchone()
        if "sizes" in found:
            # Blueprints and workers stay, with their bytes.
            query = """SELECT sum(bytes)
              - (SELECT ifnull(sum(length(body) + length(findings)), 0) FROM blueprints)
              - (SELECT ifnull(sum(length(body)), 0) FROM workers) FROM sizes"""
            [found["sizes"]] = connection.execute(query).fetchone()
        return found


@pytest.mark.parametrize("way", ["purge", "delete"])
async def test_an_execution_that_is_gone_leaves_no_row_in_any_table(
    tmp_path: Path, way: str
) -> None:
    path, clock = tmp_path / "goflow.db", FakeClock()
    transport = StubTransport(lambda *_: None)
    it = Orchestrator(
        store=SqliteStore(path),
        transport=transport,
        clock=clock,
        options=EngineOptions(
            token_key=b"k" * 32,
            fallback_url="http://mock",
            retention_seconds=600.0,
            lease_seconds=10.0 * DAY,
        ),
    )
    await it.start()
    for blueprint in blueprints_of(2):
        await it.uploads.upload(orjson.dumps(blueprint))
        request = StartRequest(
            input={"key": blueprint["activity"]},
            repeat=Repeat(key=blueprint["activity"], scope="POST /x", digest="d"),
        )
        await it.executions.start("up", blueprint["activity"], request)
    await clock.advance(1)
    before = rows(path)
    assert all(before[name] for name in ("executions", "history", "names", "tasks", "tallies"))
    if way == "delete":
        page = await it.store.list(Filter(), limit=500, cursor=None)
        for body in page.items:  # as they are, with all that is under way
            await it.store.delete(decode(body).id)
    else:
        await _end_all(it, transport, clock)
        await _pass(it, clock, seconds=700)
    after = rows(path)
    names = after.pop("names")
    assert {name: count for name, count in after.items() if count} == {}
    assert names == len(blueprints_of(2))  # the keys of the starts, for a day
    await _pass(it, clock, seconds=DAY)
    assert rows(path)["names"] == 0
    await it.stop()


async def _end_all(it: Orchestrator, transport: StubTransport, clock: FakeClock) -> None:
    transport.script = lambda _, body: answer(body.get("input"))  # teardowns have to end
    for body in (await it.store.list(Filter(), limit=500, cursor=None)).items:
        with contextlib.suppress(Conflict):  # one that ended with its parent
            await it.executions.control(decode(body).id, Control(verb="terminate"))
    await clock.advance(1)


async def _pass(it: Orchestrator, clock: FakeClock, *, seconds: float) -> None:
    """Let time pass, and the sweeps come to their end: the file takes real time."""
    await clock.advance(seconds)
    for _ in range(100):
        await clock.advance(2)
        await it.store.ping()
