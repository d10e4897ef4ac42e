"""A connection of aiohttp's that trusts a worker less.

aiohttp leaves five things to the good will of the other side, and here they have an end:

- 1xx answers may come without end, and each is a parsed message; chunk extensions, too. What
  comes is counted, before the body and in all.
- What comes while the connection is idle would be taken for the answer to the next call.
- A connection whose end has arrived, but was not read yet, would be used for one more call.
- A reset within a body that has no length would count as its end.
- A framing error in the middle of a body would leave the reader waiting.
"""

import asyncio
import select
from typing import Any

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler

HEADERS_BYTES_MAX = 32 * 1024
"""Of everything before the body: status line, headers, and all 1xx answers."""


class TooMuch(httpx.RemoteProtocolError):
    """More came than anybody may send."""


class Connection(ResponseHandler):
    """One connection to a worker, used for one call at a time."""

    def __init__(self, bytes_max: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._bytes_max = bytes_max
        self._bytes = 0
        self._busy = True
        """From the start, since a new connection is made for a call."""
        self._headed = False

    def is_connected(self) -> bool:
        """Tell whether it can be used (again); the end may have come and not been read yet."""
        return super().is_connected() and (self._busy or not _is_readable(self.transport))

    def set_response_params(self, **parameters: Any) -> None:
        """Begin to wait for an answer."""
        self._bytes, self._busy, self._headed = 0, True, False
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket, or none: that only wakes aiohttp's parser."""
        self._bytes += len(data)
        if data and not self._busy:
            self.force_close()
            self.abort()
            return
        if self._bytes <= self._bytes_max:
            super().data_received(data)
        limit = self._bytes_max if self._headed else HEADERS_BYTES_MAX
        if self._bytes > limit and self._busy:
            self._overflow()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take one parsed message: its head, and the stream of its body."""
        head, body = data
        if not self._busy:
            self.force_close()
            return
        super().feed_data(data, size)
        if head.code >= 200 or head.code == 101:
            self._headed = True
            body.on_eof(self._whole)

    def _whole(self) -> None:
        self._busy = False

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the body: a reset is no end of file, for a body without a length neither."""
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError())
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail the call, wherever it is: aiohttp forgets one that reads its body already."""
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc)
        super().set_exception(exc, *cause)

    def _overflow(self) -> None:
        what = "a body with too much framing" if self._headed else "headers over the limit"
        # Not `abort()`, which forgets the exception.
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(TooMuch(f"the worker sent {what}"))


def _is_readable(transport: asyncio.BaseTransport | None) -> bool:
    """Ask the operating system: of an idle connection, anything to read is its end."""
    if transport is None:
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
