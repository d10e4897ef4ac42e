"""What is known of a blueprint version without running it: rows, graph, differences, bounds."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import orjson

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker
from goflow_py.engine.backoff import RetryDefaults
from goflow_py.engine.catalog import Catalog
from goflow_py.errors import NotFound
from goflow_py.fsm.bound import BackOff, bound_of
from goflow_py.fsm.check import Checked
from goflow_py.fsm.check_machines import activities, place_cycle, unknown_activity
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.diagram import graph
from goflow_py.fsm.findings import Finding
from goflow_py.fsm.graph import Paths, paths_of
from goflow_py.fsm.paths import accepted
from goflow_py.fsm.table import diff, machine_rows, rows_view
from goflow_py.ports import BlueprintRow, Store

ACTIVITIES_LOOKED_UP_MAX = 200
"""Of one blueprint; whether there are others is not looked at."""


class Proofs:
    """Looks at stored versions; workers are those in force now."""

    def __init__(self, *, store: Store, catalog: Catalog, retry: RetryDefaults) -> None:
        self._store = store
        self._catalog = catalog
        self._retry = retry

    def of(self, checked: Checked, workers: Iterable[Worker], *, drawn: bool) -> dict[str, Any]:
        """Return the events that each state accepts, and the longest that an execution takes.

        *drawn* asks for the graph, too.
        """
        paths = checked.paths or paths_of(checked.compiled)
        found = self._of(paths, workers, checked.machines)
        return {**found, "graph": graph(checked.compiled)} if drawn else found

    @without_collection()
    def _of(
        self, paths: Paths, workers: Iterable[Worker], machines: Mapping[str, Paths]
    ) -> dict[str, Any]:
        back_off = BackOff(interval=self._retry.interval, max_interval=self._retry.max_interval)
        bound = bound_of(paths, workers, back_off, machines)
        return {"accepts": accepted(paths.compiled), "bound": bound.as_json()}

    async def of_version(self, row: BlueprintRow) -> dict[str, Any]:
        """Return the same for a stored version."""
        groups = await self._catalog.workers(row.project, row.activity)
        workers = [worker for group in groups.values() for worker in group]
        compiled = await self._compiled(row)
        with without_collection():
            paths = paths_of(compiled)
        return self._of(paths, workers, {})

    async def unknown_activities(self, blueprint: Blueprint) -> list[Finding]:
        """Warn of children whose activity has no blueprint yet; the one itself is being stored."""
        found: list[Finding] = []
        children = islice(activities(blueprint), ACTIVITIES_LOOKED_UP_MAX)
        for pointer, activity, version in children:
            if activity == blueprint.activity and version is None:
                continue
            if await self._store.blueprint(blueprint.project, activity, version) is None:
                found.append(unknown_activity(pointer, activity, version))
        return found

    async def place_cycles(self, blueprint: Blueprint) -> list[Finding]:
        """Refuse activities that start each other, of which two have ``maxConcurrent``.

        Each could hold a place and wait for a child that waits for one of the other's.
        """
        calls = {blueprint.activity: self._children(blueprint)}
        narrow = {blueprint.activity} if blueprint.max_concurrent is not None else set()
        left = list(calls[blueprint.activity])
        while left and len(calls) < ACTIVITIES_LOOKED_UP_MAX:
            name = left.pop()
            row = None
            if name not in calls:
                row = await self._store.blueprint(blueprint.project, name, None)
            if row is not None:
                known = (await self._compiled(row)).blueprint
                calls[name] = self._children(known)
                narrow |= {name} if known.max_concurrent is not None else set()
                left += calls[name]
        circle = narrow & _circle(calls, blueprint.activity)
        for pointer, activity, _ in activities(blueprint):
            if len(circle) > 1 and blueprint.activity in _reached(calls, activity):
                return [place_cycle(pointer, sorted(circle))]
        return []

    def _children(self, blueprint: Blueprint) -> list[str]:
        return [name for _, name, _ in islice(activities(blueprint), ACTIVITIES_LOOKED_UP_MAX)]

    async def rows(self, row: BlueprintRow) -> list[dict[str, Any]]:
        """Return the compiled table."""
        return rows_view(await self._compiled(row))

    async def machine_rows(self, row: BlueprintRow) -> dict[str, list[dict[str, Any]]]:
        """Return the compiled tables of the private machines."""
        return machine_rows(await self._compiled(row))

    async def graph(self, row: BlueprintRow) -> dict[str, Any]:
        """Return the graph that a screen draws, with those of the machines."""
        return graph(await self._compiled(row))

    async def diff(
        self, project: str, activity: str, *, before: int | None, after: int | None
    ) -> dict[str, Any]:
        """Compare two versions: by default the latest with the one before it.

        Raises ``NotFound``.
        """
        rows = {row.version: row for row in await self._store.versions(project, activity)}
        name = f"{project}/{activity}"
        if not rows:
            raise NotFound(f"there is no activity {name}")
        newer = max(rows) if after is None else after
        older = max((n for n in rows if n < newer), default=None) if before is None else before
        if older is None:
            raise NotFound(f"{name} has no version before {newer}; name one with 'from'")
        for number in (older, newer):
            if number not in rows:
                raise NotFound(f"{name} has no version {number}")
        counts = await self._store.counts(project, activity)
        ends = [rows[older], rows[newer]]
        changes = diff(
            await self._compiled(ends[0]),
            await self._compiled(ends[1]),
            workers=(_worker_names(ends[0]), _worker_names(ends[1])),
        )
        shown = [_end(row, counts.get(row.version, {})) for row in ends]
        facts = {"project": project, "activity": activity, "from": shown[0], "to": shown[1]}
        return {**facts, "same": ends[0].digest == ends[1].digest, **changes}

    async def _compiled(self, row: BlueprintRow) -> Compiled:
        return await self._catalog.compiled(row.project, row.activity, row.version)


def _reached(calls: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """Return the activities that *start* starts, directly or not, and itself."""
    found, left = {start}, [start]
    while left:
        new = set(calls.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def _circle(calls: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """Return the activities that *start* starts and that start it."""
    return {name for name in _reached(calls, start) if start in _reached(calls, name)}


def _worker_names(row: BlueprintRow) -> list[str]:
    names: list[str] = orjson.loads(row.body)["workerNames"]
    return names


def _end(row: BlueprintRow, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return a version with what runs on it."""
    open_ = {name: counts.get(name, 0) for name in ("running", "waiting", "paused", "failed")}
    return {"version": row.version, "hash": row.digest, **open_}
