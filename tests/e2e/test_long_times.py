"""Hours in no time: the real application in process, on a real socket and a real file."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from goflow_py.bootstrap import running
from goflow_py.config import Settings
from goflow_py.testing import FakeClock

pytestmark = pytest.mark.e2e

HOUR = 3_600

LEAVE = {
    "project": "p",
    "activity": "leave",
    "states": [
        {"name": "ask", "on": {"approved": "book"}, "after": [{"delay": "2h", "next": "escalate"}]},
        {
            "name": "escalate",
            "on": {"approved": "book"},
            "after": [{"delay": "PT6H", "next": "failed"}],
        },
        "book",
    ],
    "actions": [{"name": "book", "type": "sync"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "ask"},
        {"current": "book", "event": "success", "next": "done"},
    ],
}


class Asker:
    """Asks a server in process while its clock is moved."""

    def __init__(self, client: httpx.AsyncClient, clock: FakeClock) -> None:
        self.client, self.clock = client, clock

    async def start(self, activity: str) -> str:
        answer = await self.client.post(f"/v1/activities/{activity}/executions", json={})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def state(self, execution: str) -> tuple[str, str]:
        found = (await self.client.get(f"/v1/executions/{execution}")).json()
        return found["status"], found["state"]

    async def reaches(self, execution: str, status: str, state: str) -> None:
        """Ask until it is there; the file and the sockets take real time."""
        for _ in range(500):
            if await self.state(execution) == (status, state):
                return
            await self.clock.advance(0)
        assert await self.state(execution) == (status, state)


async def test_a_leave_is_escalated_after_two_hours_and_fails_after_six_more(
    tmp_path: Path, aiohttp_server: Callable[[web.Application], Awaitable[Any]]
) -> None:
    booked = []

    async def book(request: web.Request) -> web.Response:
        booked.append(await request.json())
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_post("/book", book)
    worker = await aiohttp_server(app)
    workers = [{"name": "book", "workerEndpoint": str(worker.make_url("/book"))}]
    clock = FakeClock()
    settings = Settings(port=0, data=str(tmp_path / "goflow.db"))
    async with (
        running(settings, clock=clock) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        ask = Asker(client, clock)
        uploaded = await client.post("/v1/blueprints", json={**LEAVE, "workers": workers})
        assert uploaded.status_code == 201, uploaded.text
        silent, answered = await ask.start("p/leave"), await ask.start("p/leave")
        await clock.advance(2 * HOUR - 60)
        assert await ask.state(silent) == ("waiting", "ask")
        await clock.advance(120)
        await ask.reaches(silent, "waiting", "escalate")
        await ask.reaches(answered, "waiting", "escalate")
        event = {"name": "approved"}
        sent = await client.post(f"/v1/executions/{answered}/events", json=event)
        assert sent.status_code == 200, sent.text
        await ask.reaches(answered, "completed", "done")
        await clock.advance(6 * HOUR)
        await ask.reaches(silent, "failed", "failed")
        assert len(booked) == 1
        report = (await client.get("/v1/admin/verify")).json()
        assert report["breaches"] == []
