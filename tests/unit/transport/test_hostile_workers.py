"""Whatever a worker does, a call ends in time, with the right code, and does not raise."""

import asyncio
import socket
import struct
import threading
from time import perf_counter

import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nhi"
MIB = 1024 * 1024
LATE_SECONDS_MAX = 0.1


def endless(start, piece):
    """Send *piece* without end, as fast as it is taken."""

    async def script(reader, writer):
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()

    return script


def drip(start, piece):
    """Send *piece* without end, and so slowly that each is a sign of life."""

    async def script(reader, writer):
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return script


def reset(start):
    """Send *start*, see it arrive, and reset the connection."""

    async def script(reader, writer):
        writer.write(start)
        await writer.drain()
        for _ in range(20):  # turns of the loop in which the other side reads
            await asyncio.sleep(0)
        made = writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return script


async def silence(reader, writer):
    await reader.read()


BROKEN = {
    # answers that are none
    "closes without an answer": (b"", "unreachable", None),
    "closes within the status line": (b"HTTP/1.1 2", "unreachable", None),
    "closes within the headers": (OK + b"Conte", "unreachable", None),
    "garbage": (b"\x16\x03\x01\x00\xff garbage\r\n\r\n", "bad_response", None),
    "another protocol": (b"220 mail.example ESMTP\r\n", "bad_response", None),
    "an impossible status": (b"HTTP/1.1 99 Huh\r\n\r\n", "bad_response", None),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "bad_response", None),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad_response", None),
    "a header without a colon": (OK + b"what\r\n\r\n", "bad_response", None),
    "a NUL in a header": (OK + b"X: a\0b\r\n\r\n", "bad_response", None),
    "switches protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "bad_response",
        101,
    ),
    # bodies that do not fit
    "a body shorter than its length": (OK + b"Content-Length: 9\r\n\r\nhi", "unreachable", 200),
    "a body longer than its length": (OK + b"Content-Length: 1\r\n\r\nhi", "bad_response", None),
    "two lengths": (
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "bad_response",
        None,
    ),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\n", "bad_response", None),
    "a length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "bad_response",
        None,
    ),
    "a chunk of size zz": (CHUNKED + b"zz\r\nhi\r\n", "bad_response", None),
    "a bad chunk later": (drip(CHUNKED + b"2\r\nhi\r\n", b"zz"), "bad_response", None),
    "no last chunk": (CHUNKED + b"2\r\nhi\r\n", "unreachable", 200),
    "compressed": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        "bad_response",
        200,
    ),
    "compressed twice": (OK + b"Content-Encoding: identity, br\r\n\r\n", "bad_response", 200),
    # too much
    "a declared body of 100 MiB": (
        endless(OK + b"Content-Length: 104857600\r\n\r\n", bytes(65536)),
        "too_large",
        200,
    ),
    "a body without end": (endless(OK + b"\r\n", bytes(65536)), "too_large", 200),
    "chunks without end": (
        endless(CHUNKED, b"8000\r\n" + bytes(32768) + b"\r\n"),
        "too_large",
        200,
    ),
    "a chunk extension without end": (endless(CHUNKED + b"2;", b"x" * 65536), "too_large", 200),
    "headers without end": (endless(OK, b"X-Y: z\r\n" * 100), "bad_response", None),
    "a header without end": (endless(OK + b"X: ", b"x" * 8192), "bad_response", None),
    "a status without end": (endless(b"HTTP/1.1 200 ", b"x" * 8192), "bad_response", None),
    "trailers without end": (
        endless(CHUNKED + b"0\r\n", b"X-Y: z\r\n" * 100),
        "bad_response",
        None,
    ),
    "headers over 32 KiB": (
        OK + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 8000) for n in range(5)) + b"\r\n",
        "too_large",
        200,
    ),
    "1xx answers without end": (
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "too_large",
        None,
    ),
    # too slow
    "silence": (silence, "timeout", None),
    "headers in drips": (drip(OK, b"X"), "timeout", None),
    "a body in drips": (drip(OK + b"\r\n", b"x"), "timeout", 200),
    "chunks in drips": (drip(CHUNKED, b"1\r\nx\r\n"), "timeout", 200),
    "1xx answers in drips": (drip(b"", b"HTTP/1.1 102 Wait\r\n\r\n"), "timeout", None),
    # resets
    "a reset at once": (reset(b""), "unreachable", None),
    "a reset within the headers": (reset(OK + b"X: "), "unreachable", None),
    "a reset within a counted body": (reset(WHOLE[:-1]), "unreachable", 200),
    "a reset within a chunk": (reset(CHUNKED + b"5\r\nhi"), "unreachable", 200),
    "a reset within a body up to the end": (reset(OK + b"\r\nhi"), "unreachable", 200),
}


@pytest.mark.parametrize(("answer", "code", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_has_a_code_and_an_end(workers, call, answer, code, status) -> None:
    worker = await workers(answer)
    started = perf_counter()
    reply = await call(worker.url)
    elapsed = perf_counter() - started
    assert isinstance(reply, Unreachable)
    assert (reply.code, reply.status) == (code, status)
    assert elapsed < 0.3 + LATE_SECONDS_MAX
    assert len(worker.requests) == 1
    async with asyncio.timeout(1):
        await worker.gone.wait()


@pytest.mark.parametrize("answer", [answer for answer, _, _ in BROKEN.values()], ids=BROKEN.keys())
async def test_a_message_is_a_sentence_without_secrets_or_python(workers, call, answer) -> None:
    worker = await workers(answer)
    headers = {"Authorization": "Bearer s3cret"}
    reply = await call(worker.url + "?token=s3cret", headers=headers)
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
    reply = await call(f"http://127.0.0.1:{hole.getsockname()[1]}/")
    assert perf_counter() - started < 0.3 + LATE_SECONDS_MAX
    assert reply == Unreachable(code="timeout", message="no whole answer within 0.3 s")
    for opened in (hole, *others):
        opened.close()


async def test_a_worker_that_does_not_read_is_a_timeout(workers, call) -> None:
    worker = await workers()
    worker.deaf = True
    started = perf_counter()
    reply = await call(worker.url, body=bytes(32 * MIB))
    assert perf_counter() - started < 0.3 + LATE_SECONDS_MAX
    assert reply.code == "timeout"


async def test_a_worker_without_a_name_server_is_unreachable(call) -> None:
    reply = await call("http://no-such-host.invalid/", timeout_seconds=10.0)
    assert reply.code == "unreachable"
    assert reply.message.startswith("the host has no address")


async def test_a_name_server_that_does_not_answer_is_a_timeout(call, monkeypatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(10) and [])
    started = perf_counter()
    reply = await call("http://worker.example/")
    release.set()
    assert reply.code == "timeout"
    assert perf_counter() - started < 0.3 + LATE_SECONDS_MAX
