"""Group commit: what waits while one commit runs is the next one. No linger timer.

A timer of 3 ms halved the throughput and doubled the median latency when it was measured.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from goflow_py.errors import Unavailable
from goflow_py.ports import BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Store, Verdict, Write

log = logging.getLogger(__name__)

QUEUE_WRITES_MAX = 20_000


class Pending(asyncio.Future[Verdict]):
    """What is done once a write is durable, or refused.

    Cancelling has no effect: the write is committed all the same. Whoever awaits it and is
    cancelled goes on once it is done, and finds the cancellation there.
    """

    def cancel(self, msg: object = None) -> bool:
        """Refuse."""
        return False


Item = tuple[Write, Pending]


class Batcher:
    """The one writer of executions: collects steps, commits many in one transaction.

    *on_lost* has to end the process: it is called if the writer itself breaks.
    """

    def __init__(self, store: Store, *, on_lost: Callable[[], object] = lambda: None) -> None:
        self._store = store
        self._on_lost = on_lost
        self._pending: deque[Item] = deque()
        self._batch: list[Item] = []
        """What is being committed."""
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self.committed: Callable[[], object] = lambda: None
        """Is told of every commit, once it is durable."""
        self.commits = 0
        self.writes = 0

    def start(self) -> None:
        """Begin to commit what is written."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Commit what waits, then end."""
        self._stopping = True
        self._some.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Return how many steps wait for a commit."""
        return len(self._pending)

    @property
    def full(self) -> bool:
        """Tell whether new work from outside has to be refused for now."""
        return len(self._pending) >= QUEUE_WRITES_MAX

    def submit(self, write: Write) -> Pending:
        """Return what is done once *write* is durable, or refused.

        The future, and the call, raise ``Unavailable``: nothing was written.
        """
        if self._stopping:
            raise Unavailable("the server is about to end; try again", code="draining")
        if self.full:
            raise Unavailable("too many steps wait to be written; try again", code="busy")
        future = Pending(loop=self._loop)
        self._pending.append((write, future))
        self._some.set()
        return future

    async def _run(self) -> None:
        while not self._stopping or self._pending:
            await self._some.wait()
            batch = self._batch = self._take()
            if not self._pending:
                self._some.clear()
            if not batch:
                continue
            try:
                verdicts = await self._store.commit([write for write, _ in batch])
            except Unavailable as error:
                _fail(batch, error)
                continue
            except Exception as error:  # noqa: BLE001  # a store that breaks must not end the writer
                _fail(batch, Unavailable(f"the store failed: {error}", code="store_failed"))
                continue
            self.commits += 1
            self.writes += len(batch)
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)
            self.committed()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for a writer that is gone, and end the process if nobody ended it."""
        error = None if task.cancelled() else task.exception()
        if not task.cancelled() and error is None:
            return
        log.critical("the writer of steps ended; the process has to end", exc_info=error)
        self._stopping = True
        lost = Unavailable("the server may write nothing any more; try again", code="store_failed")
        _fail([*self._batch, *self._pending], lost)
        self._pending.clear()
        self._on_lost()

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        size = 0
        count = 0
        while self._pending and count < BATCH_RECORDS_MAX and size < BATCH_BYTES_MAX:
            item = self._pending.popleft()
            write = item[0]
            count += 1 + len(write.family)
            size += _size(write) + sum(map(_size, write.family))
            batch.append(item)
        return batch


def _size(write: Write) -> int:
    size = len(write.head.body)
    for record in write.records:
        size += len(record.entries)
    return size


def _fail(batch: list[Item], error: Unavailable) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller that went away does not ask for it
