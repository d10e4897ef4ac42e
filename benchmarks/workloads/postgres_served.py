"""Whole servers on one PostgreSQL, over HTTP in and out: one node, two, and SQLite beside them.

Each node has a load of its own, as many clients in all. Nodes, database, worker and load share
the cores, so that a second node can only take what the first one leaves.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import contestants
from benchmarks.contestants import CALLS, CONTESTANTS
from benchmarks.database import Database
from benchmarks.processes import Child, Load, ask
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, each_us, turns, until
from benchmarks.workloads.postgres_nodes import SPREAD_SECONDS, is_even

WARM_SECONDS = 1.0
GOFLOW = CONTESTANTS["goflow"]


class Served:
    """Servers on the same data, each with its load."""

    def __init__(self, stage: Stage, database: Database, nodes: int, stack: ExitStack) -> None:
        self.nodes = nodes
        self.data = "postgresql" if nodes else "sqlite"
        url = database.create() if nodes else str(stage.file("served"))
        self._stage = stage
        self._database = database
        self._servers: list[Child] = []
        self._loads: list[Load] = []
        for _ in range(max(1, nodes)):
            self._servers.append(stack.enter_context(contestants.goflow(url, stage.worker.url)))
            self._loads.append(stack.enter_context(Load()))
        if nodes:
            until(lambda: is_even(database, url, nodes), seconds=SPREAD_SECONDS, look=0.5)

    def measured(self, in_flight: int, seconds: float) -> dict[str, Any]:
        """Load all servers at once; return the figures."""
        self._work(in_flight, WARM_SECONDS)
        ask(self._stage.worker.url, "/_counts")
        before, cpu = self._cpu_seconds(), self._database.cpu_seconds()
        told = self._work(in_flight, seconds)
        cpu, own = self._database.cpu_seconds() - cpu, self._cpu_seconds() - before
        counts = ask(self._stage.worker.url, "/_counts")
        done = sum(one["done"] for one in told)
        return {
            "rate_per_s": sum(one["rate"] for one in told),
            "p50_ms": sum(one["p50_ms"] for one in told) / len(told),
            "p99_ms": max(one["p99_ms"] for one in told),
            "cpu_us": each_us(own, done),
            "database_cpu_us": each_us(cpu, done) if self.nodes else None,
            "lost": max(0, CALLS * done - counts["keys"]),
            "doubled": counts["doubled"],
            "errors": sum(one["errors"] for one in told),
        }

    def _work(self, in_flight: int, seconds: float) -> list[dict[str, Any]]:
        clients = in_flight // len(self._loads)
        for load, server in zip(self._loads, self._servers, strict=True):
            load.begin(GOFLOW.job(server, clients=clients, seconds=seconds))
        return [load.end() for load in self._loads]

    def _cpu_seconds(self) -> float:
        return sum(server.cpu_seconds() for server in self._servers)


def run(
    stage: Stage, *, nodes: Sequence[int], in_flight: Sequence[int], rounds: int, seconds: float
) -> Iterator[Figure]:
    """Load so many nodes, in turns; no node at all is SQLite."""
    with Database.running() as database, ExitStack() as stack:
        groups = [Served(stage, database, count, stack) for count in nodes]
        for number in range(rounds):
            for level in in_flight:
                for group in turns(groups, number):
                    case = {"data": group.data, "nodes": max(1, group.nodes), "in_flight": level}
                    yield {**case, "round": number, **group.measured(level, seconds)}


WORKLOAD = Workload(
    name="postgres_served",
    about="Whole servers over HTTP, three calls an execution: nodes on PostgreSQL, and SQLite.",
    run=run,
    sizes={
        "quick": {"nodes": (0, 1), "in_flight": (16,), "rounds": 1, "seconds": 0.5},
        "bench": {"nodes": (0, 1, 2), "in_flight": (32, 256), "rounds": 3, "seconds": 3.0},
        "full": {"nodes": (0, 1, 2, 4), "in_flight": (32, 256), "rounds": 5, "seconds": 5.0},
    },
)
