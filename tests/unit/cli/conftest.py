"""A stub of the server in a thread, and the command line in this process."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from goflow_py.cli import app

READY_SECONDS = 20.0

EXECUTION: dict[str, Any] = {
    "id": "01a1fc72-9183-7cba-a0a8-72774304671d",
    "project": "shop",
    "activity": "order",
    "version": 3,
    "key": "A-1",
    "labels": {},
    "status": "completed",
    "state": "done",
    "visit": 2,
    "revision": 9,
    "input": {},
    "data": {},
    "output": {"paid": True},
    "error": None,
    "awaiting": [],
    "tasks": [],
    "startedAt": "2026-11-21T04:52:09.219Z",
    "updatedAt": "2026-11-21T04:52:10.719Z",
    "finishedAt": "2026-11-21T04:52:10.719Z",
}


def execution(**changes: Any) -> dict[str, Any]:
    return {**EXECUTION, **changes}


def failed() -> dict[str, Any]:
    error = {"code": "timeout", "message": "no answer", "state": "pay"}
    return execution(status="failed", state="pay", output=None, error=error)


def waiting() -> dict[str, Any]:
    awaiting = [{"event": "approved", "role": "manager", "since": "2026-11-21T04:52:09.219Z"}]
    return execution(status="waiting", output=None, finishedAt=None, awaiting=awaiting)


def problem(status: int, code: str, detail: str, **facts: Any) -> tuple[int, dict[str, Any]]:
    return status, {**facts, "status": status, "code": code, "detail": detail, "title": "No"}


@dataclass
class Stub:
    """Answers what it was told to: the last answer of a route for ever."""

    url: str = ""
    routes: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answers(self, route: str, *answers: Any) -> None:
        self.routes[route] = [one if isinstance(one, tuple) else (200, one) for one in answers]

    async def serve(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.asked.append(
            {
                "route": f"{request.method} {request.path}",
                "query": dict(request.query),
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": json.loads(raw) if raw else None,
            }
        )
        told = self.routes.get(f"{request.method} {request.path}")
        if not told:
            return _response(problem(404, "not_found", f"there is no {request.path}"))
        return _response(told.pop(0) if len(told) > 1 else told[0])


def _response(answer: tuple[int, Any]) -> web.Response:
    status, body = answer
    if isinstance(body, str):
        return web.Response(status=status, text=body)
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        runner = web.ServerRunner(web.Server(made.serve), shutdown_timeout=0.1)  # type: ignore[arg-type]
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            end = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), end))
            await end.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    loop, end = started.result(READY_SECONDS)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join(READY_SECONDS)


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def goflow(*words: str, stdin: str | bytes | None = None, **env: str) -> Said:
    """Run the command line here; no exception may come out of it."""
    result: Result = CliRunner().invoke(app, words, input=stdin, env={"COLUMNS": "200", **env})
    assert isinstance(result.exception, SystemExit | None), result.exception
    return Said(code=result.exit_code, out=result.stdout, err=result.stderr)
