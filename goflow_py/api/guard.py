"""The limits of the wire: how many connections there may be, and how long each step may take.

aiohttp keeps half-sent requests and unread answers for as long as their client likes. Here each
connection knows since when its client owes headers, reads nothing, or has no answer yet, and one
sweep closes those that took too long. A surplus connection gets 503 at once.
"""

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from goflow_py.api import problems
from goflow_py.api.files import files_for
from goflow_py.api.replies import Reply
from goflow_py.clock import Clock

log = logging.getLogger(__name__)

Answering = Callable[[web.BaseRequest], Awaitable[Reply]]

CONNECTIONS_MAX = 1_000
HEADER_TIMEOUT_SECONDS = 10.0
BODY_TIMEOUT_SECONDS = 30.0
READ_TIMEOUT_SECONDS = 60.0
"""How long a client may leave an answer unread."""
HALF_CLOSED_SECONDS = 5.0
"""How long the answer may take for a client that sends nothing any more; most such have gone."""
REQUEST_TIMEOUT_SECONDS = 900.0
"""How long a request may take in all; the longest that we serve looks through the whole store."""
KEEPALIVE_SECONDS = 75.0
LINGER_SECONDS = 5.0
SURPLUS_LINGER_SECONDS = 1.0
LEAVING_SHARE = 5
"""As many surplus connections may still read their answer: a fifth of the others."""
SWEEPS_A_TIMEOUT = 8
BACKLOG = 1_024
URL_BYTES_MAX = 8_192
HEADER_BYTES_MAX = 8_190
"""Of one header; it differs from the URL's limit, which is how the two are told apart."""
HEAD_BYTES_MAX = 65_536
"""Of all headers together."""
HEADERS_MAX = 100
PEER_SHARE = 2
"""One address gets at most this part of the connections: a half."""
IPV6_SITE_BITS = 64


@dataclass(kw_only=True)
class Guard:
    """Counts the connections of a server, and closes those that take too long."""

    clock: Clock
    connections_max: int = CONNECTIONS_MAX
    header_timeout_seconds: float = HEADER_TIMEOUT_SECONDS
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    connections: set["Connection"] = field(default_factory=set)
    leaving: set["Connection"] = field(default_factory=set)
    """Surplus connections that were answered, and not read yet."""
    peers: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def admit(self, connection: "Connection", peer: str | None) -> bool:
        """Tell whether there is room for one more, also of this *peer*."""
        most = max(1, self.connections_max // PEER_SHARE)
        crowded = peer is not None and self.peers[peer] >= most
        if crowded or len(self.connections) >= self.connections_max:
            self.refused += 1
            return False
        self.connections.add(connection)
        if peer is not None:
            self.peers[peer] += 1
        return True

    def leave(self, connection: "Connection", peer: str | None) -> None:
        """Give the room of a connection back."""
        self.leaving.discard(connection)
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        if peer is not None:
            self.peers[peer] -= 1
            if self.peers[peer] <= 0:
                del self.peers[peer]

    async def sweep(self) -> None:
        """Close what takes too long, for ever."""
        while True:
            await self.clock.sleep(min(1.0, self.header_timeout_seconds / SWEEPS_A_TIMEOUT))
            now = self.clock.monotonic()
            for connection in list(self.connections):
                if self._is_over(connection, now):
                    connection.cut()

    def _is_over(self, connection: "Connection", now: float) -> bool:
        return (
            _before(connection.owes_since, now - self.header_timeout_seconds)
            or _before(connection.unread_since, now - self.read_timeout_seconds)
            or _before(connection.half_closed_since, now - HALF_CLOSED_SECONDS)
            or (
                connection.gone is None
                and _before(connection.busy_since, now - self.request_timeout_seconds)
            )
        )


def _before(since: float | None, latest: float) -> bool:
    return since is not None and since < latest


class Connection(web.RequestHandler):
    """aiohttp's protocol, which knows since when something is owed."""

    __slots__ = (
        "_admitted",
        "_body",
        "_guard",
        "_head_bytes",
        "_peer",
        "_wire",
        "busy_since",
        "gone",
        "half_closed_since",
        "owes_since",
        "unread_since",
    )

    def __init__(self, server: web.Server, guard: Guard, **options: Any) -> None:
        super().__init__(server, **options)
        self._guard = guard
        self._admitted = False
        self._body: StreamReader | None = None
        self._head_bytes = 0
        self._peer: str | None = None
        self._wire: asyncio.Transport | None = None
        self.half_closed_since: float | None = None
        """When its client ended its side: it has gone, or waits for its answer."""
        self.owes_since: float | None = None
        """When its client began to owe the headers of a request; None while it owes nothing."""
        self.unread_since: float | None = None
        """When its client ceased to read."""
        self.busy_since: float | None = None
        """When the request came that has no answer yet."""
        self.gone: Callable[[], object] | None = None
        """Wakes the answer that goes on for as long as its client is there."""

    # ------------------------------------------------------------ coming and going

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        self._peer = peer_of(transport.get_extra_info("peername"))
        self._admitted = self._guard.admit(self, self._peer)
        if self._admitted:
            self.owes_since = self._guard.clock.monotonic()
            super().connection_made(transport)
        else:
            self._turn_away(self._wire)

    def _turn_away(self, wire: asyncio.Transport) -> None:
        """Answer 503; a close at once would let the answer be lost with what the client sent."""
        wire.write(_SURPLUS)
        if len(self._guard.leaving) >= self._guard.connections_max // LEAVING_SHARE:
            wire.close()
            return
        wire.write_eof()
        self._guard.leaving.add(self)
        self._guard.clock.call_later(SURPLUS_LINGER_SECONDS, wire.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._guard.leave(self, self._peer)
        if self._admitted:
            super().connection_lost(exc)
        if self.gone is not None:
            self.gone()

    def cut(self) -> None:
        """End the connection, whatever is still to be sent."""
        wire = self._wire
        self.force_close()
        if wire is not None:
            wire.abort()

    # ------------------------------------------------------------ reading

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            return
        awaited = self.busy_since is None and not self._body_is_open
        if awaited and self.owes_since is None:
            self.owes_since = self._guard.clock.monotonic()
        super().data_received(data)
        if awaited and not self._messages:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and self._wire is not None:
                self._wire.write(_LARGE_HEAD)
                self.force_close()

    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp asks for it with every piece of a body that is taken; it parses anew for that.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's may keep it open
        """Answer what was asked before the client ended its side; then end ours.

        An answer that goes on ends with it: nobody follows a stream from half a connection.
        """
        self.half_closed_since = self._guard.clock.monotonic()
        if self.gone is not None:
            return False
        waiting = self._admitted and (self.busy_since is not None or bool(self._messages))
        if waiting:
            body = self._messages[-1][1] if self._messages else self._body
            if body is not None and not body.is_eof():
                body.set_exception(web.RequestPayloadError("its sender closed before its end"))
                body.feed_eof()
        return waiting

    def began(self, body: StreamReader) -> None:
        """Note that a request's headers are there."""
        self._body, self._head_bytes = body, 0
        self.busy_since, self.owes_since = self._guard.clock.monotonic(), None

    def flows(self, gone: Callable[[], object]) -> None:
        """Let the answer take its time; call *gone* when the client has gone."""
        self.gone = gone

    @property
    def _body_is_open(self) -> bool:
        return self._body is not None and not self._body.is_eof()

    # ------------------------------------------------------------ writing

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = self._guard.clock.monotonic()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = None

    async def finish_response(
        self, request: web.BaseRequest, resp: Any, start_time: float | None
    ) -> tuple[Any, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.busy_since = self.gone = None
            if self.half_closed_since is not None and not self._messages:
                self.close()

    def handle_error(  # type: ignore[override]  # a Reply does all that is asked of a response
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Reply:
        """Answer what is no HTTP request, as a problem; the connection ends with it."""
        if status >= 500:
            self.log_exception("a request broke", exc_info=exc)
            answer = problems.problem(
                status, "internal", "the server failed; its log has the reason"
            )
        else:
            answer = _unreadable(exc)
        answer.keep_alive = False
        return answer


def _unreadable(error: BaseException | None) -> Reply:
    """Say which limit a request was over, or that it is none."""
    if isinstance(error, LineTooLong) and error.args[1] == URL_BYTES_MAX:
        detail = f"the URL has more than {URL_BYTES_MAX} bytes; send less in its query"
        return problems.problem(414, "url_too_long", detail, facts={"limitBytes": URL_BYTES_MAX})
    if isinstance(error, LineTooLong):
        detail = f"a header has more than {HEADER_BYTES_MAX} bytes; send a shorter one"
        facts = {"limitBytes": HEADER_BYTES_MAX}
        return problems.problem(431, "headers_too_large", detail, facts=facts)
    if error is not None and error.args == ("Too many headers received",):
        detail = f"there are more than {HEADERS_MAX} headers; send fewer"
        return problems.problem(431, "headers_too_large", detail, facts={"limit": HEADERS_MAX})
    detail = "this is no HTTP/1.1 request that can be read; look at its method, path and headers"
    return problems.problem(400, "bad_http", detail)


def peer_of(address: object) -> str | None:
    """Return what counts as one peer: an address, or a site of IPv6; None for this machine."""
    try:
        found = ipaddress.ip_address(str(address[0]).partition("%")[0])  # type: ignore[index]
    except (TypeError, IndexError, ValueError):
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            site = ipaddress.ip_network((found, IPV6_SITE_BITS), strict=False)
            return None if found.is_loopback else str(site)
        found = found.ipv4_mapped
    return None if found.is_loopback else str(found)


class GuardedServer(web.Server):
    """A server whose connections are guarded."""

    def __init__(self, answer: Answering, guard: Guard, **options: Any) -> None:
        super().__init__(cast("Any", answer))  # a Reply does all that is asked of a response
        self._guard = guard
        self._options = options

    def _make_request(
        self, message: Any, payload: StreamReader, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        protocol.began(payload)
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._guard, loop=self._loop, **self._options)


class GuardedRunner(web.BaseRunner):
    """Lets requests be answered on guarded connections, without an access log."""

    __slots__ = ("_answer", "_guard", "_sweeper")

    def __init__(
        self, answer: Answering, guard: Guard, *, shutdown_timeout_seconds: float = 2.0
    ) -> None:
        super().__init__(shutdown_timeout=shutdown_timeout_seconds)
        self._answer = answer
        self._guard = guard
        self._sweeper: asyncio.Task[None] | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Take connections on a bound socket."""
        wanted = self._guard.connections_max
        self._guard.connections_max = files_for(wanted)
        if self._guard.connections_max < wanted:
            facts = {"wanted": wanted, "connections": self._guard.connections_max}
            log.warning("the limit of open files allows fewer connections", extra=facts)
        await self.setup()
        await web.SockSite(self, listener, backlog=BACKLOG).start()

    async def _make_server(self) -> web.Server:
        self._sweeper = asyncio.get_running_loop().create_task(self._guard.sweep())
        return GuardedServer(
            self._answer,
            self._guard,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=URL_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )

    async def shutdown(self) -> None:
        """Do nothing more: the connections end by themselves."""

    async def _cleanup_server(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()


_SURPLUS = problems.raw(
    503,
    "too_many_connections",
    "the server has all the connections that it may have; try again",
    title="Unavailable",
    headers={"Retry-After": "1"},
    facts={"retryAfter": 1},
)
_LARGE_HEAD = problems.raw(
    431,
    "headers_too_large",
    f"the headers have more than {HEAD_BYTES_MAX} bytes in all; send less",
    facts={"limitBytes": HEAD_BYTES_MAX},
)
