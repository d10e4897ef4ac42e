"""Tasks and joins: parallel work as the work of one state."""

from typing import Any

import pytest

from tests.player import Player


def graph(*tasks: dict[str, Any], join: Any = "all", **more: Any) -> dict[str, Any]:
    return {
        "states": [
            {
                "name": "work",
                "tasks": list(tasks),
                "join": join,
                "on": {"success": "after", "error": "broken"},
            },
            {"name": "after", "on": {"go": "done"}},
            {"name": "broken", "on": {"go": "done"}},
        ],
        "actions": [{"name": name} for name in "abcd"],
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
        **more,
    }


def test_tasks_without_needs_begin_at_once_and_all_are_awaited() -> None:
    player = Player(graph({"name": "a"}, {"name": "b"})).start()
    assert player.open == ["a", "b"]
    player.end_task("a", output=1)
    assert (player.state, player.open) == ("work", ["b"])
    player.end_task("b", output=2)
    assert player.state == "after"
    assert player.execution.outputs["work"] == {
        "a": {"output": 1},
        "b": {"output": 2},
        "output": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize("order", [("b", "c"), ("c", "b")])
def test_a_diamond_schedules_its_join_once_in_either_order(order: tuple[str, str]) -> None:
    diamond = graph(
        {"name": "a"},
        {"name": "b", "needs": ["a"]},
        {"name": "c", "needs": ["a"]},
        {"name": "d", "parentTask": ["b", "c"]},
    )
    player = Player(diamond).start()
    player.end_task("a")
    assert player.open == ["b", "c"]
    player.end_task(order[0])
    assert player.open == [order[1]]
    player.end_task(order[1])
    assert player.open == ["d"]
    player.end_task("d")
    assert player.state == "after"
    scheduled = [e["task"] for e in player.entries if e["type"] == "taskScheduled"]
    assert sorted(scheduled) == ["a", "b", "c", "d"]


def test_an_empty_graph_succeeds_at_once() -> None:
    assert Player(graph()).start().state == "after"


def test_the_first_failure_closes_the_other_tasks_in_the_same_record() -> None:
    player = Player(graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a"]})).start()
    player.end_task("b", "error", code="oven")
    assert player.state == "broken"
    assert player.execution.error is not None
    assert (player.execution.error["code"], player.execution.error["task"]) == ("oven", "b")
    ended = {e["task"]: e["outcome"] for e in player.records[-1] if e["type"] == "taskEnded"}
    assert ended == {"b": "error", "a": "cancelled"}


def test_a_failure_that_is_ignored_counts_as_success() -> None:
    player = Player(
        graph({"name": "a", "ignoreFailure": True}, {"name": "b", "needs": ["a"]})
    ).start()
    player.end_task("a", "error")
    assert player.open == ["b"]
    player.end_task("b", output=7)
    assert player.execution.outputs["work"]["output"] == {"a": None, "b": 7}


def test_any_takes_the_first_success_and_cancels_the_losers() -> None:
    player = Player(graph({"name": "a"}, {"name": "b"}, {"name": "c"}, join="any")).start()
    player.end_task("c", "error")
    assert player.open == ["a", "b"]
    player.end_task("b", output=5)
    assert player.state == "after"
    assert player.execution.outputs["work"]["output"] == {"b": 5}


def test_a_join_that_can_no_longer_be_reached_is_an_error() -> None:
    player = Player(
        graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["b"]}, join=2)
    ).start()
    player.end_task("b", "error")
    assert player.state == "broken"
    assert player.execution.error is not None
    assert player.execution.error["code"] == "join"


def test_two_of_three_are_enough() -> None:
    player = Player(graph({"name": "a"}, {"name": "b"}, {"name": "c"}, join=2)).start()
    player.end_task("a")
    player.end_task("c")
    assert player.state == "after"


def test_a_task_whose_guard_is_false_is_skipped_and_what_needs_it_goes_on() -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "a", "when": "input.both"},
        {"name": "b", "needs": ["a"]},
    ]
    assert Player(graph(*tasks)).start({"both": False}).open == ["b"]
    assert Player(graph(*tasks)).start({"both": True}).open == ["a"]


def test_a_skipped_task_does_not_count_for_the_join() -> None:
    player = Player(graph({"name": "a", "when": "false"}, {"name": "b"}, join=2)).start()
    assert player.state == "broken"


def test_a_label_in_a_graph_moves_nothing_and_is_kept() -> None:
    player = Player(graph({"name": "a"}, {"name": "b"})).start()
    player.end_task("a", "approved", output=1)
    assert (player.state, player.open) == ("work", ["b"])
    assert player.execution.outputs["work"]["a"] == {"output": 1, "event": "approved"}


def test_each_makes_one_task_an_item_and_keeps_their_order() -> None:
    document = graph(
        {"name": "a", "each": "$.input.list", "as": "pizza", "concurrency": 2},
        actions=[{"name": "a", "input": {"what": "$.pizza", "at": "$.index"}}],
    )
    player = Player(document).start({"list": ["x", "y", "z"]})
    names = [task.name for task in player.execution.open_tasks() if task.kind != "each"]
    assert names == ["a[0]", "a[1]"]
    assert player.execution.tasks["a[1]"].input == {"what": "y", "at": 1}
    player.end_task("a[1]", output="Y")
    player.end_task("a[2]", output="Z")
    player.end_task("a[0]", output="X")
    assert player.state == "after"
    assert player.execution.outputs["work"]["a"]["output"] == ["X", "Y", "Z"]


@pytest.mark.parametrize(("value", "count"), [(None, 0), ([], 0), ("one", 1)])
def test_nothing_is_the_empty_list_and_a_single_value_a_list_of_one(value: Any, count: int) -> None:
    player = Player(graph({"name": "a", "each": "$.input"})).start(value)
    items = [task for task in player.execution.tasks.values() if task.index is not None]
    assert len(items) == count
    assert player.state == ("after" if count == 0 else "work")


def test_a_failed_item_fails_its_task_and_closes_the_others() -> None:
    player = Player(graph({"name": "a", "each": "$.input"})).start([1, 2, 3])
    player.end_task("a[1]", "error")
    assert player.state == "broken"


def test_a_retry_runs_only_the_tasks_that_did_not_end_well() -> None:
    document = graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a", "b"]})
    document["states"][0]["on"] = {"success": "after"}
    player = Player(document).start()
    player.end_task("a", output=1)
    player.end_task("b", "error")
    assert player.status == "failed"
    player.control("retry")
    assert player.open == ["b"]
    player.end_task("b", output=2)
    assert player.open == ["c"]
    assert player.execution.outputs["work"]["output"] == {"a": 1, "b": 2}


def test_a_retry_of_items_runs_only_those_that_did_not_end_well() -> None:
    document = graph({"name": "a", "each": "$.input"})
    document["states"][0]["on"] = {"success": "after"}
    player = Player(document).start([1, 2])
    player.end_task("a[0]", output="one")
    player.end_task("a[1]", "error")
    assert player.status == "failed"
    player.control("retry")
    assert [t.name for t in player.execution.open_tasks()] == ["a", "a[1]"]
    player.end_task("a[1]", output="two")
    assert player.execution.outputs["work"]["a"]["output"] == ["one", "two"]


def test_an_event_reaches_every_open_wait_and_no_other_task() -> None:
    document = graph(
        {"name": "a"},
        {"name": "one"},
        {"name": "two"},
        actions=[
            {"name": "a"},
            {"name": "one", "type": "wait", "event": "ready"},
            {"name": "two", "type": "wait", "events": ["ready", "late"]},
        ],
    )
    player = Player(document).start()
    assert sorted(a["task"] for a in player.awaiting() if a["event"] == "ready") == ["one", "two"]
    player.send("ready", 5)
    assert player.open == ["a"]
    player.end_task("a")
    assert player.execution.outputs["work"]["output"] == {"one": 5, "two": 5, "a": None}


def test_an_event_for_a_named_task_reaches_that_one_only() -> None:
    waits = [{"name": name, "type": "wait", "event": "ready"} for name in ("one", "two")]
    player = Player(graph({"name": "one"}, {"name": "two"}, actions=waits)).start()
    player.send("ready", task="two")
    assert player.open == ["one"]


def test_the_outputs_of_an_earlier_visit_do_not_mix_with_those_of_this_one() -> None:
    document = graph({"name": "a"}, {"name": "b", "when": "execution.visit = 1"}, join="any")
    document["states"][1]["on"] = {"go": "work"}
    player = Player(document).start()
    player.end_task("a", output=1)
    player.send("go")
    assert "work" not in player.execution.outputs


def test_instant_tasks_end_in_the_record_that_schedules_them() -> None:
    document = graph(
        {"name": "a", "needs": ["m"]},
        {"name": "m"},
        actions=[{"name": "a"}, {"name": "m", "type": "map", "value": {"n": "$.input.n"}}],
    )
    player = Player(document).start({"n": 3})
    assert player.open == ["a"]
    assert player.execution.outputs["work"]["m"] == {"output": {"n": 3}}


def test_the_business_status_of_a_task_is_that_of_the_execution_when_it_ends_well() -> None:
    player = Player(graph({"name": "a", "businessStatus": "FOOD READY"}, {"name": "b"})).start()
    player.end_task("a")
    assert player.execution.business_status == "FOOD READY"


def test_a_timeout_of_a_task_is_its_error() -> None:
    player = Player(
        graph({"name": "a"}, {"name": "b"}, actions=[{"name": "a", "timeout": 5}, {"name": "b"}])
    ).start()
    player.fire("task:a:timeout")
    assert player.state == "broken"
    assert player.execution.error is not None
    assert player.execution.error["code"] == "timeout"


# ---------------------------------------------------------------- hostile graphs


@pytest.mark.parametrize("label", ["cancelled", "skipped", "failed", "done", "a[0]"])
def test_no_label_is_taken_for_what_the_engine_says(label: str) -> None:
    document = graph({"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["a"]}, join=3)
    player = Player(document).start()
    player.end_task("a", label, output=1)
    assert player.open == ["b", "c"]
    player.end_task("b").end_task("c")
    assert player.state == "after"
    assert player.execution.outputs["work"]["a"] == {"output": 1, "event": label}


def test_an_event_called_cancelled_ends_a_wait_well() -> None:
    waits = [{"name": "a", "type": "wait", "event": "cancelled"}, {"name": "b"}]
    player = Player(graph({"name": "a"}, {"name": "b", "needs": ["a"]}, actions=waits)).start()
    player.send("cancelled", 7)
    assert player.open == ["b"]
    assert player.execution.outputs["work"]["a"] == {"output": 7, "event": "cancelled"}


def test_a_single_action_may_call_its_outcome_cancelled() -> None:
    document = graph()
    document["states"][0] = {"name": "work", "do": "a", "on": {"cancelled": "after"}}
    player = Player(document).start()
    player.end("cancelled", output="why")
    assert (player.state, player.execution.outputs["work"]) == ("after", {"output": "why"})


@pytest.mark.parametrize("value", ["error", "cancelled", "skipped", "x y", "success"])
def test_the_value_of_a_switch_moves_nothing_in_a_graph(value: str) -> None:
    switch = {"name": "a", "type": "switch", "expression": "$.input"}
    document = graph({"name": "a"}, {"name": "b", "needs": ["a"]}, actions=[switch, {"name": "b"}])
    player = Player(document).start(value)
    assert player.open == ["b"]
    assert player.execution.outputs["work"]["a"]["output"] == value


@pytest.mark.parametrize("word", ["self", "result", "extra", "index", "input", "data", "item"])
def test_an_item_may_be_called_by_any_word(word: str) -> None:
    action = {"name": "a", "input": "$.index", "output": {"got": "$.result"}}
    player = Player(graph({"name": "a", "each": "$.input", "as": word}, actions=[action]))
    player.start(["x", "y"])
    assert [player.execution.tasks[f"a[{i}]"].input for i in range(2)] == [0, 1]
    player.end_task("a[0]", output=1).end_task("a[1]", output=2)
    assert player.execution.outputs["work"]["a"]["output"] == [{"got": 1}, {"got": 2}]


def test_an_item_hides_a_state_of_its_name_and_index_is_the_place() -> None:
    document = graph(
        {"name": "a", "each": "$.input"},
        actions=[{"name": "a", "input": ["$.item", "$.index"]}],
    )
    document["states"].append({"name": "item", "do": "a", "on": {"success": "work"}})
    document["transitions"][0]["next"] = "item"
    player = Player(document).start(["x", "y"])
    player.end(output="of the state")
    assert [task.input for task in player.execution.open_tasks()[1:]] == [["x", 0], ["y", 1]]


def test_names_with_colons_keep_their_timers_apart() -> None:
    delays = [
        {"name": "a", "type": "delay", "seconds": 10},
        {"name": "a:due", "type": "delay", "seconds": 20, "timeout": 60},
        {"name": "a:due:due", "type": "delay", "seconds": 30},
    ]
    player = Player(graph(*({"name": d["name"]} for d in delays), actions=delays)).start()
    player.fire("task:a:due")
    assert player.open == ["a:due", "a:due:due"]
    assert sorted(player.execution.timers) == [
        "task:a:due:due",
        "task:a:due:due:due",
        "task:a:due:timeout",
    ]
    player.fire("task:a:due:due")
    assert (player.open, list(player.execution.timers)) == (["a:due:due"], ["task:a:due:due:due"])
    player.fire()
    assert player.state == "after"


def test_a_join_that_instant_tasks_decide_begins_nothing_more() -> None:
    document = graph(
        {"name": "m"},
        {"name": "a"},
        join="any",
        actions=[{"name": "a"}, {"name": "m", "type": "map", "value": 1}],
    )
    player = Player(document).start()
    assert player.state == "after"
    assert [e["task"] for e in player.entries if e["type"] == "taskScheduled"] == ["m"]


def test_a_join_that_instant_tasks_decide_late_closes_what_began() -> None:
    document = graph(
        {"name": "a"},
        {"name": "m", "needs": ["b"]},
        {"name": "b"},
        join=2,
        actions=[{"name": "a"}, {"name": "b"}, {"name": "m", "type": "map"}],
    )
    player = Player(document).start()
    player.end_task("b")
    assert player.state == "after"
    ended = {e["task"]: e["outcome"] for e in player.records[-1] if e["type"] == "taskEnded"}
    assert ended == {"b": "success", "m": "success", "a": "cancelled"}


def test_one_item_at_a_time_goes_on_behind_failures_that_are_ignored() -> None:
    task = {"name": "a", "each": "$.input", "concurrency": 1, "ignoreFailure": True}
    player = Player(graph(task)).start([1, 2, 3])
    for i, outcome in enumerate(["error", "success", "error"]):
        assert [t.name for t in player.execution.open_tasks()] == ["a", f"a[{i}]"]
        player.end_task(f"a[{i}]", outcome, output=i)
    assert player.state == "after"
    assert player.execution.outputs["work"]["a"]["output"] == [None, 1, None]


def test_one_item_at_a_time_stops_at_the_first_failure() -> None:
    player = Player(graph({"name": "a", "each": "$.input", "concurrency": 1})).start([1, 2, 3])
    player.end_task("a[0]").end_task("a[1]", "error")
    assert player.state == "broken"
    assert "a[2]" not in str(player.entries)


def test_a_thousand_items_run_and_one_more_is_an_error() -> None:
    actions = [{"name": "a", "type": "map", "value": "$.item"}]
    task = {"name": "a", "each": "$.input", "concurrency": 1}
    player = Player(graph(task, actions=actions)).start(list(range(1_000)))
    assert player.execution.outputs["work"]["a"]["output"] == list(range(1_000))
    player = Player(graph(task, actions=actions)).start(list(range(1_001)))
    assert player.state == "broken"
    assert player.execution.error is not None
    assert (player.execution.error["code"], player.execution.error["task"]) == ("too_large", "a")


def test_the_lists_of_a_state_are_bounded_together() -> None:
    tasks = [{"name": f"a{i}", "do": "a", "each": "$.input"} for i in range(11)]
    document = graph(*tasks, actions=[{"name": "a", "input": "$.index"}])
    player = Player(document).start(list(range(1_000)))
    assert player.state == "broken"
    assert player.execution.error is not None
    assert (player.execution.error["code"], player.execution.error["task"]) == ("too_large", "a10")


def test_a_list_that_breaks_is_ignored_where_failures_are() -> None:
    task = {"name": "a", "each": "${ $number('z') }", "ignoreFailure": True}
    player = Player(graph(task, {"name": "b", "needs": ["a"]})).start()
    assert player.open == ["b"]
    assert player.execution.outputs["work"]["a"]["output"] == []


def test_a_guard_that_breaks_in_the_middle_fails_the_state_as_it_was() -> None:
    document = graph(
        {"name": "m"},
        {"name": "a"},
        {"name": "b", "needs": ["a"], "when": "$number('z') = 1"},
        {"name": "c", "needs": ["a"]},
        actions=[{"name": n} for n in "abc"] + [{"name": "m", "type": "map", "set": {"n": 1}}],
    )
    player = Player(document).start()
    player.end_task("a", output=1)
    assert player.execution.error is not None
    assert (player.status, player.execution.error["code"]) == ("failed", "expression")
    assert (player.open, "c" in player.execution.tasks) == ([], False)
    assert player.execution.outputs["work"]["a"] == {"output": 1}


def test_an_event_kept_before_the_graph_reaches_its_waits() -> None:
    waits = [{"name": n, "type": "wait", "event": "ready"} for n in ("one", "two")]
    document = graph(
        {"name": "one"}, {"name": "two"}, {"name": "a"}, actions=[*waits, {"name": "a"}]
    )
    document["states"].append({"name": "early", "defer": ["ready"], "on": {"on": "work"}})
    document["transitions"][0]["next"] = "early"
    player = Player(document).start()
    player.send("ready", 5)
    player.send("on")
    assert (player.state, player.open) == ("work", ["a"])
    assert player.execution.deferred == []


def test_an_event_that_decides_the_join_with_its_first_wait_ends_no_second() -> None:
    waits = [{"name": n, "type": "wait", "event": "ready"} for n in ("one", "two")]
    player = Player(graph({"name": "one"}, {"name": "two"}, join="any", actions=waits)).start()
    player.send("ready", 5)
    assert player.state == "after"
    assert player.execution.outputs["work"]["output"] == {"one": 5}


def test_two_tasks_that_set_one_variable_leave_that_of_the_later_end() -> None:
    maps = [{"name": n, "type": "map", "set": {"n": f"{n}"}} for n in ("m", "k")]
    document = graph(
        {"name": "m", "needs": ["a"]},
        {"name": "k", "needs": ["b"]},
        {"name": "a"},
        {"name": "b"},
        actions=[{"name": "a"}, {"name": "b"}, *maps],
    )
    player = Player(document).start()
    player.end_task("b").end_task("a")
    assert player.execution.data["n"] == "m"


def test_what_nobody_can_be_assigned_to_is_an_error_of_the_task() -> None:
    human = {"name": "a", "type": "human"}
    task = {"name": "a", "assignedTo": "${ $number(input) }"}
    player = Player(graph(task, actions=[human])).start("nobody")
    assert player.state == "broken"
    assert (
        Player(graph(task, actions=[human])).start("7").execution.tasks["a"].facts["assignedTo"]
        == "7"
    )
