"""The verbs on a state whose work is a graph: nothing runs twice, and no branch is lost."""

from typing import Any

import pytest

from goflow_py.errors import Conflict, ExpressionFailed
from goflow_py.fsm import work
from goflow_py.fsm.draft import Draft
from tests.player import Player


def graph(*tasks: dict[str, Any], **state: Any) -> dict[str, Any]:
    """Return a document whose only work is a graph; an error of it has no row."""
    return {
        "states": [
            {"name": "work", "tasks": list(tasks), "on": {"success": "after"}, **state},
            {"name": "after", "on": {"go": "done", "back": "work"}},
        ],
        "actions": [{"name": name} for name in "abcd"],
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
    }


def play(document: dict[str, Any], value: Any = None) -> Player:
    return Player(document).start(value)


def names(player: Player) -> list[str]:
    return [task.name for task in player.execution.open_tasks()]


# ---------------------------------------------------------------- retry


def test_a_retry_begins_the_tasks_again_that_the_failure_cut() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}, {"name": "c"}))
    player.end_task("a", output=1).end_task("b", "error")
    player.control("retry")
    assert names(player) == ["b", "c"]
    player.end_task("b", output=2).end_task("c", output=3)
    assert player.execution.outputs["work"]["output"] == {"a": 1, "b": 2, "c": 3}


def test_a_retry_after_a_retry_goes_on_with_what_is_left() -> None:
    player = play(graph({"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c"}))
    player.end_task("a", "error")
    for _ in range(3):
        player.control("retry")
        assert names(player) == ["a", "c"]
        player.end_task("a", "error")
    player.control("retry")
    player.end_task("a").end_task("b", "error")
    player.control("retry")
    assert sorted(names(player)) == ["b", "c"]
    player.end_task("c").end_task("b")
    assert player.state == "after"


def test_attempts_of_a_retried_task_count_on_with_the_same_input() -> None:
    document = graph({"name": "a"}, {"name": "b"})
    document["actions"][0]["input"] = {"n": "$.data.n"}
    document["data"] = {"n": 1}
    player = play(document)

    def call(draft: Draft) -> None:
        fields = {"worker": "http://w", "priority": 1, "visit": draft.after.visit}
        draft.add("attemptStarted", task="a", attempt=1, **fields)
        work.close_attempt(draft, draft.after.tasks["a"], "error")

    player._step(call)
    player.end_task("a", "error")
    player.control("data", patch={"n": 2})
    player.control("retry")
    assert (player.execution.tasks["a"].attempts, player.execution.tasks["a"].input) == (
        1,
        {"n": 1},
    )


def test_a_retry_of_a_task_whose_input_broke_renders_it_anew() -> None:
    document = graph({"name": "a"}, {"name": "b"})
    document["actions"][0]["input"] = "${ $number(data.n) }"
    document["data"] = {"n": "none"}
    player = play(document)
    assert player.status == "failed"
    player.control("data", patch={"n": "5"})
    player.control("retry")
    assert player.execution.tasks["a"].input == 5
    assert names(player) == ["a", "b"]


def test_a_retry_of_an_item_keeps_its_item_and_its_index() -> None:
    document = graph({"name": "a", "each": "$.input", "as": "what"})
    document["actions"][0] = {
        "name": "a",
        "type": "delay",
        "seconds": "$.what",
        "output": "${ $number(data.n) + what + index }",
    }
    document["data"] = {"n": "none"}
    player = play(document, [10, 20])
    player.fire()
    assert player.status == "failed"
    player.control("data", patch={"n": "100"})
    player.control("retry")
    assert sorted(player.execution.timers.values()) == [player.now + 10_000, player.now + 20_000]
    player.fire().fire()
    assert player.execution.outputs["work"]["a"]["output"] == [110, 121]


def test_a_list_that_could_not_be_made_is_made_again_on_retry() -> None:
    document = graph({"name": "a", "each": "${ $number(data.n) }"})
    document["data"] = {"n": "none"}
    player = play(document)
    assert player.status == "failed"
    player.control("data", patch={"n": "7"})
    player.control("retry")
    assert names(player) == ["a", "a[0]"]
    player.end_task("a[0]", output="seven")
    assert player.execution.outputs["work"]["output"] == {"a": ["seven"]}


def test_a_list_that_was_too_long_is_made_again_on_retry() -> None:
    document = graph({"name": "a", "each": "$.data.list"})
    document["data"] = {"list": list(range(1_001))}
    player = play(document)
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "too_large")
    player.control("data", patch={"list": [1, 2]})
    player.control("retry")
    assert names(player) == ["a", "a[0]", "a[1]"]


def test_a_retry_after_a_guard_broke_keeps_the_branches_that_were_open() -> None:
    when = "$number(data.n) = 1"
    document = graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a"], "when": when})
    document["data"] = {"n": "none"}
    player = play(document)
    player.end_task("a", output=1)
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "expression")
    before = player.snapshot()
    with pytest.raises(ExpressionFailed):
        player.control("retry")
    assert player.execution == before
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert sorted(names(player)) == ["b", "c"]
    player.end_task("c", output=3)
    assert player.state == "work"
    player.end_task("b", output=2)
    assert player.execution.outputs["work"]["output"] == {"a": 1, "b": 2, "c": 3}


def test_a_retry_after_the_row_behind_the_join_broke_takes_the_join_again() -> None:
    row = {"next": "after", "set": {"n": "${ $number(data.n) + event.data }"}}
    document = graph({"name": "a"}, {"name": "b"}, join="any", on={"success": row})
    document["data"] = {"n": "none"}
    player = play(document)
    player.end_task("a", output=5)
    assert player.status == "failed"
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert (player.state, names(player), player.execution.data["n"]) == ("after", [], 6)


def test_a_retry_after_a_timer_broke_goes_on_with_the_tasks() -> None:
    tick = {"set": {"n": "${ $number(data.n) + 1 }"}}
    document = graph(
        {"name": "a"},
        {"name": "b"},
        after=[{"delay": 5, "event": "tick"}],
        on={"success": "after", "tick": tick},
    )
    document["data"] = {"n": "none"}
    player = play(document)
    player.end_task("a").fire()
    assert player.status == "failed"
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert (player.execution.data["n"], names(player)) == (2, ["b"])
    player.end_task("b")
    assert player.state == "after"


def test_a_retry_after_a_timer_broke_goes_on_with_a_single_action() -> None:
    tick = {"set": {"n": "${ $number(data.n) + 1 }"}}
    document = graph(after=[{"delay": 5, "event": "tick"}], on={"success": "after", "tick": tick})
    del document["states"][0]["tasks"]
    document["states"][0]["do"] = "a"
    document["data"] = {"n": "none"}
    player = play(document)
    player.fire()
    player.control("data", patch={"n": "1"})
    player.control("retry")
    assert (player.execution.data["n"], player.open) == (2, ["a"])


def test_a_retry_after_an_endless_event_goes_on_with_the_tasks() -> None:
    document = graph({"name": "a"}, {"name": "b"}, on={"success": "after", "spin": "ping"})
    true = [{"next": "pong", "when": "true"}]
    document["states"] += [
        {"name": "ping", "on": {"always": true}},
        {"name": "pong", "on": {"always": [{"next": "ping", "when": "true"}]}},
    ]
    player = play(document)
    player.end_task("a", output=1)
    player.send("spin")
    assert player.execution.error is not None
    assert player.execution.error["code"] == "microstep_limit"
    assert (player.status, player.state) == ("failed", "work")
    player.control("retry")
    assert names(player) == ["b"]
    player.end_task("b")
    assert player.state == "after"


def test_a_retry_runs_the_action_of_the_row_again_when_it_timed_out() -> None:
    document = graph()
    document["states"][0] = {"name": "work", "on": {"success": "after"}}
    document["actions"][0]["timeout"] = 5
    document["transitions"][0]["action"] = "a"
    player = play(document)
    player.fire()
    assert player.status == "failed"
    player.control("retry")
    assert player.open == ["a"]


def test_a_retry_with_a_new_visit_runs_all_tasks_again() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}))
    player.end_task("a", output=1).end_task("b", "error")
    player.control("retry", newVisit=True)
    assert (player.execution.visit, names(player)) == (2, ["a", "b"])
    assert "work" not in player.execution.outputs


# ---------------------------------------------------------------- skip, goto, replay


@pytest.mark.parametrize("output", [None, 5, {"by": "hand"}, [1]])
def test_a_skip_closes_every_task_and_gives_the_state_its_output(output: Any) -> None:
    player = play(graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a"]}))
    player.end_task("a", output=1)
    player.control("skip", output=output)
    assert (player.state, names(player)) == ("after", [])
    assert player.execution.outputs["work"] == {"a": {"output": 1}, "output": output}
    player.send("back")
    player.end_task("a", output=2)
    assert player.execution.outputs["work"]["output"] == {"a": 2}


def test_a_skip_before_any_task_ended_leaves_nothing_to_the_next_visit() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}))
    player.control("skip", output=5)
    player.send("back")
    player.end_task("a", output=2)
    assert player.execution.outputs["work"] == {"a": {"output": 2}, "output": {"a": 2}}


def test_a_skip_of_a_failed_graph_goes_on_behind_it() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}))
    player.end_task("a", "error")
    player.control("skip", output="fine")
    assert (player.state, player.execution.outputs["work"]["output"]) == ("after", "fine")


def test_a_skip_with_an_event_that_has_no_row_changes_nothing() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}))
    before = player.snapshot()
    with pytest.raises(Conflict):
        player.control("skip", event="odd")
    assert player.execution == before


def test_a_goto_closes_every_task() -> None:
    player = play(graph({"name": "a", "each": "$.input"}, {"name": "b"}), [1, 2])
    player.control("goto", state="after")
    assert (player.state, names(player), player.execution.timers) == ("after", [], {})


def test_a_replay_runs_the_whole_graph_again() -> None:
    player = play(graph({"name": "a"}, {"name": "b"}))
    player.end_task("a", output=1).end_task("b", output=2)
    player.control("replay", **{"from": "work"})
    assert (player.state, names(player)) == ("work", ["a", "b"])
    assert "work" not in player.execution.outputs


def test_an_action_of_a_row_in_place_of_the_graph_does_not_mix_with_it() -> None:
    document = graph({"name": "a"}, {"name": "b"})
    document["transitions"][0]["action"] = "a"
    player = play(document)
    assert player.open == ["a"]
    player.end_task("a", "error")
    player.control("retry")
    assert player.open == ["a"]
    player.end_task("a", output="single")
    assert player.execution.outputs["work"] == {"output": "single"}
    player.send("back")
    player.end_task("a", output=1).end_task("b", output=2)
    assert player.execution.outputs["work"]["output"] == {"a": 1, "b": 2}
