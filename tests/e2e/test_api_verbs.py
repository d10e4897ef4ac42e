"""Events, verbs and callbacks over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import Api, RealWorker, activity, start

pytestmark = pytest.mark.e2e


@pytest.fixture
async def order(shop: Api) -> AsyncIterator[dict[str, Any]]:
    yield await start(shop, "order", {"order": "o-1"})


def _place(execution: dict[str, Any]) -> str:
    return f"/v1/executions/{execution['id']}"


# ---------------------------------------------------------------- events


async def test_an_event_is_applied_and_answers_with_the_execution(shop: Api, order: Any) -> None:
    answer = await shop("POST", f"{_place(order)}/events", {"name": "go", "data": {"by": "me"}})
    assert (answer.status, answer.body["applied"]) == (200, True)
    assert answer.body["execution"]["revision"] > order["revision"]
    assert answer.headers["ETag"] == f'"{answer.body["execution"]["revision"]}"'


async def test_an_event_that_is_not_accepted_names_those_that_are(shop: Api, order: Any) -> None:
    answer = await shop("POST", f"{_place(order)}/events", {"name": "nonsense"})
    problem = answer.problem(409, "event_not_accepted")
    assert problem["state"] == "busy"
    assert {item["event"] for item in problem["awaiting"]} == {"go", "paid"}
    (await shop("POST", f"{_place(order)}/events", {"name": "success"})).problem(422)


async def test_the_same_event_id_is_applied_once_and_answers_alike(shop: Api, order: Any) -> None:
    body = {"name": "go", "id": "e-1", "data": 1}
    first = await shop("POST", f"{_place(order)}/events", body)
    again = await shop("POST", f"{_place(order)}/events", body)
    assert (first.status, again.status) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body["applied"] is True
    history = await shop.good("GET", f"{_place(order)}/history?limit=500")
    assert [e["type"] for e in history["items"]].count("eventApplied") == 1


async def test_an_event_repeated_by_its_key_is_applied_once(shop: Api, order: Any) -> None:
    path, body = f"{_place(order)}/events", {"name": "go"}
    first = await shop("POST", path, body, Idempotency_Key="k")
    again = await shop("POST", path, body, Idempotency_Key="k")
    assert (first.status, again.status) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    (await shop("POST", path, {"name": "paid"}, Idempotency_Key="k")).problem(
        422, "idempotency_key_reused"
    )


async def test_an_event_for_a_paused_execution_is_kept(shop: Api, order: Any) -> None:
    await shop.good("POST", f"{_place(order)}:pause")
    kept = await shop("POST", f"{_place(order)}/events", {"name": "go"})
    assert (kept.status, kept.body) == (202, {"deferred": True})
    await shop.good("POST", f"{_place(order)}:resume")
    await shop.until(order["id"], "completed")


async def test_an_event_finds_its_execution_by_the_business_key(shop: Api, order: Any) -> None:
    body = {"name": "go", "key": "o-1", "project": "shop", "activity": "order"}
    answer = await shop("POST", "/v1/events", body, Idempotency_Key="k")
    assert answer.status == 202
    [match] = answer.body["matched"]
    assert (match["id"], match["applied"]) == (order["id"], True)
    again = await shop("POST", "/v1/events", body, Idempotency_Key="k")
    assert again.body["matched"][0]["id"] == order["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    (await shop("POST", "/v1/events", {**body, "data": 2}, Idempotency_Key="k")).problem(422)
    (await shop("POST", "/v1/events", body)).problem(404, "no_match")


async def test_an_event_by_key_that_is_not_accepted_says_what_is(shop: Api, order: Any) -> None:
    answer = await shop("POST", "/v1/events", {"name": "nonsense", "key": "o-1"})
    assert answer.problem(409)["awaiting"]


# ---------------------------------------------------------------- verbs


async def test_pause_resume_cancel_and_terminate_change_the_status(shop: Api) -> None:
    one = await start(shop, "order", {"order": "1"})
    two = await start(shop, "order", {"order": "2"})
    steps = [(one, "pause", "paused"), (one, "resume", "waiting"), (one, "cancel", "cancelled")]
    steps += [(two, "terminate", "cancelled")]
    for execution, verb, status in steps:
        body = {"reason": "because"}
        answer = await shop("POST", f"{_place(execution)}:{verb}", body)
        assert (answer.status, answer.body["status"]) == (200, status)
        again = await shop("POST", f"{_place(execution)}:{verb}", body)
        assert (again.status, again.body["revision"]) == (200, answer.body["revision"])


async def test_a_failed_execution_can_be_retried_skipped_and_sent_elsewhere(shop: Api) -> None:
    for verb, body, status in (
        ("retry", {"newVisit": True}, "failed"),
        ("skip", {"output": {"by": "hand"}}, "completed"),
        ("goto", {"state": "later_on"}, "waiting"),
        ("replay", {"from": "refuse"}, "failed"),
    ):
        execution = await start(shop, "refused")
        failed = await shop.until(execution["id"], "failed")
        assert failed["error"]["code"] == "refused"
        answer = await shop("POST", f"{_place(execution)}:{verb}", body)
        assert answer.status == 200, answer.raw
        assert answer.body["revision"] > failed["revision"]
        await shop.until(execution["id"], status)


async def test_data_is_changed_by_a_merge_patch(shop: Api) -> None:
    await shop.good(
        "POST",
        "/v1/blueprints",
        activity("vars", {"type": "wait", "event": "go"}, data={"a": 1, "b": {"c": 2}}),
    )
    execution = await start(shop, "vars")
    patched = await shop(
        "PATCH",
        f"{_place(execution)}/data",
        {"a": None, "b": {"d": 3}},
        Content_Type="application/merge-patch+json",
    )
    assert patched.body["data"] == {"b": {"c": 2, "d": 3}}


async def test_if_match_refuses_what_was_decided_on_an_old_view(shop: Api, order: Any) -> None:
    place, revision, visit = _place(order), order["revision"], order["visit"]
    paused = await shop("POST", f"{place}:pause", if_match=f'"{revision}"')
    assert paused.status == 200
    stale = await shop("POST", f"{place}:resume", if_match=f'"{revision}"')
    assert stale.problem(412)["revision"] == paused.body["revision"]
    (await shop("POST", f"{place}:resume", if_match=f'"visit-{visit + 1}"')).problem(412)
    (await shop("POST", f"{place}:resume", if_match=f'W/"{revision}"')).problem(412)
    (await shop("POST", f"{place}:resume", if_match="what?")).problem(400)
    resumed = await shop("POST", f"{place}:resume", if_match=f'"visit-{visit}"')
    assert resumed.status == 200
    stale = await shop("POST", f"{place}/events", {"name": "go"}, if_match=f'"{revision}"')
    stale.problem(412)


async def test_a_repeated_verb_is_carried_out_once(shop: Api, order: Any) -> None:
    place = _place(order)
    await shop.good("POST", f"{place}:pause", {}, Idempotency_Key="p")
    await shop.good("POST", f"{place}:resume")
    again = await shop("POST", f"{place}:pause", {}, Idempotency_Key="p")
    assert (again.headers["Idempotency-Replayed"], again.body["status"]) == ("true", "waiting")


# ---------------------------------------------------------------- callbacks


async def test_a_callback_ends_the_attempt_once(shop: Api, worker: RealWorker) -> None:
    execution = await start(shop, "handed")
    call = await worker.called("later")
    url = call["callbackUrl"]
    assert url.startswith(f"{shop.url}/v1/callbacks/")
    path = url.removeprefix(shop.url)
    assert await shop.good("POST", f"{path}/heartbeat") == {}
    done = await shop("POST", path, {"output": {"ok": True}})
    assert (done.status, done.body) == (200, {"applied": True})
    assert (await shop.until(execution["id"], "completed"))["output"] == {"ok": True}
    again = await shop("POST", path, {"output": {"ok": True}})
    assert (again.status, again.body) == (200, {"duplicate": True})


async def test_a_late_callback_changes_nothing(shop: Api, worker: RealWorker) -> None:
    ended = await start(shop, "handed")
    path = (await worker.called("later", ended["id"]))["callbackUrl"].removeprefix(shop.url)
    await shop.good("POST", f"{_place(ended)}:terminate")
    (await shop("POST", path, {"output": 1})).problem(410)
    left = await start(shop, "handed")
    path = (await worker.called("later", left["id"]))["callbackUrl"].removeprefix(shop.url)
    await shop.good("POST", f"{_place(left)}:goto", {"state": "later_on"})
    (await shop("POST", path, {"output": 1})).problem(409, "superseded")
    (await shop("POST", f"{path}/heartbeat")).problem(409, "superseded")
    history = await shop.good("GET", f"{_place(left)}/history?limit=500")
    assert "lateIgnored" in [entry["type"] for entry in history["items"]]


async def test_a_callback_needs_its_own_token(shop: Api, worker: RealWorker) -> None:
    await start(shop, "handed")
    path = (await worker.called("later"))["callbackUrl"].removeprefix(shop.url)
    wrong = path[:-1] + ("A" if path[-1] != "A" else "B")
    for bad in (wrong, "/v1/callbacks/x", "/v1/callbacks/%FF%00", f"/v1/callbacks/{'A' * 900}"):
        (await shop("POST", bad, {})).problem(404)
    (await shop("POST", path, {"retry": "yes"})).problem(422, "invalid_body")
