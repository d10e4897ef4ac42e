"""The connections below our httpx client: an ``httpx.AsyncBaseTransport`` over aiohttp.

httpx's own pool does work for every connection on every call (2 ms of CPU at 64 in flight);
aiohttp's costs a twentieth. The price is that its errors have to be told apart exactly, since the
caller must know which calls were surely not sent:

- ``httpx.ConnectError``, ``ConnectTimeout``, ``ForbiddenTarget``: no connection, nothing sent.
- ``httpx.RemoteProtocolError``, ``ReadError``, ``WriteError``: it broke; the worker may have acted.
- ``Garbled``, ``connection.TooMuch``: bytes came that are no answer, or too many.

**Nothing is ever sent twice.** aiohttp repeats idempotent methods by itself when a connection
breaks; here that is off. When a worker closes an idle connection just as it is used again, nobody
can tell whether it saw the call (RFC 9112, 9.3.1), so that is a ``RemoteProtocolError`` like any
other, and the retry is the dispatcher's, recorded. ``IDLE_SECONDS_MAX`` makes it rare: it is
shorter than the keep-alive of the usual servers (5 s and more), so we close first.
"""

import functools
import io
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from goflow_py.transport.addresses import Address, AddressPolicy
from goflow_py.transport.connection import HEADERS_BYTES_MAX, Connection
from goflow_py.transport.names import Crowded, Resolver, project_of_call

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 1_000
CONNECT_SECONDS_MAX = 5.0
"""Of one connection, TLS included, however long the call may take."""
IDLE_SECONDS_MAX = 4.0
DNS_SECONDS_MAX = 10
"""How long the addresses of a name are believed."""
HEADERS_MAX = 128
PROJECT = "goflow_project"
"""The extension of a request that says whose it is."""
WRITE_AT_ONCE_BYTES_MAX = 256 * 1024
FRAMING_MAX = 4
"""Bytes on the wire for one byte of body: chunks of four bytes have 2.25. Chunks of one byte have
6, and cost us a second for a whole body, so only two thirds of one may come that way."""


class ForbiddenTarget(httpx.ConnectError):
    """The policy refuses every address that the host has."""


class Garbled(httpx.RemoteProtocolError):
    """What came is not an HTTP answer."""


class WireTransport(httpx.AsyncBaseTransport):
    """One aiohttp session as an httpx transport: no cookies, redirects, proxies or inflating."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        response_bytes_max: int,
        connections_max: int,
        tls: SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._response_bytes_max = response_bytes_max
        self._connections_max = connections_max
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._resolver: Resolver | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its answer, body unread, or raise an ``httpx`` error."""
        session = self._session or self._open()
        dial = _Dial(host=request.url.raw_host.decode("ascii"))
        token = _dial.set(dial)
        project = project_of_call.set(request.extensions.get(PROJECT, ""))
        try:
            answer = await session.request(
                request.method,
                _url(str(request.url)),
                headers=[
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in request.headers.raw
                ],
                data=await _content(request) or None,
                allow_redirects=False,
            )
            return httpx.Response(
                answer.status, headers=answer.raw_headers, stream=_body(answer), request=request
            )
        except Exception as error:
            # All of them: whatever a worker makes aiohttp raise, it is the worker's failure.
            raise _translated(error, dial) from error
        finally:
            _dial.reset(token)
            project_of_call.reset(project)

    async def aclose(self) -> None:
        """Close every connection, used ones too."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _open(self) -> aiohttp.ClientSession:
        # On the first call and not before: aiohttp wants its loop running.
        self._resolver = Resolver(DNS_SECONDS_MAX)
        connector = aiohttp.TCPConnector(
            limit=self._connections_max,
            resolver=self._resolver,
            use_dns_cache=False,  # the resolver has its own
            keepalive_timeout=IDLE_SECONDS_MAX,
            socket_factory=functools.partial(_socket, self._policy),
            ssl=True if self._tls is None else self._tls,
        )
        wire_bytes_max = HEADERS_BYTES_MAX + FRAMING_MAX * self._response_bytes_max
        protocol: Any = functools.partial(Connection, wire_bytes_max, connector._loop)
        connector._factory = protocol
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX),
            max_line_size=HEADERS_BYTES_MAX,
            max_field_size=HEADERS_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        self._session._retry_connection = False
        return self._session


@functools.lru_cache(maxsize=4_096)
def _url(text: str) -> URL:
    """Return a URL as it stands; workers are few, and reading one takes 10 us."""
    return URL(text, encoded=True)


async def _content(request: httpx.Request) -> bytes | io.BytesIO:
    # The asynchronous way costs an iterator for bytes that are there already.
    plain = isinstance(request.stream, httpx.ByteStream)
    content = request.read() if plain else await request.aread()
    # A large one is written in parts, between which others have their turn.
    return io.BytesIO(content) if len(content) > WRITE_AT_ONCE_BYTES_MAX else content


def _body(answer: aiohttp.ClientResponse) -> httpx.AsyncByteStream:
    """Return the body; one that came together with its headers needs no waiting for."""
    if answer.content.is_eof():
        return httpx.ByteStream(answer.content.read_nowait())
    return _Body(answer)


# ---------------------------------------------------------------- dialling


@dataclass(slots=True)
class _Dial:
    """For whom an address is dialled, and how the policy found it."""

    host: str
    permitted: bool = False
    refused: str = ""


_dial: ContextVar[_Dial | None] = ContextVar("dial", default=None)
"""A connection is dialled in the context of the call that needs it, or in a copy of it."""


def _socket(policy: AddressPolicy, info: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one address: the only way to a connection, for names and literals."""
    family, kind, protocol, _, address = info
    dial = _dial.get() or _Dial(host="")
    refusal = policy.refusal(address[0], host=dial.host)
    if refusal is None and policy.is_own(address[0], address[1], is_here=_is_here):
        refusal = "this server itself"
    if refusal is not None:
        dial.refused = f"{address[0]} is {refusal}"
        raise PermissionError(dial.refused)
    dial.permitted = True
    return socket.socket(family=family, type=kind, proto=protocol)


def _is_here(address: Address) -> bool:
    """Tell whether an address is this machine's: nobody can bind another's. Nothing is sent.

    The operating system is asked each time, since a machine's addresses change while we run.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- receiving


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what is there, as soon as it is."""
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except Exception as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        """Give the connection back if the body is whole, close it otherwise."""
        self._answer.close()


# ---------------------------------------------------------------- errors

NO_HTTP = "what the worker sent is no HTTP answer"
TOO_MANY_LOOKUPS = "too many lookups of this project wait"
NO_ANSWER = "the worker closed the connection without an answer"

_BROKEN: tuple[tuple[type[Exception], type[httpx.TransportError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "no connection in time"),
    (aiohttp.InvalidURL, ForbiddenTarget, "the host is no canonical address"),
    (aiohttp.ClientResponseError, Garbled, NO_HTTP),
    (HttpProcessingError, Garbled, NO_HTTP),
    (
        aiohttp.ClientPayloadError,
        httpx.RemoteProtocolError,
        "the connection ended before the answer was whole",
    ),
    (
        aiohttp.ClientConnectionResetError,
        httpx.WriteError,
        "the connection closed while the call was sent",
    ),
    (OSError, httpx.ReadError, "the connection broke before the answer was whole"),
    (aiohttp.ClientConnectionError, httpx.RemoteProtocolError, NO_ANSWER),
    (aiohttp.EofStream, httpx.RemoteProtocolError, NO_ANSWER),
    (ValueError, httpx.LocalProtocolError, "the call cannot be sent: its headers are not HTTP"),
)
"""The first that matches counts: some are subclasses of others."""


def _translated(error: Exception, dial: _Dial | None = None) -> httpx.TransportError:
    """Return the httpx error that says the same as one of aiohttp's."""
    if isinstance(error, httpx.TransportError):
        return error
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error, dial)
    for kind, translation, message in _BROKEN:
        if isinstance(error, kind):
            return translation(message)
    log.warning("transport failed in an unknown way", exc_info=error)
    return httpx.NetworkError("the connection failed")


def _not_connected(error: aiohttp.ClientConnectorError, dial: _Dial | None) -> httpx.TransportError:
    if dial is not None and dial.refused and not dial.permitted:
        return ForbiddenTarget(f"{dial.refused}, which is no allowed target")
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=Crowded()):
            return httpx.ConnectError(TOO_MANY_LOOKUPS)
        case aiohttp.ClientConnectorDNSError():
            return httpx.ConnectError(f"the host has no address: {_reason(error.os_error)}")
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
            return httpx.ConnectError(f"the worker's certificate is refused: {reason}")
        case aiohttp.ClientConnectorSSLError():
            return httpx.ConnectError("the TLS handshake failed")
        case _:
            return httpx.ConnectError(f"no connection: {_reason(error.os_error)}")


def _reason(error: OSError) -> str:
    """Return what the operating system calls it; the libraries add addresses and tuples."""
    if error.errno is None:
        return "every address of the host failed"
    if isinstance(error, socket.gaierror):
        return (error.strerror or "the lookup failed").lower()
    return os.strerror(error.errno).lower()
