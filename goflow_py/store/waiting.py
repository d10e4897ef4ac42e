"""What waits in the memory store beside executions: queued tasks, batches, early events."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from goflow_py.ports import BatchRow, EarlyRow, Page, QueueRow, TaskFilter
from goflow_py.store import rules


class Tasks:
    """Queued work, by execution."""

    def __init__(self) -> None:
        self._rows: dict[str, list[QueueRow]] = {}

    def __iter__(self) -> Iterator[QueueRow]:
        return itertools.chain.from_iterable(self._rows.values())

    def put(self, execution: str, rows: Sequence[QueueRow]) -> None:
        """Replace all of an execution's rows."""
        if rows:
            self._rows[execution] = [*rows]
        else:
            self._rows.pop(execution, None)

    def delete(self, executions: AbstractSet[str]) -> None:
        """Remove what belongs to executions that are gone."""
        for execution in executions:
            self._rows.pop(execution, None)

    def ready(
        self, queues: Sequence[str], project: str | None, now: int, limit: int
    ) -> list[QueueRow]:
        """Return what is due, oldest first."""
        found = [row for row in self._pulled(queues, project) if row.due <= now]
        return sorted(found, key=rules.task_place)[:limit]

    def next_due(self, queues: Sequence[str], project: str | None, now: int) -> int | None:
        """Return when something is due next, behind *now*."""
        later = (row.due for row in self._pulled(queues, project) if row.due > now)
        return min(later, default=None)

    def page(self, which: TaskFilter, limit: int, cursor: str | None) -> Page:
        """Return a part of the list, oldest first."""
        after = (-1, "", "") if cursor is None else rules.decode_cursor(cursor, int, str, str)
        admitted = (row for row in self if rules.admits_task(which, row))
        found = sorted(
            (row for row in admitted if rules.task_place(row) > after), key=rules.task_place
        )
        return rules.cut(found, limit, rules.task_place)

    def counts(self) -> dict[str, int]:
        """Return how many rows have each status."""
        found = Counter(row.status for row in self)
        return {status: found[status] for status in ("queued", "claimed")}

    def _pulled(self, queues: Sequence[str], project: str | None) -> Iterable[QueueRow]:
        return (
            row
            for row in self
            if (row.status, row.kind) == ("queued", "pull")
            and row.queue in queues
            and project in (None, row.project)
        )


class Batches:
    """Operators' actions on many executions."""

    def __init__(self) -> None:
        self.rows: dict[str, BatchRow] = {}

    def put(self, batch: BatchRow, before: BatchRow | None) -> bool:
        """Put *batch* in place of *before*, None: as a new one; False: another row is there."""
        if self.rows.get(batch.id) != before:
            return False
        self.rows[batch.id] = batch
        return True

    def page(self, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return a part of the list, newest first."""
        before = None if cursor is None else rules.decode_cursor(cursor, int, str)
        found = [
            row
            for row in sorted(self.rows.values(), key=rules.batch_place, reverse=True)
            if (before is None or rules.batch_place(row) < before)
            and project in (None, row.project)
        ]
        return rules.cut(found, limit, rules.batch_place)

    def open(self) -> list[BatchRow]:
        """Return what still runs, oldest first."""
        running = (row for row in self.rows.values() if row.status == "running")
        return sorted(running, key=rules.batch_place)

    def sweep(self, before: int, limit: int) -> int:
        """Delete what ended and did not change since; return how many."""
        ended = [row for row in self.rows.values() if row.status != "running"]
        old = [(row.updated_at, row.id) for row in ended if row.updated_at < before]
        chosen = sorted(old)[:limit]
        for _, batch in chosen:
            del self.rows[batch]
        return len(chosen)


class Early:
    """Events that came before their execution, by number."""

    def __init__(self) -> None:
        self.rows: dict[int, EarlyRow] = {}
        self._given = 0

    def put(self, row: EarlyRow) -> bool:
        """Keep an event, unless it is there."""
        if any(_event(one) == _event(row) for one in self.rows.values()):
            return False
        self._given += 1
        self.rows[self._given] = replace(row, number=self._given)
        return True

    def keys(self, now: int) -> list[tuple[str, str]]:
        """Return who has unexpired events."""
        return sorted(
            {(row.project, row.key) for row in self.rows.values() if row.expires_at > now}
        )

    def of(self, project: str, key: str) -> list[EarlyRow]:
        """Return all events of one business key, in the order of their arrival."""
        rows = self.rows.values()
        return [row for row in rows if (row.project, row.key) == (project, key)]

    def delete(self, numbers: Iterable[int]) -> None:
        """Forget events."""
        for number in numbers:
            self.rows.pop(number, None)

    def sweep(self, before: int, limit: int) -> int:
        """Delete what expired; return how many."""
        old = [(row.expires_at, row.number) for row in self.rows.values()]
        chosen = sorted(one for one in old if one[0] < before)[:limit]
        self.delete(number for _, number in chosen)
        return len(chosen)


def _event(row: EarlyRow) -> tuple[str, str, str | None, str]:
    return row.project, row.key, row.activity, row.id
