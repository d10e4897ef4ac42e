"""Whatever a worker does, a call ends in time, with the right code, and does not raise."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from goflow_py.transport.names import DNS_THREADS_PROJECT_MAX, DNS_WAITING_PROJECT_MAX
from tests.faults.hostile_workers import BROKEN, CHUNKED, MIB, OK, WHOLE, reset

SHORT_SECONDS = 0.3
LATE_SECONDS_MAX = 1.5
"""What is promised is 0.1 s; the rest is for a machine that has other things to do."""


@pytest.mark.parametrize(("answer", "code", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_has_a_code_and_an_end(workers, call, answer, code, status) -> None:
    worker = await workers(answer)
    seconds = SHORT_SECONDS if code == "timeout" else 10.0
    started = perf_counter()
    reply = await call(worker.url, timeout_seconds=seconds)
    elapsed = perf_counter() - started
    assert isinstance(reply, Unreachable)
    assert (reply.code, reply.status) == (code, status)
    assert elapsed < seconds + LATE_SECONDS_MAX
    assert len(worker.requests) == 1
    async with asyncio.timeout(10):
        await worker.gone.wait()


@pytest.mark.parametrize(("answer", "code", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_message_is_a_sentence_without_secrets_or_python(
    workers, call, answer, code, status
) -> None:
    worker = await workers(answer)
    headers = {"Authorization": "Bearer s3cret"}
    seconds = SHORT_SECONDS if code == "timeout" else 10.0
    url = worker.url + "?token=s3cret"
    reply = await call(url, headers=headers, timeout_seconds=seconds)
    assert 10 < len(reply.message) < 120
    for noise in ("s3cret", "<", "Error(", "\\x", "b'", "object at", "\n", str(worker.port)):
        assert noise not in reply.message


ANSWERS = {
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "an empty 200": (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    "a body up to the end": (OK + b"\r\nhi", 200, b"hi"),
    "nothing up to the end": (OK + b"\r\n", 200, b""),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "chunks": (CHUNKED + b"1\r\nh\r\n1;x=y\r\ni\r\n0\r\nX: y\r\n\r\n", 200, b"hi"),
    "identity": (OK + b"Content-Encoding: identity\r\n\r\nhi", 200, b"hi"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + WHOLE, 200, b"hi"),
    "a body of 1 MiB": (OK + b"Content-Length: 1048576\r\n\r\n" + bytes(MIB), 200, bytes(MIB)),
    "a body of 1 MiB in tiny chunks": (
        CHUNKED + b"10\r\n0123456789abcdef\r\n" * 4096 + b"0\r\n\r\n",
        200,
        b"0123456789abcdef" * 4096,
    ),
    "a status nobody knows": (b"HTTP/1.1 799 Eh\r\nContent-Length: 2\r\n\r\nhi", 799, b"hi"),
    "500": (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nhi", 500, b"hi"),
    "a redirect": (
        b"HTTP/1.1 307 Go\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        307,
        b"",
    ),
}


@pytest.mark.parametrize(("answer", "status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_odd_answer_is_an_answer(workers, call, answer, status, body) -> None:
    reply = await call((await workers(answer)).url, timeout_seconds=5.0)
    assert isinstance(reply, Answered)
    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize("until", range(1, len(WHOLE), 7))
async def test_a_reset_after_any_byte_is_unreachable(workers, call, until) -> None:
    reply = await call((await workers(reset(WHOLE[:until]))).url)
    assert isinstance(reply, Unreachable)
    assert reply.code == "unreachable"


async def test_headers_have_lower_case_names_and_repeated_ones_are_joined(workers, call) -> None:
    answer = OK + b"X-A: 1\r\nx-a: 2\r\nRetry-After: 3\r\nX-L: \xe9\r\nContent-Length: 0\r\n\r\n"
    reply = await call((await workers(answer)).url)
    assert reply.headers == {"x-a": "1, 2", "retry-after": "3", "x-l": "é", "content-length": "0"}


async def test_the_body_limit_is_a_setting(workers, call) -> None:
    small = HttpTransport(AddressPolicy(private=True), response_bytes_max=1)
    reply = await call((await workers(WHOLE)).url, on=small)
    assert (reply.code, reply.status) == ("too_large", 200)
    await small.close()


async def test_a_refused_connection_is_unreachable(call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        reply = await call(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert reply == Unreachable(code="unreachable", message="no connection: connection refused")


@pytest.mark.parametrize("fillers", [0, 8], ids=["never accepts", "drops every packet"])
async def test_a_black_hole_is_a_timeout(call, fillers) -> None:
    hole = socket.create_server(("127.0.0.1", 0), backlog=0)
    others = [socket.socket() for _ in range(fillers)]
    for other in others:
        other.setblocking(False)
        other.connect_ex(hole.getsockname())
    started = perf_counter()
    reply = await call(f"http://127.0.0.1:{hole.getsockname()[1]}/", timeout_seconds=SHORT_SECONDS)
    assert perf_counter() - started < SHORT_SECONDS + LATE_SECONDS_MAX
    assert reply == Unreachable(code="timeout", message="no whole answer within 0.3 s")
    for opened in (hole, *others):
        opened.close()


async def test_a_worker_that_does_not_read_is_a_timeout(workers, call) -> None:
    worker = await workers()
    worker.deaf = True
    started = perf_counter()
    reply = await call(worker.url, body=bytes(32 * MIB), timeout_seconds=SHORT_SECONDS)
    assert perf_counter() - started < SHORT_SECONDS + LATE_SECONDS_MAX
    assert reply.code == "timeout"


async def test_a_worker_without_a_name_server_is_unreachable(call) -> None:
    reply = await call("http://no-such-host.invalid/", timeout_seconds=10.0)
    assert reply.code == "unreachable"
    assert reply.message.startswith("the host has no address")


class NameServer:
    """Knows ``localhost``, fails at once for ``failing``, and lets all others wait."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: object) -> list[Any]:
        self.asked.append(host)
        if host.startswith("hanging"):
            self.release.wait(30)
        if host != "localhost":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server)
    yield server
    server.release.set()


async def test_a_projects_dead_name_server_fails_no_call_of_another(workers, call, names) -> None:
    worker = await workers(WHOLE)
    calls = [
        asyncio.create_task(
            call(f"http://hanging{number}.example/", timeout_seconds=SHORT_SECONDS, project="evil")
        )
        for number in range(100)
    ]
    replies = await asyncio.gather(*calls)
    # Asked for behind them, a name of another's is waited for by nobody but them.
    await call(f"http://localhost:{worker.port}/", project="evil", timeout_seconds=SHORT_SECONDS)
    # Their threads hang still, though nobody waits for them any more.
    assert len(names.asked) == DNS_THREADS_PROJECT_MAX
    assert isinstance(
        await call(f"http://localhost:{worker.port}/", project="good", timeout_seconds=10.0),
        Answered,
    )
    crowded = Unreachable(code="unreachable", message="too many lookups of this project wait")
    most = DNS_THREADS_PROJECT_MAX + DNS_WAITING_PROJECT_MAX
    assert replies.count(crowded) == 100 - most
    assert [reply.code for reply in replies].count("timeout") == most


async def test_a_name_that_failed_is_not_asked_again_at_once(call, names, monkeypatch) -> None:
    monkeypatch.setattr("goflow_py.transport.names.DNS_FAILED_SECONDS", SHORT_SECONDS)
    first = await call("http://failing.example/")
    again = await call("http://failing.example:81/")
    assert first == again
    assert first.message == "the host has no address: temporary failure in name resolution"
    assert names.asked == ["failing.example"]
    async with asyncio.timeout(10):
        while len(names.asked) == 1:
            await call("http://failing.example/")
            await asyncio.sleep(0)  # a turn of the loop, no time


async def test_a_name_server_that_does_not_answer_is_a_timeout(call, monkeypatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(10) and [])
    started = perf_counter()
    reply = await call("http://worker.example/", timeout_seconds=SHORT_SECONDS)
    release.set()
    assert reply.code == "timeout"
    assert perf_counter() - started < SHORT_SECONDS + LATE_SECONDS_MAX
