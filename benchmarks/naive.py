"""The textbook: what the packages' own first pages lead to. The baseline of every claim.

aiohttp, a ``transitions.Machine`` an execution, the default ``httpx.AsyncClient``, an
``AsyncRetrying`` a call, ``aiosqlite`` with a commit a step (``synchronous=FULL``).

    python -m benchmarks.naive FILE WORKER_URL
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

import aiosqlite
import httpx
from aiohttp import web
from tenacity import AsyncRetrying, stop_after_attempt, wait_exponential
from transitions import Machine

STATES = ("balance", "product", "voucher")
TRANSITIONS = [
    {"trigger": "start", "source": "init", "dest": "balance"},
    {"trigger": "success", "source": "balance", "dest": "product"},
    {"trigger": "success", "source": "product", "dest": "voucher"},
    {"trigger": "success", "source": "voucher", "dest": "done"},
]
_SCHEMA = """
create table executions(
  id text primary key, status text not null, state text not null, output text);
create table history(
  execution text not null, seq integer not null, state text not null, output text,
  primary key (execution, seq));
"""


class Execution:
    """One run; the machine moves it."""

    state: str
    trigger: Callable[[str], bool]
    """The machine gives it both."""

    def __init__(self, value: Any) -> None:
        self.id = str(uuid.uuid4())
        self.input = value
        self.output: Any = None
        self.seq = 0
        self.machine = Machine(
            model=self, states=["init", *STATES, "done"], transitions=TRANSITIONS, initial="init"
        )


class Server:
    """Starts executions."""

    def __init__(self, database: aiosqlite.Connection, client: httpx.AsyncClient, url: str) -> None:
        self._database = database
        self._client = client
        self._url = url
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, request: web.Request) -> web.Response:
        """Start one; answer when it is durable, or with ``Prefer: wait`` when it has ended."""
        body = await request.json()
        execution = Execution(body["input"])
        await self._save(execution)
        run = asyncio.create_task(self._run(execution))
        if "Prefer" in request.headers:
            await run
            return web.json_response(
                {"id": execution.id, "status": "completed", "output": execution.output},
                dumps=_dumps,
            )
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        return web.json_response(
            {"id": execution.id, "status": "running"}, status=201, dumps=_dumps
        )

    async def _run(self, execution: Execution) -> None:
        execution.trigger("start")
        while execution.state != "done":
            execution.output = await self._call(execution)
            execution.trigger("success")
            await self._save(execution)

    async def _call(self, execution: Execution) -> Any:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(3), wait=wait_exponential(min=0.1, max=5), reraise=True
        )
        async for attempt in retrying:
            with attempt:
                answer = await self._client.post(
                    self._url,
                    json={"id": execution.id, "action": execution.state, "input": execution.input},
                    headers={"Idempotency-Key": f"{execution.id}/{execution.state}"},
                )
                answer.raise_for_status()
                return answer.json()
        raise AssertionError("the last attempt returns or raises")

    async def _save(self, execution: Execution) -> None:
        status = "completed" if execution.state == "done" else "running"
        output = json.dumps(execution.output)
        await self._database.execute(
            "insert into executions values (?, ?, ?, ?) on conflict (id) do update set"
            " status = excluded.status, state = excluded.state, output = excluded.output",
            (execution.id, status, execution.state, output),
        )
        await self._database.execute(
            "insert into history values (?, ?, ?, ?)",
            (execution.id, execution.seq, execution.state, output),
        )
        await self._database.commit()
        execution.seq += 1


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


async def main(path: str, worker: str) -> None:
    async with aiosqlite.connect(path) as database, httpx.AsyncClient() as client:
        await database.execute("pragma journal_mode = wal")
        await database.execute("pragma synchronous = full")
        await database.executescript(_SCHEMA)
        app = web.Application()
        app.router.add_post("/executions", Server(database, client, worker).start)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
