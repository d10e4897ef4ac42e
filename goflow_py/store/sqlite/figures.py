"""What became of the newest executions: counts and percentiles, worked out by SQLite itself.

It lets go of Python meanwhile, so that everybody else's requests go on.
"""

from dataclasses import asdict
from typing import Any

from goflow_py.ports import Figures, FiguresFilter, Slot
from goflow_py.store.sqlite.readers import Readers

WHOLE = -1
"""The number that stands for all slots."""


class Counting:
    """The readings of figures of a store."""

    @property
    def _readers(self) -> Readers:
        raise NotImplementedError

    async def figures(self, which: FiguresFilter) -> Figures:
        """Count what began and what ended, among the newest executions."""
        leader = "activity" if which.activity is not None else "project"
        leader = "all" if which.project is None else leader
        found = await self._readers.all(f"figures_by_{leader}", asdict(which))
        looked, oldest, slots = 0, None, dict[int, dict[str, Any]]()
        counts = dict.fromkeys(("started", "completed", "failed", "cancelled"), 0)
        for what, slot, number in found:
            if what == "looked":
                looked, oldest = slot, number
                continue
            slots.setdefault(slot, {})[what] = number
            if what in counts:
                counts[what] += number
        return Figures(
            looked=looked,
            oldest=oldest,
            whole=Slot(**counts, **slots.pop(WHOLE, {})),
            slots={number: Slot(**facts) for number, facts in sorted(slots.items())},
        )

    async def newest(
        self, project: str, activity: str, version: int, *, since: int, rows: int, limit: int
    ) -> list[str]:
        """Return ids of executions of a version, newest first."""
        asked = {"project": project, "activity": activity, "version": version}
        asked |= {"since": since, "rows": rows, "limit": limit}
        found = await self._readers.all("newest_of_version", asked)
        return [execution for (execution,) in found]
