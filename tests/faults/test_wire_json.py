"""One strict JSON profile at every door: what is not of it is never taken, and breaks nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.harness import Mock, Server, ended, until

pytestmark = pytest.mark.e2e

DEEP = 65
BAD: dict[str, bytes] = {
    "duplicate keys": b'{"x": 1, "x": 1}',
    "escaped duplicate keys": b'{"x": 1, "\\u0078": 1}',
    "duplicate keys deep down": b'{"x": [{"y": {"z": 1, "z": 2}}]}',
    "NaN": b'{"x": NaN}',
    "Infinity": b'{"x": -Infinity}',
    "1e400": b'{"x": 1e400}',
    "-1e400": b'{"x": [-1E+400]}',
    "2**70": b'{"x": 1180591620717411303424}',
    "2**63": b'{"x": 9223372036854775808}',
    "-2**63 - 1": b'{"x": -9223372036854775809}',
    "an integer of 5,000 digits": b'{"x": ' + b"9" * 5_000 + b"}",
    "depth 65": b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "objects 10,000 deep": b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    "depth that never ends": b'{"x": ' + b"[" * 200_000,
    "NUL in a text": b'{"x": "a\\u0000b"}',
    "NUL in a key": b'{"a\\u0000b": 1}',
    "a bare NUL": b'{"x": "a\x00b"}',
    "a bare NUL behind": b'{"x": 1}\x00',
    "a control character": b'{"x": "a\x1fb"}',
    "a bare newline in a text": b'{"x": "a\nb"}',
    "a lone high surrogate": b'{"x": "\\ud800"}',
    "a lone low surrogate": b'{"x": "\\udfff!"}',
    "surrogates swapped": b'{"x": "\\udc00\\ud800"}',
    "a lone surrogate as a key": b'{"\\ud800": 1}',
    "a surrogate in UTF-8": b'{"x": "\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"x": 1}',
    "UTF-16": '{"x": 1}'.encode("utf-16"),
    "UTF-32": '{"x": 1}'.encode("utf-32-be"),
    "Latin-1": b'{"x": "\xe9"}',
    "overlong UTF-8": b'{"x": "\xc0\xaf"}',
    "a cut character": b'{"x": "\xe2\x82"}',
    "beyond Unicode": b'{"x": "\xf4\x90\x80\x80"}',
    "text behind": b'{"x": 1} x',
    "a second bracket": b'{"x": 1}}',
    "two commas": b'{"x": [1,,2]}',
    "a leading comma": b'{"x": [,1]}',
    "single quotes": b"{'x': 1}",
    "a bare key": b"{x: 1}",
    "a comment": b'{"x": 1 /* one */}',
    "a leading zero": b'{"x": 01}',
    "a plus": b'{"x": +1}',
    "a bare point": b'{"x": .5}',
    "a point at the end": b'{"x": 5.}',
    "hexadecimal": b'{"x": 0x10}',
    "a wrong word": b'{"x": True}',
    "a wrong escape": b'{"x": "\\x41"}',
    "half an escape": b'{"x": "\\u12"}',
    "no end": b'{"x": 1',
    "no end of a text": b'{"x": "',
    "a vertical tab": b'{"x":\x0b1}',
    "a no-break space": b'{"x":\xc2\xa01}',
    "nothing but spaces": b"   ",
    "brackets crossed": b'{"x": [1}]',
    "YAML": b"x: 1",
    "XML": b"<x>1</x>",
}
TRAILING_COMMA = b'{"x": [1,]}'
"""Forgiven in blueprints alone, with a warning."""

ORDER: dict[str, Any] = {
    "project": "shop",
    "activity": "order",
    "states": ["later", "packed"],
    "actions": [
        {"name": "later", "type": "async", "heartbeatTimeout": 600},
        {"name": "packed", "type": "pull", "queue": "depot", "lease": 600},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "later"},
        {"current": "later", "event": "success", "next": "packed"},
        {"current": "packed", "event": "success", "next": "done"},
    ],
    "workers": [{"name": "later", "workerEndpoint": "w"}],
}
CHECK: dict[str, Any] = {
    "project": "shop",
    "activity": "check",
    "states": ["ask"],
    "actions": [{"name": "ask", "type": "sync"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "ask"},
        {"current": "ask", "event": "success", "next": "done"},
    ],
}


@dataclass
class Shop:
    """A server with one execution that waits for a callback, and one whose task is claimed."""

    server: Server
    waiting: dict[str, Any]
    claimed: dict[str, Any]
    callback: str
    task: dict[str, Any]

    def state(self) -> tuple[Any, ...]:
        """Return all that a request might have changed."""
        ask = self.server.client.get
        parts = (
            "executions?limit=500",
            "blueprints",
            "endpoints",
            "keys",
            "batches",
            "blueprints/shop/order/workers",
        )
        return tuple(ask(f"/v1/{part}").json() for part in parts)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    mock = Mock()
    with ended(mock):
        mock.script(**{"w/later": [{"status": 202}]})
        data = tmp_path_factory.mktemp("json") / "goflow.db"
        server = Server(data, "--endpoint", f"w={mock.url}/w")
        with ended(server):
            server.upload(json.dumps(ORDER).encode())
            first = server.start("shop/order")
            call = until(mock.recorded, "the worker is called")[0]
            path = call["body"]["callbackUrl"].removeprefix(server.url)
            assert server.client.post(path, json={"output": 1}).status_code == 200
            poll = {"queues": ["depot"], "worker": "me", "wait": 10}
            [task] = server.client.post("/v1/tasks:poll", json=poll).json()["tasks"]
            second = server.start("shop/order")
            call = until(lambda: mock.recorded()[1:], "the worker is called again")[0]
            path = call["body"]["callbackUrl"].removeprefix(server.url)
            until(lambda: accepted(server, second["id"]), "the worker's 202 is durable")
            yield Shop(server, second, first, path, task)
            assert server.client.get("/v1/admin/verify").json()["breaches"] == []


def accepted(server: Server, execution: str) -> bool:
    """Tell whether the worker has taken the work."""
    return any(entry["type"] == "attemptAccepted" for entry in server.history(execution))


DOORS: dict[str, tuple[str, str]] = {
    "start": ("POST", "/v1/activities/shop/order/executions"),
    "event": ("POST", "/v1/executions/{waiting}/events"),
    "event by key": ("POST", "/v1/events"),
    "pause": ("POST", "/v1/executions/{waiting}:pause"),
    "terminate": ("POST", "/v1/executions/{waiting}:terminate"),
    "goto": ("POST", "/v1/executions/{waiting}:goto"),
    "replay": ("POST", "/v1/executions/{waiting}:replay"),
    "fork": ("POST", "/v1/executions/{waiting}:fork"),
    "data": ("PATCH", "/v1/executions/{waiting}/data"),
    "callback": ("POST", "{callback}"),
    "heartbeat": ("POST", "{callback}/heartbeat"),
    "poll": ("POST", "/v1/tasks:poll"),
    "task completion": ("POST", "/v1/tasks/{task}:complete"),
    "task failure": ("POST", "/v1/tasks/{task}:fail"),
    "task release": ("POST", "/v1/tasks/{task}:release"),
    "batch": ("POST", "/v1/batches"),
    "key": ("POST", "/v1/keys"),
    "endpoint": ("PUT", "/v1/endpoints/elsewhere"),
    "blueprint": ("POST", "/v1/blueprints"),
    "workers": ("PUT", "/v1/blueprints/shop/order/workers"),
    "backup": ("POST", "/v1/admin/backup"),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_what_is_no_strict_json(shop: Shop, door: str) -> None:
    method, template = DOORS[door]
    path = template.format(waiting=shop.waiting["id"], callback=shop.callback, task=shop.task["id"])
    before = shop.state()
    bad = dict(BAD)
    if door not in ("blueprint", "workers"):
        bad["a trailing comma"] = TRAILING_COMMA
    wrong = {}
    for name, body in bad.items():
        answer = shop.server.client.request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )
        kind = answer.headers.get("Content-Type")
        code = answer.json().get("code") if kind == "application/problem+json" else None
        if (answer.status_code, code) != (400, "malformed_json"):
            wrong[name] = (answer.status_code, answer.text[:200])
    assert wrong == {}
    assert shop.state() == before


def test_fifty_thousand_keys_are_read_or_refused_but_nothing_breaks(shop: Shop) -> None:
    many = {f"k{number}": number for number in range(50_000)}
    path = "/v1/activities/shop/order/executions"
    answer = shop.server.client.post(path, json={"input": many})
    assert answer.status_code == 201
    found = shop.server.get(answer.json()["id"])["input"]
    assert found == many
    assert shop.server.client.post(path, json=many).status_code == 422


@pytest.mark.parametrize("name", ["start", "callback", "batch", "blueprint"])
def test_a_body_over_a_mebibyte_is_not_read(shop: Shop, name: str) -> None:
    method, template = DOORS[name]
    path = template.format(callback=shop.callback)
    body = b'{"x": "' + b"x" * 1_048_576 + b'"}'
    answer = shop.server.client.request(
        method, path, content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


# ---------------------------------------------------------------- the worker's side of the door


class Reply(BaseHTTPRequestHandler):
    """Answers with the bytes of the table whose name came in."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = BAD.get(asked["input"], TRAILING_COMMA)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def liar() -> Iterator[str]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Reply)
    thread = Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/"
    listener.shutdown()
    listener.server_close()
    thread.join(10)


def test_no_reply_of_a_worker_is_taken_that_is_no_strict_json(shop: Shop, liar: str) -> None:
    workers = [{"name": "ask", "workerEndpoint": liar, "retryCount": 0}]
    shop.server.upload(json.dumps({**CHECK, "workers": workers}).encode())
    started = {name: shop.server.start("shop/check", name) for name in (*BAD, "a trailing comma")}
    taken = {
        name: end["output"]
        for name, execution in started.items()
        if (end := shop.server.end_of(execution["id"]))["status"] != "failed"
    }
    assert taken == {}
