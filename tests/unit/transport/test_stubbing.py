"""Users stub workers with what they know from httpx: respx, and transports of their own."""

import asyncio
import json

import httpx
import pytest
import respx

from goflow_py.ports import Answered, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.http import HttpTransport

URL = "https://payments.example/charge"


@respx.mock(using="httpx")
async def test_respx_answers_and_sees_the_call(call, respx_mock) -> None:
    route = respx_mock.post(URL, headers={"Idempotency-Key": "k"}, json={"amount": 7})
    route.respond(201, json={"ok": True}, headers={"X-Trace": "1"})
    reply = await call(URL)
    assert isinstance(reply, Answered)
    assert (reply.status, json.loads(reply.body)) == (201, {"ok": True})
    assert reply.headers["x-trace"] == "1"
    sent = route.calls.last.request
    assert sent.content == b'{"amount":7}'
    assert sent.headers["host"] == "payments.example"
    assert sent.headers["content-length"] == "12"


@respx.mock(using="httpx")
async def test_a_call_that_no_route_expects_fails_the_test(call, respx_mock) -> None:
    with pytest.raises(AssertionError, match="not mocked"):
        await call(URL)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (httpx.ConnectError("no"), "unreachable"),
        (httpx.ReadError("no"), "unreachable"),
        (httpx.RemoteProtocolError("no"), "unreachable"),
        (httpx.ConnectTimeout("late"), "timeout"),
        (httpx.ReadTimeout(""), "timeout"),
        (httpx.DecodingError("no"), "bad_response"),
        (httpx.UnsupportedProtocol("no"), "forbidden_target"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
@respx.mock(using="httpx")
async def test_an_error_that_respx_raises_has_its_code(call, respx_mock, raised, code) -> None:
    respx_mock.post(URL).mock(side_effect=raised)
    reply = await call(URL)
    assert isinstance(reply, Unreachable)
    assert reply.code == code
    assert reply.message


@respx.mock(using="httpx")
async def test_a_stubbed_answer_has_the_limits_of_a_real_one(call, respx_mock) -> None:
    respx_mock.post(URL).respond(200, content=bytes(1024 * 1024 + 1))
    assert (await call(URL)).code == "too_large"


@respx.mock(using="httpx", assert_all_called=False)  # it counts a call when it ends
async def test_a_stubbed_worker_is_held_to_the_deadline(call, respx_mock) -> None:
    async def never(request):
        await asyncio.Event().wait()

    respx_mock.post(URL).mock(side_effect=never)
    assert (await call(URL, timeout_seconds=0.3)).code == "timeout"


async def test_a_transport_of_the_user_carries_the_calls(call) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"path": request.url.path})

    transport = HttpTransport(AddressPolicy(), transport=httpx.MockTransport(answer))
    reply = await call(URL, on=transport)
    assert isinstance(reply, Answered)
    assert json.loads(reply.body) == {"path": "/charge"}
    await transport.close()


async def test_the_transport_of_httpx_itself_works_below(workers, call) -> None:
    worker = await workers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    transport = HttpTransport(AddressPolicy(), transport=httpx.AsyncHTTPTransport())
    assert (await call(worker.url, on=transport)).body == b"hi"
    await transport.close()
