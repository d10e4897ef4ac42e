"""HTTP to workers: one call, one deadline, one answer, whatever the other side does.

The client is an ``httpx.AsyncClient``: ``respx.mock(using="httpx")`` intercepts it, and a user may
bring an ``httpx.AsyncBaseTransport`` of their own. Only what httpx would do beyond one exchange
is skipped (authentication, redirects, cookies, hooks), which is two thirds of its time.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import httpx

from goflow_py.ports import Answered, Reply, Request, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.connection import HEADERS_BYTES_MAX, TooMuch
from goflow_py.transport.wire import (
    CONNECTIONS_MAX,
    NO_HTTP,
    PROJECT,
    ForbiddenTarget,
    Garbled,
    WireTransport,
)

log = logging.getLogger(__name__)

RESPONSE_BYTES_MAX = 1024 * 1024
URL_LENGTH_MAX = 2_048
URLS_REMEMBERED_MAX = 1_024
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(\.{_LABEL})*\.?\Z")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Belong to the connection, not to the call: a caller's are left out."""


class HttpTransport:
    """Implements ``ports.Transport`` for ``http://`` and ``https://``.

    *transport* replaces the connections below; the address policy is then its own affair, since
    only who dials knows the address. *tls* replaces the system's trusted certificates.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        response_bytes_max: int = RESPONSE_BYTES_MAX,
        connections_max: int = CONNECTIONS_MAX,
        tls: SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._response_bytes_max = response_bytes_max
        self._client = _Client(
            transport=transport
            or WireTransport(
                policy,
                response_bytes_max=response_bytes_max,
                connections_max=connections_max,
                tls=tls,
            ),
            trust_env=False,
        )

    async def send(self, request: Request) -> Reply:
        """Make one call, once; end within its timeout plus 100 ms."""
        target = _target(request.url)
        if isinstance(target, str):
            return Unreachable(code="forbidden_target", message=target)
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(request.timeout_seconds):
                response = await self._client.send(_outgoing(request, target))
                return await self._read(response)
        except TimeoutError:
            code, message = "timeout", f"no whole answer within {request.timeout_seconds:g} s"
        except (httpx.HTTPError, UnicodeEncodeError) as error:
            code, message = _failure(error)
            if isinstance(error, ForbiddenTarget) and not _is_address(target.url.host):
                message = _untold(target.host, message)
        finally:
            if response is not None:
                await _stream(response).aclose()
        status = None if response is None else response.status_code
        return Unreachable(code=code, message=message, status=status)

    async def close(self) -> None:
        """Close all connections; calls that are still open end as ``unreachable``."""
        await self._client.aclose()

    async def _read(self, response: httpx.Response) -> Reply:
        """Read the body, unless the headers or its length say that nobody wants it."""
        status = response.status_code
        headers = _incoming(response.headers.raw)
        defect = _defect(status, headers)
        if defect is not None:
            return defect
        body = bytearray()
        async for piece in _stream(response):
            body += piece
            if len(body) > self._response_bytes_max:
                limit = f"the body is over {self._response_bytes_max} bytes"
                return _bad(status, "too_large", limit)
        return Answered(status=status, headers=headers, body=bytes(body))


class _Client(httpx.AsyncClient):
    """An ``AsyncClient`` whose ``send`` is one exchange, and nothing is read yet."""

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Hand the request to the transport of its URL: the place where respx steps in."""
        if self.is_closed:
            raise httpx.ConnectError("the transport is closed", request=request)
        return await self._transport_for_url(request.url).handle_async_request(request)


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream), "the transport is not asynchronous"
    return response.stream


def _defect(status: int, headers: dict[str, str]) -> Unreachable | None:
    """Return what is wrong with an answer, going by what came before its body.

    The parser below is lenient: a name with a space (``Content-Length : 2``) is no longer the
    header that it looks like, and an unknown coding leaves the body as it is.
    """
    if status < 100 or not all(map(_TOKEN.fullmatch, headers)):
        return Unreachable(code="bad_response", message=NO_HTTP)
    if status == 101:
        return _bad(status, "bad_response", "the worker switched protocols without being asked")
    if sum(len(name) + len(value) + 4 for name, value in headers.items()) > HEADERS_BYTES_MAX:
        return _bad(status, "too_large", "the worker sent headers over the limit")
    codings = (
        headers.get("content-encoding", "identity").strip().lower() or "identity",
        headers.get("transfer-encoding", "chunked").strip().lower(),
    )
    if codings != ("identity", "chunked"):
        return _bad(status, "bad_response", "the answer is compressed, which was not asked for")
    return None


def _bad(status: int, code: str, message: str) -> Unreachable:
    return Unreachable(code=code, message=message, status=status)


def _failure(error: Exception) -> tuple[str, str]:
    """Return the code and the message for what went wrong."""
    match error:
        case ForbiddenTarget() | httpx.UnsupportedProtocol():
            code = "forbidden_target"
        case TooMuch():
            code = "too_large"
        case Garbled() | httpx.DecodingError():
            code = "bad_response"
        case httpx.TimeoutException():
            code = "timeout"
        case UnicodeEncodeError():
            return "unreachable", "the call cannot be sent: its headers are not ASCII"
        case _:
            code = "unreachable"
    return code, str(error) or f"the call failed ({type(error).__name__})"


def _untold(host: str, message: str) -> str:
    """Return what may be said of a name: where inner names lead is no concern of a tenant's."""
    log.warning("a call was refused", extra={"host": host, "reason": message})
    return "the name leads to an address which is no allowed target; the server's log has it"


# ---------------------------------------------------------------- the two ends of an exchange


def _outgoing(request: Request, target: "_Target") -> httpx.Request:
    headers = [("Host", target.host), ("Accept-Encoding", "identity")]
    if request.body or request.method in BODY_METHODS:
        headers.append(("Content-Length", str(len(request.body))))
    headers += [item for item in request.headers.items() if item[0].lower() not in OWN_HEADERS]
    return httpx.Request(
        request.method,
        target.url,
        headers=headers,
        stream=httpx.ByteStream(request.body),
        extensions={PROJECT: request.project},
    )


def _incoming(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers with names in lower case; what comes twice is one value, with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


# ---------------------------------------------------------------- URLs


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that may be called, if its address may be dialled."""

    url: httpx.URL
    host: str
    """As in the ``Host`` header."""


@functools.lru_cache(maxsize=URLS_REMEMBERED_MAX)
def _target(text: str) -> _Target | str:
    """Read a URL strictly; return what is wrong with it otherwise.

    Strictly, because two parsers that disagree about ``\\``, ``@`` or ``127.1`` are a way around
    every check that comes later.
    """
    if len(text) > URL_LENGTH_MAX:
        return f"the URL is longer than {URL_LENGTH_MAX} characters"
    if "\\" in text or any(character.isspace() or character < "!" for character in text):
        return "the URL has a space, a control character or a backslash"
    try:
        url = httpx.URL(text)
        # Not `host`, which raises for what only looks like an international name.
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return "the URL cannot be read"
    if url.scheme not in ("http", "https"):
        return "the URL is neither http nor https"
    if "#" in text:
        return "the URL has a fragment"
    if "@" in text.partition("://")[2].partition("/")[0].partition("?")[0]:
        return "the URL has a user name"
    if not host or not 0 < (url.port or 80) < 65536 or url.port == 0:
        return "the URL has no host, or an impossible port"
    if not _is_plain(host):
        return "the host of the URL is neither a name nor a canonical address"
    return _Target(url=url, host=url.netloc.decode("ascii"))


def _is_plain(host: str) -> bool:
    """Tell names and canonical addresses from ``127.1``, ``0x7f.1``, ``2130706433`` and the like.

    A host is meant as an address when its last part is a number (the rule of browsers): no
    top-level domain is.
    """
    last = host.rstrip(".").rpartition(".")[2]
    if ":" not in host and not last.isdecimal() and not last.startswith("0x"):
        return _NAME.match(host) is not None
    return "%" not in host and _is_address(host)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
