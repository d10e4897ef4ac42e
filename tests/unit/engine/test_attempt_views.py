"""Attempts as they are shown: what was sent, by the very keys it was sent with."""

import shlex
from typing import Any

import orjson
import pytest

from goflow_py.domain.durations import rfc3339
from goflow_py.domain.execution import Execution
from goflow_py.engine import attempt_views
from goflow_py.engine.attempts import BODY_KEPT_BYTES
from goflow_py.engine.sent import NO_SPAN, SIGNATURE
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "a"}
GRAPH = [
    {"name": "one", "do": "a", "meta": {"task": "one"}},
    {"name": "two", "do": "tell", "needs": ["one"]},
    {"name": "three", "do": "a", "needs": ["two"]},
]


async def test_every_kind_of_attempt_is_shown_with_the_key_that_it_was_sent_with(
    engine: Engine,
) -> None:
    document = {
        "states": [
            {
                "name": "a",
                "on": {"success": "b"},
                "notify": {"left": "http://told/x"},
                "subscribe": {"setup": "on", "teardown": "off"},
            },
            {"name": "b", "on": {"go": "done"}},
        ],
        "actions": [{"name": "a", "undo": "back"}, *({"name": n} for n in ("on", "off", "back"))],
        "transitions": [START],
    }
    names = ("a", "on", "off", "back")
    await engine.upload(document, [{"name": name, "workerEndpoint": "w"} for name in names])
    execution = await engine.start()
    await engine.advance(2)
    await engine.control(execution, "cancel")
    await engine.advance(2)
    found = await shown(engine, execution)
    sent = {request.headers["Idempotency-Key"] for request in engine.transport.requests}
    assert {attempt["request"]["headers"]["Idempotency-Key"] for attempt in found} == sent
    assert len(sent) == 5


async def shown(engine: Engine, execution: Execution) -> list[dict[str, Any]]:
    return (await engine.it.tracking.attempts(await engine.read(execution))).items


def worker(endpoint: str, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": endpoint, **fields}


def doing(**action: Any) -> dict[str, Any]:
    return {
        "states": ["a", "b"],
        "actions": [{"name": "a", **action}],
        "transitions": [START, {"current": "b", "event": "go", "next": "done"}],
    }


async def test_what_is_shown_is_what_was_sent_to_the_byte(engine: Engine) -> None:
    document = {
        "states": [{"name": "a", "tasks": GRAPH, "on": {"success": "b"}},
                   {"name": "b", "on": {"success": "done"}}],
        "actions": [
            {"name": "a", "meta": {"team": "x"}, "method": "PUT", "path": "/ü/${ input.n }",
             "query": {"q": "${ input.n }"}},
            {"name": "b", "raw": True, "input": {"n": "${ input.n }"}},
            {"name": "tell", "type": "emit", "event": "told", "endpoint": "http://told/x"},
        ],
        "transitions": [START],
    }  # fmt: skip
    workers = [worker("http://w/x", headers={"X-Plain": "1"}), {**worker("w"), "name": "b"}]
    await engine.upload(document, workers)
    execution = await engine.start({"n": 7}, key="k")
    await engine.advance(1)
    found = await shown(engine, execution)
    assert len(found) == len(engine.transport.requests) == 4
    assert (await engine.read(execution)).status == "completed"
    for attempt, sent in zip(found, engine.transport.requests, strict=True):
        request = attempt["request"]
        assert (request["method"], request["url"]) == (sent.method, sent.url)
        trace, span = "traceparent", sent.headers["traceparent"].split("-")[2]
        assert request["headers"].pop(trace) == sent.headers[trace].replace(span, NO_SPAN)
        assert request["headers"] == {n: h for n, h in sent.headers.items() if n != trace}
        assert request["body"].encode() == sent.body
        assert request["bodyBytes"] == len(sent.body)
        assert attempt["deadline"] == sent.headers["Goflow-Deadline"]


async def test_the_curl_line_says_the_same_to_a_shell(engine: Engine) -> None:
    await engine.upload(doing(), [worker("http://w/x")])
    execution = await engine.start({"it's": '$(touch x) `y` "z"'})
    await engine.advance(1)
    [attempt] = await shown(engine, execution)
    request = attempt["request"]
    words = shlex.split(request["curl"])
    assert words[:5] == ["curl", "--globoff", "-X", "POST", "http://w/x"]
    assert words[-2:] == ["--data-raw", request["body"]]
    assert f"Idempotency-Key: {request['headers']['Idempotency-Key']}" in words
    large = await engine.start("x" * BODY_KEPT_BYTES)
    await engine.advance(1)
    [attempt] = await shown(engine, large)
    assert len(attempt["request"]["body"]) == BODY_KEPT_BYTES < attempt["request"]["bodyBytes"]
    assert attempt["request"]["curl"] is None


async def test_secrets_and_tokens_are_not_shown(make_engine: Any) -> None:
    engine = make_engine(secret={"TOKEN": "s3cret-value-42"}.get, public_url="http://here")
    await engine.it.start()
    secrets = {"auth": "Bearer ${secret:TOKEN}", "signingSecret": "plain-signing-key"}
    headers = {"X-Key": "${secret:TOKEN}", "X-Api-Key": "written-down"}
    url = "http://w/${secret:TOKEN}"
    await engine.upload(doing(type="async"), [worker(url, headers=headers, **secrets)])
    execution = await engine.start()
    await engine.advance(1)
    [sent] = engine.transport.requests
    token = engine.transport.bodies[0]["callbackUrl"].rsplit("/", 1)[1]
    [attempt] = await shown(engine, execution)
    for text in ("s3cret", "plain-signing-key", "written-down", token, sent.headers[SIGNATURE]):
        assert text not in str(attempt)
    request = attempt["request"]
    assert request["url"] == url
    assert request["headers"]["Authorization"] == "Bearer ${secret:TOKEN}"
    assert request["headers"]["X-Api-Key"] == request["headers"][SIGNATURE] == "[secret]"
    assert '"callbackUrl":"http://here/v1/callbacks/[secret]"' in request["body"]
    await engine.it.stop()


async def test_a_claim_shows_the_payload_that_the_poll_gave(engine: Engine) -> None:
    await engine.upload(doing(type="pull", queue="depot", lease=10, meta={"m": 1}), [])
    execution = await engine.start({"n": 1})
    await engine.advance(3)
    [claimed] = await engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker="joe")
    [attempt] = await shown(engine, execution)
    request = attempt["request"]
    assert request["body"].encode() == orjson.dumps(claimed.payload)
    assert (request["method"], request["url"], request["curl"]) == (None, None, None)
    assert (attempt["worker"], attempt["kind"], attempt["queueMs"]) == ("joe", "pull", 3_000)
    assert attempt["deadline"] == claimed.as_json()["leaseUntil"]
    assert claimed.token not in str(attempt)
    await engine.advance(4)
    until = await engine.it.claims.heartbeat(claimed.id, claimed.token)
    assert until is not None
    [attempt] = await shown(engine, execution)
    assert attempt["deadline"] == rfc3339(until)


async def test_events_and_children_show_what_they_were_given(engine: Engine) -> None:
    tell = {"name": "a", "type": "emit", "event": "paid", "key": "nobody", "input": {"n": 1}}
    await engine.upload(doing(**tell), [])
    [attempt] = await shown(engine, await engine.start())
    assert orjson.loads(attempt["request"]["body"]) == {"event": "paid", "data": {"n": 1}}
    ends = {"current": "w", "event": "go", "next": "done"}
    machine = {"states": ["w"], "transitions": [{**START, "next": "w"}, ends]}
    document = doing(type="activity", machine="inner", input={"n": 2})
    await engine.upload({**document, "machines": {"inner": machine}}, [])
    execution = await engine.start()
    [attempt] = await shown(engine, execution)
    [child] = [entry["child"] for entry in await engine.entries(execution) if "child" in entry]
    assert orjson.loads(attempt["request"]["body"]) == {"child": child, "input": {"n": 2}}


async def test_waits_and_fail_over_are_shown(engine: Engine) -> None:
    dead = answer({"no": 1}, status=500)
    engine.transport.script = lambda request, _: dead if "first" in request.url else answer({})
    retry = {"interval": 2, "backoffRate": 1, "jitter": "none"}
    first = worker("first", retryCount=1, retry=retry, responseTimeout=5)
    await engine.upload(doing(timeout=60), [first, worker("second", priority=2)])
    execution = await engine.start()
    begin = engine.clock.now_ms()
    await engine.advance(5)
    found = await shown(engine, execution)
    assert [(one["worker"], one["attempt"]) for one in found] == [
        ("first", 1), ("first", 2), ("second", 3),
    ]  # fmt: skip
    assert [one["dueAt"] for one in found] == [rfc3339(begin + ms) for ms in (0, 2_000, 2_000)]
    assert [one["queueMs"] for one in found] == [0, 0, 0]
    assert [one["skipped"] for one in found] == [[], [], []]
    assert found[0]["deadline"] == rfc3339(begin + 5_000)
    assert found[0]["taskDeadline"] == rfc3339(begin + 60_000)
    assert found[2]["response"]["body"] == "{}"
    engine.it.dispatcher.breakers.of(("p", "a", "first")).opened_at = engine.clock.monotonic()
    [attempt] = await shown(engine, await engine.start())
    assert (attempt["worker"], attempt["skipped"]) == ("second", ["first"])


async def test_a_worker_that_is_gone_is_shown_as_far_as_it_is_known(engine: Engine) -> None:
    await engine.upload(doing(), [worker("http://old/x", headers={"X-Old": "1"})])
    execution = await engine.start()
    await engine.advance(1)
    await engine.it.uploads.put_workers(
        "p", "a", orjson.dumps({"project": "p", "activity": "a", "workers": [worker("new")]})
    )
    [attempt] = await shown(engine, execution)
    assert attempt["request"]["url"] == "http://old/x"
    assert "X-Old" not in attempt["request"]["headers"]


async def test_the_newest_attempts_are_shown_and_the_others_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.transport.script = lambda *_: answer({}, status=500)
    retry = {"interval": 1, "backoffRate": 1, "jitter": "none"}
    await engine.upload(doing(), [worker("w", retryCount=4, retry=retry)])
    execution = await engine.start()
    await engine.advance(10)
    monkeypatch.setattr(attempt_views, "ATTEMPTS_SHOWN_MAX", 2)
    found = await engine.it.tracking.attempts(await engine.read(execution))
    assert ([one["attempt"] for one in found.items], found.earlier) == ([4, 5], 3)


async def test_the_curl_line_asks_for_one_url_whatever_is_in_it(engine: Engine) -> None:
    url = "http://w/[1-3]?x={a,b}"
    await engine.upload(doing(), [worker(url)])
    execution = await engine.start()
    await engine.advance(1)
    [attempt] = await shown(engine, execution)
    words = shlex.split(attempt["request"]["curl"])
    assert "--globoff" in words, "curl takes brackets and braces for many URLs"
    assert url in words


async def test_the_curl_line_sends_headers_without_text(engine: Engine) -> None:
    await engine.upload(doing(), [worker("http://w/x", headers={"X-Empty": ""})])
    execution = await engine.start()
    await engine.advance(1)
    assert engine.transport.requests[0].headers["X-Empty"] == ""
    [attempt] = await shown(engine, execution)
    words = shlex.split(attempt["request"]["curl"])
    assert words[words.index("X-Empty;") - 1] == "-H", "with a colon curl leaves it out"


async def test_there_is_no_curl_line_to_an_alias_that_is_gone(make_engine: Any) -> None:
    engine = make_engine(fallback_url=None)
    await engine.it.start()
    await engine.it.uploads.put_endpoint("there", "http://w/x")
    await engine.upload(doing(), [worker("there")])
    execution = await engine.start()
    await engine.advance(1)
    assert " http://w/x " in (await shown(engine, execution))[0]["request"]["curl"]
    await engine.it.catalog.delete_endpoint("there")
    [attempt] = await shown(engine, execution)
    assert (attempt["request"]["url"], attempt["request"]["curl"]) == ("there", None)
    await engine.it.stop()
