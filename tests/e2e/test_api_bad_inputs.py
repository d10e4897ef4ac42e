"""Whatever is sent: a problem with a code, never a 5xx, never a traceback."""

from typing import Any

import pytest

from tests.e2e.conftest import Api, start

pytestmark = pytest.mark.e2e

UPLOAD = "/v1/blueprints"
START = "/v1/activities/shop/quick/executions"
NOBODY = "/v1/executions/0190b0b0-0000-7000-8000-000000000000"

MALFORMED: dict[str, bytes] = {
    "nothing": b" ",
    "half": b'{"input": ',
    "two commas": b'{"input": [1,,2]}',
    "trailing comma": b'{"input": 1,}',
    "text": b"hello",
    "single quotes": b"{'input': 1}",
    "NaN": b'{"input": NaN}',
    "Infinity": b'{"input": -Infinity}',
    "same key twice": b'{"input": 1, "input": 2}',
    "lone surrogate": b'{"input": "\\ud800"}',
    "NUL": b'{"input": "\\u0000"}',
    "not UTF-8": b'{"input": "\xff"}',
    "byte order mark": b'\xef\xbb\xbf{"input": 1}',
    "too deep": b'{"input": ' + b"[" * 100 + b"]" * 100 + b"}",
    "much too deep": b"[" * 100_000,
    "big integer": b'{"input": 123456789012345678901234567890}',
    "big float": b'{"input": 1e999}',
    "comment": b'{"input": 1 /* one */}',
}

WRONG_BODIES: list[tuple[str, str, Any, int]] = [
    ("POST", START, [], 422),
    ("POST", START, "text", 422),
    ("POST", START, None, 201),
    ("POST", START, {"inputs": 1}, 422),
    ("POST", START, {"key": 5}, 422),
    ("POST", START, {"key": ""}, 422),
    ("POST", START, {"key": "x" * 256}, 422),
    ("POST", START, {"id": "no"}, 422),
    ("POST", START, {"labels": {"a": 1}}, 422),
    ("POST", START, {"labels": {f"l{n}": "" for n in range(65)}}, 422),
    ("POST", START, {"version": "1"}, 422),
    ("POST", START, {"version": 0}, 422),
    ("POST", START, {"version": True}, 422),
    ("POST", START, {"version": 99}, 404),
    ("POST", START, {"delay": -1}, 422),
    ("POST", START, {"delay": "soon"}, 422),
    ("POST", "/v1/activities/shop/none/executions", {}, 404),
    ("POST", "/v1/activities/none/quick/executions", {}, 404),
    ("POST", "/v1/activities/sh%00p/quick/executions", {}, 404),
    ("POST", "/v1/activities/..%2F..%2Fetc/quick/executions", {}, 404),
    ("POST", f"{NOBODY}/events", {"name": "go"}, 404),
    ("POST", f"{NOBODY}/events", {}, 422),
    ("POST", f"{NOBODY}/events", {"name": "no spaces"}, 422),
    ("POST", f"{NOBODY}:pause", {}, 404),
    ("POST", f"{NOBODY}:pause", {"why": "x"}, 422),
    ("POST", f"{NOBODY}:goto", {}, 422),
    ("POST", f"{NOBODY}:retry", {"newVisit": "yes"}, 422),
    ("POST", f"{NOBODY}:explode", {}, 404),
    ("PATCH", f"{NOBODY}/data", [1], 422),
    ("PATCH", f"{NOBODY}/data", {}, 404),
    ("POST", "/v1/events", {"name": "go"}, 422),
    ("POST", "/v1/events", {"name": "go", "key": "k", "ttl": "8d"}, 422),
    ("POST", "/v1/events", {"business_ref_no": "x", "event_name": "y"}, 422),
    ("POST", "/v1/events", {"name": "go", "key": "nobody"}, 404),
    ("PUT", "/v1/endpoints/a", {"url": 1}, 422),
    ("PUT", "/v1/endpoints/a%20b", {"url": "http://x"}, 422),
    ("PUT", "/v1/endpoints/a", {"url": "ftp://x"}, 422),
    ("PUT", "/v1/endpoints/a", {"url": "http://user:word@x/"}, 422),
    ("PUT", "/v1/blueprints/shop/quick/workers", {"workers": [{"name": "echo"}]}, 422),
    ("PUT", "/v1/blueprints/shop/none/workers", {"workers": []}, 404),
    ("POST", "/v1/keys", {"scopes": []}, 422),
    ("POST", "/v1/keys", {"scopes": ["root"]}, 422),
    ("POST", UPLOAD, {}, 422),
    ("POST", UPLOAD, {"project": 1, "activity": None, "states": "x"}, 422),
]

WRONG_QUERIES = [
    ("/v1/executions?limit=0", 400),
    ("/v1/executions?limit=501", 400),
    ("/v1/executions?limit=ten", 400),
    ("/v1/executions?limit=1_0", 400),
    ("/v1/executions?limit=1&limit=2", 400),
    ("/v1/executions?status=busy", 400),
    ("/v1/executions?since=yesterday", 400),
    ("/v1/executions?cursor=nonsense", 400),
    ("/v1/executions?cursor=%00", 400),
    ("/v1/executions?label.=x", 400),
    ("/v1/executions?key=%00", 200),
    ("/v1/executions?q=%25%27%22--", 200),
    ("/v1/blueprints?cursor=nonsense", 400),
    ("/v1/blueprints?limit=-1", 400),
    ("/v1/blueprints/shop/quick?version=0", 400),
    ("/v1/blueprints/shop/quick?version=latest", 400),
    (f"{NOBODY}?wait=long", 400),
    (f"{NOBODY}?wait=-1", 400),
    (f"{NOBODY}/history?after=-2", 400),
    (f"{NOBODY}/history?before=-2", 400),
    (f"{NOBODY}/context?at=x", 400),
    (f"{NOBODY}/history", 404),
    ("/v1/executions/not-an-id", 404),
    ("/v1/executions/%ED%A0%80", 404),
    ("/v1/executions/" + "a" * 2_000, 404),
    ("/v1/executions/%2e%2e%2fhealthz", 404),
    ("/healthz?x=1", 400),
]


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_json_is_refused_at_every_door(shop: Api, name: str) -> None:
    raw = MALFORMED[name]
    for method, path in (
        ("POST", START),
        ("POST", f"{NOBODY}/events"),
        ("POST", f"{NOBODY}:pause"),
        ("PATCH", f"{NOBODY}/data"),
        ("POST", "/v1/events"),
        ("POST", "/v1/callbacks/token"),
        ("POST", "/v1/keys"),
        ("PUT", "/v1/blueprints/shop/quick/workers"),
        ("PUT", "/v1/endpoints/a"),
    ):
        (await shop(method, path, raw=raw)).problem(400, "malformed_json")
    if name != "trailing comma":  # of a blueprint it is a warning
        (await shop("POST", UPLOAD, raw=raw)).problem(400, "malformed_json")


async def test_bodies_of_a_wrong_form_are_refused(shop: Api) -> None:
    for method, path, value, status in WRONG_BODIES:
        answer = await shop(method, path, value)
        assert answer.status == status, (method, path, value, answer.status, answer.raw)
        if status >= 400:
            answer.problem(status)


async def test_what_does_not_fit_is_named_with_its_place(shop: Api) -> None:
    problem = (await shop("POST", START, {"labels": {"a": 1}, "x": 1})).problem(422, "invalid_body")
    assert {error["pointer"] for error in problem["errors"]} == {"/labels/a", "/x"}


async def test_queries_that_cannot_be_meant_are_refused(shop: Api) -> None:
    for path, status in WRONG_QUERIES:
        answer = await shop("GET", path)
        assert answer.status == status, (path, answer.status, answer.raw)
        if status >= 400:
            answer.problem(status)


async def test_an_unknown_parameter_is_told_the_nearest(shop: Api) -> None:
    problem = (await shop("GET", "/v1/executions?limmit=1")).problem(400, "unknown_parameter")
    assert "did you mean 'limit'" in problem["detail"]
    (await shop("POST", f"{START}?wait=1", {})).problem(400, "unknown_parameter")


async def test_an_unknown_route_is_told_the_nearest(shop: Api) -> None:
    problem = (await shop("GET", "/v1/execution")).problem(404, "no_route")
    assert "/v1/executions" in problem["detail"]
    (await shop("GET", "/.env")).problem(404, "no_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", START, {"POST"}),
        ("DELETE", "/v1/executions", {"GET", "HEAD"}),
        ("POST", NOBODY, {"DELETE", "GET", "HEAD"}),
        ("GET", f"{NOBODY}:pause", {"POST"}),
        ("TRACE", "/healthz", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/keys", {"GET", "HEAD", "POST"}),
        ("POST", "/docs", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    shop: Api, method: str, path: str, allowed: set[str]
) -> None:
    answer = await shop(method, path)
    answer.problem(405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


async def test_bodies_over_the_limit_are_refused(shop: Api) -> None:
    big = b'{"input": "' + b"x" * 2 * 1024 * 1024 + b'"}'
    for method, path in (("POST", START), ("POST", UPLOAD), ("PATCH", f"{NOBODY}/data")):
        problem = (await shop(method, path, raw=big)).problem(413, "too_large")
        assert problem["limitBytes"] == 1024 * 1024


async def test_a_body_of_just_the_limit_is_taken(shop: Api) -> None:
    around = len(b'{"input": ""}')
    body = b'{"input": "' + b"x" * (1024 * 1024 - around) + b'"}'
    answer = await shop("POST", "/v1/activities/shop/order/executions", raw=body)
    answer.problem(422, "key")  # it was read: the business key is missing
    (await shop("POST", START, raw=body + b" ")).problem(413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"]
)
async def test_other_media_types_are_refused(shop: Api, kind: str) -> None:
    for method, path in (("POST", START), ("POST", UPLOAD), ("PATCH", f"{NOBODY}/data")):
        (await shop(method, path, {}, Content_Type=kind)).problem(415)


async def test_json_may_name_its_charset_and_may_be_unnamed(shop: Api) -> None:
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        assert (await shop("POST", START, {}, Content_Type=kind)).status == 201
    async with shop.session.post(
        shop.url + START, data=b"{}", skip_auto_headers=("Content-Type",)
    ) as answer:
        assert answer.status == 201


async def test_compressed_bodies_are_refused(shop: Api) -> None:
    answer = await shop("POST", START, raw=b"\x1f\x8b\x08", Content_Encoding="gzip")
    answer.problem(415)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
async def test_an_idempotency_key_is_visible_ascii(shop: Api, key: str) -> None:
    (await shop("POST", START, {}, Idempotency_Key=key)).problem(400, "bad_header")


async def test_errors_are_not_stored_under_an_idempotency_key(shop: Api) -> None:
    (await shop("POST", START, {"version": 99}, Idempotency_Key="k")).problem(404)
    assert (await shop("POST", START, {"input": 1}, Idempotency_Key="k")).status == 201


async def test_a_key_is_for_one_path(shop: Api) -> None:
    first = await start(shop, "order", {"order": "1"})
    second = await start(shop, "order", {"order": "2"})
    for execution in (first, second):
        path = f"/v1/executions/{execution['id']}:pause"
        answer = await shop("POST", path, {}, Idempotency_Key="same")
        assert (answer.status, answer.body["status"]) == (200, "paused")
