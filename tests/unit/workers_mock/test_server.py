"""The mock on a real port, called as workers are."""

import asyncio
import io
import json
import time
from typing import Any

import aiohttp
import pytest

from workers_mock import MockServer, Script
from workers_mock.callbacks import Callbacks


async def test_without_a_rule_the_input_comes_back(caller: Any) -> None:
    assert await caller.call("shop", "pay", input={"a": [1, None, "\u00e9"]}) == (
        200,
        {"a": [1, None, "\u00e9"]},
    )


async def test_a_raw_call_comes_back_whole(caller: Any) -> None:
    assert await caller.call("shop", None, amount=5) == (200, {"amount": 5})


async def test_a_body_that_is_no_json_is_answered_with_nothing(caller: Any) -> None:
    async with caller.session.post(f"{caller.mock.url}/shop", data=b"hello") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    assert (await caller.get("/_calls"))[0]["body"] == "hello"


async def test_a_number_beyond_json_is_not_echoed(caller: Any) -> None:
    async with caller.session.post(f"{caller.mock.url}/a", data=b'{"input": 1e999}') as answer:
        assert answer.status == 422
        assert "cannot hold" in (await answer.json())["detail"]


async def test_a_script_is_played_over_http(caller: Any) -> None:
    await caller.script({"shop/pay": [{"status": 503, "times": 2}, {"body": {"paid": True}}]})
    answers = [await caller.call("shop", "pay") for _ in range(4)]
    assert answers == [(503, None), (503, None), (200, {"paid": True}), (200, {"paid": True})]


async def test_the_alias_is_the_first_segment_of_the_path(caller: Any) -> None:
    await caller.script({"shop/*": [{"status": 201}]})
    assert (await caller.call("shop/v1/payments", "pay"))[0] == 201
    assert (await caller.call("v1/shop", "pay"))[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_worker_may_be_called_by_any_method(caller: Any, method: str) -> None:
    await caller.script({"shop/*": [{"status": 207}]})
    async with caller.session.request(method, f"{caller.mock.url}/shop?x=1") as answer:
        assert answer.status == 207


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ({"event": "approved"}, {"event": "approved"}),
        ({"event": "approved", "body": {"by": 1}}, {"event": "approved", "output": {"by": 1}}),
        ({"event": "approved", "body": None}, {"event": "approved", "output": None}),
        ({"body": None}, None),
        ({"body": []}, []),
        ({}, None),
    ],
)
async def test_a_rule_writes_the_body(caller: Any, rule: dict[str, Any], body: Any) -> None:
    await caller.script({"*": [rule]})
    assert await caller.call("a", "b") == (200, body)


async def test_headers_are_sent(caller: Any) -> None:
    rule = {"status": 503, "headers": {"Retry-After": "7"}, "body": {}}
    await caller.script({"*": [rule, {"body": "x", "headers": {"content-type": "text/plain"}}]})
    async with caller.session.post(f"{caller.mock.url}/a") as answer:
        assert answer.headers["Retry-After"] == "7"
        assert answer.headers["Content-Type"] == "application/json"
    async with caller.session.post(f"{caller.mock.url}/a") as answer:
        assert answer.headers.getall("Content-Type") == ["text/plain"]


async def test_a_delay_is_kept_while_others_are_served(caller: Any) -> None:
    await caller.script({"a/slow": [{"delay": 0.3}]})
    start = time.monotonic()
    slow = asyncio.create_task(caller.call("a", "slow"))
    await caller.call("a", "fast")
    assert not slow.done()
    assert (await slow)[0] == 200
    assert time.monotonic() - start >= 0.3


async def test_a_dropped_call_has_no_answer(caller: Any) -> None:
    await caller.script({"*": [{"drop": True}, {"status": 201}]})
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await caller.call("a", "b")
    assert (await caller.call("a", "b"))[0] == 201
    assert [call["status"] for call in await caller.get("/_calls")] == [None, 201]


async def test_a_header_overrides_the_script_for_one_call(caller: Any) -> None:
    await caller.script({"*": [{"status": 201}, {"status": 202}]})
    override = {"X-Mock": json.dumps({"status": 418})}
    assert (await caller.call("a", "b", headers=override))[0] == 418
    assert (await caller.call("a", "b"))[0] == 201


@pytest.mark.parametrize(
    ("header", "sentence"), [("{", "X-Mock is not JSON"), ('{"x": 1}', 'X-Mock: unknown field "x"')]
)
async def test_a_wrong_override_is_said(caller: Any, header: str, sentence: str) -> None:
    status, problem = await caller.call("a", "b", headers={"X-Mock": header})
    assert status == 422
    assert sentence in problem["detail"]


async def test_calls_are_kept_in_order_with_their_answers(caller: Any) -> None:
    await caller.script({"shop/pay": [{"status": 503}]})
    await caller.call("shop", "pay", headers={"Idempotency-Key": "e/1"}, input=1)
    await caller.call("shop/deep", "ship", headers={"Idempotency-Key": "e/2"})
    first, second = await caller.get("/_calls")
    assert (first["path"], first["alias"], first["action"]) == ("/shop", "shop", "pay")
    assert (first["status"], first["headers"]["idempotency-key"]) == (503, "e/1")
    assert first["body"] == {"action": "pay", "input": 1}
    assert (second["path"], second["status"]) == ("/shop/deep", 200)
    assert first["at"] <= second["at"]
    assert [call["action"] for call in await caller.get("/_calls?action=ship")] == ["ship"]
    assert len(await caller.get("/_calls?alias=shop")) == 2


async def test_more_calls_than_a_chunk_are_listed(caller: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("workers_mock.server.CALLS_A_CHUNK", 2)
    for number in range(7):
        await caller.call("a", f"b{number}")
    assert [call["action"] for call in await caller.get("/_calls")] == [f"b{n}" for n in range(7)]


async def test_an_unknown_filter_is_refused(caller: Any) -> None:
    async with caller.session.get(f"{caller.mock.url}/_calls?state=x") as answer:
        assert answer.status == 400
        assert "unknown filter 'state'" in (await answer.json())["detail"]


async def test_calls_can_be_forgotten(caller: Any) -> None:
    await caller.call("a", "b")
    async with caller.session.delete(f"{caller.mock.url}/_calls") as answer:
        assert answer.status == 204
    assert await caller.get("/_calls") == []
    assert (await caller.get("/_counts"))["calls"] == 0


async def test_without_recording_calls_are_only_counted() -> None:
    async with MockServer(record=False) as mock, aiohttp.ClientSession() as session:
        for key in ("1", "1", "2"):
            body, headers = {"action": "pay"}, {"Idempotency-Key": key}
            async with session.post(f"{mock.url}/a", json=body, headers=headers):
                pass
        async with session.get(f"{mock.url}/_calls") as answer:
            assert await answer.json() == []
        async with session.get(f"{mock.url}/_counts") as answer:
            counts = await answer.json()
    assert (counts["calls"], counts["actions"]) == (3, {"pay": 3})
    assert (counts["idempotencyKeys"], counts["recorded"]) == (2, 0)


async def test_the_script_can_be_read_back(caller: Any) -> None:
    script = {"a/b": [{"status": 201, "body": {"x": 1.5}}]}
    await caller.script(script)
    assert await caller.get("/_script") == script


@pytest.mark.parametrize("text", ["", "[]", '{"a": []}', '{"a/b": [{"x": 1}]}'])
async def test_a_bad_script_is_refused_and_the_old_one_stays(caller: Any, text: str) -> None:
    await caller.script({"*": [{"status": 201}]})
    async with caller.session.put(f"{caller.mock.url}/_script", data=text) as answer:
        assert answer.status == 422
        assert "script" in (await answer.json())["detail"]
    assert (await caller.call("a", "b"))[0] == 201


async def test_control_paths_take_only_their_methods(caller: Any) -> None:
    async with caller.session.post(f"{caller.mock.url}/_script", data="{}") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, PUT")
    assert await caller.get("/healthz") == {"status": "ok"}
    assert await caller.get("/_calls") == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/shop"), ("PUT", "/_script")])
async def test_a_body_over_the_limit_is_refused(caller: Any, method: str, path: str) -> None:
    body = io.BytesIO(b" " * (1_048_576 + 1))
    async with caller.session.request(method, caller.mock.url + path, data=body) as answer:
        assert answer.status == 413
    assert await caller.get("/_calls") == []


# ---------------------------------------------------------------- callbacks


async def test_a_callback_is_accepted_at_once_and_sent_later(
    caller: Any, inbox: Any, until: Any
) -> None:
    url, received = inbox
    outcome = {"output": {"url": "x"}}
    await caller.script({"*": [{"callback": {"after": 0.1, "body": outcome}}]})
    assert await caller.call("cdn", "publish", callbackUrl=url) == (202, None)
    assert received == []

    async def answered() -> bool:
        return bool((await caller.get("/_counts"))["callbacks"]["answered"])

    await until(answered)
    assert received == [("/v1/callbacks/token", outcome)]
    counts = (await caller.get("/_counts"))["callbacks"]
    assert counts == {"pending": 0, "answered": {"200": 1}, "failed": 0, "heartbeats": 0}


async def test_heartbeats_come_before_the_callback_and_none_after_it(
    caller: Any, inbox: Any, until: Any
) -> None:
    url, received = inbox
    beats = {"every": 0.04, "count": 100}
    await caller.script({"*": [{"status": 200, "callback": {"after": 0.1, "heartbeats": beats}}]})
    assert (await caller.call("cdn", "publish", callbackUrl=url))[0] == 200

    async def answered() -> bool:
        return not (await caller.get("/_counts"))["callbacks"]["pending"]

    await until(answered)
    beat = "/v1/callbacks/token/heartbeat"
    assert [path for path, _ in received] == [beat, beat, "/v1/callbacks/token"]


async def test_a_callback_may_overtake_the_acceptance(caller: Any, inbox: Any, until: Any) -> None:
    url, received = inbox
    await caller.script({"*": [{"delay": 30, "callback": {"after": 0}}]})
    call = asyncio.create_task(caller.call("a", "b", callbackUrl=url))

    async def answered() -> bool:
        return bool((await caller.get("/_counts"))["callbacks"]["answered"])

    await until(answered)
    assert len(received) == 1
    assert not call.done()
    call.cancel()


@pytest.mark.parametrize("url", [None, 5, "ftp://x", ""])
async def test_a_callback_needs_an_address(caller: Any, url: Any) -> None:
    await caller.script({"*": [{"callback": {}}]})
    status, problem = await caller.call("a", "b", callbackUrl=url)
    assert status == 422
    assert "no callbackUrl" in problem["detail"]


async def test_a_callback_is_tried_again_and_then_given_up(
    caller: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers_mock.callbacks.FIRST_WAIT_SECONDS", 0.001)
    await caller.script({"*": [{"callback": {}}]})
    await caller.call("a", "b", callbackUrl="http://127.0.0.1:1/none")

    async def given_up() -> bool:
        return bool((await caller.get("/_counts"))["callbacks"]["failed"])

    await until(given_up)


async def test_no_more_callbacks_are_promised_than_can_be_kept(
    caller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Callbacks, "full", True)
    await caller.script({"*": [{"callback": {}}]})
    assert (await caller.call("a", "b", callbackUrl="http://127.0.0.1:1/"))[0] == 503


async def test_it_stops_at_once_with_calls_and_callbacks_open(caller: Any) -> None:
    mock = await _running({"*": [{"delay": 60, "callback": {"after": 60}}]})
    async with aiohttp.ClientSession() as session:
        body = {"callbackUrl": "http://127.0.0.1:1/"}
        call = asyncio.create_task(session.post(f"{mock.url}/a", json=body))
        while not mock.ledger.counts()["calls"]:
            await caller.get("/healthz")
        start = time.monotonic()
        await mock.stop()
        assert time.monotonic() - start < 3
        with pytest.raises(aiohttp.ClientError):
            await call


async def _running(script: dict[str, Any]) -> MockServer:
    mock = MockServer(Script(script))
    await mock.start()
    return mock
