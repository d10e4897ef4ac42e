"""Where polls of the same queues stand: what is ready is read once for all who ask at a time."""

import asyncio
from collections import deque
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager

from goflow_py.clock import Clock
from goflow_py.ports import QueueRow, Store

ROWS_A_LOOK_MAX = 200
LOOKS_A_TURN_MAX = 100
"""Readings of one poll without a pause: others may take faster than it."""

Row = tuple[str, str]
"""Execution and task: what makes a row one."""


def row_of(row: QueueRow) -> Row:
    """Return what makes a row one."""
    return row.execution, row.task


class Desk:
    """The rows that are ready in some queues, as polls take them off it."""

    def __init__(
        self, *, store: Store, clock: Clock, queues: Sequence[str], project: str | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._queues = queues
        self._project = project
        self._lock = asyncio.Lock()
        self._asked = 0
        self._read = 0
        self._rows: deque[QueueRow] = deque()
        self._more = False
        self.next_due: int | None = None
        """When more becomes ready by itself."""
        self.polls = 0

    async def take(
        self, count: int, *, busy: Container[Row], tried: Container[Row]
    ) -> list[QueueRow]:
        """Return up to *count* rows, oldest first: neither *busy* elsewhere nor *tried* before."""
        for _ in range(LOOKS_A_TURN_MAX):
            await self._look()
            found: list[QueueRow] = []
            while self._rows and len(found) < count:
                row = self._rows.popleft()
                if row_of(row) not in busy and row_of(row) not in tried:
                    found.append(row)
            if found or not self._more:
                return found
        return []

    async def _look(self) -> None:
        """Read what is ready, unless that was begun since this was asked."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._read >= mine:
                return
            covered, now = self._asked, self._clock.now_ms()
            rows = await self._store.ready(
                self._queues, project=self._project, now=now, limit=ROWS_A_LOOK_MAX
            )
            self._rows, self._more = deque(rows), len(rows) == ROWS_A_LOOK_MAX
            self.next_due = await self._store.next_due(self._queues, project=self._project, now=now)
            self._read = covered


class Desks:
    """The desks at which somebody stands."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._desks: dict[tuple[tuple[str, ...], str | None], Desk] = {}

    @contextmanager
    def at(self, queues: Sequence[str], project: str | None) -> Iterator[Desk]:
        """Stand at the desk of these queues, for as long as the context lasts."""
        place = tuple(sorted(set(queues))), project
        desk = self._desks.get(place)
        if desk is None:
            desk = self._desks[place] = Desk(
                store=self._store, clock=self._clock, queues=place[0], project=project
            )
        desk.polls += 1
        try:
            yield desk
        finally:
            desk.polls -= 1
            if desk.polls == 0:
                del self._desks[place]
