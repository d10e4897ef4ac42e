"""The same calls by way of httpx, for users who stub workers with what they know from it.

``respx.mock(using="httpx")`` patches ``AsyncClient._transport_for_url``, so there is a client to
be asked; and a user may bring an ``httpx.AsyncBaseTransport``. The other way round, our own
connections are one (``WireTransport``), with errors told apart exactly:

- ``httpx.ConnectError``, ``ConnectTimeout``, ``ForbiddenTarget``: no connection, nothing sent.
- ``httpx.RemoteProtocolError``: it broke; the worker may have acted.
- ``Garbled``, ``TooMuch``: what came is no answer, or too much.
"""

import asyncio
import functools
from collections.abc import Iterable

import httpx

from goflow_py.ports import Answered, Reply, Request, Unreachable
from goflow_py.transport.answers import bad, defect, late, over_limit, too_long
from goflow_py.transport.heads import BODY_METHODS, OWN_HEADERS, head_of
from goflow_py.transport.pool import Pool
from goflow_py.transport.urls import URLS_REMEMBERED_MAX, Target, read_url

PROJECT = "goflow_project"
"""The extension of a request that says whose it is."""
EXCHANGE_SECONDS_MAX = 3600.0
"""Of an exchange whose deadline is kept by somebody else."""


class ForbiddenTarget(httpx.ConnectError):
    """The policy refuses every address that the host has."""


class Garbled(httpx.RemoteProtocolError):
    """What came is not an HTTP answer."""


class TooMuch(httpx.RemoteProtocolError):
    """More came than anybody may send."""


class WireTransport(httpx.AsyncBaseTransport):
    """Our connections as an httpx transport: no cookies, redirects, proxies or inflating."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its whole answer, or raise an ``httpx`` error."""
        target = read_url(str(request.url))
        if isinstance(target, str):
            raise ForbiddenTarget(target)
        project = request.extensions.get(PROJECT, "")
        call = Request(
            method=request.method,
            url=str(request.url),
            headers={
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in request.headers.raw
            },
            body=await request.aread(),
            timeout_seconds=EXCHANGE_SECONDS_MAX,
            project=project,
        )
        deadline = asyncio.get_running_loop().time() + EXCHANGE_SECONDS_MAX
        try:
            head = head_of(call, target)
        except ValueError as error:
            raise httpx.LocalProtocolError(f"the call cannot be sent: {error}") from error
        lent = await self._pool.lend(target, project, deadline)
        if isinstance(lent, Unreachable):
            raise _not_sent(lent)
        reply = await lent.exchange(
            head, call.body, deadline=deadline, seconds=EXCHANGE_SECONDS_MAX
        )
        if isinstance(reply, Unreachable):
            raise _broken(reply)
        return httpx.Response(
            reply.status, headers=dict(reply.headers), content=reply.body, request=request
        )


class Stubs:
    """An httpx client that is asked, before each call, who carries it."""

    def __init__(
        self, pool: Pool, given: httpx.AsyncBaseTransport | None, *, response_bytes_max: int
    ) -> None:
        self._response_bytes_max = response_bytes_max
        self._own = WireTransport(pool) if given is None else None
        self._client = httpx.AsyncClient(transport=given or self._own, trust_env=False)

    def instead(self, target: Target) -> httpx.AsyncBaseTransport | None:
        """Return what carries a call in our place: a stub, or the user's transport."""
        found = self._client._transport_for_url(_url(target))  # the place where respx steps in
        return None if found is self._own else found

    async def send(
        self, carrier: httpx.AsyncBaseTransport, request: Request, target: Target
    ) -> Reply:
        """Make one call by *carrier*."""
        if self._client.is_closed:
            return Unreachable(code="unreachable", message="the transport is closed")
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(request.timeout_seconds):
                response = await carrier.handle_async_request(_outgoing(request, target))
                return await self._read(response)
        except TimeoutError:
            return late(request.timeout_seconds, _status(response))
        except UnicodeEncodeError:
            message = "the call cannot be sent: its headers are not ASCII"
            return Unreachable(code="unreachable", message=message)
        except httpx.HTTPError as error:
            return _failure(error, _status(response))
        finally:
            if response is not None:
                await _stream(response).aclose()

    async def close(self) -> None:
        """Close the user's transport."""
        await self._client.aclose()

    async def _read(self, response: httpx.Response) -> Reply:
        """Read the body, unless what precedes it says that nobody wants it."""
        status, headers = response.status_code, _incoming(response.headers.raw)
        wrong = defect(status, headers) or over_limit(status, headers)
        if wrong is not None:
            return wrong
        body = bytearray()
        async for piece in _stream(response):
            body += piece
            if len(body) > self._response_bytes_max:
                return too_long(status, self._response_bytes_max)
        return Answered(status=status, headers=headers, body=bytes(body))


@functools.lru_cache(maxsize=URLS_REMEMBERED_MAX)
def _url(target: Target) -> httpx.URL:
    return httpx.URL(str(target))


def _outgoing(request: Request, target: Target) -> httpx.Request:
    headers = [("Host", target.netloc), ("Accept-Encoding", "identity")]
    if request.body or request.method in BODY_METHODS:
        headers.append(("Content-Length", str(len(request.body))))
    headers += [item for item in request.headers.items() if item[0].lower() not in OWN_HEADERS]
    return httpx.Request(
        request.method,
        _url(target),
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


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream), "the transport is not asynchronous"
    return response.stream


def _status(response: httpx.Response | None) -> int | None:
    return None if response is None else response.status_code


# ---------------------------------------------------------------- errors, both ways


def _failure(error: httpx.HTTPError, status: int | None) -> Unreachable:
    match error:
        case ForbiddenTarget() | httpx.UnsupportedProtocol():
            code = "forbidden_target"
        case TooMuch():
            code = "too_large"
        case Garbled() | httpx.DecodingError():
            code = "bad_response"
        case httpx.TimeoutException():
            code = "timeout"
        case _:
            code = "unreachable"
    return bad(status, code, str(error) or f"the call failed ({type(error).__name__})")


def _not_sent(reason: Unreachable) -> httpx.TransportError:
    match reason.code:
        case "forbidden_target":
            return ForbiddenTarget(reason.message)
        case "timeout":
            return httpx.ConnectTimeout(reason.message)
        case _:
            return httpx.ConnectError(reason.message)


def _broken(reason: Unreachable) -> httpx.TransportError:
    match reason.code:
        case "too_large":
            return TooMuch(reason.message)
        case "bad_response":
            return Garbled(reason.message)
        case "timeout":
            return httpx.ReadTimeout(reason.message)
        case _:
            return httpx.RemoteProtocolError(reason.message)
