"""Forks and replays over HTTP."""

from typing import Any

import pytest

from tests.e2e.conftest import Api, activity, eventually, start

pytestmark = pytest.mark.e2e


@pytest.fixture
async def ended(shop: Api) -> dict[str, Any]:
    execution = await start(shop, "quick", {"n": 1}, key="k")
    return await shop.until(execution["id"], "completed")


async def test_a_fork_is_a_new_execution_with_a_place_of_its_own(shop: Api, ended: Any) -> None:
    path = f"/v1/executions/{ended['id']}:fork"
    body = {"at": 2, "data": {"x": 1}, "reason": "again"}
    answer = await shop("POST", path, body, Idempotency_Key="f")
    assert answer.status == 201, answer.raw
    forked = answer.body
    assert answer.headers["Location"] == f"/v1/executions/{forked['id']}"
    assert forked["id"] != ended["id"]
    assert (forked["key"], forked["input"], forked["data"]) == (None, {"n": 1}, {"x": 1})
    again = await shop("POST", path, body, Idempotency_Key="f")
    assert (again.status, again.body["id"]) == (201, forked["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    await shop.until(forked["id"], "completed")
    history = await shop.good("GET", f"/v1/executions/{forked['id']}/history?limit=500")
    [control] = [e for e in history["items"] if e["type"] == "control"]
    assert control["from"]["execution"] == ended["id"]
    report = await shop.good("GET", f"/v1/admin/verify?execution={forked['id']}")
    assert report["breaches"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"at": 100_000}, "no_such_seq"),
        ({"at": -1}, "invalid_body"),
        ({"at": "1"}, "invalid_body"),
        ({}, "invalid_body"),
        ({"at": 1, "data": []}, "invalid_body"),
    ],
)
async def test_a_fork_that_cannot_be_says_why(
    shop: Api, ended: Any, body: dict[str, Any], code: str
) -> None:
    (await shop("POST", f"/v1/executions/{ended['id']}:fork", body)).problem(422, code)


async def test_work_of_a_visited_state_is_replayed_alone(shop: Api) -> None:
    work = activity(
        "graph",
        {"name": "echo"},
        states=[
            {"name": "busy", "tasks": [{"name": "a", "do": "echo"}, {"name": "b", "do": "echo"}]},
            {"name": "rest", "on": {"go": "done"}},
        ],
        transitions=[
            {"current": "init", "event": "start", "next": "busy"},
            {"current": "busy", "event": "success", "next": "rest"},
        ],
    )
    await shop.good("POST", "/v1/blueprints", work)
    execution = await start(shop, "graph", {"n": 1})
    found = await shop.until(execution["id"], "waiting")
    path = f"/v1/executions/{execution['id']}:replay"
    alone = {"from": "busy", "downstream": False}
    (await shop("POST", path, alone)).problem(422, "unknown_task")
    (await shop("POST", path, {"from": "busy", "task": "a"})).problem(422, "invalid_body")
    replayed = await shop.good("POST", path, {**alone, "task": "a"})
    assert (replayed["state"], replayed["visit"]) == ("rest", found["visit"])

    async def look() -> bool:
        found = await shop.good("GET", f"/v1/executions/{execution['id']}/attempts")
        ended = [item["task"] for item in found["items"] if item["outcome"] == "success"]
        return any(task.startswith("+replay") for task in ended)

    assert await eventually(look)
