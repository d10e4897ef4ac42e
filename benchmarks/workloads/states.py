"""Whether states that an execution never enters cost it anything."""

from collections.abc import Iterator, Sequence

from benchmarks import contestants, documents
from benchmarks.contestants import Contestant
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, turns


def run(
    stage: Stage, *, states: Sequence[int], rounds: int, seconds: float, in_flight: int
) -> Iterator[Figure]:
    """Load one server with each blueprint, in turns."""
    uploads = [documents.states(count) for count in states]
    with contestants.goflow(stage.file("states"), stage.worker.url, uploads) as server:
        for number in range(rounds):
            for count in turns(states, number):
                path = contestants.executions(f"states{count}")
                one = Contestant(name="goflow", path=path, start=contestants.goflow)
                sample = stage.sample(
                    one, server, in_flight=in_flight, seconds=seconds, number=number
                )
                yield {"states": count, **sample}


WORKLOAD = Workload(
    name="states",
    about="The same three calls in blueprints of 3, 20 and 200 states.",
    run=run,
    sizes={
        "quick": {"states": (3, 20), "rounds": 1, "seconds": 0.3, "in_flight": 16},
        "bench": {"states": (3, 20, 200), "rounds": 5, "seconds": 1.5, "in_flight": 128},
        "full": {"states": (3, 20, 200), "rounds": 7, "seconds": 3.0, "in_flight": 128},
    },
)
