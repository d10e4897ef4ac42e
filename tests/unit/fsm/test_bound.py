"""The longest that an execution can take: by a table, and against engines that really take it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker
from goflow_py.fsm.bound import BackOff, Bound, bound_of, pauses
from goflow_py.fsm.compile import compile_blueprint
from goflow_py.fsm.paths import paths_of
from tests.player import Player

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
SLOW = {"name": "slow", "type": "delay", "seconds": 10}
FAST = {"name": "fast", "type": "delay", "seconds": 4}
PULL = {"name": "a", "type": "pull"}


def graph(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a document whose state 'a' has that work."""
    return {"states": [{"name": "a", "tasks": list(tasks), **more}], "actions": [SLOW, FAST]}


def of_machine(machine: dict[str, Any], **more: Any) -> dict[str, Any]:
    machine = {"states": ["a"], "transitions": [START], **machine}
    return {
        "actions": [{"name": "a", "type": "activity", "machine": "m", **more}],
        "machines": {"m": {"actions": [{**SLOW, "name": "a"}], **machine}},
    }


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
        (10.0, graph({"name": "slow"}, {"name": "fast"}), []),
        (14.0, graph({"name": "fast", "needs": ["slow"]}, {"name": "slow"}), []),
        (
            18.0,
            graph(
                {"name": "slow"},
                {"name": "fast", "needs": ["slow"]},
                {"name": "x", "do": "fast"},
                {"name": "y", "do": "fast", "needs": ["x", "fast"]},
            ),
            [],
        ),
        (10.0, graph({"name": "slow"}, {"name": "fast"}, join="any"), []),
        (0.0, graph(), []),
        (4.0, graph({"name": "fast", "each": "$.input"}), []),
        (4.0, graph({"name": "fast", "each": [1, 2, 3, 4, 5]}), []),
        (12.0, graph({"name": "fast", "each": [1, 2, 3, 4, 5], "concurrency": 2}), []),
        (0.0, graph({"name": "fast", "each": [], "concurrency": 2}), []),
        (2_000.0, graph({"name": "fast", "each": "$.input", "concurrency": 2}), []),
        (3.0, graph({"name": "slow"}, timeout=3), []),
        (5.0, {"actions": [{**PULL, "timeout": 5}]}, []),
        (5.0, {"actions": [{**PULL, "type": "human", "timeout": 5}]}, []),
        (5.0, {"actions": [{**PULL, "whenFailed": "wait", "timeout": 5}]}, []),
        (0.25, {"actions": [{"name": "a", "type": "script", "script": "1"}]}, []),
        (
            2 * 3 + 1 + 2,
            {
                "actions": [
                    {"name": "a", "type": "script", "script": "1", "timeout": 2, "retryCount": 2}
                ]
            },
            [],
        ),
        (
            30 * 2 + 1,
            {
                "actions": [
                    {"name": "a", "type": "emit", "event": "x", "endpoint": "http://h/x"}
                    | {"retryCount": 1}
                ]
            },
            [],
        ),
        (10.0, of_machine({}), []),
        (2 * 10 + 1.0, of_machine({}, retryCount=1), []),
        (7.0, of_machine({"timeout": 7}), []),
        (6.0, of_machine({"timeout": 7}, timeout=6), []),
        (6.0, {"actions": [{"name": "a", "type": "activity", "activity": "x", "timeout": 6}]}, []),
        (6.0, {"actions": [{"name": "a", "type": "undo", "timeout": 6}]}, []),
        (
            5 + 10.0,
            {
                "states": [
                    {"name": "a", "do": "slow", "subscribe": {"setup": "s", "teardown": "s"}}
                ],
                "actions": [SLOW, {"name": "s"}],
            },
            [worker(name="s")],
        ),
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
        ({"actions": [PULL]}, [], "waits for a worker to claim it", ("init", "a")),
        ({"actions": [{**PULL, "type": "human"}]}, [], "waits for somebody", ("init", "a")),
        (
            {"actions": [{"name": "a", "type": "activity", "activity": "other"}]},
            [],
            "how long activity 'other' takes",
            ("init", "a"),
        ),
        ({"actions": [{"name": "a", "type": "undo"}]}, [], "undoes all", ("init", "a")),
        (
            of_machine({"actions": [{**WAIT, "name": "a"}]}),
            [],
            "in machine 'm', the wait 'a' has no 'timeout'",
            ("init", "a"),
        ),
        (
            of_machine({"actions": [{"name": "a", "type": "activity", "machine": "m"}]}),
            [],
            "starts itself: m -> m",
            ("init", "a"),
        ),
        (
            graph({"name": "slow"}, {"name": "w"}) | {"actions": [SLOW, {**WAIT, "name": "w"}]},
            [],
            "no 'timeout'",
            ("init", "a"),
        ),
    ],
)  # fmt: skip
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


def test_a_label_of_a_task_that_a_row_stays_for_leaves_the_bound() -> None:
    document = graph({"name": "w"}, {"name": "fast"}, on={"go": {"set": {"x": 1}}})
    document["actions"] = [{**WAIT, "name": "w", "timeout": 6}, FAST]
    assert bound(document).seconds == 6


def test_machines_nested_deeper_than_they_are_started_have_no_bound() -> None:
    names = [f"m{number}" for number in range(200)]
    nested = [{"states": [{"name": "a", "do": name}], "transitions": [START]} for name in names[1:]]
    last = {"states": ["a"], "transitions": [START]}
    document = {
        "states": [{"name": "a", "do": "m0"}],
        "actions": [{"name": name, "type": "activity", "machine": name} for name in names],
        "machines": dict(zip(names, [*nested, last], strict=True)),
    }
    assert "nested" in str(bound(document).because)
    document["states"] = [{"name": "a", "do": "m190"}]
    assert bound(document).seconds == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.integers(0, 5), max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_the_bound_of_a_graph_is_when_its_last_task_ends(
    tasks: list[tuple[int, list[int]]],
) -> None:
    needs = [sorted({one for one in some if one < i}) for i, (_, some) in enumerate(tasks)]
    document = {
        "states": [
            {
                "name": "a",
                "tasks": [
                    {"name": f"t{i}", "needs": [f"t{one}" for one in some]}
                    for i, some in enumerate(needs)
                ],
            }
        ],
        "actions": [
            {"name": f"t{i}", "type": "delay", "seconds": seconds}
            for i, (seconds, _) in enumerate(tasks)
        ],
        "transitions": [START],
    }
    player = Player(document).start()
    began = player.now
    while player.execution.timers:
        player.fire()
    assert player.status == "completed"
    assert bound(document).seconds == (player.now - began) / 1000
