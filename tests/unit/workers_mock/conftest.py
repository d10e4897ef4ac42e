"""A running mock, and a client that talks to it over real sockets."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from workers_mock import MockServer, Script

DEADLINE_SECONDS = 5.0
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@dataclass
class Caller:
    """Calls the mock as the orchestrator would."""

    mock: MockServer
    session: aiohttp.ClientSession

    async def script(self, document: dict[str, Any]) -> None:
        async with self.session.put(f"{self.mock.url}/_script", json=document) as answer:
            assert answer.status == 204, await answer.text()

    async def call(
        self,
        alias: str,
        action: str | None,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> tuple[int, Any]:
        document = body if action is None else {"action": action, **body}
        async with self.session.post(
            f"{self.mock.url}/{alias}", json=document, headers=headers
        ) as answer:
            text = await answer.read()
            return answer.status, await answer.json(content_type=None) if text else None

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.mock.url}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with MockServer(Script()) as mock, aiohttp.ClientSession() as session:
        yield Caller(mock, session)


@pytest.fixture
def until() -> Until:
    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"

    return wait


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[str, list[tuple[str, Any]]]]:
    """An orchestrator's callback endpoint: its URL, and what it received."""
    received: list[tuple[str, Any]] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        received.append((request.path, await request.json()))
        return web.Response(status=200)

    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/callbacks/token", received
    await runner.cleanup()
