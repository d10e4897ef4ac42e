"""Cycles that do no work: what is refused never stands still, and what is honest does."""

from typing import Any

import pytest

from goflow_py.domain.blueprint import Blueprint
from goflow_py.fsm.compile import compile_blueprint
from goflow_py.fsm.cycles import zero_work_cycles
from tests.player import Player

START = {"current": "init", "event": "start", "next": "a"}
ACTIONS = [
    {"name": "call"},
    {"name": "map", "type": "map", "value": 1},
    {"name": "switch", "type": "switch", "expression": "'x'"},
    {"name": "wait", "type": "wait", "event": "go"},
    {"name": "back", "type": "undo"},
]


def loop(*tasks: dict[str, Any], on: str = "success", **more: Any) -> dict[str, Any]:
    """Return a document in which the state 'a' follows itself, with those tasks as its work."""
    state = {"name": "a", "tasks": list(tasks), "on": {on: "a"}, **more}
    return {"states": [state], "transitions": [START], "actions": ACTIONS}


def found(document: dict[str, Any]) -> list[bool]:
    """Return of each cycle whether something may end it."""
    blueprint = Blueprint.model_validate({"project": "p", "activity": "a", **document})
    compiled = compile_blueprint(blueprint, workers=("call",))
    return [cycle.guarded for cycle in zero_work_cycles(compiled)]


@pytest.mark.parametrize(
    "document",
    [
        loop(),
        loop({"name": "map"}),
        loop({"name": "map"}, {"name": "switch", "needs": ["map"]}),
        loop({"name": "map", "each": "$.input"}),
        loop({"name": "map", "when": "input.n"}),
        loop({"name": "call", "each": []}),
        loop({"name": "call"}, {"name": "map"}, join="any"),
        loop({"name": "map"}, {"name": "call"}, {"name": "switch"}, join=2),
        {**loop(), "states": [{"name": "a", "do": "back", "on": {"success": "a"}}]},
        {
            **loop(),
            "states": [{"name": "a", "do": "map", "on": {"start": "a", "success": "a"}}],
        },
    ],
)
def test_a_cycle_that_is_refused_never_stands_still(document: dict[str, Any]) -> None:
    assert found(document) == [False]
    player = Player(document, workers=("call",)).start()
    assert player.execution.error is not None
    assert player.execution.error["code"] == "microstep_limit"


@pytest.mark.parametrize(
    "document",
    [
        loop({"name": "call"}),
        loop({"name": "wait"}),
        loop({"name": "map"}, {"name": "call"}),
        loop({"name": "call"}, {"name": "map", "needs": ["call"]}, join="any"),
        loop({"name": "call", "each": [1]}),
        loop({"name": "map"}, {"name": "call"}, join=2),
        loop({"name": "map"}, subscribe={"setup": "call"}),
        loop({"name": "call"}, on="error"),
        loop({"name": "map"}, on="x"),
    ],
)
def test_a_cycle_with_real_work_is_honest(document: dict[str, Any]) -> None:
    assert found(document) == []
    player = Player(document, workers=("call",)).start()
    assert player.status in ("running", "waiting", "completed")


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (loop({"name": "call", "when": "input.n > 0"}), {"n": 0}),
        (loop({"name": "call", "each": "$.input.items"}), {"items": []}),
        (loop({"name": "call", "when": "input.n > 0"}, join="any", on="error"), {"n": 0}),
        (
            loop({"name": "map", "when": "input.n < 1"}, {"name": "call"}, join="any"),
            {"n": 0},
        ),
        ({**loop(), "states": [{"name": "a", "do": "switch", "on": {"x": "a"}}]}, None),
    ],
)
def test_a_cycle_that_data_can_keep_going_is_pointed_out(
    document: dict[str, Any], value: dict[str, Any]
) -> None:
    assert found(document) == [True]
    player = Player(document, workers=("call",)).start(value)
    assert player.execution.error is not None
    assert player.execution.error["code"] == "microstep_limit"


def test_a_guarded_row_before_it_may_end_a_loop_so_it_is_only_a_warning() -> None:
    rows = [{"when": "data.n = 5", "next": "done"}, {"next": "l"}]
    player = Player(
        {
            "states": [{"name": "l", "on": {"success": rows}}],
            "actions": [{"name": "l", "type": "map", "set": {"n": "${data.n + 1}"}}],
            "transitions": [{"current": "init", "event": "start", "next": "l"}],
            "data": {"n": 0},
        }
    )
    assert [cycle.guarded for cycle in zero_work_cycles(player.compiled)] == [True]
    assert player.start().status == "completed"
