"""The primary dies, and a standby that had to confirm every commit takes its place."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from goflow_py.ports import Committed, Name
from goflow_py.store.postgres import PostgresStore, writer
from tests.contract.conftest import NOW, Make
from tests.e2e.test_kills import mock
from tests.faults.database import Nodes, suffer
from tests.harness import Mock, Server, until
from tests.postgres import Pair, pair

__all__ = ["mock"]  # the fixture

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DATABASE = "shop"
SWITCHES = 3
ONE = {
    "project": "shop",
    "activity": "one",
    "states": ["a"],
    "transitions": [{"current": "init", "event": "start", "next": "a"}],
}


@pytest.fixture
def both() -> Iterator[Pair]:
    with pair() as found:
        asyncio.run(found.primary.execute(f"CREATE DATABASE {DATABASE}"))
        yield found


def test_switches_to_the_standby_under_load_lose_nothing(mock: Mock, both: Pair) -> None:
    def switch(_: Nodes) -> None:
        both.switch()
        both.join()  # until then nothing is acknowledged

    # A lease that ends while no standby answers ends its server; another one begins.
    suffer(mock, both.url(DATABASE), SWITCHES, switch)


# ---------------------------------------------------------------- no standby answers


def test_without_the_standby_nothing_is_acknowledged_or_shown_and_no_server_ends(
    mock: Mock, both: Pair
) -> None:
    with Nodes(both.url(DATABASE), lease=4) as nodes:
        first, second = nodes.servers
        worker = {"name": "a", "workerEndpoint": f"{mock.url}/w"}
        assert first.client.post("/v1/blueprints", json={**ONE, "workers": [worker]}).is_success
        both.standby.stop()
        for server in (first, second, first, second):
            with pytest.raises(httpx.TimeoutException):
                begin(server, seconds=1.0)  # the client leaves, and asks the other one
        for server in (first, second):
            assert server.client.get("/v1/executions").json()["items"] == []
        _bring_back(both)
        begun = begin(first, seconds=30.0)["id"]
        assert begin(second, seconds=30.0)["id"] == begun
        assert second.end_of(begun)["status"] == "completed"
        assert [server.child.poll() for server in nodes.servers] == [None, None]


def begin(server: Server, *, seconds: float) -> dict[str, Any]:
    """Start the one execution, or repeat that."""
    answer = server.client.post(
        "/v1/activities/shop/one/executions",
        json={"input": 1},
        headers={"Idempotency-Key": "one"},
        timeout=seconds,
    )
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def lonely(both: Pair) -> AsyncIterator[PostgresStore]:
    """A store of which nothing is confirmed."""
    store = PostgresStore(both.url(DATABASE))
    await store.open(node="n", now=NOW, ttl_ms=300_000)
    await store.claim(limit=256, now=NOW)
    await asyncio.to_thread(both.standby.stop)
    yield store
    await asyncio.to_thread(_bring_back, both)
    await store.close()


def _bring_back(both: Pair) -> None:
    both.standby.start()
    both.wait()


def _waits(both: Pair) -> None:
    """Return when a commit waits for the standby."""
    asked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    until(lambda: asyncio.run(both.primary.ask(asked)), "a commit waits")


def _writers(both: Pair) -> object:
    asked = (
        "SELECT max(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'goflow writer%' AND wait_event IS DISTINCT FROM 'SyncRep'"
    )
    return asyncio.run(both.primary.ask(asked))


async def test_a_change_whose_caller_leaves_is_not_seen_before_the_standby_has_it(
    both: Pair, lonely: PostgresStore
) -> None:
    """PostgreSQL ends the wait of a commit that is cancelled, and shows what it changed."""
    name = Name(project="p", kind="k", scope="s", name="n", execution="")
    put = asyncio.create_task(lonely.put_name(name))
    await asyncio.to_thread(_waits, both)
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    await asyncio.to_thread(_waits, both)  # it still does
    assert await lonely.name("p", "k", "s", "n") is None


async def test_a_commit_that_takes_long_is_neither_seen_nor_acknowledged_without_the_standby(
    both: Pair, lonely: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0.3)
    make = Make()
    commit = asyncio.create_task(lonely.commit([make.start(make.id(1))]))
    await asyncio.to_thread(_waits, both)
    seen = set[object]()

    def is_asked_again() -> bool:
        seen.add(_writers(both))
        return len(seen - {None}) > 2

    await asyncio.to_thread(until, is_asked_again, "its outcome is looked for")
    assert not commit.done()
    assert await lonely.head(make.id(1)) is None
    await asyncio.to_thread(_bring_back, both)
    assert await commit == [Committed()]
    assert await lonely.head(make.id(1)) is not None
