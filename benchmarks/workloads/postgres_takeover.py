"""``kill -9`` of one of two nodes on one PostgreSQL: how soon the other has gone on with its work.

The node that dies has so many executions with a call under way. Once, workers answer the survivor
at once: when its shards are the survivor's, when the first of its executions moves on, when all
have ended. Once, they do not answer at all: what it costs to take them up, without their work.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.database import Database
from benchmarks.driven import Work
from benchmarks.processes import Child
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, until
from benchmarks.workloads.postgres_nodes import is_even

IN_FLIGHT = 500
SPREAD_SECONDS = 120.0
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.05
OWNED = "SELECT count(*) FROM shards WHERE owner = '{0}'"
MOVED = "SELECT EXISTS (SELECT 1 FROM executions WHERE seq > {0})"
OPEN = "SELECT coalesce(sum(count), 0) FROM tallies WHERE status = 'running'"
SEQ = "SELECT max(seq) FROM executions"


def run(_: Stage, *, in_flight: Sequence[int]) -> Iterator[Figure]:
    """Kill a node with each number in flight."""
    with Database.running() as database:
        for count in in_flight:
            loaded = Takeover(database, count, "held").loaded()
            driven = Takeover(database, count, "engine").driven()
            lost = loaded["lost"] + driven["lost"]
            yield {"in_flight": count, **loaded, **driven, "lost": lost}


class Takeover:
    """Two nodes, of which one dies."""

    def __init__(self, database: Database, count: int, survivor: str) -> None:
        self._database = database
        self._count = count
        self._survivor = survivor
        self._url = database.create()

    def loaded(self) -> dict[str, Any]:
        """Return the processor time of taking all up."""
        with ExitStack() as stack:
            dying, node = self._filled(stack)
            dying.kill()
            looks = [self._look(node)]
            ends = time.monotonic() + PATIENCE_SECONDS
            while looks[-1]["known"] < self._count and time.monotonic() < ends:
                time.sleep(LOOK_SECONDS)
                looks.append(self._look(node))
            idle = [one for one in looks if not one["known"]]
            return {
                "load_s": looks[-1]["cpu_s"] - idle[-1]["cpu_s"],
                "lost": max(0, self._count - looks[-1]["known"]),
            }

    def driven(self) -> dict[str, Any]:
        """Return when what happened, in seconds from the kill."""
        with ExitStack() as stack:
            dying, _ = self._filled(stack)
            [[seq]] = self._ask(SEQ)
            owner = dying.url
            dying.kill()
            killed = time.monotonic()
            claimed = self._when(lambda: self._ask(OWNED.format(owner)) == [(0,)])
            first = self._when(lambda: self._ask(MOVED.format(seq)) == [(True,)])
            ended = self._when(lambda: self._ask(OPEN) == [(0,)])
            [[completed]] = self._ask(OPEN.replace("running", "completed"))
        return {
            "claimed_s": claimed - killed,
            "first_s": first - killed,
            "finished_s": ended - killed,
            "lost": self._count - int(completed),
        }

    def _filled(self, stack: ExitStack) -> tuple[Child, Child]:
        """Start both, share the shards, and let one begin so many executions."""
        dying = stack.enter_context(Child("dying", "benchmarks.node", self._url, "starts"))
        node = stack.enter_context(Child("node", "benchmarks.node", self._url, self._survivor))
        until(lambda: is_even(self._database, self._url, 2), seconds=SPREAD_SECONDS, look=0.5)
        dying.say(Work(in_flight=IN_FLIGHT, count=self._count).line())
        told = json.loads(dying.line())
        if told["errors"]:
            raise SystemExit("the node that was to die began not all; see its messages above")
        return dying, node

    def _look(self, node: Child) -> dict[str, Any]:
        node.say(Work(in_flight=1).line())
        told: dict[str, Any] = json.loads(node.line())
        return told

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._database.run(statement, self._url)]

    def _when(self, condition: Any) -> float:
        return until(condition, seconds=PATIENCE_SECONDS, look=0.02)


WORKLOAD = Workload(
    name="postgres_takeover",
    about="kill -9 of one of two nodes, a lease of 10 s: its work in the other's hands how soon.",
    run=run,
    sizes={
        "quick": {"in_flight": (200,)},
        "bench": {"in_flight": (1_000, 10_000, 50_000)},
    },
)
