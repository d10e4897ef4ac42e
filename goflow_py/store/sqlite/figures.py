"""What became of the newest executions: counts and percentiles, worked out by SQLite itself.

It lets go of Python meanwhile, so that everybody else's requests go on.
"""

from dataclasses import asdict

from goflow_py.ports import Figures, FiguresFilter
from goflow_py.store import rows as row_values
from goflow_py.store.sqlite.readers import Readers


class Counting:
    """The readings of figures of a store."""

    @property
    def _readers(self) -> Readers:
        raise NotImplementedError

    async def figures(self, which: FiguresFilter) -> Figures:
        """Count what began and what ended, among the newest executions."""
        leader = "activity" if which.activity is not None else "project"
        leader = "all" if which.project is None else leader
        return row_values.figures(await self._readers.all(f"figures_by_{leader}", asdict(which)))

    async def newest(
        self, project: str, activity: str, version: int, *, since: int, rows: int, limit: int
    ) -> list[str]:
        """Return ids of executions of a version, newest first."""
        asked = {"project": project, "activity": activity, "version": version}
        asked |= {"since": since, "rows": rows, "limit": limit}
        found = await self._readers.all("newest_of_version", asked)
        return [execution for (execution,) in found]
