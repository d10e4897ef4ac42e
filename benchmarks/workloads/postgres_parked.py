"""What an execution that waits for an event has on PostgreSQL's disk, with all of its rows."""

import json
from collections.abc import Iterator, Sequence

from benchmarks.database import Database
from benchmarks.driven import Work
from benchmarks.processes import Child
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload

IN_FLIGHT = 500


def run(_: Stage, *, executions: Sequence[int]) -> Iterator[Figure]:
    """Park each number in a database of its own."""
    with Database.running() as database:
        for count in executions:
            url = database.create()
            with Child("node", "benchmarks.node", url, "parked") as node:
                empty = database.size_bytes(url)
                node.say(Work(in_flight=IN_FLIGHT, count=count).line())
                told = json.loads(node.line())
            database.run("VACUUM", url)
            [[found]] = database.run("SELECT count(*) FROM executions", url)
            yield {
                "executions": count,
                "disk_bytes_each": (database.size_bytes(url) - empty) / count,
                "accepted_per_s": told["rate"],
                "errors": told["errors"],
                "lost": count - found,
            }


WORKLOAD = Workload(
    name="postgres_parked",
    about="Executions that wait for an event, on PostgreSQL: what each has on disk.",
    run=run,
    sizes={
        "quick": {"executions": (500,)},
        "bench": {"executions": (50_000,)},
        "full": {"executions": (50_000, 1_000_000)},
    },
)
