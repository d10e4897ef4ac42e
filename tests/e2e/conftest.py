"""A real server on a real socket with a real file, a real worker, and a client that asserts."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from goflow_py.bootstrap import Server, running
from goflow_py.config import Settings

DEADLINE_SECONDS = 20.0
LOOK_SECONDS = 0.01
STREAM_SECONDS = 0.3
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    def problem(self, status: int, code: str | None = None) -> dict[str, Any]:
        """Return the problem, which it has to be."""
        assert self.status == status, (self.status, self.raw[:500])
        assert self.headers["Content-Type"] == "application/problem+json"
        body: dict[str, Any] = self.body
        assert body["status"] == status
        assert {"type", "title", "detail", "code"} <= set(body)
        assert "Traceback" not in self.raw.decode()
        if code is not None:
            assert body["code"] == code, body
        return body


@dataclass
class Api:
    """A client of one server, with or without a key."""

    url: str
    session: aiohttp.ClientSession
    key: str | None = None

    async def __call__(
        self, method: str, path: str, value: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """Send a request; ``if_match="1"`` is the header ``If-Match``."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        body = raw
        if value is not None:
            body = orjson.dumps(value)
        if body is not None:
            sent = {**JSON, "Content-Length": str(len(body)), **sent}
        async with self.session.request(
            method,
            self.url + path,
            data=None if body is None else io.BytesIO(body),
            headers=sent,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as answer:
            flows = answer.content_type == "text/event-stream"
            return Answer(
                answer.status,
                answer.headers,
                await (_beginning(answer.content) if flows else answer.read()),
            )

    async def good(self, method: str, path: str, value: Any = None, **headers: Any) -> Any:
        """Return the body of an answer that has to be a good one."""
        answer = await self(method, path, value, **headers)
        assert answer.status < 300, (answer.status, answer.raw[:1_000])
        return answer.body if answer.raw else None

    def with_key(self, key: str | None) -> "Api":
        return Api(self.url, self.session, key)

    async def until(self, execution: str, *statuses: str) -> dict[str, Any]:
        """Return an execution once it is in one of *statuses*."""

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.good("GET", f"/v1/executions/{execution}")
            return found if found["status"] in statuses else None

        found: dict[str, Any] = await eventually(look)
        return found


async def _beginning(stream: aiohttp.StreamReader) -> bytes:
    """Return what comes of a stream at once."""
    found = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STREAM_SECONDS):
            while piece := await stream.readany():
                found += piece
    return found


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *look* finds, as soon as it finds something."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (found := await look()):  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(LOOK_SECONDS)
    return found


@dataclass
class RealWorker:
    """A worker of its own port. Answers with the input; ``later`` accepts, ``refuse`` says 500."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """``hold`` answers when this is set."""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.calls.append(body)
        match body["action"]:
            case "later":
                return web.Response(status=202)
            case "refuse":
                return web.json_response({"error": "no"}, status=422)
            case "hold":
                await self.held.wait()
        return web.json_response(body["input"])

    async def called(self, action: str, execution: str | None = None) -> dict[str, Any]:
        """Return the newest call of *action*, once there is one."""

        async def look() -> dict[str, Any] | None:
            found = [c for c in self.calls if c["action"] == action]
            found = [c for c in found if execution in (None, c["executionId"])]
            return found[-1] if found else None

        newest: dict[str, Any] = await eventually(look)
        return newest


@pytest.fixture
async def worker() -> AsyncIterator[RealWorker]:
    found = RealWorker()
    app = web.Application()
    app.router.add_post("/{alias}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}"
    yield found
    found.held.set()
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as found:
        yield found


Serve = Callable[..., AbstractAsyncContextManager[tuple[Server, Api]]]


@pytest.fixture
def serve(tmp_path: Path, worker: RealWorker, session: aiohttp.ClientSession) -> Serve:
    """Start servers with settings of the test's own."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[tuple[Server, Api]]:
        given = {
            "port": 0,
            "data": str(tmp_path / "data" / "goflow.db"),
            "endpoint": {"there": f"{worker.url}/there"},
            **settings,
        }
        async with running(Settings(**given)) as server:
            yield server, Api(server.url, session)

    return start


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve() as (found, _):
        yield found


@pytest.fixture
def api(server: Server, session: aiohttp.ClientSession) -> Api:
    return Api(server.url, session)


def activity(name: str, work: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a blueprint with one state that does *work*."""
    action = {"name": "work", **work}
    calls = action.get("type", "sync") in ("sync", "async")
    workers = [{"name": action["name"], "workerEndpoint": "there"}] if calls else []
    return {
        "project": "shop",
        "activity": name,
        "states": ["busy", "later_on"],
        "actions": [action],
        "transitions": [
            {"current": "init", "event": "start", "next": "busy", "action": action["name"]},
            {"current": "busy", "event": "success", "next": "done"},
            {"current": "busy", "event": "paid", "next": "done"},
            {"current": "later_on", "event": "go", "next": "done"},
        ],
        "workers": workers,
        **more,
    }


BLUEPRINTS = (
    activity("quick", {"name": "echo"}),
    activity("slow", {"name": "hold"}),
    activity("order", {"type": "wait", "event": "go"}, key="${ input.order }"),
    activity("handed", {"name": "later", "type": "async"}),
    activity(
        "refused",
        {"name": "refuse"},
        states=["refuse", "later_on"],
        transitions=[
            {"current": "init", "event": "start", "next": "refuse"},
            {"current": "refuse", "event": "success", "next": "done"},
            {"current": "later_on", "event": "go", "next": "done"},
        ],
    ),
)


@pytest.fixture
async def shop(api: Api) -> Api:
    """A server that knows the shop's activities."""
    for blueprint in BLUEPRINTS:
        await api.good("POST", "/v1/blueprints", blueprint)
    return api


async def start(api: Api, name: str, value: Any = None, **fields: Any) -> dict[str, Any]:
    """Start an execution of one of the shop's activities."""
    path = f"/v1/activities/shop/{name}/executions"
    found: dict[str, Any] = await api.good("POST", path, {"input": value or {}, **fields})
    return found
