"""Batches: one verb for many executions, in the background; a restart goes on where it was.

What is next is stored before it is done, and each execution remembers the batch by an
Idempotency-Key of its own: so nothing is done twice, and nothing is left out.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.event import Control
from goflow_py.engine.batch_documents import BatchRequest, Preview, Progress, view, wanted
from goflow_py.engine.executions import Executions
from goflow_py.engine.fair_turns import FairTurns
from goflow_py.engine.heads import UNREADABLE, said
from goflow_py.engine.memory import Memory
from goflow_py.engine.requests import IDEMPOTENCY_SECONDS, Repeat
from goflow_py.errors import (
    Conflict,
    GoFlowError,
    Invalid,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from goflow_py.ports import BatchRow, Name, Page, Store

log = logging.getLogger(__name__)

DELETE = "delete"
RUNNING = "running"
AT_ONCE_MAX = 16
"""Executions that all batches together work on at the same time."""
PAGE_EXECUTIONS = 100
"""Done between two savings of the progress."""
COUNT_PAGE = 500
BATCH_EXECUTIONS_MAX = 100_000
BATCHES_OPEN_MAX = 100
BATCHES_OF_PROJECT_MAX = 10
"""Open ones of a key's project. Those of keys for all projects have the first limit alone."""
FULL_RETRY_SECONDS = 5
ERRORS_KEPT_MAX = 100
IDS_SHOWN_MAX = 100
AGAIN_SECONDS = 1.0
TRIES_MAX = 60
"""Of one execution, while the store takes nothing."""
KEPT_MS = 30 * 86_400_000
"""How long a batch is kept after its end."""


@dataclass(slots=True, eq=False)
class _Running:
    row: BatchRow
    request: BatchRequest
    progress: Progress
    stops: bool = False
    work: asyncio.Task[None] | None = None


class _Overtaken(Exception):
    """Another node goes on with the batch."""


class Batches:
    """Creates batches, carries them out, and shows how far they are."""

    def __init__(
        self, *, store: Store, memory: Memory, executions: Executions, clock: Clock
    ) -> None:
        self._store = store
        self._memory = memory
        self._executions = executions
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._opening: dict[str, str | None] = {}
        """The projects of the batches that are being made, by their numbers."""
        self._turns = FairTurns(AT_ONCE_MAX)

    # ------------------------------------------------------------ doors

    async def preview(self, request: BatchRequest) -> Preview:
        """Return whom *request* is for; nothing is changed. Raises ``Invalid`` for too many."""
        if request.filter is None:
            return Preview(total=len(request.ids), ids=list(request.ids)[:IDS_SHOWN_MAX])
        total, ids, cursor = 0, list[str](), None
        while True:
            page = await self._store.list(request.filter, limit=COUNT_PAGE, cursor=cursor)
            found = wanted(page, request.filter)
            total += len(found)
            ids += found[: IDS_SHOWN_MAX - len(ids)]
            cursor = page.next
            if total > BATCH_EXECUTIONS_MAX:
                raise Invalid(
                    f"more than {BATCH_EXECUTIONS_MAX} executions match; narrow the filter",
                    code="too_many_executions",
                )
            if cursor is None:
                return Preview(total=total, ids=ids)

    async def create(
        self, request: BatchRequest, repeat: Repeat | None = None
    ) -> tuple[dict[str, Any], bool]:
        """Begin a batch; return it as it is shown, and whether this request was a repeat.

        Raises ``Invalid`` (too many executions), ``TooManyRequests`` (too many batches).
        """
        now = self._clock.now_ms()
        if request.filter is not None:
            # What starts from now on is none of its business.
            given = request.filter.until
            until = now + 1 if given is None else min(given, now + 1)
            request = replace(request, filter=replace(request.filter, until=until))
        number = self._memory.mint()
        known = await self._known(request, repeat, number)
        if known is not None:
            found = await self._find(known)
            if found is not None:
                return view(found, self._live(found)), True
            number = known  # a crash came between the key and the batch
        await self._refuse_too_many(request.project)
        self._opening[number] = request.project
        try:
            progress = Progress(total=(await self.preview(request)).total)
            row = BatchRow(
                id=number,
                project=request.project,
                body=request.as_json(),
                status=RUNNING,
                progress=orjson.dumps(progress),
                created_at=now,
                updated_at=now,
            )
            if not await self._store.put_batch(row):
                row = await self._row(number, request.project)  # the same request, by another node
                return view(row, self._live(row)), True
            if self._memory.owns(number):
                self._begin(row)
        finally:
            self._opening.pop(number, None)
        return view(row, progress), known is not None

    async def _refuse_too_many(self, project: str | None) -> None:
        open_ones = await self._open_ones()
        most, whose = BATCHES_OPEN_MAX, "batches"
        if project is not None and open_ones.count(project) >= BATCHES_OF_PROJECT_MAX:
            most, whose = BATCHES_OF_PROJECT_MAX, f"batches of the project {project}"
        elif len(open_ones) < BATCHES_OPEN_MAX:
            return
        raise TooManyRequests(
            f"{most} {whose} run already; wait for one to end, or stop one",
            code="too_many_batches",
            limit=most,
            retryAfter=FULL_RETRY_SECONDS,
        )

    async def _open_ones(self) -> list[str | None]:
        """Return the projects of all batches that are open, or are being made."""
        return [*(one.request.project for one in self._running.values()), *self._opening.values()]

    async def _known(self, request: BatchRequest, repeat: Repeat | None, number: str) -> str | None:
        """Return the batch that the same request made before; else let it be *number*."""
        if repeat is None:
            return None
        name = Name(
            project=request.project or "",
            kind="idem",
            scope=repeat.scope,
            name=repeat.key,
            execution="",
            digest=repeat.digest,
            answer=number.encode(),
            expires=self._clock.now_ms() + IDEMPOTENCY_SECONDS * 1000,
        )
        taken = await self._store.put_name(name)
        if taken is None:
            return None
        repeat.check(taken)
        return taken.answer.decode()

    async def get(self, number: str, *, project: str | None) -> dict[str, Any]:
        """Return a batch, and how far it is. Raises ``NotFound``, also for another project's."""
        row = await self._row(number, project)
        return view(row, self._live(row))

    async def page(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return batches, newest first."""
        page = await self._store.batches(project=project, limit=limit, cursor=cursor)
        items = [view(row, self._live(row)) for row in page.items]
        return Page(items=items, next=page.next)

    async def cancel(self, number: str, *, project: str | None) -> None:
        """Stop a batch: what it has done stays done. Raises ``NotFound``.

        ``Unavailable``: it could not be stored that it stops, or another node goes on with it.
        """
        await self._row(number, project)
        running = self._running.get(number)
        if running is not None and running.work is not None:
            running.stops = True
            await asyncio.wait([running.work])
            if running.row.status == RUNNING:
                raise Unavailable("the batch could not be stopped; try again", code="busy")

    async def _row(self, number: str, project: str | None) -> BatchRow:
        row = await self._find(number)
        if row is None or project not in (None, row.project):
            raise NotFound(f"there is no batch {number[:64]}")
        return row

    async def _find(self, number: str) -> BatchRow | None:
        running = self._running.get(number)
        return running.row if running is not None else await self._store.batch(number)

    def _live(self, row: BatchRow) -> Progress:
        running = self._running.get(row.id)
        return running.progress if running is not None else Progress(**orjson.loads(row.progress))

    # ------------------------------------------------------------ node

    async def recover(self) -> None:
        """Go on with every batch of this node's shards that runs, and with no other."""
        for running in list(self._running.values()):
            if running.work is not None and not self._memory.owns(running.row.id):
                running.work.cancel()
        for row in await self._store.open_batches():
            try:
                if row.id not in self._running and self._memory.owns(row.id):
                    self._begin(row)
            except UNREADABLE as error:
                log.error(
                    "a damaged batch is left out", extra={"batch": row.id, "why": said(error)}
                )

    async def stop(self) -> None:
        """Leave all batches as they are; the next start goes on with them."""
        works = [running.work for running in self._running.values() if running.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def sweep(self, *, before: int, limit: int) -> int:
        """Forget batches that ended long before a time; return how many."""
        return await self._store.sweep_batches(before=before - KEPT_MS, limit=limit)

    def _begin(self, row: BatchRow) -> None:
        running = _Running(
            row, BatchRequest.from_json(row.body), Progress(**orjson.loads(row.progress))
        )
        self._running[row.id] = running
        running.work = asyncio.get_running_loop().create_task(self._run(running))

    # ------------------------------------------------------------ work

    async def _run(self, running: _Running) -> None:
        try:
            while not await self._go_through(running) and not running.stops:
                await self._clock.sleep(AGAIN_SECONDS)
                running.progress = Progress(**orjson.loads(running.row.progress))
        finally:
            del self._running[running.row.id]

    async def _go_through(self, running: _Running) -> bool:
        """Do what is left; False: something broke that should not have."""
        progress = running.progress
        try:
            while not running.stops and (progress.page or await self._next_page(running)):
                async with asyncio.TaskGroup() as group:
                    for execution in list(progress.page):
                        group.create_task(self._do(running, execution))
                if not running.stops:
                    progress.page = []
            if not running.stops:
                progress.total = progress.done
            await self._save(running, "cancelled" if running.stops else "done")
        except _Overtaken:
            log.info("another node has this batch now", extra={"batch": running.row.id})
        except Exception:
            log.exception("a batch broke off; it goes on", extra={"batch": running.row.id})
            return False
        return True

    async def _next_page(self, running: _Running) -> bool:
        """Note whom to work on next; False: nobody is left."""
        progress, request = running.progress, running.request
        while not progress.page and not progress.is_last:
            if request.filter is None:
                start = int(progress.cursor or 0)
                progress.page = list(request.ids[start : start + PAGE_EXECUTIONS])
                after = start + len(progress.page)
                progress.cursor = str(after) if after < len(request.ids) else None
            else:
                page = await self._patiently(
                    self._store.list,
                    request.filter,
                    limit=PAGE_EXECUTIONS,
                    cursor=progress.cursor,
                )
                progress.page = wanted(page, request.filter)
                progress.cursor = page.next
            progress.is_last = progress.cursor is None
        if progress.page:
            await self._save(running, RUNNING)
        return bool(progress.page)

    async def _save(self, running: _Running, status: str) -> None:
        row = replace(
            running.row,
            status=status,
            progress=orjson.dumps(running.progress),
            updated_at=self._clock.now_ms(),
        )
        is_saved = await self._patiently(self._store.put_batch, row, before=running.row)
        # One that was saved before its answer got lost is there as it should be.
        if not is_saved and await self._patiently(self._store.batch, row.id) != row:
            raise _Overtaken
        running.row = row

    async def _do(self, running: _Running, execution: str) -> None:
        """Do to one execution what is to be done, and count what became of it."""
        progress = running.progress
        async with self._turns.of(running.request.project):
            if running.stops:
                return
            try:
                changed = await self._patiently(self._change, running, execution)
            except GoFlowError as refusal:
                if isinstance(refusal, Conflict):
                    progress.skipped += 1
                else:
                    progress.failed += 1
                if len(progress.errors) < ERRORS_KEPT_MAX:
                    error = {"execution": execution, "code": refusal.reason}
                    progress.errors.append({**error, "message": refusal.detail})
            else:
                progress.changed += changed
                progress.skipped += not changed
            progress.done += 1

    async def _change(self, running: _Running, execution: str) -> bool:
        request = running.request
        try:
            before = await self._memory.read(execution)
        except NotFound:
            if request.action == DELETE and request.filter is not None:
                return True  # it matched a while ago: a crash came before this was counted
            raise
        if request.project not in (None, before.project):
            raise NotFound(f"there is no execution {execution}")
        if request.action == DELETE:
            await self._executions.delete(execution)
            return True
        command = Control(
            verb=request.action,
            reason=request.reason,
            principal=request.principal,
            arguments=request.arguments,
        )
        number = running.row.id
        repeat = Repeat(key=execution, scope=f"batch {number}", digest=number)
        after, replayed = await self._executions.control(execution, command, repeat=repeat)
        return replayed or after.seq != before.seq

    async def _patiently(self, act: Any, *given: Any, **named: Any) -> Any:
        """Await *act*; while the store takes nothing, ask again, a bounded number of times."""
        for _ in range(TRIES_MAX - 1):
            try:
                return await act(*given, **named)
            except Unavailable:
                await self._clock.sleep(AGAIN_SECONDS)
        return await act(*given, **named)
