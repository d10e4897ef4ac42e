"""What is kept between calls, and what is not."""

import asyncio
import ssl
import subprocess

import httpx
import pytest

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport import wire
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport
from goflow_py.transport.pool import Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
WHOLE = OK + b"\r\nhi"


async def test_what_goes_over_the_wire_is_what_was_asked_for(workers, call) -> None:
    worker = await workers(WHOLE)
    await call(worker.url + "/a%2Fb?x=%20+1&y=%C3%A9", method="PUT", body=b"{}")
    head = (
        f"PUT /task/a%2Fb?x=%20+1&y=%C3%A9 HTTP/1.1\r\nHost: 127.0.0.1:{worker.port}\r\n"
        "Accept-Encoding: identity\r\nContent-Length: 2\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: k\r\n\r\n"
    )
    assert worker.requests == [head.encode() + b"{}"]


async def test_headers_that_belong_to_the_connection_cannot_be_set(workers, call) -> None:
    worker = await workers(WHOLE)
    names = "Host Content-Length transfer-encoding Connection Expect Upgrade Accept-Encoding TE"
    await call(worker.url, headers=dict.fromkeys(names.split(), "evil"), body=b"")
    assert b"evil" not in worker.requests[0]
    assert b"Content-Length: 0" in worker.requests[0]


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "é", "\ud800"])
async def test_a_header_that_is_not_http_is_never_sent(workers, call, value) -> None:
    worker = await workers(WHOLE)
    reply = await call(worker.url, headers={"X-Name": value})
    assert isinstance(reply, Unreachable)
    assert reply.code == "unreachable"
    assert reply.message.startswith("the call cannot be sent")
    assert worker.requests == []


async def test_a_connection_is_used_again(workers, call) -> None:
    worker = await workers(WHOLE, whole=True)
    for _ in range(5):
        assert isinstance(await call(worker.url), Answered)
    assert (worker.connections, len(worker.requests)) == (1, 5)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_kept_connection_that_breaks_is_reported_and_nothing_is_sent_again(
    workers, call, method
) -> None:
    """Nobody can tell whether the worker saw the call, so the retry is not ours."""
    worker = await workers()

    async def once(reader, writer):
        writer.write(WHOLE)
        worker.requests.append(await reader.readuntil(b"\r\n\r\n"))

    worker.answer = once
    assert isinstance(await call(worker.url, method=method, body=b""), Answered)
    reply = await call(worker.url, method=method, body=b"")
    message = "the worker closed the connection without an answer"
    assert reply == Unreachable(code="unreachable", message=message)
    assert (worker.connections, len(worker.requests)) == (1, 2)


async def test_a_connection_that_was_closed_meanwhile_is_not_used(workers, call) -> None:
    worker = await workers(WHOLE)
    for _ in range(3):
        assert isinstance(await call(worker.url), Answered)
        await worker.gone.wait()
    assert worker.connections == 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(workers, call) -> None:
    worker = await workers()

    async def twice(reader, writer):
        writer.write(WHOLE)
        await writer.drain()
        for _ in range(20):  # turns of the loop in which the connection becomes idle
            await asyncio.sleep(0)
        writer.write(OK + b"\r\nno")
        await reader.read()

    worker.answer = twice
    assert (await call(worker.url)).body == b"hi"
    async with asyncio.timeout(10):
        await worker.gone.wait()
    worker.answer, worker.whole = WHOLE, True
    assert (await call(worker.url)).body == b"hi"
    assert worker.connections == 2


async def test_a_second_answer_in_one_packet_is_not_taken_for_the_next_one(workers, call) -> None:
    worker = await workers(WHOLE + OK + b"\r\nno", whole=True)
    for _ in range(3):
        assert (await call(worker.url)).body == b"hi"
    assert worker.connections == 3


async def test_after_an_early_answer_the_rest_of_the_call_is_not_sent(workers, call) -> None:
    worker = await workers()

    async def early(reader, writer):
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    worker.deaf, worker.early = True, early
    reply = await call(worker.url, body=bytes(32 * 1024 * 1024))
    assert (reply.status, reply.body) == (413, b"no")
    worker.deaf, worker.answer, worker.whole = False, WHOLE, True
    assert isinstance(await call(worker.url), Answered)
    assert worker.connections == 2


async def test_cookies_are_neither_kept_nor_sent(workers, call) -> None:
    first = await workers(OK + b"Set-Cookie: a=b\r\n\r\nhi", whole=True)
    second = await workers(WHOLE)
    await call(first.url)
    await call(first.url)
    await call(second.url)
    assert b"ookie" not in first.requests[1] + second.requests[0]


async def test_a_redirect_is_not_followed(workers, call) -> None:
    second = await workers(WHOLE)
    location = f"Location: {second.url}\r\n".encode()
    first = await workers(b"HTTP/1.1 302 Go\r\n" + location + b"Content-Length: 0\r\n\r\n")
    assert (await call(first.url)).status == 302
    assert second.connections == 0


async def test_a_proxy_of_the_environment_is_ignored(workers, call, monkeypatch) -> None:
    proxy, worker = await workers(WHOLE), await workers(WHOLE)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    other = HttpTransport(AddressPolicy(private=True))
    assert isinstance(await call(worker.url, on=other), Answered)
    assert (proxy.connections, worker.connections) == (0, 1)
    await other.close()


async def test_a_cancelled_call_closes_its_connection(workers, call) -> None:
    worker = await workers()
    asked = asyncio.Event()

    async def wait(reader, writer):
        asked.set()
        await reader.read()

    worker.answer = wait
    task = asyncio.ensure_future(call(worker.url, timeout_seconds=30.0))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await worker.gone.wait()


async def test_a_call_beyond_the_connection_limit_waits_within_its_deadline(workers, call) -> None:
    both = asyncio.Semaphore(0)

    async def wait(reader, writer):
        both.release()
        await reader.read()

    worker = await workers(wait)
    narrow = HttpTransport(AddressPolicy(private=True), connections_max=2)
    calls = [call(worker.url, on=narrow, timeout_seconds=30.0) for _ in range(2)]
    tasks = [asyncio.ensure_future(one) for one in calls]
    for _ in tasks:
        await both.acquire()
    assert (await call(worker.url, on=narrow, timeout_seconds=0.3)).code == "timeout"
    assert worker.connections == 2
    await narrow.close()
    assert {(await task).code for task in tasks} == {"unreachable"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"what\r\n\r\n", wire.Garbled),
        (OK + b"\r\nh", httpx.RemoteProtocolError),
    ],
)
async def test_the_httpx_errors_tell_what_was_surely_not_sent(workers, answer, error) -> None:
    worker = await workers(answer)
    pool = Pool(AddressPolicy(private=True), response_bytes_max=1000, connections_max=10)
    made = wire.WireTransport(pool)
    asked = httpx.Request("POST", worker.url, content=b"{}")
    with pytest.raises(error) as caught:
        await made.handle_async_request(asked)
    assert not isinstance(caught.value, httpx.ConnectError)
    await worker.close()
    with pytest.raises(httpx.ConnectError):
        await made.handle_async_request(asked)
    pool.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for ``localhost`` that nobody has signed but itself."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    asked = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*asked.split(), *names, "-out", cert, "-keyout", key], check=True, capture_output=True
    )
    return cert, key


async def test_tls_is_verified_by_authority_and_by_name(workers, call, certificate) -> None:
    cert, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    worker = await workers(WHOLE, tls=context)
    secure = f"https://localhost:{worker.port}/"
    reply = await call(secure, timeout_seconds=5.0)
    assert reply.code == "unreachable"
    assert reply.message.startswith("the worker's certificate is refused")
    trusting = HttpTransport(
        AddressPolicy(private=True), tls=ssl.create_default_context(cafile=cert)
    )
    assert isinstance(await call(secure, on=trusting, timeout_seconds=5.0), Answered)
    reply = await call(f"https://127.0.0.1:{worker.port}/", on=trusting, timeout_seconds=5.0)
    assert reply.message.startswith("the worker's certificate is refused")
    assert len(worker.requests) == 1
    await trusting.close()


async def test_https_to_a_plain_port_is_unreachable(workers, call) -> None:
    worker = await workers(WHOLE)
    reply = await call(f"https://127.0.0.1:{worker.port}/", timeout_seconds=0.3)
    assert reply.code in ("unreachable", "timeout")
    assert worker.requests == []
