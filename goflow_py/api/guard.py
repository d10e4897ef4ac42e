"""The limits of the wire: how many connections there may be, and how long headers may take.

aiohttp keeps half-sent requests open for minutes; here each connection says since when it owes
headers, and one sweep closes those that took too long. A surplus connection gets 503 at once.
"""

import asyncio
import socket
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web

from goflow_py.api.problems import MEDIA_TYPE, SAFE_HEADERS, problem, problem_body
from goflow_py.clock import Clock

CONNECTIONS_MAX = 1_000
HEADER_TIMEOUT_SECONDS = 10.0
BODY_TIMEOUT_SECONDS = 30.0
KEEPALIVE_SECONDS = 75.0
LINGER_SECONDS = 5.0
SWEEPS_A_TIMEOUT = 8
BACKLOG = 1_024


@dataclass(kw_only=True)
class Guard:
    """Counts the connections of a server, and closes those that owe headers for too long."""

    clock: Clock
    connections_max: int = CONNECTIONS_MAX
    header_timeout_seconds: float = HEADER_TIMEOUT_SECONDS
    connections: set["Connection"] = field(default_factory=set)
    refused: int = 0

    def admit(self, connection: "Connection") -> bool:
        """Tell whether there is room for one more."""
        if len(self.connections) >= self.connections_max:
            self.refused += 1
            return False
        self.connections.add(connection)
        return True

    async def sweep(self) -> None:
        """Close what owes headers for too long, for ever."""
        while True:
            await self.clock.sleep(min(1.0, self.header_timeout_seconds / SWEEPS_A_TIMEOUT))
            latest = self.clock.monotonic() - self.header_timeout_seconds
            for connection in list(self.connections):
                if connection.owes_since is not None and connection.owes_since < latest:
                    connection.force_close()


class Connection(web.RequestHandler):
    """aiohttp's protocol, which knows since when headers are owed."""

    __slots__ = ("_admitted", "_busy", "_guard", "owes_since")

    def __init__(self, server: web.Server, guard: Guard, **options: Any) -> None:
        super().__init__(server, **options)
        self._guard = guard
        self._admitted = False
        self._busy = False
        self.owes_since: float | None = None
        """When its client began to owe the headers of a request; None while it owes nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._admitted = self._guard.admit(self)
        if not self._admitted:
            wire = cast("asyncio.Transport", transport)
            wire.write(_SURPLUS)
            wire.close()
            return
        self.owes_since = self._guard.clock.monotonic()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._guard.connections.discard(self)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            return
        if self.owes_since is None and not self._busy:
            self.owes_since = self._guard.clock.monotonic()
        super().data_received(data)

    def began(self) -> None:
        """Note that a request's headers are there."""
        self._busy, self.owes_since = True, None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP request, as a problem; the connection ends with it."""
        known = HTTPStatus(status).phrase
        answer = problem(status, "bad_http", f"this is no HTTP request that can be read: {known}")
        if status >= 500:
            self.log_exception("a request broke", exc_info=exc)
            answer = problem(status, "internal", "the server failed; its log has the reason")
        answer.force_close()
        return answer


class GuardedServer(web.Server):
    """A server whose connections are guarded."""

    def __init__(self, inner: web.Server, guard: Guard, **options: Any) -> None:
        factory: Any = inner.request_factory

        def began(message: Any, payload: Any, protocol: Any, *rest: Any) -> web.BaseRequest:
            protocol.began()
            request: web.BaseRequest = factory(message, payload, protocol, *rest)
            return request

        super().__init__(inner.request_handler, request_factory=cast("Any", began))
        self._guard = guard
        self._options = options

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._guard, loop=self._loop, **self._options)


class GuardedRunner(web.AppRunner):
    """Runs an application on guarded connections, without an access log."""

    __slots__ = ("_guard", "_sweeper")

    def __init__(
        self, app: web.Application, guard: Guard, *, shutdown_timeout_seconds: float = 2.0
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout_seconds)
        self._guard = guard
        self._sweeper: asyncio.Task[None] | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Take connections on a bound socket."""
        await self.setup()
        await web.SockSite(self, listener, backlog=BACKLOG).start()

    async def _make_server(self) -> web.Server:
        inner = await super()._make_server()
        self._sweeper = asyncio.get_running_loop().create_task(self._guard.sweep())
        return GuardedServer(
            inner,
            self._guard,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
        )

    async def _cleanup_server(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super()._cleanup_server()


def _surplus() -> bytes:
    body = problem_body(
        503,
        "too_many_connections",
        "the server has all the connections that it may have; try again",
        "Unavailable",
        {"retryAfter": 1},
    )
    headers = {
        **SAFE_HEADERS,
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Retry-After": "1",
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode() + body


_SURPLUS = _surplus()
