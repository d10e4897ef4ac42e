"""How long an upload looks at a blueprint: read, validate, compile, check, paths, bound.

    python benchmarks/check_blueprint.py [STATES] [ROUNDS]

Two shapes: states that call workers one after the other, and states whose actions read the output
of the one before. CPU time, the best of all rounds: what else runs on the machine is not in it.
"""

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker
from goflow_py.engine.submissions import read_documents
from goflow_py.fsm.bound import Bound, bound_of
from goflow_py.fsm.check import check
from goflow_py.fsm.collection import without_collection
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.fsm.paths import path_findings, paths_of

STATES = 5_000
ROUNDS = 7
Json = dict[str, Any]


def chain(count: int) -> Json:
    names = [f"s{number}" for number in range(count)]
    return {
        "project": "bench",
        "activity": "chain",
        "states": names,
        "transitions": [
            {"current": "init", "event": "start", "next": names[0]},
            *(
                {"current": one, "event": "success", "next": other}
                for one, other in zip(names, [*names[1:], "done"], strict=True)
            ),
            {"current": "*", "event": "error", "next": "failed"},
        ],
    }


def with_inputs(count: int) -> Json:
    document = chain(count)
    names = document["states"]
    inputs = ["$.input.x", *(f"$.{name}.output.x" for name in names)]
    document["actions"] = [
        {"name": name, "input": {"x": text}} for name, text in zip(names, inputs, strict=False)
    ]
    return document


def best(rounds: int, work: Callable[[], Any]) -> float:
    times = []
    for _ in range(rounds):
        gc.collect()
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times) * 1_000


@without_collection()
def bound(compiled: Compiled, workers: list[Worker]) -> Bound:
    return bound_of(paths_of(compiled), workers)


def measure(document: Json, rounds: int) -> None:
    body = orjson.dumps(document)
    blueprint = Blueprint.model_validate(document)
    names = document["states"]
    # Workers have a document of their own here: with them the body would be over its limit.
    workers = [
        Worker.model_validate({"name": n, "workerEndpoint": "http://h/x", "retryCount": 2})
        for n in names
    ]
    known = {"workers": workers, "workers_in_body": True, "is_resolved": lambda _: True}
    compiled, findings = check(blueprint, **known)  # type: ignore[arg-type]
    parts = {
        "read and validate": lambda: read_documents(body),
        "compile": lambda: compile_blueprint(blueprint, workers=names),
        "check (compile and paths in it)": lambda: check(blueprint, **known),  # type: ignore[arg-type]
        "  of that: paths": lambda: list(path_findings(paths_of(compiled))),
        "bound": lambda: bound(compiled, workers),
    }
    print(
        f"{document['activity']}: {len(names)} states, {len(compiled.rows)} rows, "
        f"{len(blueprint.actions)} actions, {len(body) / 1e3:.0f} kB, {len(findings)} findings"
    )
    times = {name: best(rounds, work) for name, work in parts.items()}
    for name, milliseconds in times.items():
        print(f"  {name:<34} {milliseconds:7.1f} ms")
    whole = sum(times[name] for name in list(parts) if name not in ("compile", "  of that: paths"))
    print(f"  {'an upload, without the store':<34} {whole:7.1f} ms")


def main() -> None:
    states = int(sys.argv[1]) if len(sys.argv) > 1 else STATES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    for make in (chain, with_inputs):
        measure(make(states), rounds)


if __name__ == "__main__":
    main()
