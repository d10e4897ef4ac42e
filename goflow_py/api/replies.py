"""What goes back to a client: a value, which is written in one piece."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
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
        size = "" if status in _BODILESS else f"Content-Length: {len(self.body)}\r\n"
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
