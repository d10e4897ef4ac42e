"""A small client of the HTTP API: one call at a time, errors as they are raised in the server.

It stands alone: of goflow it knows the errors. What the API answers comes back as plain JSON::

    async with Client("http://127.0.0.1:8080", key="gf_...") as client:
        execution = (await client.post("/v1/activities/shop/order/executions", {"input": {}})).body
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from goflow_py.errors import (
    Conflict,
    Forbidden,
    GoFlowError,
    Gone,
    Invalid,
    MalformedRequest,
    NotFound,
    PreconditionFailed,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""How long an answer may take, beside what a call asked the server to wait."""
PROBLEM_FIELDS = frozenset({"type", "title", "status", "detail", "code", "self", "retryAfter"})
"""What makes an error; all else that a problem holds are its facts."""

_ERRORS: dict[int, type[GoFlowError]] = {
    error.status: error
    for error in (
        MalformedRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        Gone,
        PreconditionFailed,
        TooLarge,
        UnsupportedMedia,
        Invalid,
        TooManyRequests,
    )
}


class ServerUnreachable(GoFlowError):
    """No whole answer came: whether the server has done it is not known."""

    code, status, title = "unreachable", 0, "Server not reachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer: its status, its headers (names in lower case), and its body, read."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """Talks to one server; ``async with`` closes its connections."""

    def __init__(
        self,
        server: str,
        *,
        key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raise ``MalformedRequest`` when *server* is no address or *key* can be no key."""
        self.server = server.rstrip("/")
        if not _is_address(self.server):
            raise MalformedRequest(
                f"'{server}' is no address of a server; write http://HOST:PORT", code="bad_server"
            )
        if key is not None and not (key.isascii() and key.isprintable()):
            raise MalformedRequest("the key has characters that no key has", code="bad_key")
        self._http = httpx.AsyncClient(
            base_url=self.server,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,  # a proxy of the machine's must not see the key
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, wait_seconds: float = 0.0
    ) -> Answer:
        """Read something; *wait_seconds* is what a long poll may take longer."""
        return await self.call("GET", path, query=query, wait_seconds=wait_seconds)

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Create or change something; a body of bytes goes out as it is."""
        return await self.call(
            "POST", path, body=body, query=query, headers=headers, wait_seconds=wait_seconds
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Make one call, once. Raises the server's error, or ``ServerUnreachable``.

        Query parameters that are None are left out.
        """
        content: dict[str, Any] = {}
        sent = dict(headers or {})
        if isinstance(body, bytes):
            content["content"] = body
            sent.setdefault("Content-Type", "application/json")
        elif body is not None:
            content["json"] = body
        try:
            response = await self._http.request(
                method,
                path,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers=sent,
                timeout=httpx.Timeout(ANSWER_SECONDS + wait_seconds, connect=CONNECT_SECONDS),
                **content,
            )
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        return self._read(response)

    def _unreachable(self, error: httpx.TransportError) -> ServerUnreachable:
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return ServerUnreachable(
                    f"no server answers at {self.server}; is it running? (goflow serve)"
                )
            case httpx.TimeoutException():
                return ServerUnreachable(f"{self.server} did not answer in time")
            case _:
                reason = str(error) or type(error).__name__
                return ServerUnreachable(f"the connection to {self.server} broke: {reason}")

    def _read(self, response: httpx.Response) -> Answer:
        status = response.status_code
        try:
            body = response.json() if response.content else None
        except ValueError:
            body = response.text
        if 200 <= status < 300 or status == 304:
            return Answer(status=status, headers=response.headers, body=body)
        if isinstance(body, dict) and "detail" in body:
            raise error_of(status, body)
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        raise GoFlowError(
            f"{self.server} answered {status} with {kind}: it seems to be no goflow server",
            code="no_goflow",
        )


def _is_address(server: str) -> bool:
    try:
        parts = httpx.URL(server)
        good_port = parts.port is None or 0 < parts.port < 65_536
    except (httpx.InvalidURL, ValueError):
        return False
    plain = not (parts.query or parts.fragment or parts.userinfo)
    return parts.scheme in ("http", "https") and bool(parts.host) and good_port and plain


def error_of(status: int, problem: Mapping[str, Any]) -> GoFlowError:
    """Return a problem of the API as the error that was raised in the server."""
    detail, code = str(problem["detail"]), str(problem.get("code", "error"))
    if status == Unavailable.status:
        after = problem.get("retryAfter")
        return Unavailable(detail, code=code, retry_after=after if isinstance(after, int) else 1)
    facts = {name: value for name, value in problem.items() if name not in PROBLEM_FIELDS}
    # An error with a signature of its own (findings, awaiting) would not take just any facts.
    return _ERRORS.get(status, GoFlowError)(detail, code=code, **facts)


def path(*parts: str) -> str:
    """Return a path below ``/v1``, with whatever a part holds in one segment.

    The verb of ``id:verb`` is a part of its own that begins with a colon.
    """
    made = "/v1"
    for part in parts:
        made += part if part.startswith(":") else f"/{quote(part, safe='')}"
    return made
