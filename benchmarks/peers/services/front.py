"""An HTTP front for a peer that is a library, and the worker's calls: the same for all of them.

Runs with the peer's own interpreter, so it imports nothing of the project.
"""

import asyncio
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any

import aiohttp
from aiohttp import web

STATES = ("balance", "product", "voucher")


class Caller:
    """Calls the worker over connections that stay open."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._session: aiohttp.ClientSession | None = None

    async def call(self, number: str, action: str, value: Any) -> Any:
        """Return the worker's answer to one call, whose key is the execution's and the action's."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector)
        body = {"executionId": number, "action": action, "input": value}
        headers = {"Idempotency-Key": f"{number}/{action}"}
        async with self._session.post(self._worker, json=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()


class Front(ABC):
    """Starts executions, and tells their ends."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()

    @abstractmethod
    async def begin(self, number: str, value: Any) -> Awaitable[Any]:
        """Start one durably; return its end."""

    async def start(self, request: web.Request) -> web.Response:
        """Start one; answer when it is durable, or with ``Prefer: wait`` when it has ended."""
        number = uuid.uuid4().hex
        end = await self.begin(number, (await request.json())["input"])
        if "Prefer" in request.headers:
            return _answer(200, {"id": number, "status": "completed", "output": await end})
        running = asyncio.ensure_future(end)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return _answer(201, {"id": number, "status": "running"})

    async def serve(self) -> None:
        """Listen on loopback, and say where."""
        app = web.Application()
        app.router.add_post("/executions", self.start)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


def _answer(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status, dumps=_dumps)


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
