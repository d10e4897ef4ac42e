"""A slow walk over all that is open: nothing may stand still unseen (guarantee G10).

It asks the tables, not the memory: does every open execution have something that will wake it, do
the columns say what the heads say, are the counts right? What should go on, and is in nobody's
hand, is looked after at once, and counted as an orphan: there should never be one.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Status, decode
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.heads import readable, said
from goflow_py.engine.owner import Owner
from goflow_py.engine.queues import has_queued, queue_rows
from goflow_py.errors import NotFound, Unavailable
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.events import awaiting
from goflow_py.fsm.rows import BUSY
from goflow_py.fsm.work import timer_task
from goflow_py.ports import OpenRow, Store, TaskFilter

log = logging.getLogger(__name__)

PAGE = 100
"""Executions that are looked at in one beat: a few ms of this process' time."""
BEAT_SECONDS = 0.25
BUSY_BEAT_SECONDS = 2.5
"""When the machine has more to do than this."""
LATE_SECONDS = 0.05
"""A beat that comes so late says that the machine is busy."""
GRACE_SECONDS = 5.0
"""What stands still for so long without anybody at work on it is an orphan."""
OVERDUE_SECONDS = 60.0
"""The timers are read twice in this time."""
SUSPECTS_MAX = 1_000
KNOWN_MAX = 10_000
OPEN = (Status.RUNNING, Status.WAITING, Status.PAUSED)
HELD_ELSEWHERE = frozenset({"pull", "human", "activity"})
"""Types of open work that a worker, a person or a child goes on with."""
QUEUE_PAGE = 1_000


@dataclass(slots=True)
class _Suspect:
    seq: int
    since: float
    what: str


class Watchman:
    """Takes one small beat after the other; a turn is over when every open execution was seen."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        owner: Owner,
        clock: Clock,
        is_busy: Callable[[], bool],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._owner = owner
        self._clock = clock
        self._is_busy = is_busy
        self._status = 0
        self._after = ""
        self._expected = clock.monotonic()
        self._suspects: dict[str, _Suspect] = {}
        self._said: dict[tuple[str, str], int] = {}
        self.turns = 0
        self.orphans = 0
        """Executions that stood still, or that nothing would ever have woken."""
        self.findings: Counter[str] = Counter()
        """Columns and counts that differ from the heads, by kind."""

    async def beat(self) -> float | None:
        """Look at one page; return the pause until the next, None: until the next turn."""
        busy = self._is_busy() or self._clock.monotonic() - self._expected > LATE_SECONDS
        await self._judge()
        ended = await self._look_at_page()
        if ended and not self._suspects:
            self._expected = float("inf")  # whenever the next turn comes
            return None
        pause = GRACE_SECONDS if ended else BUSY_BEAT_SECONDS if busy else BEAT_SECONDS
        self._expected = self._clock.monotonic() + pause
        return pause

    async def _look_at_page(self) -> bool:
        """Look at the next page; tell whether it was the last one of a turn."""
        status = OPEN[self._status]
        rows = await self._store.open_rows(status, after=self._after, limit=PAGE)
        for row in rows:
            try:
                await self._look_at(row)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  # one that is damaged must not hide others
                self._broke(row.place, row.seq, error)
        self._after = rows[-1].place if len(rows) == PAGE else ""
        if self._after:
            return False
        self._status = (self._status + 1) % len(OPEN)
        if self._status:
            return False
        await self._look_at_overdue()
        await self._count()
        self.turns += 1
        return True

    # ------------------------------------------------------------ one execution

    async def _look_at(self, row: OpenRow) -> None:
        head = decode(row.body)
        if not self._owner.memory.owns(head.id):
            return  # who owns it looks at it
        try:
            compiled = await self._catalog.compiled_for(head)
        except NotFound as error:
            self._report("version", head, error.detail)
            return
        if row.wake != head.wake:
            self._report("wake", head, f"the column says {row.wake}, the head {head.wake}")
            self._owner.waker.wake(head.id)
        if row.status != head.status or row.seq != head.seq:
            self._report("status", head, f"the columns say {row.status}, seq {row.seq}")
        if not will_wake(head, compiled):
            self.orphans += self._report("wake-up", head, "nothing will ever wake it")
        if has_queued(head):
            await self._compare_queue(head, compiled)
        what = self._stands_still(head)
        if what is not None:
            self._suspect(head, what)

    async def _compare_queue(self, head: Execution, compiled: Compiled) -> None:
        which = TaskFilter(execution=head.id)
        page = await self._store.tasks(which, limit=QUEUE_PAGE, cursor=None)
        found = {row.task: row for row in page.items}
        if found == {row.task: row for row in queue_rows(compiled, head)} or page.next is not None:
            return
        body = await self._store.head(head.id)
        if body is not None and decode(body).seq == head.seq:  # else it moved on meanwhile
            self._report("queue", head, f"the queue has {sorted(found)}")

    def _stands_still(self, head: Execution) -> str | None:
        """Say what of an execution should be in somebody's hand here, and is not."""
        if head.paused or self._owner.draining:
            return None
        now = self._clock.now_ms()
        if head.wake is not None and head.wake < now - round(OVERDUE_SECONDS * 1000):
            return "a timer is overdue"
        live = self._owner.memory.get(head.id)
        calls = live.calls if live is not None else {}
        timed = {timer_task(name) for name in head.timers}
        for task in [*head.open_tasks(), *head.errands.values()]:
            if task.call is not None:
                if not task.call.accepted and task.call.fence not in calls:
                    return f"the call of '{task.name}' is not in flight"
            elif task.kind in BUSY and task.open and task.name not in timed:
                return f"the task '{task.name}' is due"
        return None

    # ------------------------------------------------------------ suspects

    def _suspect(self, head: Execution, what: str) -> None:
        known = self._suspects.get(head.id)
        if known is not None and known.seq == head.seq:
            return
        if len(self._suspects) < SUSPECTS_MAX:
            self._suspects[head.id] = _Suspect(head.seq, self._clock.monotonic(), what)

    async def _judge(self) -> None:
        """Look after those that stood still all the time, unless the node is behind with all."""
        until = self._clock.monotonic() - GRACE_SECONDS
        due = [one for one, suspect in self._suspects.items() if suspect.since <= until]
        for execution in due[:PAGE]:
            suspect = self._suspects.pop(execution)
            if self._owner.draining or len(self._owner.waker) or self._is_busy():
                continue  # it may only be waiting for its turn: the next walk will see
            try:
                await self._look_after(execution, suspect)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  # nor must it keep others waiting
                self._broke(execution, suspect.seq, error)

    async def _look_after(self, execution: str, suspect: _Suspect) -> None:
        body = await self._store.head(execution)
        head = None if body is None else decode(body)
        if head is None or head.seq != suspect.seq or self._stands_still(head) is None:
            return
        # One that waits for a slot is due, too. A look changes nothing of it: that is how it shows.
        try:
            await self._owner.look(execution)
            after = await self._owner.memory.read(execution)
        except NotFound:
            return
        if after.seq != suspect.seq:
            self.orphans += 1
            log.error(
                "an execution stood still; it goes on now",
                extra={"execution": execution, "why": suspect.what},
            )

    # ------------------------------------------------------------ the whole

    async def _look_at_overdue(self) -> None:
        """Suspect whose timers are overdue, whatever their status says."""
        shards = list(self._owner.memory.epochs)
        until = self._clock.now_ms() - round(OVERDUE_SECONDS * 1000)
        due = await self._store.due(shards, until=until, limit=PAGE)
        bodies = await self._store.heads([execution for _, execution, _ in due])
        for head in readable(body for body in bodies if body is not None):
            self._suspect(head, "a timer is overdue")

    async def _count(self) -> None:
        """Compare the tallies with what they count."""
        for status, kept, found in await self._store.wrong_tallies():
            self.findings["tallies"] += 1
            facts = {"status": status, "kept": kept, "found": found}
            log.error("a count of executions is wrong", extra=facts)

    def _broke(self, place: str, seq: int, error: Exception) -> None:
        """Note a row that cannot even be read, once."""
        if self._said.get(("row", place)) != seq:
            self._said["row", place] = seq
            self.findings["row"] += 1
            facts = {"place": place, "seq": seq, "why": said(error)}
            log.error("an execution cannot be looked at", extra=facts)

    def _report(self, kind: str, head: Execution, why: str) -> int:
        """Note what differs, once for each revision; return how many findings that was."""
        if self._said.get((kind, head.id)) == head.seq:
            return 0
        if len(self._said) >= KNOWN_MAX:
            self._said.clear()
        self._said[kind, head.id] = head.seq
        self.findings[kind] += 1
        facts = {"execution": head.id, "what": kind, "why": why}
        log.error("what is stored of an execution does not fit", extra=facts)
        return 1


def will_wake(head: Execution, compiled: Compiled) -> bool:
    """Tell whether an open execution has work, a timer or a declared wait (rule S15)."""
    if head.ended or head.paused:
        return True
    if any(task.kind in BUSY or task.kind in HELD_ELSEWHERE for task in head.open_tasks()):
        return True
    timers = [name for name in head.timers if timer_task(name) not in head.errands]
    return bool(timers or awaiting(compiled, head))
