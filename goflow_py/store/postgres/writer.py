"""The one session that commits: it holds its place in the database, and settles what got lost.

A connection that breaks inside a commit leaves nobody knowing whether it was committed. The port
promises that ``Unavailable`` means no. So the answer is looked for, on a new connection, until it
is found: a record of the batch is there, then all of it is; or it is not, then the batch is sent
again, and the primary key of the history keeps it from being there twice.
"""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg

from goflow_py.clock import Clock
from goflow_py.errors import StartRefused, Unavailable
from goflow_py.store import rules
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.changes import Proof
from goflow_py.store.postgres.connections import pauses, uncancelled
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.safety import refuse_unsafe
from goflow_py.store.postgres.schema import LOCK_CLASS

log = logging.getLogger(__name__)

T = TypeVar("T")

LANES = 16
"""Rows of a counter that commits of several nodes change; lane 0 is of everything else."""
COMMIT_SECONDS = 20.0
"""After which the connection of a commit is given up, and its outcome looked for on another."""
SETTLE_SECONDS = 60.0
"""After which nobody looks for a lost outcome any more: only a new process may write again."""
LOCK_SECONDS = 10.0
"""How long the session of a server that died may hold the database."""
AGAIN_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Between two tries; the last one stays."""
AGAIN_MAX = 10
"""How often a commit is tried that met another one."""
WAITING_MAX = 1_000


class Writer:
    """Runs one job after the other. *on_fatal* is called once, when no outcome can be known."""

    def __init__(
        self,
        url: str,
        node: str,
        *,
        is_alone: bool,
        ttl_ms: int,
        clock: Clock,
        on_fatal: Callable[[], object],
    ) -> None:
        self.node = node
        self._ttl_ms = ttl_ms
        self.lane = zlib.crc32(node.encode()) % LANES + 1
        self.failed = False
        self._url = url
        self._is_alone = is_alone
        self._clock = clock
        self._on_fatal = on_fatal
        self._order = asyncio.Lock()
        self._waiting = 0
        self._session: asyncpg.Connection | None = None
        self._old: int | None = None
        """The server's number of the session before."""
        self._closed = False
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> asyncpg.Connection:
        """Open the first session. Raises ``StartRefused``, and what the driver raises."""
        session = await address.connect(
            self._url, role="writer", node=self.node, ttl_ms=self._ttl_ms
        )
        try:
            await refuse_unsafe(session, address.shown(self._url))
        except BaseException:
            session.terminate()
            raise
        self._session = session
        if self._old is None:
            self._old = session.get_server_pid()
        return session

    async def hold(self, session: asyncpg.Connection) -> bool:
        """Take the database, alone or as one of many; False: another one has it, alone or at all.

        Nodes are many by their leases: that they share a lock tells who starts that none is there.
        """
        lock = SQL["lock_server" if self._is_alone else "share_server"].text
        until, again = self._clock.monotonic() + LOCK_SECONDS, pauses(AGAIN_SECONDS)
        while not await session.fetchval(lock, LOCK_CLASS):
            if self._clock.monotonic() > until:
                return False
            await self._clock.sleep(next(again))
        return True

    def keep(self) -> None:
        """Open a session that was cut again, with nothing to commit: it says who is there."""
        is_idle = not self._order.locked() and (self._keeping is None or self._keeping.done())
        if is_idle and self._session is not None and self._session.is_closed():
            self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        with contextlib.suppress(Unavailable, *failures.ERRORS):
            async with self.turn():
                await self._ready()

    async def close(self) -> None:
        """End the session."""
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            try:
                await session.close(timeout=address.CONNECT_SECONDS)
            except failures.ERRORS:
                session.terminate()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Let one job at a time in."""
        if self._closed:
            raise rules.closed()
        if self.failed:
            raise failures.unknown()
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many writes are waiting", code="store_busy")
        self._waiting += 1
        try:
            async with self._order:
                yield
        finally:
            self._waiting -= 1

    async def read(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run a job that changes nothing, or all of it in one transaction; in a ``turn``."""
        session = await self._ready()
        return await uncancelled(session, job, seconds=COMMIT_SECONDS)

    async def transact(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run *job* in a transaction between two commits."""

        async def whole(session: asyncpg.Connection) -> T:
            async with session.transaction():
                return await job(session)

        async with self.turn():
            try:
                return await self.read(whole)
            except failures.ERRORS as error:
                raise failures.unavailable(error) or error from error

    async def settle(
        self,
        attempt: Callable[[asyncpg.Connection], Awaitable[T]],
        proof: Callable[[], Proof | None],
        known: Callable[[], T],
    ) -> T:
        """Run *attempt*, which commits once or not at all, until its outcome is known; in a turn.

        With the *proof* of it stored, the outcome is *known*. Raises ``Unavailable`` and what the
        driver raises when nothing was written, and, after a call of *on_fatal*, when that cannot
        be said.
        """
        is_doubtful, met, until = False, 0, self._clock.monotonic() + SETTLE_SECONDS
        again = pauses(AGAIN_SECONDS)
        while True:
            try:
                session = await self._ready()
                if is_doubtful and await self._is_stored(session, proof()):
                    return known()
                done = await self._try(session, attempt)
                # What got lost may have come through behind the look at what is stored.
                if done is False and is_doubtful and await self._is_stored(session, proof()):
                    return known()
                return done
            except (*failures.ERRORS, Unavailable) as error:
                is_met, met = isinstance(error, failures.AGAIN), met + 1
                is_lost = isinstance(error, Lost)
                if self.failed or not (is_doubtful or is_lost or (is_met and met < AGAIN_MAX)):
                    raise
                if is_lost:
                    log.warning("the answer of a commit got lost", extra={"reason": str(error)})
                is_doubtful = is_doubtful or is_lost
                if isinstance(error, Unconfirmed):
                    # It is known where it stands: that may last as long as the standby is away.
                    until = self._clock.monotonic() + SETTLE_SECONDS
                if is_doubtful and self._clock.monotonic() > until:
                    self._fail()
                    raise failures.unknown() from error
            await self._clock.sleep(next(again))

    async def _try(
        self, session: asyncpg.Connection, attempt: Callable[[asyncpg.Connection], Awaitable[T]]
    ) -> T:
        try:
            return await uncancelled(session, attempt, seconds=COMMIT_SECONDS)
        except failures.ERRORS as error:
            if failures.is_lost(error):
                raise Lost(str(error) or type(error).__name__) from error
            raise

    async def _is_stored(self, session: asyncpg.Connection, proof: Proof | None) -> bool:
        if proof is None:
            return False
        values = (proof.execution, proof.seq, proof.epoch, proof.hash)

        async def ask(session: asyncpg.Connection) -> bool:
            if not await session.fetchval(SQL["is_recorded"].text, *values):
                return False
            # It can be seen; once something later is on disk, and on the standby, it is, too.
            await session.execute(SQL["ping"].text)
            return True

        return await uncancelled(session, ask, seconds=COMMIT_SECONDS)

    async def _ready(self) -> asyncpg.Connection:
        """Return the session, a new one if it has to be. Raises ``Unavailable``."""
        if self._session is not None and not self._session.is_closed():
            return self._session
        if self._closed:
            raise rules.closed()
        try:
            session = await self.open()
            await self._end_old(session)
            is_held = await self.hold(session)
        except StartRefused as refusal:
            self._drop()
            raise Unavailable(f"the store is unavailable, {refusal}", code="store_unsafe") from None
        except failures.ERRORS as error:
            self._drop()
            raise failures.unavailable(error) or error from error
        except Unavailable:
            self._drop()
            raise
        if not is_held:
            self._drop()
            self._fail()
            raise failures.taken_over()
        return session

    async def _end_old(self, session: asyncpg.Connection) -> None:
        """End the session before, whatever it still does; the server may not know that it is cut.

        What it commits, it has committed when this returns. Raises ``Unconfirmed``, and
        ``Unavailable`` when it does not end: what it does may count yet.
        """
        if self._old is not None:
            which = (self._old, address.application("writer", self.node))
            if await session.fetchval(SQL["waits_for_standby"].text, *which):
                raise Unconfirmed
            if await session.fetchval(SQL["end_session"].text, *which) is False:
                reason = "the store is unavailable, the session before it does not end"
                raise Unavailable(reason, code="store_busy")
        self._old = session.get_server_pid()

    def _drop(self) -> None:
        if self._session is not None:
            self._session.terminate()
            self._session = None

    def _fail(self) -> None:
        if not self.failed:
            self.failed = True
            self._on_fatal()


class Unconfirmed(Unavailable):
    """A commit of this node waits for the standby: it is neither to be seen nor to be ended."""

    def __init__(self) -> None:
        super().__init__(
            "the store is unavailable, the database waits for its standby: check that it runs",
            code="store_unconfirmed",
        )


class Lost(OSError):
    """A statement was sent, and its answer did not come."""
