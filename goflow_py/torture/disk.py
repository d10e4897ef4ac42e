"""The disk of the simulation: a real SQLite database with the store's real transactions.

What is simulated is when they happen, and what befalls them: a full disk, a failed sync, a crash
before a commit, in it, and between the commit and its answer.
"""

import asyncio
import random  # noqa: TID251  # chance that can be repeated, from a seed
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from goflow_py.errors import Unavailable
from goflow_py.ports import NodeRow, Verdict, Write
from goflow_py.store import rules
from goflow_py.store.sqlite import failures, jobs
from goflow_py.store.sqlite.commit import commit
from goflow_py.store.sqlite.queries import SQL
from goflow_py.store.sqlite.readers import Readers
from goflow_py.store.sqlite.store import SqliteStore
from goflow_py.torture.loop import Host

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

NOWHERE = Path("/nowhere/simulated.db")
COMMIT_SECONDS = 0.03
READ_SECONDS = 0.001
SLOW_SECONDS = 1.5
CRASHES = ("before", "during", "after")
"""Where in a commit a process can end."""

FULL = sqlite3.SQLITE_FULL
BUSY = sqlite3.SQLITE_BUSY
SYNC = sqlite3.SQLITE_IOERR_FSYNC

_NEW = """
SELECT h.n, h.execution, h.seq, h.epoch, iif(s.owner IS NULL, NULL, s.epoch)
FROM history AS h JOIN executions AS e ON e.id = h.execution JOIN shards AS s ON s.shard = e.shard
WHERE h.n > ? ORDER BY h.n
"""


class Disk:
    """What outlives every process."""

    def __init__(
        self,
        *,
        crash: Callable[[Host], None],
        roll: Callable[[str], bool],
        coin: Callable[[], float],
        pause: Callable[[Host], None] = lambda _: None,
    ) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self._crash = crash
        self._pause = pause
        self._roll = roll
        self._coin = coin
        self.crash_next: str | None = None
        """Where in the next commit its process ends: one of ``CRASHES``."""
        self.crash_at: tuple[int, str] | None = None
        """The same for the commit with a number."""
        self.pause_next = False
        """The next commit comes late: its process sleeps meanwhile, until its lease is over."""
        self.full = False
        self.commits = 0
        self.strangers: list[tuple[str, int, str]] = []
        """What was written by who did not own its shard: execution, sequence number, and why."""
        self._seen = 0
        """The newest record that was looked at."""

    def transact(self, host: Host, job: Job[T]) -> T | None:
        """Run *job* in a transaction; None: its process crashed, which nobody sees the answer of.

        Raises what the writer of the real store would raise.
        """
        self.commits += 1
        if self.crash_at is not None and self.crash_at[0] == self.commits:
            self.crash_next = self.crash_at[1]
        crash, self.crash_next = self.crash_next, None
        if crash == "before":
            self._crash(host)
            return None
        try:
            self.db.execute("BEGIN IMMEDIATE")
            if self.full or self._roll("disk full"):
                raise _error("database or disk is full", FULL)
            if self._roll("disk busy"):
                raise _error("database is locked", BUSY)
            result = job(self.db)
            if crash == "during":
                self.db.execute("ROLLBACK")
                self._crash(host)
                return None
            if self._roll("failed sync"):
                # Whether it is on disk, nobody knows.
                self.db.execute("COMMIT" if self._coin() < 0.5 else "ROLLBACK")
                raise _error("disk I/O error", SYNC)
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        finally:
            self._look()
        if crash == "after":
            self._crash(host)
            return None
        return result

    async def stall(self, host: Host) -> None:
        """Hold up a commit if that is what is to happen; it is the first that its process does."""
        if self.pause_next and not host.dead:
            self.pause_next = False
            self._pause(host)
            await asyncio.sleep(0)  # noqa: TID251  # virtual

    def _look(self) -> None:
        """Note who wrote without owning: a fence that leaks is seen, whatever comes of it."""
        for n, execution, seq, epoch, owned in self.db.execute(_NEW, (self._seen,)):
            self._seen = n
            if owned is None:
                message = f"written in epoch {epoch} while nobody owned its shard"
                self.strangers.append((execution, seq, message))
            elif owned != epoch:
                message = f"written in epoch {epoch} while its shard was in epoch {owned}"
                self.strangers.append((execution, seq, message))


def _error(message: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


class SimWriter:
    """``store.sqlite.writer.Writer`` without a thread: one job after the other, each whole."""

    def __init__(
        self,
        disk: Disk,
        host: Host,
        *,
        chance: random.Random,
        roll: Callable[[str], bool],
        on_fatal: Callable[[], object],
    ) -> None:
        self.failed = False
        self._disk = disk
        self._host = host
        self._chance = chance
        self._roll = roll
        self._on_fatal = on_fatal
        self._jobs: deque[tuple[Job[Any], asyncio.Future[Any], bool]] = deque()
        self._some = asyncio.Event()
        self._stopped = False
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def run(self, job: Job[T], *, stalls: bool = False) -> T:
        """Run *job*; a caller that goes away takes nothing back."""
        if self.failed:
            raise failures.failed()
        if self._stopped:
            raise rules.closed()
        await _only_alive(self._host)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_seen)
        self._jobs.append((job, future, stalls))
        self._some.set()
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Finish what is waiting."""
        self._stopped = True
        self._some.set()
        await asyncio.shield(self._task)

    async def _work(self) -> None:
        while not self._stopped or self._jobs:
            await self._some.wait()
            if not self._jobs:
                self._some.clear()
                continue
            job, future, stalls = self._jobs.popleft()
            seconds = SLOW_SECONDS if self._roll("slow disk") else COMMIT_SECONDS
            await asyncio.sleep(self._chance.random() * seconds)  # noqa: TID251  # virtual
            if self.failed:
                future.set_exception(failures.failed())
                continue
            if stalls:
                await self._disk.stall(self._host)
            try:
                result = self._disk.transact(self._host, job)
            except BaseException as error:  # noqa: BLE001  # whatever a job raises is its caller's
                future.set_exception(self._judge(error))
                continue
            await _only_alive(self._host)
            future.set_result(result)

    def _judge(self, error: BaseException) -> BaseException:
        if failures.is_fatal(error) and not self.failed:
            self.failed = True
            self._on_fatal()
        return failures.unavailable(error) or error


class SimReaders(Readers):
    """The store's readers on the one connection: no transaction outlives a job."""

    def __init__(
        self, disk: Disk, host: Host, *, chance: random.Random, roll: Callable[[str], bool]
    ) -> None:
        super().__init__(NOWHERE)
        self._disk = disk
        self._host = host
        self._chance = chance
        self._roll = roll

    async def all(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        await _only_alive(self._host)
        await asyncio.sleep(self._chance.random() * READ_SECONDS)  # noqa: TID251  # virtual
        if self._roll("failed read"):
            raise Unavailable("the store cannot be read", code="store_unreadable")
        return list(self._disk.db.execute(SQL[query], parameters).fetchall())


class SimStore(SqliteStore):
    """The SQLite store, on a simulated disk.

    With *database_ms*, other nodes are on it, too, and leases go by that clock: as in a database.
    """

    def __init__(
        self,
        disk: Disk,
        host: Host,
        *,
        chance: random.Random,
        roll: Callable[[str], bool],
        on_fatal: Callable[[], object],
        database_ms: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(NOWHERE, on_fatal=on_fatal)
        self._database_ms = database_ms
        self._open_sim: SimWriter | None = None
        self._disk, self._host, self._chance, self._roll = disk, host, chance, roll

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        """Open it as a server that starts does; whoever had it before is fenced."""
        self._node, self._ttl_ms = node, ttl_ms
        self._open_sim = SimWriter(
            self._disk,
            self._host,
            chance=self._chance,
            roll=self._roll,
            on_fatal=self._on_fatal,
        )
        self._open_writer = self._open_sim  # type: ignore[assignment]
        self._open_readers = SimReaders(
            self._disk, self._host, chance=self._chance, roll=self._roll
        )
        if self._database_ms is None:
            await self._write(lambda connection: self._take_over(connection, now))
        else:
            await self._write(self._join)

    def _join(self, connection: sqlite3.Connection) -> None:
        """Enter this incarnation beside others."""
        now = self._now(0)
        lease = {"node": self._node, "now": now, "until": now + self._ttl_ms}
        connection.execute(SQL["register_node"], lease)

    def _now(self, now: int) -> int:
        return now if self._database_ms is None else self._database_ms()

    async def heartbeat(self, *, now: int) -> bool:
        node, ttl = self._node, self._ttl_ms

        def beat(connection: sqlite3.Connection) -> bool:
            at = self._now(now)
            return jobs.heartbeat(connection, node, at, at + ttl)

        return await self._write(beat)

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        return await self._write(lambda db: jobs.claim(db, self._node, limit, self._now(now)))

    async def nodes(self, *, now: int) -> list[NodeRow]:
        return await super().nodes(now=self._now(now))

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        def job(connection: sqlite3.Connection) -> list[Verdict]:
            # Others commit, too: the order of all is the database's.
            [self._order.newest] = connection.execute(SQL["newest_commit"]).fetchone()
            return commit(connection, self._node, writes, self._order)

        if self._database_ms is None:
            return await super().commit(writes)
        assert self._open_sim is not None, "it is open"
        return await self._open_sim.run(job, stalls=True)


def at_rest(disk: Disk) -> SqliteStore:
    """Return a store that only reads what is on *disk*, for whom no process is needed."""
    store = SqliteStore(NOWHERE)
    store._open_readers = _Still(
        disk, Host("nobody"), chance=random.Random(0), roll=lambda _: False
    )
    return store


class _Still(SimReaders):
    """Readers that nothing befalls, and that take no time."""

    async def all(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        return list(self._disk.db.execute(SQL[query], parameters).fetchall())


async def _only_alive(host: Host) -> None:
    """Never return to a process that has crashed: its clean-up does not happen."""
    if host.dead:
        await asyncio.get_running_loop().create_future()


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
