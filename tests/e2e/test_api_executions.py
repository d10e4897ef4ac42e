"""Executions over HTTP: start, look, wait, list, repeat, delete."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import Api, RealWorker, start

pytestmark = pytest.mark.e2e
QUICK = "/v1/activities/shop/quick/executions"
ORDER = "/v1/activities/shop/order/executions"


async def test_a_start_answers_201_with_its_place_and_the_execution_runs_to_its_end(
    shop: Api, worker: RealWorker
) -> None:
    answer = await shop("POST", QUICK, {"input": {"a": 1}, "labels": {"team": "blue"}})
    assert answer.status == 201
    execution = answer.body
    assert answer.headers["Location"] == f"/v1/executions/{execution['id']}"
    assert answer.headers["ETag"] == f'"{execution["revision"]}"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    ended = await shop.good("GET", f"{answer.headers['Location']}?wait=10s")
    assert (ended["status"], ended["state"], ended["output"]) == ("completed", "done", {"a": 1})
    assert ended["labels"] == {"team": "blue"}
    assert ended["startedAt"].endswith("Z") and len(ended["startedAt"]) == 24
    assert [call["input"] for call in worker.calls] == [{"a": 1}]


async def test_a_start_may_have_no_body(shop: Api) -> None:
    assert (await shop("POST", QUICK)).status == 201


async def test_prefer_wait_answers_200_when_it_ended_and_201_when_not(
    shop: Api, worker: RealWorker
) -> None:
    ended = await shop("POST", QUICK, {}, Prefer="respond-async, wait=10")
    assert (ended.status, ended.body["status"]) == (200, "completed")
    assert ended.headers["Preference-Applied"] == "wait=10"
    assert ended.headers["ETag"] == f'"{ended.body["revision"]}"'
    going = await shop("POST", "/v1/activities/shop/slow/executions", {}, Prefer="wait=0")
    assert (going.status, going.body["status"]) == (201, "running")


async def test_a_repeated_start_answers_with_the_execution_as_it_is_now(shop: Api) -> None:
    body = {"input": {"n": 1}}
    first = await shop("POST", QUICK, body, Idempotency_Key="once")
    await shop.until(first.body["id"], "completed")
    again = await shop("POST", QUICK, body, Idempotency_Key="once")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert "Idempotency-Replayed" not in first.headers
    assert (again.body["id"], again.body["status"]) == (first.body["id"], "completed")
    other = await shop("POST", QUICK, {"input": {"n": 2}}, Idempotency_Key="once")
    other.problem(422, "idempotency_key_reused")


async def test_thirty_starts_with_one_key_are_one_execution(shop: Api) -> None:
    answers = await asyncio.gather(
        *(shop("POST", QUICK, {"input": 1}, Idempotency_Key="k") for _ in range(30))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1


async def test_the_same_business_key_is_the_same_execution_while_it_runs(shop: Api) -> None:
    first = await shop("POST", ORDER, {"input": {"order": "o-1"}})
    again = await shop("POST", ORDER, {"input": {"order": "o-1", "more": True}})
    assert (first.status, again.status) == (201, 200)
    assert again.body["id"] == first.body["id"]
    assert again.body["key"] == "o-1"


async def test_an_id_of_the_callers_own_is_taken_once(shop: Api) -> None:
    chosen = str(uuid.uuid4())
    first = await shop("POST", QUICK, {"id": chosen.upper(), "input": 1})
    assert (first.status, first.body["id"]) == (201, chosen)
    same = await shop("POST", QUICK, {"id": chosen, "input": 1})
    assert same.status == 200
    (await shop("POST", QUICK, {"id": chosen, "input": 2})).problem(409, "id_in_use")


async def test_the_etag_is_the_revision_and_saves_the_answer(shop: Api) -> None:
    execution = await start(shop, "order", {"order": "o"})
    place = f"/v1/executions/{execution['id']}"
    tag = f'"{execution["revision"]}"'
    for sent in (tag, f"W/{tag}", f'"0", {tag}', "*"):
        known = await shop("GET", place, If_None_Match=sent)
        assert (known.status, known.raw) == (304, b"")
        assert known.headers["ETag"] == tag
    assert (await shop("GET", place, If_None_Match='"0"')).status == 200


async def test_a_long_poll_answers_at_the_end(shop: Api, worker: RealWorker) -> None:
    execution = await start(shop, "slow")
    poll = asyncio.create_task(shop("GET", f"/v1/executions/{execution['id']}?wait=30s"))
    await worker.called("hold")
    assert not poll.done()
    worker.held.set()
    assert (await poll).body["status"] == "completed"


async def test_lists_are_filtered_and_paged_newest_first(shop: Api) -> None:
    made = [
        await start(shop, "order", {"order": f"o-{n}"}, labels={"half": str(n % 2)})
        for n in range(5)
    ]
    ids = [one["id"] for one in reversed(made)]
    seen, path = [], "/v1/executions?activity=order&limit=2"
    while path:
        answer = await shop("GET", path)
        seen += [item["id"] for item in answer.body["items"]]
        link = answer.headers.get("Link", "")
        assert ('rel="next"' in link) == (answer.body["next"] is not None)
        path = link.partition(">")[0].lstrip("<")
    assert seen == ids

    async def ids_of(query: str) -> list[str]:
        return [i["id"] for i in (await shop.good("GET", f"/v1/executions?{query}"))["items"]]

    assert await ids_of("label.half=1") == [ids[1], ids[3]]
    assert await ids_of("key=o-3") == [ids[1]]
    assert await ids_of("status=waiting,failed&state=busy") == ids
    assert await ids_of("status=completed") == []
    assert await ids_of(f"q={ids[2][:30]}") == [ids[2]]
    assert await ids_of("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z") == []
    assert await ids_of("project=nobody") == []


async def test_the_history_the_attempts_and_the_context_tell_what_happened(shop: Api) -> None:
    execution = await start(shop, "quick", {"a": 1})
    ended = await shop.until(execution["id"], "completed")
    place = f"/v1/executions/{execution['id']}"
    whole = await shop.good("GET", f"{place}/history?limit=500")
    assert [entry["seq"] for entry in whole["items"]] == list(range(ended["revision"] + 1))
    assert whole["next"] is None
    first = await shop("GET", f"{place}/history?limit=5")
    rest = await shop.good("GET", first.headers["Link"].partition(">")[0].lstrip("<"))
    assert first.body["items"] + rest["items"] == whole["items"]
    [attempt] = (await shop.good("GET", f"{place}/attempts"))["items"]
    assert (attempt["outcome"], attempt["httpStatus"]) == ("success", 200)
    then = await shop.good("GET", f"{place}/context?at=0")
    assert then["state"] == "busy"
    assert then["seq"] < ended["revision"], "the end of the first record"
    assert (await shop.good("GET", f"{place}/context"))["context"]["input"] == {"a": 1}
    assert "completed" in (await shop.good("GET", f"{place}/why"))["why"]
    assert await shop.good("GET", f"{place}/output") == {"a": 1}


async def test_why_advises_for_a_final_failed_state_what_is_possible_there(
    shop: Api, worker: RealWorker
) -> None:
    await shop.good("POST", "/v1/blueprints", final_failure(worker.url))
    path = "/v1/activities/shop/final/executions"
    execution = await shop.good("POST", path, {"input": {}}, Prefer="wait=10")
    place = f"/v1/executions/{execution['id']}"
    why = (await shop.good("GET", f"{place}/why"))["why"]
    assert why.startswith("It failed in state 'failed' (")
    assert why.endswith("; replay it from 'work', or go to another state.")
    for verb in ("retry", "skip"):
        said = (await shop("POST", f"{place}:{verb}", {})).problem(409, "final_state")
        assert "replay it from 'work', or use goto" in said["detail"]
    again = await shop.good("POST", f"{place}:replay", {"from": "work"})
    assert again["status"] != "failed" or again["revision"] > execution["revision"]


def final_failure(url: str) -> dict[str, Any]:
    """Return a blueprint whose row leads an error to the final state of failures."""
    return {
        "project": "shop",
        "activity": "final",
        "states": ["work"],
        "actions": [{"name": "refuse", "type": "sync"}],
        "transitions": [
            {"current": "init", "event": "start", "action": "refuse", "next": "work"},
            {"current": "work", "event": "success", "next": "done"},
            {"current": "work", "event": "error", "next": "failed"},
        ],
        "workers": [{"name": "refuse", "workerEndpoint": url, "retryCount": 0}],
    }


async def test_the_history_is_paged_from_its_end(shop: Api) -> None:
    execution = await start(shop, "quick", {"a": 1})
    ended = await shop.until(execution["id"], "completed")
    place = f"/v1/executions/{execution['id']}/history"
    whole = (await shop.good("GET", f"{place}?limit=500"))["items"]
    seen, path = [], f"{place}?before={ended['revision'] + 1}&limit=3"
    while path:
        answer = await shop("GET", path)
        assert 0 < len(answer.body["items"]) <= 3
        seen += answer.body["items"]
        assert answer.body["next"] in (None, str(seen[-1]["seq"]))
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert seen == whole[::-1]
    assert (await shop.good("GET", f"{place}?before=999999999999"))["items"] == whole[::-1]
    assert (await shop.good("GET", f"{place}?before=0")) == {"items": [], "next": None}
    (await shop("GET", f"{place}?before=5&after=1")).problem(400, "bad_parameter")


async def test_an_ended_execution_can_be_deleted(shop: Api) -> None:
    execution = await start(shop, "order", {"order": "o"})
    place = f"/v1/executions/{execution['id']}"
    (await shop("GET", f"{place}/output")).problem(409, "not_ended")
    (await shop("DELETE", place)).problem(409, "not_ended")
    await shop.good("POST", f"{place}:terminate")
    gone = await shop("DELETE", place)
    assert (gone.status, gone.raw) == (204, b"")
    (await shop("GET", place)).problem(404)
    (await shop("DELETE", place)).problem(404)


async def test_the_request_id_is_echoed(shop: Api) -> None:
    for path in ("/healthz", "/v1/executions/none", "/nowhere"):
        assert (await shop("GET", path, X_Request_Id="r-1")).headers["X-Request-Id"] == "r-1"
    assert "X-Request-Id" not in (await shop("GET", "/healthz", X_Request_Id="a b")).headers
