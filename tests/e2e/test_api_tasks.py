"""Queued work over HTTP: pull workers, people, leases, kills, projects."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from goflow_py.bootstrap import Server as Running
from tests.e2e.conftest import Api, Serve, activity, eventually, start
from tests.harness import Server, until

pytestmark = pytest.mark.e2e

FORM = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
RETRY = {"interval": 0.05, "jitter": "none"}


def pull(name: str, *, queue: str = "depot", **more: Any) -> dict[str, Any]:
    work = {"type": "pull", "queue": queue, "lease": 60, "retry": RETRY, **more}
    document = activity(name, work)
    del document["workers"]
    return document


HUMAN = pull(
    "approval", queue="desk", type="human", lease=None, form=FORM, assignedTo="${ input.who }"
)
DOCUMENTS = (pull("pack"), pull("brief", queue="fast", lease=0.5, retryCount=1), HUMAN)


@pytest.fixture
async def depot(api: Api) -> AsyncIterator[Api]:
    """A server whose activities have queues; its histories are judged at the end."""
    for document in DOCUMENTS:
        await api.good("POST", "/v1/blueprints", document)
    yield api
    report = await api.good("GET", "/v1/admin/verify")
    assert report["breaches"] == []


async def poll(api: Api, *queues: str, **fields: Any) -> list[dict[str, Any]]:
    body = {"queues": queues or ("depot",), "worker": "w", **fields}
    found: list[dict[str, Any]] = (await api.good("POST", "/v1/tasks:poll", body))["tasks"]
    return found


async def one(api: Api, *queues: str, **fields: Any) -> dict[str, Any]:
    found = await poll(api, *queues, **{"wait": 10, **fields})
    assert len(found) == 1
    return found[0]


async def say(api: Api, task: dict[str, Any], verb: str, **fields: Any) -> Any:
    """Say something of a task with its token; return the answer as it is."""
    body = {"token": task["token"], **fields}
    return await api("POST", f"/v1/tasks/{task['id']}:{verb}", body)


# ---------------------------------------------------------------- pull workers


async def test_a_poll_that_waits_is_answered_by_the_start(depot: Api) -> None:
    waiting = asyncio.create_task(one(depot, wait=30))
    execution = await start(depot, "pack", {"n": 1})
    task = await asyncio.wait_for(waiting, 5)
    payload = task["payload"]
    assert (payload["executionId"], payload["input"]) == (execution["id"], {"n": 1})
    assert payload["idempotencyKey"] == f"{execution['id']}/1"
    assert payload["deadline"] == task["leaseUntil"]
    assert (await say(depot, task, "complete", output={"done": 1})).body == {"applied": True}
    end = await depot.until(execution["id"], "completed")
    assert end["output"] == {"done": 1}


async def test_tasks_come_in_the_order_of_their_starts_and_in_batches(depot: Api) -> None:
    for number in range(5):
        await start(depot, "pack", {"n": number})
    found = await poll(depot, max=3) + await poll(depot, max=3)
    assert [task["payload"]["input"]["n"] for task in found] == [0, 1, 2, 3, 4]


async def test_a_poll_without_work_ends_empty(depot: Api) -> None:
    assert await poll(depot) == []
    assert await poll(depot, wait="100ms") == []


async def test_fifty_pollers_get_two_hundred_tasks_exactly_once(depot: Api) -> None:
    got: list[str] = []
    begun: list[str] = []

    async def work() -> None:
        while len(got) < 200:
            for task in await poll(depot, max=3, wait=0.5):
                got.append(task["payload"]["executionId"])
                answer = await say(depot, task, "complete")
                assert answer.body == {"applied": True}

    async def feed() -> None:
        for number in range(20):
            batch = (start(depot, "pack", {"n": f"{number}-{one}"}) for one in range(10))
            begun.extend(made["id"] for made in await asyncio.gather(*batch))

    await asyncio.wait_for(asyncio.gather(feed(), *(work() for _ in range(50))), 45)
    assert sorted(got) == sorted(begun)
    attempts = await depot.good("GET", f"/v1/executions/{got[0]}/attempts")
    assert [attempt["outcome"] for attempt in attempts["items"]] == ["success"]


async def test_a_lapsed_lease_issues_the_task_again_and_the_late_worker_gets_409(
    depot: Api,
) -> None:
    execution = await start(depot, "brief")
    first = await one(depot, "fast")
    second = await one(depot, "fast")
    assert (second["id"], second["payload"]["visit"]) == (first["id"], first["payload"]["visit"])
    assert second["token"] != first["token"]
    (await say(depot, first, "complete", output="late")).problem(409, "superseded")
    assert (await say(depot, second, "complete", output="in time")).status == 200
    end = await depot.until(execution["id"], "completed")
    assert end["output"] == "in time"


async def test_leases_that_lapse_too_often_fail_the_execution(depot: Api) -> None:
    execution = await start(depot, "brief")
    tasks = [await one(depot, "fast") for _ in range(2)]
    end = await depot.until(execution["id"], "failed")
    assert (end["error"]["code"], end["error"]["attempts"]) == ("lease_expired", 2)
    (await say(depot, tasks[-1], "complete")).problem(410)


async def test_a_heartbeat_keeps_the_claim(depot: Api) -> None:
    execution = await start(depot, "brief")
    task = await one(depot, "fast")
    until_then = task["leaseUntil"]
    for _ in range(4):
        assert await poll(depot, "fast", wait="200ms") == []
        renewed = (await say(depot, task, "heartbeat")).body["leaseUntil"]
        assert renewed > until_then
        until_then = renewed
    await say(depot, task, "complete")
    await depot.until(execution["id"], "completed")


async def test_a_released_task_is_there_again_at_once(depot: Api) -> None:
    await start(depot, "pack")
    task = await one(depot)
    waiting = asyncio.create_task(one(depot, wait=30))
    assert (await say(depot, task, "release")).body == {"released": True}
    again = await asyncio.wait_for(waiting, 5)
    assert (again["id"], again["payload"]["attempt"]) == (task["id"], 2)
    (await say(depot, task, "release")).problem(409, "superseded")


async def test_the_worker_chooses_an_outcome_of_its_labels(depot: Api) -> None:
    execution = await start(depot, "pack")
    task = await one(depot)
    assert task["payload"]["labels"] == ["paid"]
    (await say(depot, task, "complete", event="start")).problem(422, "bad_response")
    assert (await say(depot, task, "complete", event="paid", output=7)).status == 200
    end = await depot.until(execution["id"], "completed")
    assert end["output"] == 7


async def test_the_same_completion_twice_is_a_duplicate(depot: Api) -> None:
    execution = await start(depot, "pack")
    task = await one(depot)
    answers = [(await say(depot, task, "complete", output=1)).body for _ in range(2)]
    assert answers == [{"applied": True}, {"duplicate": True}]
    assert (await depot.until(execution["id"], "completed"))["output"] == 1


async def test_a_failure_is_definite_unless_it_may_be_tried_again(depot: Api) -> None:
    execution = await start(depot, "pack")
    task = await one(depot)
    await say(depot, task, "fail", code="jam", message="the belt stands", retry=True)
    again = await one(depot)
    assert again["payload"]["attempt"] == 2
    await say(depot, again, "fail", code="broken", message="it fell")
    end = await depot.until(execution["id"], "failed")
    assert (end["error"]["code"], end["error"]["message"]) == ("broken", "it fell")


async def test_nothing_is_polled_while_paused_and_an_outcome_is_kept(depot: Api) -> None:
    claimed, queued = await start(depot, "pack"), await start(depot, "pack")
    task = await one(depot)
    assert task["payload"]["executionId"] == claimed["id"]
    for execution in (claimed, queued):
        await depot.good("POST", f"/v1/executions/{execution['id']}:pause")
    assert await poll(depot) == []
    assert (await say(depot, task, "complete", output="kept")).body == {"applied": True}
    for execution in (claimed, queued):
        await depot.good("POST", f"/v1/executions/{execution['id']}:resume")
    assert (await depot.until(claimed["id"], "completed"))["output"] == "kept"
    assert (await one(depot))["payload"]["executionId"] == queued["id"]


async def waiting_poll(server: Running, api: Api, **fields: Any) -> "asyncio.Task[Any]":
    """Return a poll that has come to the server."""
    found = asyncio.create_task(poll(api, **{"wait": 60, **fields}))

    async def came() -> bool:
        return server.orchestrator.polls.waiting > 0

    await eventually(came)
    return found


async def test_a_client_that_went_away_takes_nothing(server: Running, depot: Api) -> None:
    cut = await waiting_poll(server, depot)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    await start(depot, "pack")
    assert (await one(depot))["payload"]["attempt"] == 1


async def test_what_was_claimed_for_a_client_that_goes_away_is_given_back(
    server: Running, depot: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = server.orchestrator.claims
    take, claimed, gone = claims.take, asyncio.Event(), asyncio.Event()

    async def slowly(*given: Any) -> Any:
        found = await take(*given)
        claimed.set()
        await gone.wait()
        return found

    await start(depot, "pack")
    with monkeypatch.context() as patch:
        patch.setattr(claims, "take", slowly)
        cut = asyncio.create_task(poll(depot, wait=60))
        await claimed.wait()
        connections = set(server.door.guard.connections)
        cut.cancel()

        async def closed() -> bool:
            return any(one.half_closed_since is not None for one in connections)

        await eventually(closed)
        gone.set()
    assert (await one(depot))["payload"]["attempt"] == 2


async def test_a_server_that_drains_answers_polls_at_once(server: Running, depot: Api) -> None:
    waiting = await waiting_poll(server, depot)
    await depot.good("POST", "/v1/admin/drain")
    assert await asyncio.wait_for(waiting, 5) == []
    assert await asyncio.wait_for(poll(depot, wait=60), 5) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"queues": []},
        {"queues": ["q"] * 21},
        {"queues": "depot"},
        {"max": 0},
        {"max": 101},
        {"wait": -1},
        {"worker": ""},
        {"extra": 1},
    ],
    ids=str,
)
async def test_a_poll_that_does_not_fit_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    body = {"queues": ["depot"], "worker": "w", **wrong}
    (await api("POST", "/v1/tasks:poll", body)).problem(422, "invalid_body")


@pytest.mark.parametrize("verb", ["complete", "fail", "heartbeat", "release", "claim"])
@pytest.mark.parametrize("task", ["x", "e30", "a" * 600, "a:b", "%C3%A9"])
async def test_a_task_that_never_was_is_not_found(api: Api, verb: str, task: str) -> None:
    body: dict[str, Any] = {"worker": "ann"} if verb == "claim" else {"token": "t"}
    if verb == "fail":
        body |= {"code": "c", "message": "m"}
    (await api("POST", f"/v1/tasks/{task}:{verb}", body)).problem(404)


# ---------------------------------------------------------------- people


async def test_a_person_finds_claims_and_completes_a_task(depot: Api) -> None:
    execution = await start(depot, "approval", {"who": "ann"})
    await start(depot, "approval", {"who": "ben"})
    inbox = await depot.good("GET", "/v1/tasks?assignedTo=ann&queue=desk&status=queued")
    (item,) = inbox["items"]
    assert (item["executionId"], item["form"]) == (execution["id"], FORM)
    assert await poll(depot, "desk") == []
    path = f"/v1/tasks/{item['id']}:claim"
    task = await depot.good("POST", path, {"worker": "ann"})
    assert (task["leaseUntil"], task["payload"]["form"]) == (None, FORM)
    refusal = (await depot("POST", path, {"worker": "ben"})).problem(409, "claimed")
    assert refusal["claimedBy"] == "ann"
    wrong = (await say(depot, task, "complete", output={"ok": "yes"})).problem(422, "schema")
    assert wrong["errors"][0]["pointer"] == "/ok"
    (held,) = (await depot.good("GET", "/v1/tasks?status=claimed"))["items"]
    assert held["claimedBy"] == "ann"
    assert (await say(depot, task, "complete", output={"ok": True})).status == 200
    assert (await depot.until(execution["id"], "completed"))["output"] == {"ok": True}
    left = await depot.good("GET", "/v1/tasks?type=human")
    assert [item["assignedTo"] for item in left["items"]] == ["ben"]


async def test_the_inbox_has_pages(depot: Api) -> None:
    for number in range(5):
        await start(depot, "approval", {"who": str(number)})
    found: list[str] = []
    answer = await depot.good("GET", "/v1/tasks?limit=2")
    while True:
        found += [item["assignedTo"] for item in answer["items"]]
        if answer["next"] is None:
            break
        answer = await depot.good("GET", f"/v1/tasks?limit=2&cursor={answer['next']}")
    assert sorted(found) == ["0", "1", "2", "3", "4"]  # those of one millisecond in any order


# ---------------------------------------------------------------- projects


async def test_a_project_sees_and_takes_only_its_own_tasks(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        admin = api.with_key(file.read_text().strip())
        for document in DOCUMENTS:
            await admin.good("POST", "/v1/blueprints", document)
        mine, other = [
            admin.with_key(
                (await admin.good("POST", "/v1/keys", {"project": name, "scopes": ["task"]}))["key"]
            )
            for name in ("shop", "bank")
        ]
        await start(admin, "pack")
        await start(admin, "approval", {"who": "ann"})
        assert await poll(other, "depot") == []
        assert (await other.good("GET", "/v1/tasks"))["items"] == []
        assert (await other.good("GET", "/v1/tasks?project=shop"))["items"] == []
        task = await one(mine)
        (item,) = (await mine.good("GET", "/v1/tasks?type=human"))["items"]
        for verb in ("complete", "heartbeat", "release"):
            (await say(other, task, verb)).problem(404)
        claim = f"/v1/tasks/{item['id']}:claim"
        (await other("POST", claim, {"worker": "eve"})).problem(404)
        assert (await say(mine, task, "complete")).body == {"applied": True}


# ---------------------------------------------------------------- kills


def test_a_claim_outlives_a_kill_and_its_lease_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "goflow.db"
    server = Server(data)
    server.upload(orjson.dumps(pull("pack", lease=6)))
    kept, lost = server.start("shop/pack"), server.start("shop/pack")
    tasks = _poll(server.client, max=2)
    assert [task["payload"]["executionId"] for task in tasks] == [kept["id"], lost["id"]]
    server.kill()
    again = Server(data)
    try:
        assert _poll(again.client) == []
        done = again.client.post(
            f"/v1/tasks/{tasks[0]['id']}:complete", json={"token": tasks[0]["token"], "output": 1}
        )
        assert done.json() == {"applied": True}
        assert again.end_of(kept["id"])["output"] == 1
        (task,) = until(lambda: _poll(again.client, wait=1), "the other lease lapses")
        assert (task["id"], task["payload"]["attempt"]) == (tasks[1]["id"], 2)
        report = again.client.get("/v1/admin/verify").json()
        assert report["breaches"] == []
    finally:
        again.stop()


def _poll(client: httpx.Client, **fields: Any) -> Any:
    body = {"queues": ["depot"], "worker": "w", **fields}
    answer = client.post("/v1/tasks:poll", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["tasks"]
