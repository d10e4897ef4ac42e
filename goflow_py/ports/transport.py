"""The port to workers: one call, one reply, never an exception for a bad worker."""

from collections.abc import Mapping
from typing import Protocol

from goflow_py.domain.values import value


@value
class Request:
    """One call to a worker, complete: what goes over the wire."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float
    """Of the whole call: DNS, connect, send, headers, body."""
    project: str = ""
    """Whose call it is: it shares the lookups of names with the others of its project."""


@value
class Answered:
    """The worker answered, with any status; the body is whole and within its limit."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@value
class Unreachable:
    """There is no whole answer."""

    code: str
    """``timeout``, ``unreachable``, ``too_large``, ``bad_response`` or ``forbidden_target``."""
    message: str
    status: int | None = None
    """When headers had come before it broke."""


Reply = Answered | Unreachable


class Transport(Protocol):
    """Carries calls to workers. Never raises for a bad worker; cancellation passes through."""

    async def send(self, request: Request) -> Reply:
        """Make one call, once: no retry, no redirect; end within its timeout plus 100 ms."""

    async def close(self) -> None:
        """Close all connections."""
