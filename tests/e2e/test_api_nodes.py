"""Two servers on one store, over HTTP: whichever is asked, the answer is the same."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from goflow_py import bootstrap
from goflow_py.bootstrap import Server
from goflow_py.engine import orchestrator, routing
from goflow_py.ports import Store
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.tables import Tables
from tests.e2e.conftest import Api, Serve, activity, eventually, start

pytestmark = pytest.mark.e2e

WAIT = activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")
PULL = activity("pull", {"type": "pull", "queue": "q"})


@dataclasses.dataclass
class Pair:
    """Two servers; *here* owns the shards of what is started there."""

    here: Api
    there: Api
    servers: tuple[Server, Server]


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Callable[..., Store]:
    """Make one more way to one and the same store."""
    if request.param == "memory":
        tables = Tables()
        return lambda *_: MemoryStore(tables)
    url = request.getfixturevalue("database")
    return lambda *_: PostgresStore(url, is_alone=False)


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers look at nothing in time that nobody told them of."""
    for module, name in (
        (orchestrator, "MAIL_SECONDS"),
        (orchestrator, "LOOK_SECONDS"),
        (routing, "POLL_SECONDS"),
        (routing, "POLL_SECONDS_MAX"),
    ):
        monkeypatch.setattr(module, name, 3_600.0)


@pytest.fixture
def no_refreshes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers learn nothing by themselves of what others changed."""
    monkeypatch.setattr(orchestrator, "REFRESH_SECONDS", 3_600.0)


@pytest.fixture
async def pair(
    serve: Serve, store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    options = bootstrap._options

    def shared(*given: Any) -> Any:
        return dataclasses.replace(
            options(*given), is_alone=False, lease_seconds=1.5, token_key=b"k" * 32
        )

    monkeypatch.setattr(bootstrap, "_store", store)
    monkeypatch.setattr(bootstrap, "_options", shared)
    async with serve() as (one, here), serve() as (two, there):

        async def has_some() -> bool:
            return len(two.orchestrator.owner.memory.epochs) > 20

        await eventually(has_some)
        for blueprint in (WAIT, PULL):
            await here.good("POST", "/v1/blueprints", blueprint)
        yield Pair(here, there, (one, two))


async def test_any_server_answers_as_the_owner_does(pair: Pair) -> None:
    execution = await start(pair.here, "order", {"order": "o1"})
    path = f"/v1/executions/{execution['id']}"
    both = (pair.here, pair.there)
    refused = [await api("POST", f"{path}/events", {"name": "no"}) for api in both]
    own, passed_on = (one.problem(409, "event_not_accepted") for one in refused)
    assert own == passed_on
    held = [await api("POST", f"{path}:pause", if_match='"99"') for api in both]
    assert held[0].problem(412) == held[1].problem(412)
    waiting = asyncio.ensure_future(pair.there.good("GET", f"{path}?wait=20s"))
    applied = await pair.there("POST", f"{path}/events", {"name": "go", "id": "e"})
    assert applied.status == 200 and applied.body["execution"]["status"] == "completed"
    assert applied.headers["ETag"] == f'"{applied.body["execution"]["revision"]}"'
    again = await pair.there("POST", f"{path}/events", {"name": "go", "id": "e"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await waiting)["status"] == "completed"
    assert (await pair.there("DELETE", path)).status == 204
    (await pair.here("GET", path)).problem(404)


async def test_a_key_is_listed_and_revoked_by_a_server_that_has_not_heard_of_it(
    no_refreshes: None, pair: Pair
) -> None:
    made = [await pair.here.good("POST", "/v1/keys", {"scopes": ["task"]}) for _ in range(2)]
    assert (await pair.there("DELETE", f"/v1/keys/{made[0]['id']}")).status == 204
    left = [key.id for key in await pair.servers[0].door.orchestrator.store.keys()]
    assert left == [made[1]["id"]]
    made.append(await pair.here.good("POST", "/v1/keys", {"scopes": ["task"]}))
    listed = await pair.there.good("GET", "/v1/keys")
    assert {key["id"] for key in listed["items"]} == {key["id"] for key in made[1:]}


async def test_an_event_by_key_reaches_executions_of_both(pair: Pair) -> None:
    found = [await start(pair.here, "order", {"order": "a"})]
    found.append(await start(pair.there, "order", {"order": "b"}))
    for key in "ab":
        sent = await pair.there("POST", "/v1/events", {"name": "go", "key": key})
        assert sent.status == 202 and [one["applied"] for one in sent.body["matched"]] == [True]
    for one in found:
        await pair.here.until(one["id"], "completed")


async def test_a_worker_polls_the_server_that_it_reaches(pair: Pair) -> None:
    polling = asyncio.ensure_future(
        pair.there.good("POST", "/v1/tasks:poll", {"queues": ["q"], "worker": "w", "wait": 20})
    )
    execution = await start(pair.here, "pull", 7)
    [task] = (await polling)["tasks"]
    body = {"token": task["token"], "output": task["payload"]["input"]}
    done = await pair.there("POST", f"/v1/tasks/{task['id']}:complete", body)
    assert done.body == {"applied": True}
    assert (await pair.here.until(execution["id"], "completed"))["output"] == 7


async def test_what_no_owner_answers_is_accepted_and_queued(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "ASK_SECONDS", 0.3)
    execution = await start(pair.here, "order", {"order": "o2"})
    one = pair.servers[0].orchestrator
    live = await one.owner.memory.enter(execution["id"])
    async with live.lock:  # its owner is busy with something
        sent = await pair.there(
            "POST", f"/v1/executions/{execution['id']}/events", {"name": "go", "id": "e"}
        )
        assert (sent.status, sent.body) == (202, {"queued": True})
    one.owner.memory.leave(live)
    await pair.there.until(execution["id"], "completed")


async def test_a_request_waits_until_the_work_of_a_dead_server_is_taken_over(pair: Pair) -> None:
    execution = await start(pair.here, "order", {"order": "o3"})
    engine = pair.servers[0].orchestrator
    await engine.supervisor.stop()  # it renews no lease, and answers nothing, from now on
    await engine.mailbox.stop()
    path = f"/v1/executions/{execution['id']}"
    sent = await pair.there("POST", f"{path}/events", {"name": "go"})
    assert sent.status == 200 and sent.body["execution"]["status"] == "completed"
    late = await pair.here("POST", f"{path}:retry")
    assert late.status >= 400, "who lost its lease changes nothing"


async def test_both_servers_tell_the_same_of_each_other(pair: Pair) -> None:
    async def is_even() -> bool:
        found = await pair.here.good("GET", "/v1/admin/nodes")
        return [one["shards"] for one in found["items"]] == [128, 128]

    await eventually(is_even)
    execution = await start(pair.here, "order", {"order": "o4"})
    await pair.here.until(execution["id"], "waiting")
    said = [await api.good("GET", "/v1/admin/nodes") for api in (pair.here, pair.there)]
    names = [server.orchestrator.ownership.node for server in pair.servers]
    for place, found in enumerate(said):
        assert [one["id"] for one in found["items"]] == names
        assert [one["self"] for one in found["items"]] == [place == 0, place == 1]
        assert found["shared"] and found["unowned"]["shards"] == 0


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_servers_on_a_database_need_not_look_for_what_they_are_told(
    no_looks: None, pair: Pair
) -> None:
    async def is_even() -> bool:
        found = await pair.here.good("GET", "/v1/admin/nodes")
        stores = [server.orchestrator.store for server in pair.servers]
        hear = all(store._herald.is_listening for store in stores)  # type: ignore[attr-defined]
        return hear and [one["shards"] for one in found["items"]] == [128, 128]

    await eventually(is_even)
    execution = await start(pair.here, "order", {"order": "o5"})
    path = f"/v1/executions/{execution['id']}"
    waiting = asyncio.ensure_future(pair.there.good("GET", f"{path}?wait=20s"))
    polling = asyncio.ensure_future(
        pair.there.good("POST", "/v1/tasks:poll", {"queues": ["q"], "worker": "w", "wait": 20})
    )
    applied = await pair.there("POST", f"{path}/events", {"name": "go"})
    assert applied.status == 200 and applied.body["execution"]["status"] == "completed"
    assert (await waiting)["status"] == "completed"
    await start(pair.here, "pull", 7)
    assert len((await polling)["tasks"]) == 1


async def test_a_server_that_is_told_to_drain_gives_its_shards_away(pair: Pair) -> None:
    execution = await start(pair.there, "order", {"order": "o5"})
    await pair.there.until(execution["id"], "waiting")
    drained = await pair.there("POST", "/v1/admin/drain")
    assert drained.status == 202

    async def is_empty() -> bool:
        found = await pair.here.good("GET", "/v1/admin/nodes")
        told = [(one["shards"], one["status"]) for one in found["items"]]
        return told == [(256, "ok"), (0, "draining")]

    await eventually(is_empty)
    event = {"name": "go"}
    sent = await pair.here("POST", f"/v1/executions/{execution['id']}/events", event)
    assert sent.body["execution"]["status"] == "completed"
