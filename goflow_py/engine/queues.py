"""Work that stands on queues: its rows, and the long polls that wait for some."""

import asyncio
from collections.abc import Sequence

from goflow_py.clock import Clock
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.stand_ins import QUEUED, queue_of
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.work import is_parked
from goflow_py.ports import QueueRow


def queue_rows(compiled: Compiled, execution: Execution) -> list[QueueRow]:
    """Return the rows of all that stands on a queue, or is claimed; none while it is paused."""
    if execution.paused or execution.ended:
        return []
    return [
        _row(compiled, execution, task)
        for task in execution.tasks.values()
        if task.outcome is None
        and task.kind in QUEUED
        and not is_parked(compiled.actions[task.action], task)
    ]


def has_queued(execution: Execution) -> bool:
    """Tell whether an execution has, or may have, rows."""
    # A loop: this is asked three times a step, and a generator costs thrice as much.
    for task in execution.tasks.values():  # noqa: SIM110
        if task.kind in QUEUED:
            return True
    return False


def _row(compiled: Compiled, execution: Execution, task: Task) -> QueueRow:
    due = max([task.since, *task.waits.values()])
    lease = execution.timers.get(f"task:{task.name}:lease")
    return QueueRow(
        execution=execution.id,
        task=task.name,
        visit=execution.visit,
        project=execution.project,
        activity=execution.activity,
        queue=queue_of(compiled, task),
        kind=task.kind,
        assigned_to=task.facts.get("assignedTo"),
        status="queued" if task.call is None else "claimed",
        since=task.since,
        due=due,
        claimed_by=None if task.call is None else task.call.worker,
        lease_until=lease,
    )


class Queues:
    """Wakes the polls of a queue the moment that something comes onto it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._polls: dict[str, set[asyncio.Future[None]]] = {}

    def changed(self, compiled: Compiled, before: Execution, after: Execution) -> None:
        """Wake polls, where a step put work onto their queues."""
        if not self._polls or not has_queued(after):
            return
        known = {row.task for row in queue_rows(compiled, before) if row.status == "queued"}
        for row in queue_rows(compiled, after):
            is_new = row.task not in known or after.visit != before.visit
            if row.status == "queued" and is_new:
                self.ring(row.queue)

    def ring(self, queue: str) -> None:
        """Wake every poll of *queue*; who finds nothing waits on."""
        for poll in list(self._polls.get(queue, ())):
            if not poll.done():
                poll.set_result(None)

    def ring_all(self) -> None:
        """Wake every poll: another node may have put work onto its queue."""
        for queue in list(self._polls):
            self.ring(queue)

    def stop(self) -> None:
        """Let nobody wait any more."""
        self.ring_all()

    def listen(self, queues: Sequence[str]) -> asyncio.Future[None]:
        """Return what is done when something comes onto one of *queues*; to be given back."""
        poll: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for queue in queues:
            self._polls.setdefault(queue, set()).add(poll)
        return poll

    def leave(self, queues: Sequence[str], poll: asyncio.Future[None]) -> None:
        """Give a listener back."""
        for queue in queues:
            polls = self._polls.get(queue, set())
            polls.discard(poll)
            if not polls:
                self._polls.pop(queue, None)
