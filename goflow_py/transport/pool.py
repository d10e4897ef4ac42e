"""Connections that are kept between calls.

``IDLE_SECONDS_MAX`` is shorter than the keep-alive of the usual servers (5 s and more): we close
first, and so it is rare that a worker closes a connection just as it is used again.
"""

import asyncio
from ssl import SSLContext

from goflow_py.ports import Unreachable
from goflow_py.transport.addresses import AddressPolicy
from goflow_py.transport.connection import Connection
from goflow_py.transport.dialling import Dialler
from goflow_py.transport.urls import Origin, Target

CONNECTIONS_MAX = 1_000
IDLE_SECONDS_MAX = 4.0
SWEEP_SECONDS = 1.0


class Pool:
    """Lends connections, kept ones or new ones; when too many are lent, the others wait in line."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        response_bytes_max: int,
        connections_max: int,
        tls: SSLContext | None = None,
    ) -> None:
        self._dialler = Dialler(policy, tls)
        self._response_bytes_max = response_bytes_max
        self._connections_max = connections_max
        self._seats = asyncio.Semaphore(connections_max)
        self._idle: dict[Origin, list[Connection]] = {}
        """The last one used is last, and is used first: the others may grow old."""
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def lend(self, target: Target, project: str, deadline: float) -> Connection | Unreachable:
        """Return a connection for one exchange, or why there is none: nothing was sent then.

        Raises ``TimeoutError``.
        """
        if self._seats.locked():
            async with asyncio.timeout_at(deadline):
                await self._seats.acquire()
        else:
            await self._seats.acquire()
        lent: Connection | Unreachable | None = None
        try:
            if self._closed:
                return Unreachable(code="unreachable", message="the transport is closed")
            lent = self._kept(target.origin) or await self._new(target, project, deadline)
            return lent
        finally:
            if not isinstance(lent, Connection):
                self._seats.release()

    def close(self) -> None:
        """Close every connection, used ones too."""
        self._closed = True
        for connection in list(self._open):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._dialler.close()

    # ---------------------------------------------------------------- told by connections

    def meet(self, connection: Connection) -> None:
        """Know a connection from when it is open."""
        self._open.add(connection)
        if self._closed:
            connection.abort()

    def take_back(self, connection: Connection, *, reusable: bool) -> None:
        """Keep a connection whose call is over, if it can be used again."""
        self._seats.release()
        if not reusable:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(connection.origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep)

    def forget(self, connection: Connection) -> None:
        """Know a connection no more; among the idle ones it is met as one that has ended."""
        self._open.discard(connection)

    # ----------------------------------------------------------------

    def _kept(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        if not idle:
            return None
        since = asyncio.get_running_loop().time() - IDLE_SECONDS_MAX
        while idle:
            connection = idle.pop()
            if connection.idle_since > since and connection.is_usable():
                return connection
            connection.abort()
        return None

    async def _new(self, target: Target, project: str, deadline: float) -> Connection | Unreachable:
        if len(self._open) >= self._connections_max:
            self._close_the_oldest()
        loop = asyncio.get_running_loop()
        made: list[Connection] = []

        def make() -> Connection:
            size = self._response_bytes_max
            made.append(Connection(self, target.origin, body_bytes_max=size, loop=loop))
            return made[-1]

        found: Connection | Unreachable | None = None
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._dialler.dial(target, project, make)
            return found
        finally:
            if not isinstance(found, Connection):
                # uvloop closes the socket of a dial that is given up, and tells nobody.
                for connection in made:
                    self.forget(connection)

    def _close_the_oldest(self) -> None:
        """Make room: of all that is open, what is not lent is idle."""
        kept = [idle[0] for idle in self._idle.values() if idle]
        if kept:
            oldest = min(kept, key=lambda one: one.idle_since)
            self._idle[oldest.origin].remove(oldest)
            oldest.close()

    def _sweep(self) -> None:
        """Close what has been idle for long; come again while something is."""
        loop = asyncio.get_running_loop()
        since = loop.time() - IDLE_SECONDS_MAX
        for origin, idle in list(self._idle.items()):
            kept = [one for one in idle if one.idle_since > since]
            for old in idle[: len(idle) - len(kept)]:
                old.close()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep) if self._idle else None
