"""The one connection that writes, on the one thread that has it."""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from goflow_py.errors import Unavailable
from goflow_py.store import rules
from goflow_py.store.sqlite import failures
from goflow_py.store.sqlite.datafile import DataFile

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

JOBS_MAX = 1_000
"""Waiting jobs; a commit carries many executions and is one."""
WAL_BYTES = 40 * 1024 * 1024
"""Beyond it the log is written back: rarely enough to be cheap, soon enough to stay small."""
WAL_KEPT_BYTES = 4 * 1024 * 1024
"""The log shrinks to this once written back, which makes its size a measure of what is not."""
IDLE_SECONDS = 1.0
BUSY_SECONDS = 2.0
CACHE_KIB = 8_192
FREE_PAGES_MAX = 1_024
"""Free pages that are kept; the rest is given back to the disk when there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Freeing(Generic[T]):
    """A job that makes room, if *frees*, and may then use the reserve when the disk is full."""

    job: Job[T]
    frees: bool = True

    def __call__(self, connection: sqlite3.Connection) -> T:
        return self.job(connection)


class Writer:
    """Runs jobs one after the other, each whole in one transaction on its own thread.

    A job is a plain function: no cancellation can cut it, and none sees another's half. It is on
    disk when ``run`` returns. After a failed sync ``failed`` is true for ever, every call raises
    ``Unavailable`` with code ``store_failed``, and *on_fatal* was called on the event loop once;
    so it is when the thread itself breaks.
    """

    def __init__(self, file: DataFile, on_fatal: Callable[[], object]) -> None:
        self.failed = False
        self._file = file
        self._wal = file.wal_path
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Job[Any], asyncio.Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._waiting: set[asyncio.Future[Any]] = set()
        """Of the jobs that did not end yet; who asked for one may have left."""
        self._stopped = False
        self._ended = asyncio.Event()
        self._checkpoint_at = WAL_BYTES
        self._written = False
        self._connection: sqlite3.Connection | None = None
        """Of the thread alone."""
        self._thread = threading.Thread(target=self._work, name="goflow-writer", daemon=True)
        self._thread.start()

    async def run(self, job: Job[T]) -> T:
        """Run *job* between BEGIN IMMEDIATE and COMMIT; what it raises rolls back.

        A cancelled caller leaves early; the job runs to its end all the same.
        """
        if self.failed:
            raise failures.failed()
        if self._stopped:
            raise rules.closed()
        if len(self._waiting) >= JOBS_MAX:
            raise Unavailable("too many writes are waiting", code="store_busy")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.add(future)
        self._jobs.put((job, future))
        return await future

    async def close(self) -> None:
        """Finish what is waiting, write the log back, and end the thread."""
        if not self._stopped:
            self._stopped = True
            self._jobs.put(None)
        await self._ended.wait()

    def _succeed(self, future: asyncio.Future[T], result: T) -> None:
        self._waiting.discard(future)
        if not future.done():
            future.set_result(result)

    def _refuse(self, future: asyncio.Future[Any], error: BaseException) -> None:
        self._waiting.discard(future)
        if not future.done():
            future.set_exception(error)

    def _lost(self) -> None:
        """Let nobody wait for a thread that is gone."""
        for future in list(self._waiting):
            self._refuse(future, failures.failed())
        self._ended.set()

    # ------------------------------------------------ on the thread

    def _work(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            self._fail()  # first: whoever comes later is refused
            self._answer(self._lost)
            with contextlib.suppress(Exception):
                log.critical("the thread that writes ended; restart the server", exc_info=error)

    def _serve(self) -> None:
        while (item := self._next(self._connection)) is not None:
            job, future = item
            try:
                if self._connection is None:
                    self._connection = connect(self._file.path)
                    self._file.reserve()
                self._answer(self._succeed, future, self._do(self._connection, job))
            except BaseException as error:  # noqa: BLE001 - whatever a job raises is its caller's
                self._answer(self._refuse, future, self._judge(error))
            if self._connection is not None and self._wal_is_long():
                self._checkpoint(self._connection, "PASSIVE")
        if self._connection is not None:
            if not self.failed:
                self._checkpoint(self._connection, "TRUNCATE")
            self._connection.close()
        self._answer(self._ended.set)

    def _next(
        self, connection: sqlite3.Connection | None
    ) -> tuple[Job[Any], asyncio.Future[Any]] | None:
        while self._written and connection is not None:
            try:
                return self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._tidy(connection)
        return self._jobs.get()

    def _do(self, connection: sqlite3.Connection, job: Job[T]) -> T:
        frees = isinstance(job, Freeing) and job.frees
        try:
            return self._transact(connection, job)
        except sqlite3.Error as error:
            if not (frees and failures.is_full(error) and self._file.spend()):
                raise
        return self._transact(connection, job)

    def _transact(self, connection: sqlite3.Connection, job: Job[T]) -> T:
        if self.failed:
            raise failures.failed()
        self._written = True
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = job(connection)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise
        return result

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:  # after some errors SQLite has done so itself
            return
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:  # the next job would write into this one's remains
            self._fail()
        except MemoryError:
            self._connection = None  # the next job opens it again
            connection.close()  # rolls back, too

    def _judge(self, error: BaseException) -> BaseException:
        if failures.is_fatal(error):
            self._fail()
        unavailable = failures.unavailable(error)
        if unavailable is not None:
            unavailable.__cause__ = error
        return unavailable or error

    def _fail(self) -> None:
        if not self.failed:
            self.failed = True
            self._answer(self._on_fatal)

    def _answer(self, callback: Callable[..., object], *arguments: Any) -> None:
        while True:
            try:
                self._loop.call_soon_threadsafe(callback, *arguments)
            except MemoryError:
                continue  # whoever waits for it would wait for ever
            except RuntimeError:
                pass  # the loop is closed: nobody waits
            return

    def _wal_is_long(self) -> bool:
        try:
            size = self._wal.stat().st_size
        except OSError:  # there is none before the first write
            return False
        if size < WAL_BYTES:
            self._checkpoint_at = WAL_BYTES
        if size < self._checkpoint_at:
            return False
        # A reader may hold the log: then the next try waits for some more of it.
        self._checkpoint_at = size + WAL_KEPT_BYTES
        return True

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Write the log back and give free pages back, while nobody waits."""
        self._written = False
        self._checkpoint(connection, "PASSIVE")
        # It was only tidying; a job will say it.
        with contextlib.suppress(*failures.ERRORS, OSError):
            self._file.reserve()
            [free] = connection.execute("PRAGMA freelist_count").fetchone()
            if free > FREE_PAGES_MAX:
                # Each page is a step of this statement, and ``execute`` takes one of them only.
                connection.executescript(f"PRAGMA incremental_vacuum({FREE_PAGES_MAX})")
                self._written = True

    def _checkpoint(self, connection: sqlite3.Connection, mode: str) -> None:
        try:
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except failures.ERRORS as error:
            # Nothing is lost: the log has it. Only a failed sync must be heeded.
            if failures.is_fatal(error):
                self._fail()


def connect(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Open the file for writing, durable to the last commit."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        cached_statements=256,
        check_same_thread=check_same_thread,
    )
    connection.text_factory = failures.text
    try:
        for pragma in (
            "auto_vacuum = INCREMENTAL",  # before the first table, or never
            "journal_mode = WAL",
            "synchronous = FULL",  # NORMAL loses acknowledged commits with the power
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {WAL_KEPT_BYTES}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
            "cell_size_check = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
