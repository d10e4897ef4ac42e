"""Limits of projects over HTTP: who may see and set them, and what a start over one is told."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Api, Serve, activity, start

pytestmark = pytest.mark.e2e

LIMITS = "/v1/projects/shop/limits"
START = "/v1/activities/shop/hold/executions"
NONE = {"maxRunning": None, "startsPerSecond": None, "maxOpenCalls": None, "maxStoredBytes": None}


async def hold(api: Api, project: str = "shop") -> None:
    """Upload an activity whose executions wait for an event."""
    held = activity("hold", {"type": "wait", "event": "go"})
    held["transitions"] = held["transitions"][:2]
    await api.good("POST", "/v1/blueprints", {**held, "project": project})


async def test_a_start_over_a_limit_is_told_which_and_when_to_ask_again(api: Api) -> None:
    await hold(api)
    await api.good("PUT", LIMITS, {"maxRunning": 1, "startsPerSecond": 1_000})
    first = await api("POST", START, {"input": {}}, Idempotency_Key="first")
    assert first.status == 201
    answer = await api("POST", START, {"input": {}}, Idempotency_Key="second")
    problem = answer.problem(429, "too_many_running")
    assert (problem["limit"], problem["current"]) == (1, 1)
    assert int(answer.headers["Retry-After"]) >= 1
    again = await api("POST", START, {"input": {}}, Idempotency_Key="first")
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    await api.good("POST", f"/v1/executions/{first.body['id']}/events", {"name": "go"})
    await api.good("POST", START, {"input": {}}, Idempotency_Key="second")


async def test_limits_are_set_shown_and_taken_back(api: Api) -> None:
    await hold(api)
    shown = await api.good("GET", LIMITS)
    assert shown["limits"] == NONE
    await start(api, "hold")
    given = {"maxRunning": 5, "startsPerSecond": 2.5, "maxOpenCalls": 3, "maxStoredBytes": 10**9}
    put = await api.good("PUT", LIMITS, given)
    assert put["limits"] == given
    assert (put["use"]["running"], put["use"]["openCalls"]) == (1, 0)
    assert put["use"]["storedBytes"] > 100
    listed = await api.good("GET", "/v1/projects")
    assert [(one["project"], one["limits"]) for one in listed["items"]] == [("shop", given)]
    assert (await api.good("PUT", LIMITS, {"maxRunning": 0}))["limits"] == {**NONE, "maxRunning": 0}
    (await api("POST", START, {})).problem(429, "too_many_running")
    assert (await api("DELETE", LIMITS)).status == 204
    (await api("DELETE", LIMITS)).problem(404)
    await start(api, "hold")
    (await api("GET", "/v1/projects/nobody/limits")).problem(404)


@pytest.mark.parametrize(
    "body",
    [
        {"maxRunning": -1},
        {"maxRunning": True},
        {"maxRunning": 1.5},
        {"startsPerSecond": 0},
        {"startsPerSecond": 5e-324},
        {"maxOpenCalls": 0},
        {"maxStoredBytes": "1"},
        {"max_running": 1},
        {"maxRuning": 1},
    ],
)
async def test_a_limit_that_is_none_is_refused(api: Api, body: dict[str, object]) -> None:
    (await api("PUT", LIMITS, body)).problem(422, "invalid_body")
    assert (await api.good("GET", "/v1/projects"))["items"] == []


async def test_the_servers_limits_hold_for_who_has_none(serve: Serve) -> None:
    async with serve(max_running=1) as (_, api):
        await hold(api)
        await start(api, "hold")
        (await api("POST", START, {})).problem(429, "too_many_running")
        await api.good("PUT", LIMITS, {"maxOpenCalls": 7})
        held = (await api.good("GET", LIMITS))["limits"]
        assert held == {**NONE, "maxRunning": 1, "maxOpenCalls": 7}


async def test_a_project_sees_its_own_limits_and_sets_none(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        admin = api.with_key(file.read_text().strip())
        for project in ("shop", "other"):
            await hold(admin, project)
        scopes = ["execution:read", "admin"]
        made = await admin.good("POST", "/v1/keys", {"project": "shop", "scopes": scopes})
        shop = admin.with_key(made["key"])
        everything = await admin.good("GET", "/v1/projects")
        assert [one["project"] for one in everything["items"]] == ["other", "shop"]
        mine = await shop.good("GET", "/v1/projects")
        assert [one["project"] for one in mine["items"]] == ["shop"]
        assert (await shop.good("GET", LIMITS))["project"] == "shop"
        (await shop("GET", "/v1/projects/other/limits")).problem(404)
        (await shop("PUT", LIMITS, {"maxRunning": 10})).problem(403, "scope")
        (await shop("DELETE", LIMITS)).problem(403, "scope")


async def test_starts_that_come_too_fast_are_told_how_long_to_wait(api: Api) -> None:
    await api.good("PUT", "/v1/projects/shop/limits", {"startsPerSecond": 0.001})
    await hold(api)
    await start(api, "hold")
    answer = await api("POST", START, {"key": "k"})
    problem = answer.problem(429, "too_many_starts")
    assert int(answer.headers["Retry-After"]) > 100
    assert problem["limit"] == 0.001


async def test_over_the_stored_bytes_uploads_workers_and_stored_events_are_refused(
    api: Api,
) -> None:
    await hold(api)
    await api.good("PUT", LIMITS, {"maxStoredBytes": 100})
    other = activity("other", {"type": "wait", "event": "go"})
    refused = await api("POST", "/v1/blueprints", {**other, "project": "shop"})
    assert refused.problem(429, "too_much_stored")["limit"] == 100
    assert int(refused.headers["Retry-After"]) >= 1
    worker = {"name": "w", "workerEndpoint": "http://127.0.0.1:9/w"}
    workers = await api("PUT", "/v1/blueprints/shop/hold/workers", {"workers": [worker]})
    workers.problem(429, "too_much_stored")
    event = {"name": "go", "key": "nobodys", "project": "shop", "ttl": "1h"}
    (await api("POST", "/v1/events", event)).problem(429, "too_much_stored")
    assert (await api("POST", "/v1/events", {**event, "project": "another"})).status == 202
    assert (await api("POST", "/v1/events", {**event, "project": None})).status == 202
    listed = await api.good("GET", "/v1/projects")
    assert "" not in [one["project"] for one in listed["items"]]
