"""What the newest executions of a version did: its rows, states and workers, counted and timed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from goflow_py.clock import Clock
from goflow_py.domain.durations import rfc3339
from goflow_py.domain.history import Entry
from goflow_py.domain.names import INIT
from goflow_py.domain.percentiles import percentile
from goflow_py.engine.aside import aside
from goflow_py.engine.catalog import Catalog
from goflow_py.engine.fresh import Fresh
from goflow_py.engine.heads import UNREADABLE
from goflow_py.engine.past import Past
from goflow_py.engine.statistics import STATS_EXECUTIONS_MAX, seconds
from goflow_py.fsm.diagram import graph
from goflow_py.ports import BlueprintRow, RecordRow, Store

INSIGHTS_EXECUTIONS_MAX = 500
"""Executions whose histories one answer reads, the newest."""
INSIGHTS_BYTES_MAX = 32 * 1024 * 1024
"""Of these histories; older executions are left out when they are long."""
WORKERS_SHOWN_MAX = 50
FAULTS = ("error", "timeout")

Json = dict[str, Any]
Times = dict[Any, list[int]]


def _lists() -> Times:
    return defaultdict(list)


@dataclass(slots=True)
class Table:
    """What happened in one table: the blueprint's, or a private machine's."""

    rows: Times = field(default_factory=_lists)
    """How long its state lasted before it was taken, in ms, by (from, event, action, to)."""
    stays: Times = field(default_factory=_lists)
    """How long visits that ended lasted, in ms, by state."""
    visits: Counter[str] = field(default_factory=Counter)
    seen_in: Counter[str] = field(default_factory=Counter)
    """Executions that were in a state."""


@dataclass(slots=True)
class Tally:
    """Everything that was counted."""

    tables: dict[str | None, Table] = field(default_factory=lambda: defaultdict(Table))
    """By the machine's name; None: the blueprint's own."""
    outcomes: dict[tuple[str, str], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """By (worker, action)."""
    calls: Times = field(default_factory=_lists)
    """How long attempts lasted, in ms, by (worker, action)."""
    executions: int = 0
    entries: int = 0
    oldest: int | None = None
    unreadable: int = 0

    def add(self, entries: Iterable[Entry]) -> Iterator[None]:
        """Count one execution; others may have a turn behind each entry."""
        table, actions, states = Table(), dict[str, str](), set[str]()
        entered = 0
        self.executions += 1
        for entry in entries:
            self.entries += 1
            match entry["type"]:
                case "started":
                    self.oldest = entered = entry["at"]
                    table = self.tables[entry.get("machine")]
                    table.visits[INIT] += 1
                    states.add(INIT)
                case "transition":
                    entered = _moved(table, states, entry, entered)
                case "taskScheduled":
                    actions[entry["task"]] = entry["action"]
                case "attemptEnded":
                    task: str = entry["task"]
                    worker = entry["worker"], actions.get(task, task)
                    self.outcomes[worker][entry["outcome"]] += 1
                    if entry["outcome"] in ("success", *FAULTS):
                        self.calls[worker].append(entry["ms"])
                case _:
                    pass
            yield
        table.seen_in.update(states)


def _moved(table: Table, states: set[str], entry: Entry, entered: int) -> int:
    """Count a transition; return when the state was entered in which it led."""
    stayed = entry["at"] - entered
    table.rows[entry["from"], entry["event"], entry["action"], entry["to"]].append(stayed)
    if not entry["entered"]:
        return entered
    table.stays[entry["from"]].append(stayed)
    table.visits[entry["to"]] += 1
    states.add(entry["to"])
    at: int = entry["at"]
    return at


class Insights:
    """Reads the histories of the newest executions."""

    def __init__(self, *, store: Store, catalog: Catalog, clock: Clock) -> None:
        self._store = store
        self._catalog = catalog
        self._fresh = Fresh(clock)

    async def of(self, row: BlueprintRow, *, since: int | None) -> Json:
        """Return what executions of a version did that began at or behind *since*.

        Raises ``Unavailable``.
        """
        key = (row.project, row.activity, row.version, since)

        async def work() -> Json:
            compiled = await self._catalog.compiled(row.project, row.activity, row.version)
            ids = await self._store.newest(
                row.project,
                row.activity,
                row.version,
                since=since or 0,
                rows=STATS_EXECUTIONS_MAX,
                limit=INSIGHTS_EXECUTIONS_MAX,
            )
            tally = await self._tally(ids)
            return _view(row, since, tally, graph(compiled))

        found: dict[str, Any] = await self._fresh.get(key, work, project=row.project)
        return found

    async def _tally(self, ids: Iterable[str]) -> Tally:
        tally, size = Tally(), 0
        for execution in ids:
            past = Past(self._store, execution)
            records = await _records(past, INSIGHTS_BYTES_MAX - size)
            if records is None:
                break
            if not records:
                continue  # purged since
            length = sum(len(record.entries) for record in records)
            size += length
            try:
                for _ in tally.add(await aside(length, partial(_entries, records))):
                    await past.pace.did(1)
            except UNREADABLE:
                tally.unreadable += 1
        return tally


async def _records(past: Past, room: int) -> list[RecordRow] | None:
    """Return all records of an execution; None when they are longer than *room*, in bytes."""
    found: list[RecordRow] = []
    async for record in past.records():
        found.append(record)
        room -= len(record.entries)
        if room < 0:
            return None
    return found


def _entries(records: Iterable[RecordRow]) -> list[Entry]:
    return [entry for record in records for entry in orjson.loads(record.entries)]


# ---------------------------------------------------------------- shown


def _view(row: BlueprintRow, since: int | None, tally: Tally, drawn: Json) -> Json:
    machines = drawn["machines"]
    return {
        "project": row.project,
        "activity": row.activity,
        "version": row.version,
        "since": None if since is None else rfc3339(since),
        "looked": {
            "executions": tally.executions,
            "max": INSIGHTS_EXECUTIONS_MAX,
            "entries": tally.entries,
            "unreadable": tally.unreadable,
            "oldest": None if tally.oldest is None else rfc3339(tally.oldest),
        },
        **_table(tally.tables[None], drawn),
        "workers": _workers(tally),
        "machines": {name: _table(tally.tables[name], one) for name, one in machines.items()},
    }


def _table(table: Table, drawn: Json) -> Json:
    """Return rows, the ids of those that were never taken, and states.

    Rows that differ only in their guard cannot be told apart in a history: the first one has what
    is known of all, the others say which one that is.
    """
    first: dict[tuple[str, str, str, str], str] = {}
    rows, never = [], []
    for edge in drawn["edges"]:
        key = (edge["from"], edge["event"], edge["action"], edge["to"])
        shown = {name: edge[name] for name in ("id", "from", "event", "action", "to")}
        if "guard" in edge:
            shown["guard"] = edge["guard"]
        if key in first:
            rows.append({**shown, "count": None, "p50": None, "p95": None, "countedAs": first[key]})
            continue
        first[key] = edge["id"]
        times = table.rows.get(key, [])
        rows.append({**shown, **_timed(times)})
        if not times:
            never.append(edge["id"])
    return {
        "rows": rows,
        "neverTaken": never,
        "besides": sum(len(times) for key, times in table.rows.items() if key not in first),
        "states": [_state(table, node["id"]) for node in drawn["nodes"]],
    }


def _state(table: Table, name: str) -> Json:
    times = _timed(table.stays.get(name, []))
    return {
        "state": name,
        "visits": table.visits[name],
        "executions": table.seen_in[name],
        "p50": times["p50"],
        "p95": times["p95"],
    }


def _timed(times: list[int]) -> Json:
    times.sort()
    return {
        "count": len(times),
        "p50": seconds(percentile(times, 50)),
        "p95": seconds(percentile(times, 95)),
    }


def _workers(tally: Tally) -> list[Json]:
    """Return the workers, the flakiest first."""
    found = []
    for (worker, action), outcomes in tally.outcomes.items():
        times = _timed(tally.calls.get((worker, action), []))
        faults = sum(outcomes[name] for name in FAULTS)
        found.append(
            {
                "worker": worker,
                "action": action,
                "attempts": outcomes.total(),
                "errors": outcomes["error"],
                "timeouts": outcomes["timeout"],
                "abandoned": outcomes["abandoned"],
                "faulty": round(faults / times["count"], 4) if times["count"] else None,
                "p50": times["p50"],
                "p95": times["p95"],
            }
        )
    found.sort(key=lambda one: (-(one["faulty"] or 0), -one["attempts"], one["worker"]))
    return found[:WORKERS_SHOWN_MAX]
