"""Orchy's fan-outs: tasks, machines, where branches meet, and references across them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import quickjs

from goflow_py.errors import Invalid
from goflow_py.importers import Imported
from tests.player import Player

Convert = Callable[..., Imported]


def user(number: int, *following: int, name: str = "work", **fields: Any) -> dict[str, Any]:
    ways = {"next": {"default": list(following)}} if following else {}
    return {"id": number, "type": "user", "name": name, **ways, **fields}


def system(number: int, name: str, *following: int, **fields: Any) -> dict[str, Any]:
    return user(number, *following, name=name, **fields) | {"type": "system"}


def delay(number: int, *following: int) -> dict[str, Any]:
    return system(number, "delay", *following, delaySeconds=5)


def script(number: int, *following: int, text: str) -> dict[str, Any]:
    return system(number, "javascript", *following, expression=text)


def switch(number: int, **ways: list[int]) -> dict[str, Any]:
    return system(number, "switch", expression="$.1.output.x", next=ways)


def reading(*references: str) -> dict[str, Any]:
    return {"parameters": {str(i): reference for i, reference in enumerate(references)}}


def workflow(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"name": "w", "rootAction": 1, "actions": list(actions)}


def state(part: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [s for s in part["states"] if isinstance(s, dict) and s["name"] == name]
    return dict(found)


def action(part: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in part["actions"] if one["name"] == name]
    return dict(found)


def rows(part: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(r["current"], r["event"], r["next"]) for r in part["transitions"]]


def errors(imported: Imported) -> list[str]:
    return [finding.pointer for finding in imported.findings if finding.severity == "error"]


# ---------------------------------------------------------------- tasks


def test_a_diamond_does_its_last_action_once_and_after_both(convert: Convert) -> None:
    document = workflow(user(1, 2, 3), user(2, 4), user(3, 4), user(4, **reading("$.3.output.y")))
    blueprint = convert("orchy", document).blueprint
    assert blueprint["states"] == [
        "1",
        {"name": "2_3", "tasks": [{"name": "2"}, {"name": "3"}]},
        "4",
    ]
    assert rows(blueprint)[1:] == [
        ("1", "success", "2_3"),
        ("2_3", "success", "4"),
        ("4", "success", "done"),
    ]
    player = Player(blueprint).start().end()
    player.end_task("3", output={"y": 3})
    assert player.state == "2_3"
    player.end_task("2")
    assert (player.state, player.execution.open_tasks()[0].input) == ("4", {"0": 3})


def test_branches_that_meet_on_their_way_are_one_graph(convert: Convert) -> None:
    document = workflow(
        user(1, 2, 3, 4),
        user(2, 5),
        user(3, 5),
        user(4, 7),
        user(5, 6, **reading("$.2.output", "{$.3.output.n}!")),
        user(6, 7),
        user(7),
    )
    blueprint = convert("orchy", document).blueprint
    assert state(blueprint, "2_3_4")["tasks"] == [
        {"name": "2"},
        {"name": "5", "needs": ["2", "3"]},
        {"name": "6", "needs": ["5"]},
        {"name": "3"},
        {"name": "4"},
    ]
    player = Player(blueprint).start().end()
    player.end_task("2", output=[2]).end_task("3", output={"n": 3})
    inputs = {task.name: task.input for task in player.execution.open_tasks()}
    assert inputs["5"] == {"0": [2], "1": "3!"}


def test_a_fan_out_within_a_fan_out_is_the_same_graph(convert: Convert) -> None:
    document = workflow(user(1, 2, 3), user(2, 4, 5), user(3), user(4), user(5))
    blueprint = convert("orchy", document).blueprint
    assert state(blueprint, "2_3")["tasks"] == [
        {"name": "2"},
        {"name": "4", "needs": ["2"]},
        {"name": "5", "needs": ["2"]},
        {"name": "3"},
    ]
    assert rows(blueprint)[-1] == ("2_3", "success", "done")


def test_a_branch_that_is_itself_where_they_meet_is_done_after_the_other(convert: Convert) -> None:
    blueprint = convert("orchy", workflow(user(1, 2, 3), user(2, 3), user(3))).blueprint
    assert state(blueprint, "2_3")["tasks"] == [{"name": "2"}]
    assert ("2_3", "success", "3") in rows(blueprint)


def test_an_action_on_two_ways_is_read_from_the_one_that_was_taken(convert: Convert) -> None:
    # 2 is a state after "one", and a task after "two".
    document = workflow(
        switch(1, one=[2], two=[2, 3]),
        user(2, 4),
        user(3, 4),
        user(4, **reading("$.2.output.n", "n={$.2.output.n}")),
    )
    blueprint = convert("orchy", document).blueprint
    choice = "($exists(`2`.output.n) ? `2`.output.n : `2_3`.`2`.output.n)"
    assert action(blueprint, "4")["input"] == {"0": f"${{ {choice} }}", "1": f"n=${{ {choice} }}"}
    for taken, name in (("one", "2"), ("two", "2")):
        document["actions"][0]["expression"] = "$.input"
        player = Player(convert("orchy", document).blueprint).start(taken)
        player.end_task(name, output={"n": 5})
        if taken == "two":
            player.end_task("3")
        assert player.execution.open_tasks()[0].input == {"0": 5, "1": "n=5"}


# ---------------------------------------------------------------- machines

BRANCHES = workflow(
    user(1, 2, 3),
    delay(2, 4),
    user(4, 5, **reading("$.1.output.a", "$.input.age", "Hi {$.input.name}", "$.4.output")),
    system(5, "switch", expression="$1.output.kind", next={"x": [6], "default": [9]}),
    user(6, 9),
    user(3, 9),
    user(9, **reading("$.4.output.z", "$.3.output", "{$.6.output.q}")),
)


def test_a_branch_that_waits_or_chooses_is_a_machine_with_what_it_reads_as_its_input(
    convert: Convert,
) -> None:
    imported = convert("orchy", BRANCHES)
    blueprint = imported.blueprint
    assert imported.findings == ()
    assert state(blueprint, "2_3")["tasks"] == [{"name": "3"}, {"name": "branch_2"}]
    assert action(blueprint, "branch_2") == {
        "name": "branch_2",
        "type": "activity",
        "machine": "branch_2",
        "input": {"1": "$.1.output", "input": "$.input"},
    }
    assert action(blueprint, "9")["input"] == {
        "0": "$.2_3.branch_2.output.4.z",
        "1": "$.2_3.3.output",
        "2": "{$.2_3.branch_2.output.6.q}",
    }
    (machine,) = blueprint["machines"].values()
    kind = "input.`1`.kind"
    assert machine == {
        "states": ["2", "4", "5", "6"],
        "actions": [
            {"name": "2", "type": "delay", "seconds": 5},
            {
                "name": "4",
                "type": "pull",
                "queue": "work",
                "input": {
                    "0": "$.input.1.a",
                    "1": "$.input.input.age",
                    "2": "Hi {$.input.input.name}",
                    "3": "$.4.output",
                },
            },
            {
                "name": "5",
                "type": "switch",
                "expression": f'$type({kind}) in ["null", "array", "object"] ? "default" : {kind}',
            },
            {"name": "6", "type": "pull", "queue": "work", "input": {}},
        ],
        "transitions": [
            {"current": "init", "event": "start", "next": "2"},
            {"current": "2", "event": "success", "next": "4"},
            {"current": "4", "event": "success", "next": "5"},
            {"current": "5", "event": "x", "next": "6"},
            {"current": "5", "event": "default", "next": "done"},
            {"current": "6", "event": "success", "next": "done"},
        ],
        "output": {"4": "$.4.output", "6": "$.6.output"},
    }


def test_what_a_machine_reads_and_gives_keeps_arriving(convert: Convert) -> None:
    blueprint = convert("orchy", BRANCHES).blueprint
    parent = Player(blueprint).start({"age": 7, "name": "Ann"}).end(output={"a": 1, "kind": "x"})
    handed = {task.name: task.input for task in parent.execution.open_tasks()}["branch_2"]
    assert handed == {"1": {"a": 1, "kind": "x"}, "input": {"age": 7, "name": "Ann"}}

    child = Player(blueprint["machines"]["branch_2"]).start(handed).fire()
    assert child.execution.open_tasks()[0].input == {"0": 1, "1": 7, "2": "Hi Ann", "3": None}
    child.end(output={"z": 26})
    assert child.state == "6"
    child.end(output={"q": "Q"})
    assert child.execution.output == {"4": {"z": 26}, "6": {"q": "Q"}}

    parent.end_task("3", output=3).end_task("branch_2", output=child.execution.output)
    assert parent.execution.open_tasks()[0].input == {"0": 26, "1": 3, "2": "Q"}


def test_a_machine_within_a_machine_hands_on_what_it_reads_and_gives(convert: Convert) -> None:
    document = workflow(
        user(1, 2, 3),
        delay(2, 4, 5),
        delay(4, 6),
        user(6, **reading("$.1.output.a", "$.input.b")),
        user(5),
        user(3, 9),
        user(9, **reading("$.6.output")),
    )
    # Both ends of 2 are ends of the workflow, so 9 belongs to the branch of 3.
    blueprint = convert("orchy", document).blueprint
    assert sorted(blueprint["machines"]) == ["branch_2", "branch_4"]
    outer, inner = blueprint["machines"]["branch_2"], blueprint["machines"]["branch_4"]
    assert action(blueprint, "branch_2")["input"] == {"1": "$.1.output", "input": "$.input"}
    assert action(outer, "branch_4")["input"] == {"1": "$.input.1", "input": "$.input.input"}
    assert action(inner, "6")["input"] == {"0": "$.input.1.a", "1": "$.input.input.b"}
    assert inner["output"] == {"6": "$.6.output"}
    assert outer["output"] == {"6": "$.4_5.branch_4.output.6"}
    assert action(blueprint, "9")["input"] == {"0": "$.2_3.branch_2.output.6"}


def test_a_loop_in_a_branch_is_a_machine(convert: Convert) -> None:
    document = workflow(
        user(1, 2, 3), user(2, 4), switch(4, again=[2], on=[5]), user(3, 5), user(5)
    )
    blueprint = convert("orchy", document).blueprint
    assert state(blueprint, "2_3")["tasks"] == [{"name": "3"}, {"name": "branch_2"}]
    assert rows(blueprint["machines"]["branch_2"]) == [
        ("init", "start", "2"),
        ("2", "success", "4"),
        ("4", "again", "2"),
        ("4", "on", "done"),
    ]


def test_branches_that_wait_and_meet_before_the_others_are_one_machine(convert: Convert) -> None:
    document = workflow(
        user(1, 2, 3, 4),
        delay(2, 5),
        user(3, 5),
        user(5, 6, **reading("$.3.output")),
        user(4, 6),
        user(6, **reading("$.5.output")),
    )
    blueprint = convert("orchy", document).blueprint
    assert state(blueprint, "2_3_4")["tasks"] == [{"name": "4"}, {"name": "branch_2_3"}]
    machine = blueprint["machines"]["branch_2_3"]
    assert state(machine, "2_3")["tasks"] == [{"name": "3"}, {"name": "branch_2"}]
    assert rows(machine) == [
        ("init", "start", "2_3"),
        ("2_3", "success", "5"),
        ("5", "success", "done"),
    ]
    assert action(machine, "5")["input"] == {"0": "$.2_3.3.output"}
    assert action(blueprint, "6")["input"] == {"0": "$.2_3_4.branch_2_3.output.5"}


def test_a_fan_out_in_a_loop_begins_anew(convert: Convert) -> None:
    document = workflow(
        user(1, 2, 3), user(2, 4), user(3, 4), switch(4, again=[1], on=[5]), user(5)
    )
    player = Player(convert("orchy", document).blueprint).start()
    for _ in range(2):
        player.end(output={"x": "again"}).end_task("2").end_task("3")
    assert (player.state, player.execution.visits["2_3"]) == ("1", 2)


def test_a_branch_that_never_ends_does_not_swallow_the_others(convert: Convert) -> None:
    blueprint = convert("orchy", workflow(user(1, 2, 3), delay(2, 2), user(3))).blueprint
    assert state(blueprint, "2_3")["tasks"] == [{"name": "3"}, {"name": "branch_2"}]


# ---------------------------------------------------------------- what cannot be kept


def test_branches_that_meet_on_some_ways_only_are_an_error(convert: Convert) -> None:
    document = workflow(user(1, 2, 3), switch(2, meet=[4], end=[5]), user(3, 4), user(4), user(5))
    assert errors(convert("orchy", document)) == ["/actions/0"]


def test_a_branch_that_leads_back_to_its_fan_out_is_an_error(convert: Convert) -> None:
    document = workflow(user(1, 2, 3), switch(2, again=[1], on=[3]), user(3))
    assert errors(convert("orchy", document)) == ["/actions/0"]


def test_more_branches_than_any_sound_workflow_has_are_refused(convert: Convert) -> None:
    document = workflow(user(1, *range(2, 300)), *(delay(number) for number in range(2, 300)))
    with pytest.raises(Invalid, match="more than 200 branches of fan-outs wait, choose or loop"):
        convert("orchy", document)


def test_an_action_that_moved_cannot_be_read_as_a_whole(convert: Convert) -> None:
    document = workflow(user(1, 2, 3), user(2, 4), user(3, 4), user(4, **reading("$.2", "$.1")))
    assert errors(convert("orchy", document)) == ["/actions/3/parameters/0"]


# ---------------------------------------------------------------- scripts


def evaluate(text: str, document: dict[str, Any]) -> dict[str, Any]:
    run = f"var $ = {json.dumps(document)}; {text}; JSON.stringify($)"
    after: dict[str, Any] = json.loads(quickjs.Context().eval(run))
    return after


def test_a_script_finds_actions_that_became_tasks_where_it_looks_for_them(
    convert: Convert,
) -> None:
    text = "$['x'] = $['2'].output.n + $[\"3\"].output.n + $['1'].output.n"
    document = workflow(user(1, 2, 3), user(2, 4), user(3, 4), script(4, text=text))
    imported = convert("orchy", document)
    assert imported.findings == ()
    adapted = action(imported.blueprint, "4")["script"]
    assert adapted.endswith(" " + text)
    outputs = {"1": {"output": {"n": 1}}, "2_3": {n: {"output": {"n": 10}} for n in ("2", "3")}}
    assert evaluate(adapted, outputs)["x"] == 21


def test_a_script_in_a_machine_finds_what_is_outside_of_it(convert: Convert) -> None:
    text = "$['x'] = $['1'].output.n + $.input.age + $['2'].output.n"
    document = workflow(user(1, 4, 3), delay(4, 2), user(2, 5), script(5, text=text), user(3))
    blueprint = convert("orchy", document).blueprint
    assert action(blueprint, "branch_4")["input"] == {"1": "$.1.output", "input": "$.input"}
    adapted = action(blueprint["machines"]["branch_4"], "5")["script"]
    seen = {"input": {"1": {"n": 1}, "input": {"age": 20}}, "2": {"output": {"n": 300}}}
    assert evaluate(adapted, seen)["x"] == 321


@pytest.mark.parametrize("text", ["$['x'] = JSON.stringify($)", "for (const k in $) $[k] = 1"])
def test_a_script_that_reads_the_whole_document_is_an_error_where_that_is_another_one(
    convert: Convert, text: str
) -> None:
    alone = workflow(user(1, 2), script(2, text=text))
    assert errors(convert("orchy", alone)) == []
    after = workflow(user(1, 2, 3), user(2, 4), user(3, 4), script(4, text=text))
    assert errors(convert("orchy", after)) == ["/actions/3/expression"]
