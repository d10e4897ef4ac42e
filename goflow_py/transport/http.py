"""HTTP to workers: one call, one deadline, one answer, whatever the other side does.

A call goes over connections of our own. httpx is what users stub workers with, so it has its say
when it is there: ``respx.mock(using="httpx")`` intercepts calls, and a user may bring an
``httpx.AsyncBaseTransport`` of their own (``wire``). Where nobody has imported it, nor do we.
"""

import asyncio
import logging
import sys
from ssl import SSLContext
from typing import TYPE_CHECKING

from goflow_py.ports import Reply, Request, Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.answers import RESPONSE_BYTES_MAX, late
from goflow_py.transport.heads import head_of
from goflow_py.transport.pool import CONNECTIONS_MAX, Pool
from goflow_py.transport.urls import Target, read_url

if TYPE_CHECKING:
    import httpx

    from goflow_py.transport.wire import Stubs

log = logging.getLogger(__name__)


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
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        self._response_bytes_max = response_bytes_max
        self._given = transport
        self._pool = Pool(
            policy,
            response_bytes_max=response_bytes_max,
            connections_max=connections_max,
            tls=tls,
        )
        self._stubs: Stubs | None = None

    async def send(self, request: Request) -> Reply:
        """Make one call, once; end within its timeout plus 100 ms."""
        target = read_url(request.url)
        if isinstance(target, str):
            return Unreachable(code="forbidden_target", message=target)
        if "httpx" in sys.modules:
            stubs = self._stubs or self._make_stubs()
            instead = stubs.instead(target)
            if instead is not None:
                return _told(await stubs.send(instead, request, target), target)
        try:
            head = head_of(request, target)
        except ValueError as error:
            return Unreachable(code="unreachable", message=f"the call cannot be sent: {error}")
        seconds = request.timeout_seconds
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            lent = await self._pool.lend(target, request.project, deadline)
        except TimeoutError:
            return late(seconds, None)
        if isinstance(lent, Unreachable):
            return _told(lent, target)
        return await lent.exchange(head, request.body, deadline=deadline, seconds=seconds)

    async def close(self) -> None:
        """Close all connections; calls that are still open end as ``unreachable``."""
        self._pool.close()
        if self._stubs is not None:
            await self._stubs.close()

    def _make_stubs(self) -> "Stubs":
        from goflow_py.transport.wire import Stubs

        self._stubs = Stubs(self._pool, self._given, response_bytes_max=self._response_bytes_max)
        return self._stubs


def _told(reply: Reply, target: Target) -> Reply:
    """Return what may be said of a name: where inner names lead is no concern of a tenant's."""
    if not isinstance(reply, Unreachable) or reply.code != "forbidden_target":
        return reply
    if target.is_address:
        return reply
    log.warning("a call was refused", extra={"host": target.netloc, "reason": reply.message})
    message = "the name leads to an address which is no allowed target; the server's log has it"
    return Unreachable(code=reply.code, message=message)
