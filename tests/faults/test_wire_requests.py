"""What clients get wrong, or do on purpose, on a bare connection: each is answered, none breaks."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.wire import GET, HOST, ORDER, START, Wire, is_problem, post, wire_to
from tests.harness import Server, ended, until

pytestmark = pytest.mark.e2e

BOMB_BYTES = 200 * 1024 * 1024
GROWTH_KIB_MAX = 64 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("wire") / "goflow.db", "--body-timeout", "1")
    with ended(server):
        assert server.client.post("/v1/blueprints", json=ORDER).status_code == 201
        yield server
        assert server.client.get("/healthz").status_code == 200
        assert server.client.get("/v1/admin/verify").json()["breaches"] == []


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with wire_to(server.url) as wire:
        yield wire


def count(server: Server) -> int:
    """Return how many executions there are."""
    found = server.client.get("/v1/executions?limit=500").json()["items"]
    return len(found)


# ---------------------------------------------------------------- half-closed clients


def test_a_client_that_ends_its_side_is_answered_and_then_let_go(wire: Wire) -> None:
    wire.send(GET + b"\r\n")
    wire.half_close()
    assert wire.answer()[0] == 200
    assert wire.is_closed()


def test_all_that_a_half_closed_client_asked_is_answered_in_order(wire: Wire) -> None:
    wire.send((GET + b"\r\n") * 99 + b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n")
    wire.half_close()
    assert [wire.answer()[0] for _ in range(100)] == [200] * 99 + [404]
    assert wire.is_closed()


def test_a_half_closed_client_gets_its_start(server: Server, wire: Wire) -> None:
    wire.send(post(START, b"{}"))
    wire.half_close()
    status, _, execution = wire.answer()
    assert status == 201
    assert server.get(execution["id"])["status"] == "waiting"


def test_half_a_body_of_a_half_closed_client_is_no_request(server: Server, wire: Wire) -> None:
    before = count(server)
    wire.send(post(START, b'{"input": 1', length=100))
    wire.half_close()
    is_problem(wire.answer(), 400)
    assert wire.is_closed()
    assert count(server) == before


def test_half_the_headers_of_a_half_closed_client_are_dropped(wire: Wire) -> None:
    wire.send(GET)
    wire.half_close()
    assert wire.is_closed()


def test_a_poll_of_a_half_closed_client_takes_no_work(server: Server, wire: Wire) -> None:
    wire.send(post("/v1/tasks:poll", b'{"queues": ["q"], "worker": "w", "wait": 1}'))
    wire.half_close()
    status, _, body = wire.answer()
    assert (status, body) == (200, {"tasks": []})


# ---------------------------------------------------------------- limits of the head


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "url_too_long"),
        (GET + b"X-Big: " + b"x" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (GET + b"X" * 9_000 + b": 1\r\n\r\n", 431, "headers_too_large"),
        (GET + b"X: 1\r\n" * 10_000 + b"\r\n", 431, "headers_too_large"),
        (GET + (b"X: " + b"x" * 7_000 + b"\r\n") * 12, 431, "headers_too_large"),
    ],
    ids=["long URL", "long value", "long name", "10k headers", "many long headers"],
)
def test_a_head_over_its_limit_is_told_which(
    wire: Wire, data: bytes, status: int, code: str
) -> None:
    wire.send(data)
    answer = wire.answer()
    is_problem(answer, status)
    assert answer[2]["code"] == code
    assert "send" in answer[2]["detail"]
    assert wire.is_closed()


def test_a_head_just_below_its_limits_is_served(wire: Wire) -> None:
    filler = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 7_000) for n in range(8))
    wire.send(GET + filler + b"Y: 1\r\n" * 90 + b"\r\n")
    assert wire.answer()[0] == 200


# ---------------------------------------------------------------- smuggling, and what is no HTTP

CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"
HEAD = b"POST " + START.encode() + b" HTTP/1.1\r\n" + HOST + JSON
SECRET = b"0\r\n\r\n" + post(START, b"{}")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\n" + CHUNKED,
        CHUNKED + b"Content-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length:\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"X: 1\n" + CHUNKED + b"Content-Length: 5\r\n",
        b" Content-Length: 5\r\n",
        b"X: 1\r\n Content-Length: 5\r\n",
        b"X: a\rb\r\n",
        b"X: a\x00b\r\n",
        b"Content-Length: 5\r\nExpect: 100-continue\r\n" + CHUNKED,
    ],
)
def test_a_body_of_doubtful_length_hides_no_second_request(
    server: Server, wire: Wire, head: bytes
) -> None:
    before = count(server)
    wire.send(HEAD + head + b"\r\n" + SECRET)
    is_problem(wire.answer(), 400)
    assert wire.is_closed()
    assert count(server) == before


@pytest.mark.parametrize(
    "body",
    [
        b"5;" + b"x" * 20_000,
        b"fffffffffffffffff\r\n{}",
        b"2\r\n{}xx0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"\r\n\r\n",
    ],
)
def test_broken_chunks_start_nothing(server: Server, wire: Wire, body: bytes) -> None:
    before = count(server)
    wire.send(HEAD + CHUNKED + b"\r\n" + body)
    is_problem(wire.answer(), 400, 408)
    assert wire.is_closed()
    assert count(server) == before


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"GET",
        b"GET /healthz HTTP/1.1 HTTP/1.1",
        b"GET /healthz HTTP/11.1",
        b"GET /healthz HTTP/1.1x",
        b"GET /healthz ICY/1.1",
        b"PRI * HTTP/2.0",
        b"gEt /healthz HTTP/1.1",
        b"G\xc3\x89T /healthz HTTP/1.1",
        b"GET /he\x00althz HTTP/1.1",
        b"GET /he althz HTTP/1.1",
        b"GET healthz HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET http://h:99999999/ HTTP/1.1",
        b"CONNECT 127.0.0.1:22 HTTP/1.1",
        b"M" * 500 + b" / HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_an_absurd_first_line_is_a_problem(wire: Wire, line: bytes) -> None:
    wire.send(line + b"\r\n" + HOST + b"\r\n")
    is_problem(wire.answer(), 400, 404, 405)


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        (b"OPTIONS * HTTP/1.1", (400, 404, 405)),
        (b"GET  /healthz  HTTP/1.1", (200, 400)),
        (b"GET /healthz HTTP/0.9", (200, 400, 505)),
        (b"GET /healthz HTTP/2.0", (200, 400, 505)),
        (b"TRACE /healthz HTTP/1.1", (405,)),
        (b"PROPFIND /healthz HTTP/1.1", (405,)),
        (b"GET //healthz HTTP/1.1", (404,)),
        (b"GET /../../etc/passwd HTTP/1.1", (404,)),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", (404,)),
        (b"GET /v1/executions/%00 HTTP/1.1", (404,)),
        (b"GET /v1/executions/%ff HTTP/1.1", (400, 404)),
        (b"GET /v1/executions/\xff HTTP/1.1", (400, 404)),
        (b"GET /v1/executions/%zz HTTP/1.1", (400, 404)),
        (b"GET /v1/executions?q=%ff%fe HTTP/1.1", (200, 400)),
        (b"GET /v1/executions?q=%00 HTTP/1.1", (200, 400)),
        (b"GET /v1/executions?q=%ed%a0%80 HTTP/1.1", (200, 400)),
        (b"GET /v1/executions?%ff=1 HTTP/1.1", (400,)),
        (b"GET /v1/executions?limit=\xff HTTP/1.1", (400,)),
        (b"GET /v1/executions?" + b"q=1&" * 1_900 + b" HTTP/1.1", (400,)),
        (b"GET http://elsewhere.example/healthz HTTP/1.1", (200, 400, 403, 404, 421)),
    ],
)
def test_an_odd_first_line_is_answered_as_what_it_is(
    wire: Wire, line: bytes, statuses: tuple[int, ...]
) -> None:
    wire.send(line + b"\r\n" + HOST + b"\r\n")
    answer = wire.answer()
    assert answer[0] in statuses, answer
    if answer[0] != 200:
        is_problem(answer, *statuses)


# ---------------------------------------------------------------- headers that decide


@pytest.mark.parametrize(
    "headers",
    [
        (b"Idempotency-Key: a", b"Idempotency-Key: b"),
        (b"Idempotency-Key: a", b"idempotency-key: a"),
        (b"Idempotency-Key:",),
        (b"Idempotency-Key: a b",),
        (b"Idempotency-Key: \xff",),
        (b"Idempotency-Key: \xc3\xa9",),
        (b"Idempotency-Key: " + b"k" * 256,),
    ],
)
def test_a_doubtful_idempotency_key_starts_nothing(
    server: Server, wire: Wire, headers: tuple[bytes, ...]
) -> None:
    before = count(server)
    wire.send(post(START, b"{}", *headers))
    answer = wire.answer()
    is_problem(answer, 400)
    assert answer[2]["code"] == "bad_header"
    assert count(server) == before


def test_of_two_if_match_headers_none_is_guessed(server: Server, wire: Wire) -> None:
    execution = server.start("shop/order")
    path = f"/v1/executions/{execution['id']}/events"
    tags = (b'If-Match: "999"', b'If-Match: "%d"' % execution["revision"])
    wire.send(post(path, b'{"name": "paid"}', *tags))
    is_problem(wire.answer(), 400)
    assert server.get(execution["id"])["status"] == "waiting"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ((b"wait=1",), "wait=1"),
        ((b"Wait=1",), "wait=1"),
        ((b"wait = 1",), "wait=1"),
        ((b'wait="1"',), "wait=1"),
        ((b"respond-async,wait=1",), "wait=1"),
        ((b"respond-async , wait=1; foo=bar , return=minimal",), "wait=1"),
        ((b"respond-async", b"wait=1"), "wait=1"),
        ((b"wait=1, wait=50",), "wait=1"),
        ((b"respond-async",), None),
        ((b"return=minimal",), None),
        ((b"wait=soon",), None),
        ((b"wait=-1",), None),
        ((b"await=1",), None),
        ((b"",), None),
    ],
)
def test_a_preference_is_read_as_its_standard_says(
    wire: Wire, prefer: tuple[bytes, ...], applied: str | None
) -> None:
    wire.send(post(START, b"{}", *(b"Prefer: " + text for text in prefer)))
    status, headers, _ = wire.answer()
    assert status == 201
    assert headers.get("preference-applied") == applied


def test_a_key_request_with_an_idempotency_key_is_told_why_not(wire: Wire) -> None:
    body = b'{"scopes": ["execution:read"]}'
    wire.send(post("/v1/keys", body, b"Idempotency-Key: a"))
    answer = wire.answer()
    is_problem(answer, 400)
    assert "leave the Idempotency-Key out" in answer[2]["detail"]


# ---------------------------------------------------------------- bodies


def test_a_zip_bomb_is_refused_without_opening_it(server: Server, wire: Wire) -> None:
    bomb = gzip.compress(bytes(BOMB_BYTES), compresslevel=9)
    before = resident_kib(server)
    wire.send(post(START, bomb, b"Content-Encoding: gzip"))
    is_problem(wire.answer(), 415)
    assert resident_kib(server) - before < GROWTH_KIB_MAX


def resident_kib(server: Server) -> int:
    """Return the memory that the server holds."""
    text = Path(f"/proc/{server.child.pid}/status").read_text("ascii")
    return int(text.split("VmRSS:")[1].split()[0])


def test_clients_that_vanish_leave_no_file_open(server: Server) -> None:
    files = Path(f"/proc/{server.child.pid}/fd")
    server.client.get("/healthz")
    before = len(list(files.iterdir()))
    for turn in range(60):
        gone = Wire(server.url)
        gone.send(post(START, b'{"input":', length=50) if turn % 2 else GET)
        gone.reset() if turn % 3 else gone.socket.close()
    until(lambda: len(list(files.iterdir())) <= before, "all connections are gone")


def test_a_body_that_never_comes_is_given_up(server: Server, wire: Wire) -> None:
    before = count(server)
    wire.send(post(START, b"{", length=10))
    answer = wire.answer()
    is_problem(answer, 408)
    assert wire.is_closed()
    assert count(server) == before
