"""The longest that an execution can take: by a table, and against engines that really take it."""

from typing import Any

import pytest

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker
from goflow_py.fsm.bound import BackOff, Bound, bound_of, pauses
from goflow_py.fsm.compile import compile_blueprint
from goflow_py.fsm.paths import paths_of

START = {"current": "init", "event": "start", "next": "a"}
ONE = {"states": ["a"], "transitions": [START]}


def row(current: str, event: str, target: str, **more: Any) -> dict[str, Any]:
    return {"current": current, "event": event, "next": target, **more}


def worker(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": "http://h/x", "responseTimeout": 5, **fields}


def bound(document: dict[str, Any], *workers: dict[str, Any]) -> Bound:
    blueprint = Blueprint.model_validate({"project": "p", "activity": "a", **ONE, **document})
    compiled = compile_blueprint(blueprint, workers={one["name"] for one in workers})
    return bound_of(paths_of(compiled), [Worker.model_validate(one) for one in workers])


WAIT = {"name": "a", "type": "wait", "event": "go"}
PAUSE = {"name": "a", "type": "delay", "seconds": "10s"}


@pytest.mark.parametrize(
    ("seconds", "document", "workers"),
    [
        (5.0, {}, [worker()]),
        (5 * 4 + 1 + 2 + 4, {}, [worker(retryCount=3)]),
        (10 + 5, {}, [worker(), worker(workerEndpoint="http://h/y", responseTimeout=10)]),
        (15 + 60 + 60, {}, [worker(retryCount=2, retry={"interval": 1_000})]),
        (15 + 2, {}, [worker(retryCount=2, retry={"interval": 1, "backoffRate": 1})]),
        (7.0, {"actions": [{"name": "a", "timeout": 7}]}, [worker(retryCount=9)]),
        (86_405.0, {"actions": [{"name": "a", "type": "async"}]}, [worker()]),
        (30.0, {"actions": [{"name": "a", "type": "async", "timeout": 30}]}, [worker()]),
        (10.0, {"actions": [PAUSE]}, []),
        (8.0, {"actions": [{**WAIT, "timeout": 8}]}, []),
        (3.0, {"actions": [WAIT], "states": [{"name": "a", "timeout": 3}]}, []),
        (3.0, {"states": [{"name": "a", "after": [{"delay": 3, "next": "done"}]}]}, []),
        (9.0, {"actions": [WAIT], "timeout": 9}, []),
        (0.0, {}, []),
        (20.0, {"transitions": [{**START, "delay": 10}], "actions": [PAUSE]}, []),
        (
            40.0,
            {
                "states": [{"name": "a", "maxVisits": 4}],
                "actions": [PAUSE],
                "transitions": [START, row("a", "success", "a")],
            },
            [],
        ),
        (
            10.0,
            {
                "states": ["a", "b"],
                "actions": [PAUSE, {"name": "b", "type": "delay", "seconds": 4}],
                "transitions": [row("init", "start", "a"), row("init", "x", "b")],
            },
            [],
        ),
        (5 + 2.0, {"transitions": [START, row("a", "success", "done")]}, [
            worker(), worker(name="done", responseTimeout=2)
        ]),
    ],
)  # fmt: skip
def test_each_part_of_the_bound(
    seconds: float, document: dict[str, Any], workers: list[dict[str, Any]]
) -> None:
    assert bound(document, *workers).seconds == seconds


@pytest.mark.parametrize(
    ("document", "workers", "part", "path"),
    [
        ({"actions": [WAIT]}, [], "no 'timeout'", ("init", "a")),
        (
            {"transitions": [START, row("a", "go", "done")]},
            [],
            "waits for an event",
            ("init", "a"),
        ),
        ({"actions": [{**PAUSE, "seconds": "$.input.n"}]}, [], "depends", ("init", "a")),
        ({"actions": [{"name": "a"}]}, [], "has no worker", ("init", "a")),
        (
            {"actions": [{"name": "a", "type": "async", "heartbeatTimeout": 5}]},
            [worker()],
            "heartbeats",
            ("init", "a"),
        ),
        ({"actions": [{"name": "a", "whenOpen": "wait"}]}, [worker()], "circuits", ("init", "a")),
        (
            {"transitions": [START, row("a", "success", "a")], "actions": [PAUSE]},
            [],
            "cycle a -> a",
            ("init", "a"),
        ),
        (
            {
                "states": ["a", "b"],
                "actions": [PAUSE],
                "transitions": [START, row("a", "success", "b"), row("b", "success", "a")],
            },
            [],
            "maxVisits",
            ("init", "a"),
        ),
        (
            {
                "states": [{"name": "a", "after": [{"delay": 3, "event": "go"}]}],
                "actions": [WAIT],
                "transitions": [START, {"current": "a", "event": "go"}],
            },
            [],
            "no 'timeout'",
            ("init", "a"),
        ),
        (
            {"transitions": [START, {"current": "a", "event": "go"}]},
            [worker()],
            "waits for an event",
            ("init", "a"),
        ),
    ],
)
def test_where_there_is_no_bound_the_reason_is_said(
    document: dict[str, Any], workers: list[dict[str, Any]], part: str, path: tuple[str, ...]
) -> None:
    found = bound(document, *workers)
    assert found.seconds is None
    assert part in str(found.because)
    assert found.path == path


def test_the_longest_path_is_shown_through_a_cycle() -> None:
    document = {
        "states": ["a", {"name": "b", "maxVisits": 3}, "c"],
        "actions": [PAUSE, {**PAUSE, "name": "c"}],
        "transitions": [
            START,
            row("a", "success", "b"),
            row("b", "success", "a", when="data.n"),
            row("b", "success", "c"),
        ],
    }
    found = bound(document)
    assert found.path == ("init", "a", "b", "c", "done")
    assert found.seconds == 4 * 10 + 10


def test_what_operators_begin_is_not_in_it() -> None:
    document = {
        "states": ["a", "w"],
        "transitions": [START, row("a", "cancel", "w"), row("w", "x", "a")],
    }
    assert bound(document).seconds == 0


def test_the_ceilings_of_the_back_off_are_added_up() -> None:
    one = Worker.model_validate(worker(retryCount=1_000, retry={"backoffRate": 100}))
    assert pauses(one, BackOff(interval=1, max_interval=60)) == 1 + 999 * 60
    zero = Worker.model_validate(worker(retryCount=9, retry={"interval": 0}))
    assert pauses(zero, BackOff()) == 0
