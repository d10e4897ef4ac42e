"""Workers that do what no worker should: a server that speaks bytes, and tables of what it says.

``BROKEN`` are answers that are none, or no whole ones: the transport says what became of the call.
``MEANT`` are whole answers that a worker should not have given: the engine says what they mean.
``SOUND`` are odd, and right all the same.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nhi"
MIB = 1024 * 1024


class Worker:
    """A server on a port of its own; *answer* is bytes for every call, or what to do with it.

    A worker of bytes keeps the connection when they are ``whole``, and closes it otherwise.
    """

    def __init__(self) -> None:
        self.answer: bytes | Script = b""
        self.whole = False
        self.deaf = False
        """Do not read; say *early* at most."""
        self.early: Script | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        """Set when a caller hangs up."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(
        self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._server = await asyncio.start_server(self._meet, host, port, ssl=tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/task"

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.deaf:
                await (self.early(reader, writer) if self.early else self.gone.wait())
                return
            while True:
                self.requests.append(await _request(reader))
                if not isinstance(self.answer, bytes):
                    await self.answer(reader, writer)
                    return
                writer.write(self.answer)
                await writer.drain()
                if not self.whole:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.gone.set()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + await reader.readexactly(int(length[1]) if length else 0)


# ---------------------------------------------------------------- ways to answer


def json(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer with *body*, declared to be JSON."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", *headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def refusal(status: bytes, *headers: bytes) -> bytes:
    """Return an answer with a status and no body."""
    head = b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: 0", *headers])
    return head + b"\r\n\r\n"


def endless(start: bytes, piece: bytes) -> Script:
    """Send *piece* without end, as fast as it is taken."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()

    return script


def drip(start: bytes, piece: bytes) -> Script:
    """Send *piece* without end, and so slowly that each is a sign of life."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return script


def reset(start: bytes) -> Script:
    """Send *start*, see it arrive, and reset the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await writer.drain()
        for _ in range(20):  # turns of the loop in which the other side reads
            await asyncio.sleep(0)
        made = writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return script


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the call, and say nothing."""
    await reader.read()


async def half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End our half of the connection, and go on to listen."""
    writer.write_eof()
    await reader.read()


def bomb(bits: int) -> bytes:
    """Return 100 MiB of nothing, deflated: *bits* is zlib's word for the container."""
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(100)) + packer.flush()


# ---------------------------------------------------------------- no answers, or no whole ones

BROKEN: dict[str, tuple[bytes | Script, str, int | None]] = {
    # answers that are none: what is sent, the code, the status if one is known
    "closes without an answer": (b"", "unreachable", None),
    "closes its half": (half_closed, "unreachable", None),
    "closes within the status line": (b"HTTP/1.1 2", "unreachable", None),
    "closes within the headers": (OK + b"Conte", "unreachable", None),
    "closes after a 1xx answer": (b"HTTP/1.1 100 Continue\r\n\r\n", "unreachable", None),
    "garbage": (b"\x16\x03\x01\x00\xff garbage\r\n\r\n", "bad_response", None),
    "another protocol": (b"220 mail.example ESMTP\r\n", "bad_response", None),
    "HTTP/0.9": (b"<html>hi</html>", "bad_response", None),
    "HTTP/3.0": (b"HTTP/3.0 200 OK\r\n\r\nhi", "bad_response", None),
    "an impossible status": (b"HTTP/1.1 99 Huh\r\n\r\n", "bad_response", None),
    "the status 000": (b"HTTP/1.1 000 Huh\r\n\r\n", "bad_response", None),
    "a negative status": (b"HTTP/1.1 -20 Huh\r\n\r\n", "bad_response", None),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "bad_response", None),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad_response", None),
    "HTTP/2 settings": (b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "bad_response", None),
    "a header without a colon": (OK + b"what\r\n\r\n", "bad_response", None),
    "a NUL in a header": (OK + b"X: a\0b\r\n\r\n", "bad_response", None),
    "a header within a header": (OK + b"X: a\rGoflow-Event: b\r\n\r\n", "bad_response", None),
    "a name that is no name": (OK + b"X(: a\r\n\r\n", "bad_response", None),
    "a space before a colon": (OK + b"Content-Length : 2\r\n\r\nhi", "bad_response", None),
    "switches protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "bad_response",
        101,
    ),
    # bodies that do not fit
    "a body shorter than its length": (OK + b"Content-Length: 9\r\n\r\nhi", "unreachable", 200),
    "a close that is announced mid body": (
        OK + b"Connection: close\r\nContent-Length: 9\r\n\r\nhi",
        "unreachable",
        200,
    ),
    "a body longer than its length": (OK + b"Content-Length: 1\r\n\r\nhi", "bad_response", None),
    "two lengths": (
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "bad_response",
        None,
    ),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\n", "bad_response", None),
    "a length with a sign": (OK + b"Content-Length: +2\r\n\r\nhi", "bad_response", None),
    "a length over 64 bits": (
        OK + b"Content-Length: 99999999999999999999\r\n\r\nhi",
        "bad_response",
        None,
    ),
    "a length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "bad_response",
        None,
    ),
    "a 204 with a body": (b"HTTP/1.1 204 No\r\n\r\nhello", "bad_response", None),
    "a 304 with a body": (b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nhi", "bad_response", None),
    "a chunk of size zz": (CHUNKED + b"zz\r\nhi\r\n", "bad_response", None),
    "a chunk of size -1": (CHUNKED + b"-1\r\nhi\r\n", "bad_response", None),
    "a chunk over 64 bits": (CHUNKED + b"f" * 17 + b"\r\nhi\r\n", "bad_response", None),
    "a chunk without its end": (CHUNKED + b"2\r\nhiXX0\r\n\r\n", "bad_response", None),
    "a bad chunk later": (drip(CHUNKED + b"2\r\nhi\r\n", b"zz"), "bad_response", None),
    "no last chunk": (CHUNKED + b"2\r\nhi\r\n", "unreachable", 200),
    "compressed": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        "bad_response",
        200,
    ),
    "compressed twice": (OK + b"Content-Encoding: identity, br\r\n\r\n", "bad_response", 200),
    "compressed on the way": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "bad_response",
        200,
    ),
    # too much
    "a declared body of 1 GiB": (
        endless(OK + b"Content-Length: 1073741824\r\n\r\n", bytes(65536)),
        "too_large",
        200,
    ),
    "a body without end": (endless(OK + b"\r\n", bytes(65536)), "too_large", 200),
    "chunks without end": (
        endless(CHUNKED, b"8000\r\n" + bytes(32768) + b"\r\n"),
        "too_large",
        200,
    ),
    "one-byte chunks without end": (endless(CHUNKED, b"1\r\nx\r\n" * 10_000), "too_large", 200),
    "a chunk extension without end": (endless(CHUNKED + b"2;", b"x" * 65536), "too_large", 200),
    "headers without end": (endless(OK, b"X-Y: z\r\n" * 100), "bad_response", None),
    "a header without end": (endless(OK + b"X: ", b"x" * 8192), "bad_response", None),
    "a status without end": (endless(b"HTTP/1.1 200 ", b"x" * 8192), "bad_response", None),
    "trailers without end": (
        endless(CHUNKED + b"0\r\n", b"X-Y: z\r\n" * 100),
        "bad_response",
        None,
    ),
    "a header of 40 KB": (OK + b"X: " + b"x" * 40_000 + b"\r\n\r\n", "bad_response", None),
    "headers over 32 KiB": (
        OK + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 8000) for n in range(5)) + b"\r\n",
        "too_large",
        200,
    ),
    "1xx answers without end": (
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "too_large",
        None,
    ),
    # too slow
    "silence": (silence, "timeout", None),
    "headers in drips": (drip(OK, b"X"), "timeout", None),
    "a body in drips": (drip(OK + b"\r\n", b"x"), "timeout", 200),
    "a counted body in drips": (drip(OK + b"Content-Length: 9999\r\n\r\n", b"x"), "timeout", 200),
    "chunks in drips": (drip(CHUNKED, b"1\r\nx\r\n"), "timeout", 200),
    "1xx answers in drips": (drip(b"", b"HTTP/1.1 102 Wait\r\n\r\n"), "timeout", None),
    # resets
    "a reset at once": (reset(b""), "unreachable", None),
    "a reset within the headers": (reset(OK + b"X: "), "unreachable", None),
    "a reset within a counted body": (reset(WHOLE[:-1]), "unreachable", 200),
    "a reset within a chunk": (reset(CHUNKED + b"5\r\nhi"), "unreachable", 200),
    "a reset within a body up to the end": (reset(OK + b"\r\nhi"), "unreachable", 200),
}

BOMBS: dict[str, tuple[bytes | Script, str]] = {
    "gzip": (json(bomb(31), b"Content-Encoding: gzip"), "bad_response"),
    "deflate": (json(bomb(15), b"Content-Encoding: deflate"), "bad_response"),
    "br": (json(b"\xcf\xff\xff\x7f\xf8" * 1000, b"Content-Encoding: br"), "bad_response"),
    "gzip on the way": (
        endless(OK + b"Transfer-Encoding: gzip\r\n\r\n", bomb(31)),
        "bad_response",
    ),
    "gzip that is not declared": (json(bomb(31)), "bad_response"),
    "deep JSON": (json(b"[" * MIB), "bad_response"),
    "a number of a million digits": (json(b"9" * MIB), "bad_response"),
    **{
        name: BROKEN[name][:2]
        for name in (
            "a declared body of 1 GiB",
            "a body without end",
            "one-byte chunks without end",
            "a chunk extension without end",
            "headers without end",
            "1xx answers without end",
        )
    },
}
"""What would fill the memory, and the code that it ends with."""

# ---------------------------------------------------------------- whole answers, and what they mean

REDIRECT = b"Location: http://169.254.169.254/latest/meta-data/"

MEANT: dict[str, tuple[bytes, str, int, int]] = {
    # bodies: what is sent, the code, the status, how many attempts of two are made
    "not UTF-8": (json(b'"\xff\xfe"'), "bad_response", 200, 1),
    "text that is not UTF-8": (
        OK + b"Content-Type: text/plain\r\n\r\n\xff\xfe",
        "bad_response",
        200,
        1,
    ),
    "a text with NUL": (OK + b"Content-Type: text/plain\r\n\r\na\0b", "bad_response", 200, 1),
    "half a JSON": (json(b'{"a":'), "bad_response", 200, 1),
    "HTML declared as JSON": (json(b"<html></html>"), "bad_response", 200, 1),
    "bytes of no type": (OK + b"\r\n\x00\x01\x02", "bad_response", 200, 1),
    "two documents": (json(b"{}{}"), "bad_response", 200, 1),
    "a key twice": (json(b'{"a":1,"a":2}'), "bad_response", 200, 1),
    "NaN": (json(b'{"a":NaN}'), "bad_response", 200, 1),
    "Infinity": (json(b"-Infinity"), "bad_response", 200, 1),
    "1e400": (json(b"1e400"), "bad_response", 200, 1),
    "an integer over 64 bits": (json(b"9223372036854775808"), "bad_response", 200, 1),
    "65 levels": (json(b"[" * 65 + b"]" * 65), "bad_response", 200, 1),
    "a NUL in a text": (json(b'"a\\u0000b"'), "bad_response", 200, 1),
    "a NUL in a key": (json(b'{"a\\u0000":1}'), "bad_response", 200, 1),
    "a lone surrogate": (json(b'"\\ud800"'), "bad_response", 200, 1),
    "a byte order mark": (json(b"\xef\xbb\xbf{}"), "bad_response", 200, 1),
    # outcomes that are not the worker's to choose
    "an outcome of the engine's": (json(b'{"event":"timeout"}'), "bad_response", 200, 1),
    "an outcome that is no name": (json(b'{"event":"a b"}'), "bad_response", 200, 1),
    "a header that is no name": (json(b"{}", b"Goflow-Event: \xff"), "bad_response", 200, 1),
    # statuses
    "300": (refusal(b"300 Many"), "bad_response", 300, 1),
    "a redirect to metadata": (refusal(b"302 Found", REDIRECT), "bad_response", 302, 1),
    "304": (refusal(b"304 Not Modified"), "bad_response", 304, 1),
    "307 without a place": (refusal(b"307 Go"), "bad_response", 307, 1),
    "400": (refusal(b"400 No"), "refused", 400, 1),
    "408": (refusal(b"408 Slow"), "refused", 408, 2),
    "410": (refusal(b"410 Gone"), "refused", 410, 1),
    "425": (refusal(b"425 Early"), "refused", 425, 2),
    "429": (refusal(b"429 Much"), "refused", 429, 2),
    "500": (refusal(b"500 Oh"), "server_error", 500, 2),
    "503 with a problem that is none": (
        json(b'{"code": 7', status=b"503 Down"),
        "server_error",
        503,
        2,
    ),
    "a 400 with a code of its own": (
        json(b'{"code":"no_stock","detail":"sold out"}', status=b"400 No"),
        "no_stock",
        400,
        1,
    ),
    "a 400 with a code that is none": (
        json(b'{"code":["x"],"detail":null}', status=b"400 No"),
        "refused",
        400,
        1,
    ),
    "a 400 with a code of 10,000": (
        json(b'{"code":"%s"}' % (b"x" * 10_000), status=b"400 No"),
        "refused",
        400,
        1,
    ),
    "an error that is chosen": (
        json(b'{"event":"error","output":{"code":"broke","message":"it did"}}'),
        "broke",
        200,
        1,
    ),
    "a status nobody knows": (refusal(b"799 Eh"), "server_error", 799, 2),
}

SOUND: dict[str, tuple[bytes, object]] = {
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", None),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", None),
    "JSON of no type": (OK + b"\r\n[1]", [1]),
    "JSON of another type": (OK + b"Content-Type: image/png\r\n\r\n[1]", [1]),
    "HTML": (OK + b"Content-Type: text/html\r\n\r\n<p>hi", "<p>hi"),
    "64 levels": (json(b"[" * 64 + b"]" * 64), None),
    "10,000 keys": (
        json(b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(10_000)) + b"}"),
        {f"k{n}": n for n in range(10_000)},
    ),
    "the largest integer": (json(b"9223372036854775807"), 9223372036854775807),
    "a number of no size": (json(b"1e-400"), 0.0),
    "an emoji in surrogates": (json(b'"\\ud83d\\ude00"'), "\N{GRINNING FACE}"),
    "what looks like code": (json(b'"${secret:KEY} $.input {{7*7}}"'), None),
    "1xx answers first": (b"HTTP/1.1 103 Hints\r\n\r\n" * 3 + json(b"7"), 7),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n7", 7),
    "one-byte chunks": (CHUNKED + b"1\r\n7\r\n" * 9 + b"0\r\n\r\n", 777777777),
    "a second answer at once": (json(b"7") + json(b"8"), 7),
}
"""What is sent, and the output; None: not compared."""

RETRY_AFTERS: dict[bytes, float | None] = {
    b"0": None,
    b"1": None,
    b"-1": None,
    b"120": 120.0,
    b"3600": 3600.0,
    b"3601": 3600.0,
    b"999999999": 3600.0,
    b"9" * 400: 3600.0,
    b"1e9": None,
    b"1.5": None,
    b"\xb2": None,
    b"soon": None,
    b"": None,
    b"Wed, 21 Oct 2015 07:28:00 GMT": None,
    b"Fri, 31 Dec 9999 23:59:59 GMT": 3600.0,
    b"Fri, 99 Zzz 99999 99:99:99 +9999": None,
    b"1, 2": None,
}
"""What ``Retry-After`` says, and the pause in seconds; None: the worker's own of 10 s."""
