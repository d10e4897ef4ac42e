"""Batches over HTTP: whom they are for, what they show, and a restart in the midst of one."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Api, Serve, activity, eventually, start

pytestmark = pytest.mark.e2e


async def finished(api: Api, batch: str) -> dict[str, Any]:
    async def look() -> Any:
        found = await api.good("GET", f"/v1/batches/{batch}")
        return found if found["status"] != "running" else None

    found: dict[str, Any] = await eventually(look)
    return found


async def orders(api: Api, count: int) -> list[str]:
    return [(await start(api, "order", {"order": f"o-{n}"}))["id"] for n in range(count)]


async def test_a_batch_acts_on_a_filter_and_shows_how_far_it_is(shop: Api) -> None:
    ids = await orders(shop, 12)
    body = {
        "action": "pause",
        "filter": {"activity": "order", "status": ["waiting"]},
        "reason": "lunch",
    }
    preview = await shop("POST", "/v1/batches", {**body, "dryRun": True})
    assert (preview.status, preview.body["total"]) == (200, 12)
    assert sorted(preview.body["ids"]) == sorted(ids)
    made = await shop("POST", "/v1/batches", body, Idempotency_Key="b")
    assert made.status == 202
    assert made.headers["Location"] == f"/v1/batches/{made.body['id']}"
    again = await shop("POST", "/v1/batches", body, Idempotency_Key="b")
    assert (again.body["id"], again.headers["Idempotency-Replayed"]) == (made.body["id"], "true")
    batch = await finished(shop, made.body["id"])
    assert (batch["status"], batch["changed"], batch["reason"]) == ("done", 12, "lunch")
    listed = await shop.good("GET", "/v1/batches")
    assert [item["id"] for item in listed["items"]] == [made.body["id"]]
    found = await shop.good("GET", "/v1/executions?status=paused&limit=500")
    assert len(found["items"]) == 12
    assert (await shop("DELETE", f"/v1/batches/{made.body['id']}")).status == 204


async def test_a_batch_takes_the_arguments_of_its_verb(shop: Api) -> None:
    one, two = await orders(shop, 2)
    body = {"action": "goto", "ids": [one], "arguments": {"state": "later_on"}}
    made = await shop.good("POST", "/v1/batches", body)
    assert (await finished(shop, made["id"]))["changed"] == 1
    assert (await shop.good("GET", f"/v1/executions/{one}"))["state"] == "later_on"
    assert (await shop.good("GET", f"/v1/executions/{two}"))["state"] == "busy"
    body = {"action": "data", "filter": {"key": "o-1"}, "arguments": {"reason": "a variable"}}
    made = await shop.good("POST", "/v1/batches", body)
    await finished(shop, made["id"])
    found = await shop.good("GET", f"/v1/executions/{two}")
    assert found["data"] == {"reason": "a variable"}


async def test_a_batch_deletes_what_has_ended(shop: Api) -> None:
    ids = await orders(shop, 3)
    for one in ids[:2]:
        await shop.good("POST", f"/v1/executions/{one}:cancel")
    made = await shop.good("POST", "/v1/batches", {"action": "delete", "ids": ids})
    batch = await finished(shop, made["id"])
    assert (batch["changed"], batch["skipped"], batch["failed"]) == (2, 1, 0)
    assert batch["errors"][0]["execution"] == ids[2]
    assert (await shop("GET", f"/v1/executions/{ids[0]}")).status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "pause"}, ""),
        ({"action": "pause", "filter": {}, "ids": ["0" * 8]}, "/ids/0"),
        ({"action": "pause", "ids": []}, "/ids"),
        ({"action": "explode", "filter": {}}, "/action"),
        ({"action": "pause", "filter": {"stat": "x"}}, "/filter/stat"),
        ({"action": "pause", "filter": {"status": ["gone"]}}, "/filter/status/0"),
        ({"action": "pause", "filter": {"until": 0}}, "/filter/until"),
        ({"action": "pause", "filter": {"since": "then"}}, "/filter/since"),
        ({"action": "goto", "filter": {}}, "/arguments/state"),
        ({"action": "goto", "filter": {}, "arguments": {"state": 5}}, "/arguments/state"),
        ({"action": "pause", "filter": {}, "arguments": {"x": 1}}, "/arguments/x"),
    ],
)
async def test_a_batch_that_cannot_be_says_where(
    shop: Api, body: dict[str, Any], pointer: str
) -> None:
    problem = (await shop("POST", "/v1/batches", body)).problem(422, "invalid_body")
    assert pointer in {error["pointer"] for error in problem["errors"]}


async def test_a_batch_that_nobody_knows_is_not_found(shop: Api) -> None:
    for method in ("GET", "DELETE"):
        (await shop(method, "/v1/batches/01900000-0000-7000-8000-000000000000")).problem(404)


async def test_a_key_of_a_project_acts_and_looks_within_it_alone(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        admin = api.with_key(file.read_text().strip())
        keys = {}
        for project in ("shop", "other"):
            body = {"project": project, "scopes": ["execution:control"]}
            keys[project] = api.with_key((await admin.good("POST", "/v1/keys", body))["key"])
        await admin.good("POST", "/v1/blueprints", order())
        mine = await start(admin, "order", {"order": "o-1"})
        everything = {"action": "pause", "filter": {}}
        made = await keys["other"].good("POST", "/v1/batches", everything)
        assert (await finished(keys["other"], made["id"]))["total"] == 0
        by_name = {"action": "pause", "ids": [mine["id"]]}
        named = await keys["other"].good("POST", "/v1/batches", by_name)
        assert (await finished(keys["other"], named["id"]))["failed"] == 1
        foreign = {"action": "pause", "filter": {"project": "shop"}}
        (await keys["other"]("POST", "/v1/batches", foreign)).problem(404)
        (await keys["shop"]("GET", f"/v1/batches/{made['id']}")).problem(404)
        assert (await keys["shop"].good("GET", "/v1/batches"))["items"] == []
        found = await admin.good("GET", f"/v1/executions/{mine['id']}")
        assert found["status"] == "waiting"


async def test_a_batch_goes_on_after_a_restart_and_does_nothing_twice(serve: Serve) -> None:
    async with serve() as (_, api):
        await api.good("POST", "/v1/blueprints", order())
        ids = await orders(api, 150)
        replay = {"action": "replay", "filter": {}, "arguments": {"from": "busy"}}
        made = await api.good("POST", "/v1/batches", replay)
        # The server ends now, wherever the batch is.
    async with serve() as (_, api):
        batch = await finished(api, made["id"])
        assert (batch["status"], batch["done"], batch["changed"]) == ("done", 150, 150)
        found = await api.good("GET", "/v1/executions?limit=500")
        assert {item["id"]: item["visit"] for item in found["items"]} == dict.fromkeys(ids, 2)


def order() -> dict[str, Any]:
    return activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")
