"""One connection to a worker: a call goes out, its answer comes in, and nobody is trusted.

llhttp reads the answers (``httptools``). What it leaves to the good will of the other side has an
end here:

- 1xx answers may come without end, and each is a message; chunk extensions, too. What comes is
  counted, before the body and in all.
- What comes while the connection is idle would be taken for the answer to the next call.
- A connection whose end has arrived, but was not read yet, would be used for one more call.
- A reset within a body that has no length would count as its end.

**Nothing is ever sent twice.** When a worker closes an idle connection just as it is used again,
nobody can tell whether it saw the call (RFC 9112, 9.3.1), so that is a failure like any other, and
the retry is the dispatcher's, recorded.
"""

import asyncio
import select
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from goflow_py.ports import Answered, Reply, Unreachable
from goflow_py.transport.answers import (
    FRAMING_MAX,
    HEADERS_BYTES_MAX,
    HEADERS_MAX,
    NO_HTTP,
    bad,
    defect,
    late,
    over_limit,
    too_long,
)
from goflow_py.transport.urls import Origin

WRITE_AT_ONCE_BYTES_MAX = 256 * 1024
NO_ANSWER = "the worker closed the connection without an answer"
NOT_WHOLE = "the connection ended before the answer was whole"
UNHEARD = bad(None, "bad_response", "the worker answered before the call was sent")
BROKEN = "the connection broke before the answer was whole"
NOT_SENT_WHOLE = "the connection closed while the call was sent"


class Home(Protocol):
    """Where connections are between two calls."""

    def meet(self, connection: "Connection") -> None:
        """Hear that a connection is open."""

    def take_back(self, connection: "Connection", *, reusable: bool) -> None:
        """Hear that a call is over."""

    def forget(self, connection: "Connection") -> None:
        """Hear that a connection has ended."""


class _Defective(Exception):
    """The answer cannot be used: nothing more of it is read."""


class Connection(asyncio.Protocol):
    """One connection to a worker, used for one call at a time."""

    __slots__ = (
        "_body",
        "_body_bytes_max",
        "_bytes",
        "_early",
        "_ended",
        "_failure",
        "_headers",
        "_headers_count",
        "_home",
        "_interim",
        "_keep_alive",
        "_loop",
        "_more",
        "_parser",
        "_paused",
        "_poll",
        "_reply",
        "_rest",
        "_status",
        "_timer",
        "_transport",
        "_whole",
        "idle_since",
        "origin",
    )

    def __init__(
        self, home: Home, origin: Origin, *, body_bytes_max: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self._home = home
        self._loop = loop
        self._body_bytes_max = body_bytes_max
        self._parser = HttpResponseParser(self)
        # As lenient as other clients: headers in folds, lines that end with LF alone.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._poll = select.poll()
        self._ended = self._paused = False
        self._early: bytes | None = b""
        """What came before the first call: some workers refuse whoever comes, unheard. Then the
        call is not sent, so that no answer to it is taken for that to another."""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._reply: asyncio.Future[Reply] | None = None
        self._rest: memoryview | None = None
        """Of the call's body, what is not written yet."""

    # ---------------------------------------------------------------- the call

    async def exchange(self, head: bytes, body: bytes, *, deadline: float, seconds: float) -> Reply:
        """Send one call, and return its answer, or what came of it at the latest then."""
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._reply = reply
        self._timer = self._loop.call_at(deadline, self._expire, seconds)
        self._bytes = self._status = 0
        self._whole: Answered | None = None
        self._failure: Unreachable | None = None
        self._interim = self._more = self._keep_alive = False
        if self._early or self._ended:
            self._answer_unheard()
        elif len(body) <= WRITE_AT_ONCE_BYTES_MAX:
            self._early = None
            self._transport.write(head + body)
        else:
            self._early = None
            self._transport.write(head)
            self._rest = memoryview(body)
            self._write_on()
        try:
            return await reply
        finally:
            if self._reply is reply:  # nobody waits for it any more
                self._finish(None)

    def is_usable(self) -> bool:
        """Tell whether it can be used again; its end may have come and not been read yet."""
        # Of an idle connection, anything to read is its end.
        return not self._ended and not self._poll.poll(0)

    def close(self) -> None:
        """End it, politely."""
        self._ended = True
        self._transport.close()

    def abort(self) -> None:
        """End it, and the call that it carries."""
        if self._reply is not None:
            self._finish(Unreachable(code="unreachable", message=NO_ANSWER))
        self._ended = True
        self._transport.abort()

    def _answer_unheard(self) -> None:
        """End a call that was not sent, as far as what has come already ends it."""
        if self._early:
            self.data_received(self._early)
        if self._ended:
            self._lose(None)

    def _write_on(self) -> None:
        """Write a part of a long body: between two of them, others have their turn."""
        if self._rest is None or self._paused:
            return
        part, rest = self._rest[:WRITE_AT_ONCE_BYTES_MAX], self._rest[WRITE_AT_ONCE_BYTES_MAX:]
        self._rest = rest if len(rest) else None
        self._transport.write(part)
        if self._rest is not None and not self._paused:
            self._loop.call_soon(self._write_on)

    def _expire(self, seconds: float) -> None:
        self._finish(late(seconds, self._status or None))

    def _finish(self, outcome: Reply | None) -> None:
        """End a call that went wrong, and the connection with it: what comes now is for nobody."""
        reply, self._reply, self._rest = self._reply, None, None
        assert reply is not None, "a call ends once"
        self._timer.cancel()
        if outcome is not None and not reply.done():
            reply.set_result(outcome)
        self._ended = True
        self._transport.abort()
        self._home.take_back(self, reusable=False)

    def _deliver(self, whole: Answered) -> None:
        """End a call that was answered."""
        reply, self._reply, self._whole = self._reply, None, None
        assert reply is not None, "an answer comes once"
        self._timer.cancel()
        reusable = (
            self._keep_alive
            and not self._early
            and not self._ended
            and not self._more
            and self._rest is None
            and not self._transport.get_write_buffer_size()
        )
        if not reply.done():
            # What was not sent cannot have been done, whatever the worker says.
            unheard = self._early and whole.status < 400
            reply.set_result(UNHEARD if unheard else whole)
        if not reusable:
            self._rest, self._ended = None, True
            self._transport.abort()
        self._home.take_back(self, reusable=reusable)

    # ---------------------------------------------------------------- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._home.meet(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if self._reply is None:
            self._take_unasked(data)
            return
        self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._finish(self._failure or NO_HTTP)
            return
        if self._whole is not None:
            self._deliver(self._whole)
        elif self._bytes > HEADERS_BYTES_MAX:
            self._check_bytes()

    def _take_unasked(self, data: bytes) -> None:
        if self._early is None or len(self._early) + len(data) > HEADERS_BYTES_MAX:
            self.abort()
        else:
            self._early += data

    def _check_bytes(self) -> None:
        if self._status:
            if self._bytes > HEADERS_BYTES_MAX + FRAMING_MAX * self._body_bytes_max:
                what = "the worker sent a body with too much framing"
                self._finish(bad(self._status, "too_large", what))
        elif self._interim or self._headers:
            self._finish(bad(None, "too_large", "the worker sent headers over the limit"))
        else:
            self._finish(NO_HTTP)  # a line without end

    def eof_received(self) -> None:
        """Hear that the worker has ended its half; ours ends, too."""
        self._lose(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that it is over."""
        self._lose(error)
        self._home.forget(self)
        if not self._early:
            del self._parser  # which knows us, so that only the collector would find the two

    def _lose(self, error: Exception | None) -> None:
        self._ended = True
        if self._reply is None:
            return
        if self._status:
            if error is None and not self._headers.keys() & {"content-length", "transfer-encoding"}:
                self._deliver(self._answer())  # the end of the connection is that of the body
            else:
                self._finish(bad(self._status, "unreachable", NOT_WHOLE))
        elif error is None:
            self._finish(bad(None, "unreachable", NO_ANSWER))
        else:
            unsent = self._rest is not None
            self._finish(bad(None, "unreachable", NOT_SENT_WHOLE if unsent else BROKEN))

    def pause_writing(self) -> None:
        """Hear that the worker is slow to read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Hear that it has read."""
        self._paused = False
        self._write_on()

    # ---------------------------------------------------------------- the answer, as it is parsed

    def on_message_begin(self) -> None:
        """Hear that an answer begins: the first, one after a 1xx answer, or one too many.

        That one is read only because what is no HTTP spoils the answer before it, too.
        """
        self._more = self._whole is not None
        self._headers = {}
        self._headers_count = 0

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        """Take a header, or a trailer, which nobody wants."""
        self._headers_count += 1
        if self._headers_count > HEADERS_MAX or len(raw_name) + len(raw_value) > HEADERS_BYTES_MAX:
            raise _Defective
        if self._status and not self._more:
            return
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1").rstrip(" \t")
        if "\0" in value:
            raise _Defective
        headers = self._headers
        headers[name] = f"{headers[name]}, {value}" if name in headers else value

    def on_headers_complete(self) -> None:
        """Judge an answer by what precedes its body."""
        if self._more:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim = True  # there will be another one
            return
        self._failure = defect(status, self._headers)
        if self._failure is None and self._bytes > HEADERS_BYTES_MAX:
            self._failure = over_limit(status, self._headers)
        if self._failure is not None:
            raise _Defective
        self._status = status

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._more:
            return
        self._body += piece
        if len(self._body) > self._body_bytes_max:
            self._failure = too_long(self._status, self._body_bytes_max)
            raise _Defective

    def on_message_complete(self) -> None:
        """Hear that an answer is whole, a 1xx answer perhaps."""
        if self._status and not self._more:
            self._whole = self._answer()
            self._keep_alive = self._parser.should_keep_alive()

    def _answer(self) -> Answered:
        """Return what came, and keep nothing of it: connections are idle for long."""
        body, headers = bytes(self._body), self._headers
        self._body.clear()
        self._headers = {}
        return Answered(status=self._status, headers=headers, body=body)
