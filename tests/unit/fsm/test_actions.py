"""What actions do that need no worker: delay, wait, switch, map; and labels of those that do."""

from itertools import pairwise
from typing import Any

import pytest

from goflow_py.errors import EventNotAccepted


def chain(*actions: dict[str, Any], **document: Any) -> dict[str, Any]:
    """A blueprint whose states are the actions, one after the other."""
    names = [action["name"] for action in actions]
    rows = [{"current": "init", "event": "start", "next": names[0]}]
    rows += [{"current": a, "event": "success", "next": b} for a, b in pairwise(names)]
    return {"states": names, "actions": list(actions), "transitions": rows, **document}


@pytest.mark.parametrize(
    ("fields", "milliseconds"),
    [
        ({"seconds": 5}, 5_000),
        ({"seconds": "1m30s"}, 90_000),
        ({"seconds": "PT2H"}, 7_200_000),
        ({"seconds": "$.input.wait"}, 7_000),
        ({"seconds": "${ input.wait * 2 }"}, 14_000),
    ],
)
def test_delay_waits_for_its_seconds(play: Any, fields: dict[str, Any], milliseconds: int) -> None:
    player = play(chain({"name": "d", "type": "delay", **fields})).start({"wait": 7})
    assert player.status == "waiting"
    assert player.execution.timers == {"task:d:due": player.now + milliseconds}
    assert player.fire().status == "completed"


def test_delay_waits_until_a_time_and_not_at_all_when_it_is_past(play: Any) -> None:
    action = {"name": "d", "type": "delay", "until": "1970-01-01T00:00:01Z"}
    player = play(chain(action)).start()
    assert player.execution.timers["task:d:due"] == player.now


def test_a_delay_that_is_no_duration_is_an_error_of_the_action(play: Any) -> None:
    player = play(chain({"name": "d", "type": "delay", "seconds": "$.input.wait"})).start(
        {"wait": "soon"}
    )
    assert player.status == "failed"
    assert player.execution.error["code"] == "expression"


def test_wait_ends_by_its_event_and_keeps_the_data_as_output(play: Any) -> None:
    player = play(
        chain({"name": "w", "type": "wait", "event": "paid"}, output="$.w.output.sum")
    ).start()
    assert player.status == "waiting"
    player.send("paid", {"sum": 7})
    assert (player.status, player.execution.output) == ("completed", 7)


def test_wait_takes_any_of_its_events_and_a_row_for_it_decides(play: Any) -> None:
    document = chain({"name": "w", "type": "wait", "events": ["yes", "no"]})
    document["transitions"].append({"current": "w", "event": "no", "next": "failed"})
    player = play(document).start()
    player.send("no")
    assert player.status == "failed"
    player = play(document).start()
    player.send("yes")
    assert player.status == "completed"


def test_waits_timeout_raises_timeout(play: Any) -> None:
    document = chain({"name": "w", "type": "wait", "event": "paid", "timeout": 60})
    document["transitions"].append({"current": "w", "event": "timeout", "next": "cancelled"})
    player = play(document).start().fire()
    assert player.status == "cancelled"
    assert [e["outcome"] for e in player.entries if e["type"] == "taskEnded"] == ["timeout"]


def test_an_event_for_a_named_task_goes_only_there(play: Any) -> None:
    player = play(chain({"name": "w", "type": "wait", "event": "paid"})).start()
    with pytest.raises(EventNotAccepted):
        player.send("paid", task="other")
    player.send("paid", task="w")
    assert player.status == "completed"


@pytest.mark.parametrize(
    ("expression", "value", "state"),
    [
        ("$.input.n", "a", "a"),
        ("$.input.n", 200, "200"),
        ("$.input.n", 200.0, "200"),
        ("$.input.n", True, "true"),
        ("input.n > 3 ? 'a' : 'b'", 2, "b"),
        ("$.input.n", "other", "fallback"),
    ],
)
def test_switch_takes_the_row_of_its_value_as_text(
    play: Any, expression: str, value: Any, state: str
) -> None:
    document = {
        "states": ["s", "a", "b", "200", "true", "fallback"],
        "actions": [{"name": "s", "type": "switch", "expression": expression}],
        "transitions": [
            {"current": "init", "event": "start", "next": "s"},
            *({"current": "s", "event": e, "next": e} for e in ("a", "b", "200", "true")),
            {"current": "s", "event": "default", "next": "fallback"},
        ],
    }
    player = play(document).start({"n": value})
    assert player.path() == ["init", "s", state, "done"]


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_switch_without_a_branch_is_no_branch(play: Any, value: Any) -> None:
    document = {
        "states": ["s"],
        "actions": [{"name": "s", "type": "switch", "expression": "$.input.n"}],
        "transitions": [
            {"current": "init", "event": "start", "next": "s"},
            {"current": "s", "event": "default", "next": "done"},
        ],
    }
    player = play(document).start({"n": value})
    assert player.status == "failed"
    assert player.execution.error["code"] == "no_branch"


def test_map_computes_a_value_and_sets_variables(play: Any) -> None:
    action = {
        "name": "m",
        "type": "map",
        "value": {"sum": "${ input.a + input.b }", "deep": ["$.input.a", {"x": "{$.input.b}!"}]},
        "set": {"last": "$.input.b"},
    }
    player = play(chain(action)).start({"a": 1, "b": 2})
    assert player.execution.output == {"sum": 3, "deep": [1, {"x": "2!"}]}
    assert player.execution.data == {"last": 2}


def test_an_output_template_sees_the_result(play: Any) -> None:
    document = chain({"name": "c", "output": {"only": "$.result.id"}})
    player = play(document).start().end(output={"id": 4, "rest": 5})
    assert player.execution.outputs["c"] == {"output": {"only": 4}}


def test_an_input_template_is_resolved_once_and_missing_parts_are_noted(play: Any) -> None:
    document = chain({"name": "c", "input": {"x": "$.input.x", "y": "$.input.gone"}})
    player = play(document).start({"x": 1})
    assert player.execution.tasks["c"].input == {"x": 1, "y": None}
    assert [e["missing"] for e in player.entries if e["type"] == "taskScheduled"] == [
        ["$.input.gone"]
    ]


def test_an_input_that_cannot_be_evaluated_is_a_routable_error(play: Any) -> None:
    document = chain({"name": "c", "input": "${ $number('x') }"})
    document["transitions"].append({"current": "c", "event": "error", "next": "done"})
    player = play(document).start()
    assert player.status == "completed"
    assert player.execution.error["code"] == "expression"


def test_ignore_failure_counts_an_error_as_success(play: Any) -> None:
    player = play(chain({"name": "c", "ignoreFailure": True})).start().end("error")
    assert player.status == "completed"
    assert player.execution.error["code"] == "x"


def test_outputs_of_visited_states_are_seen_by_later_ones(play: Any) -> None:
    document = chain(
        {"name": "1"}, {"name": "2", "input": ["$.1.output.k", "$1.output.k", "$['1'].output"]}
    )
    player = play(document).start().end(output={"k": 7})
    assert player.execution.tasks["2"].input == [7, 7, {"k": 7}]


def test_after_names_an_event_or_a_next_state(play: Any) -> None:
    document = {
        "states": [
            {
                "name": "a",
                "after": [{"delay": 5, "event": "remind"}, {"delay": 9, "next": "late"}],
                "on": {"remind": {"set": {"n": 1}}},
            },
            "late",
        ],
        "transitions": [{"current": "init", "event": "start", "next": "a"}],
    }
    player = play(document).start().fire().fire()
    assert player.path() == ["init", "a", "late", "done"]
    assert player.execution.data == {"n": 1}
