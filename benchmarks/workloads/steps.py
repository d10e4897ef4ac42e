"""What another step costs: executions of one, three and ten calls, goflow and the floor."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks import contestants, documents
from benchmarks.contestants import Contestant
from benchmarks.result import Figure
from benchmarks.stage import Stage, Workload, turns


def run(
    stage: Stage, *, steps: Sequence[int], rounds: int, seconds: float, in_flight: int
) -> Iterator[Figure]:
    """Load both with each number of steps, in turns."""
    uploads = [documents.steps(count) for count in steps]
    with ExitStack() as stack:
        ours = stack.enter_context(
            contestants.goflow(stage.file("steps"), stage.worker.url, uploads)
        )
        field = []
        for count in steps:
            floor = contestants.module("floor", str(count))(stage.file("floor"), stage.worker.url)
            field.append((count, goflow(count), ours))
            field.append((count, floor_of(count), stack.enter_context(floor)))
        for number in range(rounds):
            for count, one, server in turns(field, 2 * number):
                sample = stage.sample(
                    one, server, in_flight=in_flight, seconds=seconds, number=number
                )
                yield {"steps": count, **sample}


def goflow(steps: int) -> Contestant:
    """Return goflow with executions of so many calls."""
    path = contestants.executions(f"steps{steps}")
    return Contestant(
        name="goflow", kind="goflow", path=path, start=contestants.goflow, calls=steps
    )


def floor_of(steps: int) -> Contestant:
    """Return the floor with executions of so many calls."""
    begin = contestants.module("floor", str(steps))
    return Contestant(name="floor", kind="floor", path="/executions", start=begin, calls=steps)


WORKLOAD = Workload(
    name="steps",
    about="Executions of 1, 3 and 10 worker calls, one after the other, 128 in flight.",
    run=run,
    sizes={
        "quick": {"steps": (1, 3), "rounds": 1, "seconds": 0.3, "in_flight": 16},
        "bench": {"steps": (1, 3, 10), "rounds": 3, "seconds": 2.0, "in_flight": 128},
        "full": {"steps": (1, 3, 10), "rounds": 5, "seconds": 4.0, "in_flight": 128},
    },
)
