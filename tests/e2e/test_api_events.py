"""Events by business key that come before anybody accepts them, and events between executions."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Api, Serve, activity, eventually, start

pytestmark = pytest.mark.e2e

EARLY = {"name": "go", "key": "o-1", "project": "shop", "ttl": "1h", "data": {"n": 1}}


async def test_an_event_with_a_ttl_is_stored_until_an_execution_with_its_key_accepts_it(
    shop: Api,
) -> None:
    answer = await shop("POST", "/v1/events", EARLY)
    assert (answer.status, answer.body["matched"]) == (202, [])
    assert answer.body["storedUntil"].endswith("Z")
    execution = await start(shop, "order", {"order": "o-1"})
    ended = await shop.until(execution["id"], "completed")
    history = await shop.good("GET", f"/v1/executions/{ended['id']}/history?limit=500")
    [applied] = [e for e in history["items"] if e["type"] == "eventApplied"]
    assert applied["data"] == {"n": 1}


async def test_an_event_with_a_ttl_that_is_accepted_now_is_not_stored(shop: Api) -> None:
    execution = await start(shop, "order", {"order": "o-1"})
    answer = await shop("POST", "/v1/events", EARLY)
    assert [match["id"] for match in answer.body["matched"]] == [execution["id"]]
    assert "storedUntil" not in answer.body


async def test_a_repeated_event_with_a_ttl_is_stored_once_and_answers_alike(shop: Api) -> None:
    first = await shop("POST", "/v1/events", EARLY, Idempotency_Key="k")
    again = await shop("POST", "/v1/events", EARLY, Idempotency_Key="k")
    assert (again.status, again.body) == (202, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await shop("POST", "/v1/events", {**EARLY, "data": 2}, Idempotency_Key="k")
    other.problem(422, "idempotency_key_reused")
    execution = await start(shop, "order", {"order": "o-1"})
    await shop.until(execution["id"], "completed")
    late = await shop("POST", "/v1/events", EARLY, Idempotency_Key="k")
    assert late.body == first.body
    second = await start(shop, "order", {"order": "o-1"})
    assert second["status"] == "waiting"


async def test_without_a_ttl_an_event_for_nobody_is_still_no_match(shop: Api) -> None:
    body = {name: value for name, value in EARLY.items() if name != "ttl"}
    (await shop("POST", "/v1/events", body)).problem(404, "no_match")
    reserved = {**EARLY, "name": "success"}
    (await shop("POST", "/v1/events", reserved)).problem(422, "reserved_event")


@pytest.mark.parametrize("ttl", [0, -1, "8d", 604_801, "soon"])
async def test_an_event_is_stored_for_seven_days_at_most(shop: Api, ttl: Any) -> None:
    (await shop("POST", "/v1/events", {**EARLY, "ttl": ttl})).problem(422, "invalid_body")


async def test_stored_events_survive_a_restart(serve: Serve) -> None:
    async with serve() as (_, api):
        await api.good("POST", "/v1/blueprints", _order())
        await api.good("POST", "/v1/events", EARLY)
    async with serve() as (_, api):
        execution = await start(api, "order", {"order": "o-1"})
        await api.until(execution["id"], "completed")


def _order() -> dict[str, Any]:
    return activity("order", {"type": "wait", "event": "go"}, key="${ input.order }")


async def test_a_stored_event_stays_in_the_project_of_its_sender(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        admin = api.with_key(file.read_text().strip())
        body = {"project": "other", "scopes": ["execution:event"]}
        other = api.with_key((await admin.good("POST", "/v1/keys", body))["key"])
        (await other("POST", "/v1/events", EARLY)).problem(404, "no_match")
        own = {name: value for name, value in EARLY.items() if name != "project"}
        assert (await other("POST", "/v1/events", own)).status == 202
        await admin.good("POST", "/v1/blueprints", _order())
        await start(admin, "order", {"order": "o-1"})
        mine = await admin.good("POST", "/v1/events", {**EARLY, "name": "paid"})
        assert len(mine["matched"]) == 1
        history = await admin.good(
            "GET", f"/v1/executions/{mine['matched'][0]['id']}/history?limit=500"
        )
        applied = [e["name"] for e in history["items"] if e["type"] == "eventApplied"]
        assert applied == ["paid"]


async def test_an_execution_tells_another_by_its_business_key(shop: Api) -> None:
    tells = activity("tells", {"type": "emit", "event": "go", "key": "$.input.order"})
    await shop.good("POST", "/v1/blueprints", tells)
    waiting = await start(shop, "order", {"order": "o-1"})
    telling = await start(shop, "tells", {"order": "o-1"})
    await shop.until(waiting["id"], "completed")
    told = await shop.until(telling["id"], "completed")
    context = await shop.good("GET", f"/v1/executions/{told['id']}/context")
    assert context["context"]["busy"]["output"] == {"matched": [waiting["id"]]}


async def test_stored_events_come_in_the_order_in_which_they_were_sent(shop: Api) -> None:
    collects = activity(
        "collects",
        {"type": "wait", "event": "never"},
        data={"got": []},
        states=[{"name": "busy", "on": {"item": {"set": {"got": "${[data.got, event.data]}"}}}}],
        transitions=[{"current": "init", "event": "start", "next": "busy", "action": "work"}],
    )
    await shop.good("POST", "/v1/blueprints", collects)
    for number in range(5):
        body = {"name": "item", "key": "c-1", "ttl": 60, "data": number}
        await shop.good("POST", "/v1/events", body)
    execution = await start(shop, "collects", key="c-1")

    async def look() -> Any:
        found = await shop.good("GET", f"/v1/executions/{execution['id']}")
        return found if len(found["data"]["got"]) == 5 else None

    assert (await eventually(look))["data"]["got"] == [0, 1, 2, 3, 4]
