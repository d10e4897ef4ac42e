"""What goes back to a client: a value, which is written in one piece."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, cast

from aiohttp import HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time

SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "goflow",
}

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_BODILESS = frozenset({204, 304})


def lines(headers: Mapping[str, str]) -> str:
    """Return headers as they stand on the wire. Raises ``ValueError`` for what would end a line."""
    if _CONTROLS.search("".join(headers.values())):
        raise ValueError("a header has a control character")
    return "".join([f"{name}: {text}\r\n" for name, text in headers.items()])


BARE = lines(SAFE_HEADERS)
JSON = lines({"Content-Type": "application/json", **SAFE_HEADERS})


class Flowing(Protocol):
    """A connection on which an answer goes on for long."""

    def flows(self, gone: Callable[[], object]) -> None:
        """Let the answer take its time; call *gone* when the client has gone."""


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer. It has what aiohttp asks of one: ``prepare``, ``write_eof``, ``keep_alive``.

    aiohttp's own looks for cookies, codings and chunks, which ours has not, and takes three times
    as long to be made and written.
    """

    status: int = 200
    body: bytes = b""
    head: str = JSON
    """The headers that all of its kind have, as ``lines`` writes them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that it has beside them."""
    keep_alive: bool = True
    """Whether its connection may go on."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write it. Raises ``ConnectionError`` when the client has gone."""
        self.keep_alive = self.keep_alive and request.keep_alive
        await request.writer.write(self._wire(request))
        await request.writer.drain()

    async def write_eof(self) -> None:
        """Do nothing more: it was written whole."""

    def _wire(self, request: web.BaseRequest) -> bytes:
        (major, minor), status = request.version, self.status
        more = lines(self.headers) if self.headers else ""
        size = "" if status in _BODILESS else f"{self._length(request)}\r\n"
        connection = ""
        if not self.keep_alive and minor == 1:
            connection = "Connection: close\r\n"
        elif self.keep_alive and minor == 0:
            connection = "Connection: keep-alive\r\n"
        head = (
            f"HTTP/{major}.{minor} {_STATUS[status]}\r\n{self.head}{more}{size}"
            f"Date: {rfc822_formatted_time()}\r\n{connection}\r\n"
        ).encode()
        return head if status in _BODILESS or request.method == "HEAD" else head + self.body

    def _length(self, request: web.BaseRequest) -> str:
        """Return the header that says where the body ends."""
        return f"Content-Length: {len(self.body)}"


@dataclass(slots=True, kw_only=True)
class Flow(Reply):
    """An answer that goes on: it is written as it comes, and as fast as it is read.

    Whoever reads nothing at all is cut by the sweep of the connections, as with any answer.
    """

    pieces: AsyncGenerator[bytes]
    wake: Callable[[], object]
    """Lets *pieces* go on at once, so that it finds its client gone."""
    close: Callable[[], object]
    """Is called when it is over, also when nothing was written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it. Raises ``ConnectionError`` when the client has gone."""
        writer = request.writer
        self.keep_alive = False
        try:
            await writer.write(self._wire(request))
            if request.method == "HEAD":
                return
            if request.version >= HttpVersion11:
                writer.enable_chunking()
            cast("Flowing", request.protocol).flows(self.wake)
            async with aclosing(self.pieces) as pieces:
                async for piece in pieces:
                    await writer.write(piece)
                    await writer.drain()
            await writer.write_eof()
        finally:
            self.close()

    def _length(self, request: web.BaseRequest) -> str:
        # Of HTTP/1.0 the connection's end is that of the body.
        chunked = request.version >= HttpVersion11
        return "Transfer-Encoding: chunked" if chunked else "Connection: close"
