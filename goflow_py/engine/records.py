"""What a sealed draft writes to the store."""

from collections.abc import Sequence

from goflow_py.domain.execution import Execution, encode
from goflow_py.engine.queues import has_queued, queue_rows
from goflow_py.engine.stand_ins import QUEUED
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.places import PLACE, has_place, waits_for_place
from goflow_py.ports import HeadRow, Name, QueueRow, RecordRow, Write

PLACE_KIND = "place"
"""Names of executions that have a place among those that their activity may have at a time."""
WAITING_KIND = "waiting"
"""Names of those that wait for one; in their order."""


def write_of(
    draft: Draft,
    compiled: Compiled,
    epoch: int,
    names: Sequence[Name],
    *,
    start: bool,
    retain_seconds: float,
) -> Write:
    """Return all that a sealed draft writes; an end frees the key, a reopening takes it."""
    before, after = draft.before, draft.after
    taken = list(names)
    freed: list[Name] = []
    if after.key is not None and not start and before.ended != after.ended:
        own = Name(
            project=after.project,
            kind="key",
            scope=after.activity,
            name=after.key,
            execution=after.id,
        )
        (freed if after.ended else taken).append(own)
    if compiled.blueprint.max_concurrent is not None:
        old, new = _places(compiled, before), _places(compiled, after)
        taken += [name for name in new if name not in old]
        freed += [name for name in old if name not in new]
    if start and after.ended:
        # It ended in its first step: its business key is free again at once.
        taken = [name for name in taken if name.kind != "key"]
    return Write(
        head=head_row(after, retain_seconds),
        epoch=epoch,
        records=[
            RecordRow(
                execution=after.id,
                first_seq=record.first_seq,
                seq=record.seq,
                at=record.at,
                hash=record.hash,
                entries=record.entries,
                epoch=epoch,
            )
            for record in draft.records
        ],
        start=start,
        names=taken,
        freed=freed,
        queue=_queue(draft, compiled),
    )


def _places(compiled: Compiled, execution: Execution) -> list[Name]:
    """Return the name of the place that an execution has, or that it waits for in order."""
    if has_place(compiled, execution):
        kind, name = PLACE_KIND, execution.id
    elif waits_for_place(execution) and not execution.paused:
        kind, name = WAITING_KIND, f"{execution.timers[PLACE]:016d}/{execution.id}"
    else:
        return []
    return [
        Name(
            project=execution.project,
            kind=kind,
            scope=execution.activity,
            name=name,
            execution=execution.id,
        )
    ]


def _queue(draft: Draft, compiled: Compiled) -> list[QueueRow] | None:
    """Return the queue's rows anew, where a step may have changed them."""
    if compiled.kinds.isdisjoint(QUEUED):
        return None
    if not has_queued(draft.before) and not has_queued(draft.after):
        return None
    rows = queue_rows(compiled, draft.after)
    return None if rows == queue_rows(compiled, draft.before) else rows


def _purge_at(execution: Execution, finished_at: int, retain_seconds: float) -> int | None:
    """Return when it may go; not while a teardown or a notification is still to be made."""
    if execution.errands or waits_for_place(execution):
        return None
    return finished_at + round(retain_seconds * 1000)


def head_row(execution: Execution, retain_seconds: float) -> HeadRow:
    """Return the row of an execution that is kept *retain_seconds* after its end."""
    finished = execution.finished_at
    return HeadRow(
        id=execution.id,
        project=execution.project,
        activity=execution.activity,
        version=execution.version,
        status=execution.status,
        state=execution.state,
        key=execution.key,
        labels=execution.labels,
        seq=execution.seq,
        wake=execution.wake,
        started_at=execution.started_at,
        updated_at=execution.at,
        finished_at=finished,
        purge_at=None if finished is None else _purge_at(execution, finished, retain_seconds),
        parent=None if execution.parent is None else execution.parent["id"],
        body=encode(execution),
    )
