"""The wire itself: slow clients, too many of them, and what is no HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import Api, Serve, activity, eventually

pytestmark = pytest.mark.e2e
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
START = b"POST /v1/activities/shop/order/executions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BRIEF: dict[str, Any] = {"header_timeout": 0.3, "body_timeout": 0.3}


class Wire:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and body of an answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, json.loads(body) if body else None

    async def closed(self) -> bool:
        """Return once the server has closed."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@contextlib.asynccontextmanager
async def wire_to(api: Api) -> AsyncIterator[Wire]:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_headers_that_come_too_slowly_end_the_connection(serve: Serve) -> None:
    async with serve(**BRIEF) as (_, api), wire_to(api) as silent, wire_to(api) as slow:

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in GET + b"X-Slow: " + b"x" * 10_000:
                    await slow.send(bytes([byte]))
                    await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert await slow.closed()
        assert await silent.closed()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        assert (await api("GET", "/healthz")).status == 200


async def test_the_next_headers_of_a_kept_connection_are_watched_too(serve: Serve) -> None:
    async with serve(**BRIEF) as (_, api), wire_to(api) as wire:
        await wire.send(GET + b"\r\n")
        assert (await wire.answer())[0] == 200
        await wire.send(GET)
        assert await wire.closed()


async def test_a_kept_connection_may_be_idle_and_a_handler_may_take_its_time(serve: Serve) -> None:
    async with serve(**BRIEF) as (_, api), wire_to(api) as wire:
        await api.good("POST", "/v1/blueprints", activity("order", {"type": "wait", "event": "go"}))
        await wire.send(START + b"Prefer: wait=1\r\nContent-Length: 2\r\n\r\n{}")
        assert (await wire.answer())[0] == 201
        await asyncio.sleep(0.6)
        await wire.send(GET + b"\r\n")
        assert (await wire.answer())[0] == 200


async def test_a_body_that_comes_too_slowly_is_given_up(serve: Serve) -> None:
    async with serve(**BRIEF) as (_, api), wire_to(api) as wire:
        await wire.send(START + b'Content-Length: 50\r\n\r\n{"input": ')
        status, headers, problem = await wire.answer()
        assert (status, problem["code"]) == (408, "slow_body")
        assert headers["connection"] == "close"
        assert await wire.closed()


async def test_a_connection_too_many_is_told_so_and_room_is_made_again(serve: Serve) -> None:
    async with serve(connections_max=3) as (server, api), contextlib.AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(wire_to(api)) for _ in range(3)]
        for wire in kept:
            await wire.send(GET + b"\r\n")
            assert (await wire.answer())[0] == 200
        async with wire_to(api) as surplus:
            status, headers, problem = await surplus.answer()
            assert (status, problem["code"]) == (503, "too_many_connections")
            assert headers["retry-after"] == "1"
            assert await surplus.closed()
        assert server.door.guard.refused == 1
        kept[0].writer.close()

        async def room() -> bool:
            return len(server.door.guard.connections) < 3

        await eventually(room)
        assert (await api("GET", "/healthz")).status == 200


async def test_half_a_connection_leaves_nothing_behind(serve: Serve) -> None:
    async with serve() as (server, api):
        for _ in range(20):
            async with wire_to(api) as wire:
                await wire.send(START + b"Content-Length: 100\r\n\r\n{")

        async def empty() -> bool:
            return not server.door.guard.connections

        await eventually(empty)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"hello\r\n\r\n", 400, "bad_http"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "bad_http"),
        (b"BREW /v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "bad_http"),
        (b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", 400, "bad_http"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "url_too_long"),
        (GET + b"X-Big: " + b"x" * 20_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (
            GET + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
            431,
            "headers_too_large",
        ),
        (START + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_http"),
        (START + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_http"),
        (START + b"Content-Length: -1\r\n\r\n", 400, "bad_http"),
    ],
)
async def test_what_is_no_http_is_a_problem_and_the_end_of_the_connection(
    api: Api, data: bytes, status: int, code: str
) -> None:
    async with wire_to(api) as wire:
        await wire.send(data)
        found, headers, problem = await wire.answer()
        assert (found, problem["code"]) == (status, code)
        assert headers["content-type"] == "application/problem+json"
        assert await wire.closed()


async def test_a_broken_chunk_is_the_senders_fault(shop: Api) -> None:
    async with wire_to(shop) as wire:
        await wire.send(START + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
        status, _, problem = await wire.answer()
        assert (status, problem["status"]) == (400, 400)


async def test_a_chunked_body_is_read_and_limited(shop: Api) -> None:
    async with wire_to(shop) as wire:
        path = START.replace(b"order", b"quick")
        await wire.send(path + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        assert (await wire.answer())[0] == 201
    async with wire_to(shop) as wire:
        await wire.send(START + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                await wire.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        status, _, problem = await wire.answer()
        assert (status, problem["code"]) == (413, "too_large")


async def test_a_client_may_ask_before_it_sends(shop: Api) -> None:
    async with wire_to(shop) as wire:
        path = START.replace(b"order", b"quick")
        await wire.send(path + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"{}")
        assert (await wire.answer())[0] == 201
        await wire.send(GET + b"Expect: the-unexpected\r\n\r\n")
        assert (await wire.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order(shop: Api) -> None:
    async with wire_to(shop) as wire:
        await wire.send((GET + b"\r\n") * 3 + GET.replace(b"healthz", b"nowhere") + b"\r\n")
        assert [(await wire.answer())[0] for _ in range(4)] == [200, 200, 200, 404]


async def test_a_long_poll_answers_when_the_server_stops(serve: Serve) -> None:
    async with contextlib.AsyncExitStack() as clients, contextlib.AsyncExitStack() as servers:
        _, api = await servers.enter_async_context(serve())
        wire = await clients.enter_async_context(wire_to(api))
        await api.good("POST", "/v1/blueprints", activity("order", {"type": "wait", "event": "go"}))
        execution = await api.good("POST", "/v1/activities/shop/order/executions", {})
        ask = f"GET /v1/executions/{execution['id']}?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        await wire.send(ask.encode())
        await api.good("GET", "/healthz")
        await servers.aclose()
        status, _, body = await wire.answer()
        assert (status, body["status"]) == (200, "waiting")
