"""Nodes on one PostgreSQL, against what others do with it: executions a second, and what one costs.

All nodes, the database and this process share the machine. An execution is a start and three
transitions, each durable before the next, without HTTP: workers answer at once, inside the node.
``goflow-store`` leaves the engine's thinking out, as the other contestants do; compare those.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.database import Database
from benchmarks.driven import Work
from benchmarks.processes import Child
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us, turns, until
from goflow_py.ports import SHARDS

GOFLOW = {"goflow": "engine", "goflow-store": "store"}
TEXTBOOK = {"row-lock": "row_lock", "one-statement": "one_statement", "job-table": "job_table"}
WARM_SECONDS = 1.0
SPREAD_SECONDS = 120.0
EVEN = 0.9
"""Of its share, that each node has before it is measured."""
SHARES = "SELECT count(*) FROM shards WHERE owner IS NOT NULL GROUP BY owner"
COMPLETED = "SELECT coalesce(sum(count), 0) FROM tallies WHERE status = 'completed'"


class Group:
    """Nodes of one contestant, on a database of their own."""

    def __init__(self, name: str, database: Database, count: int, stack: ExitStack) -> None:
        self.name = name
        self._database = database
        self._url = database.create()
        self._nodes = [stack.enter_context(self._node()) for _ in range(count)]

    def _node(self) -> Child:
        if self.name in GOFLOW:
            return Child(self.name, "benchmarks.node", self._url, GOFLOW[self.name])
        return Child(self.name, "benchmarks.textbook", TEXTBOOK[self.name], self._url)

    def spread(self) -> None:
        """Wait until each node has its share."""
        if self.name in GOFLOW:
            count = len(self._nodes)
            until(
                lambda: is_even(self._database, self._url, count), seconds=SPREAD_SECONDS, look=0.5
            )

    def completed(self) -> int:
        """Return how many of goflow's executions have ended, as the database says."""
        if self.name not in GOFLOW:
            return 0
        [[count]] = self._database.run(COMPLETED, self._url)
        return int(count)

    def work(self, work: Work) -> list[dict[str, Any]]:
        """Let all nodes work at once; return what each says."""
        for node in self._nodes:
            node.say(work.line())
        return [json.loads(node.line()) for node in self._nodes]


def is_even(database: Database, url: str, nodes: int) -> bool:
    """Tell whether each of so many nodes has its share of the shards."""
    shares = [count for (count,) in database.run(SHARES, url)]
    return len(shares) == nodes and min(shares) >= EVEN * SHARDS / nodes


def run(
    _: Stage, *, nodes: Sequence[int], in_flight: Sequence[int], rounds: int, seconds: float
) -> Iterator[Figure]:
    """Measure so many nodes of each contestant, in turns."""
    with Database.running() as database:
        for count in nodes:
            with ExitStack() as stack:
                names = [*GOFLOW, *TEXTBOOK]
                groups = [Group(name, database, count, stack) for name in names]
                for group in groups:
                    group.spread()
                for number in range(rounds):
                    for level in in_flight:
                        for group in turns(groups, number):
                            case = {"contestant": group.name, "nodes": count}
                            work = Work(in_flight=level, seconds=seconds)
                            figures = measured(database, group, work)
                            yield {**case, "in_flight": level, "round": number, **figures}


def measured(database: Database, group: Group, work: Work) -> dict[str, Any]:
    """Let a group work; return the figures of an execution."""
    group.work(Work(in_flight=work.in_flight, seconds=WARM_SECONDS))
    completed, wal, cpu = group.completed(), database.wal_bytes(), database.cpu_seconds()
    told = group.work(work)
    cpu = database.cpu_seconds() - cpu  # first: who asks for the others costs something, too
    wal, completed = database.wal_bytes() - wal, group.completed() - completed
    done = sum(one["done"] for one in told)
    return {
        "rate_per_s": sum(one["rate"] for one in told),
        "commit_p50_ms": _mean(told, "commit_p50_ms"),
        "commit_p99_ms": max(one["commit_p99_ms"] for one in told),
        "rows_a_commit": _mean(told, "batch"),
        "node_cpu_us": each_us(sum(one["node_cpu_s"] for one in told), done),
        "database_cpu_us": each_us(cpu, done),
        "wal_bytes_each": wal / max(1, done),
        "lost": max(0, done - completed) if group.name in GOFLOW else 0,
        "errors": sum(one["errors"] for one in told),
    }


def _mean(told: Sequence[Mapping[str, Any]], what: str) -> float:
    return float(sum(one[what] for one in told) / len(told))


WORKLOAD = Workload(
    name="postgres_nodes",
    about="Nodes on one PostgreSQL without HTTP, so many in flight on each, against textbooks.",
    run=run,
    sizes={
        "quick": {"nodes": (1,), "in_flight": (16,), "rounds": 1, "seconds": 0.5},
        "bench": {"nodes": (1, 2, 4), "in_flight": (16, 500), "rounds": 3, "seconds": 2.0},
        "full": {"nodes": (1, 2, 4), "in_flight": (16, 500), "rounds": 5, "seconds": 5.0},
    },
)
