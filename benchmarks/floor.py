"""The floor: the same work and nothing else. What Python, aiohttp and SQLite cost in any case.

aiohttp in and out, one thread that commits all that waits in one transaction (SQLite,
``synchronous=FULL``). No blueprint, no retry, no checks, hardly a history: nobody could use it.

    python -m benchmarks.floor FILE WORKER_URL [STEPS [CLIENT]]

*CLIENT* is ``aiohttp``, or ``lean`` for the connections that goflow calls its workers on.
"""

import asyncio
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web

_JSON = {"Content-Type": "application/json"}
_SCHEMA = """
create table executions(
  id integer primary key, status text not null, state text not null, body blob) strict;
create table history(
  id integer primary key, execution integer not null, seq integer not null, body blob) strict;
create unique index history_execution on history(execution, seq);
"""

Post = Callable[[bytes, dict[str, str]], Awaitable[bytes]]
"""Calls the worker with a body and headers."""
Write = tuple[int, int, str, str, bytes]
"""Execution, seq, status, state, body."""


class Writer:
    """One thread; what waits while it commits is the next transaction."""

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Write, asyncio.Future[None]]] = queue.SimpleQueue()
        self._path = path
        threading.Thread(target=self._work, daemon=True).start()

    async def write(self, *write: Any) -> None:
        """Return when it is durable."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((write, future))
        await future

    def _work(self) -> None:
        database = open_database(self._path)
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            writes = [write for write, _ in batch]
            database.execute("begin immediate")
            database.executemany(
                "insert into executions(id, status, state, body) values (?1, ?3, ?4, ?5)"
                " on conflict do update set status = ?3, state = ?4, body = ?5",
                writes,
            )
            database.executemany(
                "insert into history(execution, seq, body) values (?1, ?2, ?5)", writes
            )
            database.execute("commit")
            self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch])


def open_database(path: str) -> sqlite3.Connection:
    """Open a new file, durable to the last commit."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("pragma wal_autocheckpoint = 10000")
    database.executescript(_SCHEMA)
    return database


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Server:
    """Starts executions."""

    def __init__(self, writer: Writer, post: Post, *, steps: int) -> None:
        self._writer = writer
        self._states = [f"call{number}" for number in range(1, steps + 1)]
        self._post = post
        self._last = time.time_ns()
        self._running: set[asyncio.Task[bytes]] = set()

    async def start(self, request: web.Request) -> web.Response:
        """Start one; answer when it is durable, or with ``Prefer: wait`` when it has ended."""
        value = orjson.loads(await request.read())["input"]
        self._last = number = self._last + 1
        await self._writer.write(number, 0, "running", "init", orjson.dumps(value))
        run = asyncio.get_running_loop().create_task(self._run(number, value))
        if "Prefer" in request.headers:
            return web.Response(body=await run, headers=_JSON)
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        body = orjson.dumps({"id": number, "status": "running"})
        return web.Response(status=201, body=body, headers=_JSON)

    async def _run(self, number: int, value: Any) -> bytes:
        output = value
        for seq, state in enumerate(self._states, 1):
            output = await self._call(number, state, value)
            status = "completed" if seq == len(self._states) else "running"
            await self._writer.write(number, seq, status, state, orjson.dumps(output))
        return orjson.dumps({"id": number, "status": "completed", "output": output})

    async def _call(self, number: int, state: str, value: Any) -> Any:
        body = orjson.dumps({"executionId": number, "action": state, "input": value})
        headers = {**_JSON, "Idempotency-Key": f"{number}/{state}"}
        return orjson.loads(await self._post(body, headers))


@asynccontextmanager
async def _by_aiohttp(worker: str) -> AsyncIterator[Post]:
    connector = aiohttp.TCPConnector(limit=0)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def post(body: bytes, headers: dict[str, str]) -> bytes:
        async with session.post(worker, data=body, headers=headers) as answer:
            return await answer.read()

    async with session:
        yield post


@asynccontextmanager
async def _lean(worker: str) -> AsyncIterator[Post]:
    # Here, or the floor would be larger and start later by it.
    from goflow_py.ports import Answered, Request
    from goflow_py.transport.addresses import AddressPolicy
    from goflow_py.transport.http import HttpTransport

    transport = HttpTransport(AddressPolicy.of(private=True, allow=[], own=None))

    async def post(body: bytes, headers: dict[str, str]) -> bytes:
        request = Request(method="POST", url=worker, headers=headers, body=body, timeout_seconds=5)
        reply = await transport.send(request)
        assert isinstance(reply, Answered), reply
        return reply.body

    try:
        yield post
    finally:
        await transport.close()


async def main(path: str, worker: str, steps: str = "3", client: str = "aiohttp") -> None:
    async with (_lean if client == "lean" else _by_aiohttp)(worker) as post:
        app = web.Application()
        server = Server(Writer(path), post, steps=int(steps))
        app.router.add_post("/executions", server.start)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
