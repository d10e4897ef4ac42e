"""The head of an execution against its history, and against time: S5, S12, S15, S23."""

from collections.abc import Iterator
from dataclasses import fields

from goflow_py.domain.actions import CallAction
from goflow_py.domain.execution import Execution, Task
from goflow_py.engine.births import GENERATIONS_MAX
from goflow_py.engine.breaches import Breach
from goflow_py.engine.stand_ins import QUEUED, lease_of
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.errands import ERRANDS_MAX
from goflow_py.fsm.events import DEFERRED_EVENTS_MAX, awaiting
from goflow_py.fsm.fold import status_of
from goflow_py.fsm.rows import BUSY, EACH
from goflow_py.fsm.work import timer_task

HELD_BY_SOMEBODY = BUSY | {"pull", "human", "activity"}
"""Types of open work that the engine, a worker, a person or a child goes on with."""
FIELDS = [field.name for field in fields(Execution)]


def judge_head(
    head: Execution,
    folded: Execution,
    compiled: Compiled,
    *,
    by_engine: bool,
    overdue_before: int | None,
) -> Iterator[Breach]:
    """Yield what is wrong with *head*; *folded* is what its history leads to."""
    same = True
    for breach in _fold(head, folded):
        same = False
        yield breach
    yield from _bounds(head)
    if not same or not _is_known(head, compiled):
        return  # what would wake it is judged by a head that can be trusted
    yield from _timers(head, compiled)
    if overdue_before is not None and head.wake is not None and head.wake < overdue_before:
        message = f"a timer was due at {head.wake}, and nothing happened"
        yield Breach(rule="S12", execution=head.id, seq=head.seq, message=message)
    for why in _unwoken(head, compiled, by_engine=by_engine):
        yield Breach(rule="S15", execution=head.id, seq=head.seq, message=why)


def _is_known(head: Execution, compiled: Compiled) -> bool:
    """Tell whether the blueprint has what the head is at; if not, S4 was broken on the way."""
    tasks = [task for task in head.open_tasks() if task.kind != EACH]
    return head.state in compiled.states and all(t.action in compiled.actions for t in tasks)


def _fold(head: Execution, folded: Execution) -> Iterator[Breach]:
    """S5: the head equals the fold of the history."""
    folded.status = status_of(folded)
    folded.hash = head.hash
    for name in FIELDS:
        if getattr(head, name) != getattr(folded, name):
            message = f"'{name}' of the head is not what the history leads to"
            yield Breach(rule="S5", execution=head.id, seq=head.seq, message=message)


def _timers(head: Execution, compiled: Compiled) -> Iterator[Breach]:
    """S12: no timer is left of work that is over, and the execution's own is set."""
    for timer in head.timers:
        name = timer_task(timer)
        task = None if name is None else head.work(name)
        if name is not None and (task is None or not task.open):
            message = f"the timer '{timer}' is left, and its work is over"
            yield Breach(rule="S12", execution=head.id, seq=head.seq, message=message)
    is_timed = compiled.blueprint.timeout is not None
    if is_timed and "deadline" not in head.timers and not (head.ended or head.unwinding):
        message = "the execution has a timeout, and no timer for it"
        yield Breach(rule="S12", execution=head.id, seq=head.seq, message=message)


def _bounds(head: Execution) -> Iterator[Breach]:
    """S23: what an execution keeps is bounded."""
    held = [kept for kept in head.held if kept["input"]["kind"] == "event"]
    for what, count, limit in (
        ("events are kept", len(head.deferred) + len(held), DEFERRED_EVENTS_MAX),
        ("errands are open", len(head.errands), ERRANDS_MAX),
        ("generations are above it", head.depth, GENERATIONS_MAX),
    ):
        if count > limit:
            message = f"{count} {what}, where {limit} are allowed"
            yield Breach(rule="S23", execution=head.id, seq=head.seq, message=message)


# ---------------------------------------------------------------- S15: what wakes it


def _unwoken(head: Execution, compiled: Compiled, *, by_engine: bool) -> Iterator[str]:
    """S15: an open execution has runnable work, an open attempt, a timer, or a declared wait."""
    if not head.paused:
        timed = {timer_task(timer) for timer in head.timers}
        for name in head.errands:
            if name not in timed:
                yield f"nothing will ever look after the errand '{name}'"
    if head.ended or head.paused:
        return
    found = head.open_tasks()
    for task in found:
        why = _endless(head, compiled, task) if by_engine else None
        if why is not None:
            yield f"{why}: '{task.name}'"
    held = any(task.kind in HELD_BY_SOMEBODY for task in found)
    timers = [name for name in head.timers if timer_task(name) not in head.errands]
    if not (held or timers or awaiting(compiled, head)):
        yield f"nothing will ever wake it in state '{head.state}'"


def _endless(head: Execution, compiled: Compiled, task: Task) -> str | None:
    """Say why nothing ends an open task, where something should."""

    def has(*names: str) -> bool:
        return any(f"task:{task.name}:{name}" in head.timers for name in names)

    if task.kind == "delay":
        return None if has("due") else "a delay has no time"
    if task.call is None:
        is_childless = task.kind == "activity" and not has("retry", "timeout")
        return "work has no child, and no time for one" if is_childless else None
    if task.kind == "async" and task.call.accepted:
        model = compiled.actions[task.action].model
        beats = isinstance(model, CallAction) and model.heartbeat_timeout is not None
        if not has("callback") and (beats or not has("timeout")):
            return "nobody would notice that a callback never comes"
    if task.kind in QUEUED and lease_of(compiled, task) is not None and not has("lease"):
        return "nobody would notice that a claim is never completed"
    return None
