"""Orchy without fan-outs: actions, ways, references, retries."""

from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.errors import Invalid
from goflow_py.importers import Imported
from tests.player import Player

Convert = Callable[..., Imported]
Seed = Callable[[str], Any]


def user(number: int, *following: int, name: str = "work", **fields: Any) -> dict[str, Any]:
    ways = {"next": {"default": list(following)}} if following else {}
    return {"id": number, "type": "user", "name": name, **ways, **fields}


def system(number: int, name: str, *following: int, **fields: Any) -> dict[str, Any]:
    return user(number, *following, name=name, **fields) | {"type": "system"}


def workflow(*actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "w", "rootAction": 1, "actions": list(actions), **fields}


def action(imported: Imported, name: str) -> dict[str, Any]:
    (found,) = [one for one in imported.blueprint["actions"] if one["name"] == name]
    return dict(found)


def rows(imported: Imported) -> list[tuple[str, str, str]]:
    return [(r["current"], r["event"], r["next"]) for r in imported.blueprint["transitions"]]


def found(imported: Imported) -> list[tuple[str, str]]:
    return [(finding.severity, finding.pointer) for finding in imported.findings]


# ---------------------------------------------------------------- the seed


def test_the_seed_keeps_its_ids_its_expressions_and_its_script(
    convert: Convert, seed: Seed
) -> None:
    imported = convert("orchy", seed("orchy-test-workflow"))
    assert imported.findings == ()
    assert imported.blueprint == {
        "project": "orchy",
        "activity": "test_workflow",
        "states": [
            "1",
            "6",
            "7",
            "2",
            "3",
            {"name": "4_9", "tasks": [{"name": "4"}, {"name": "9"}]},
        ],
        "actions": [
            {
                "name": "1",
                "type": "pull",
                "queue": "add-params-action",
                "input": {"key1": "200", "key2": 39},
            },
            {
                "name": "6",
                "type": "script",
                "script": "if($['1'].output.key1 == '200') {$['x']='nesX'};",
            },
            {"name": "7", "type": "delay", "seconds": 10},
            {"name": "2", "type": "switch", "expression": "$.1.output.key1"},
            {"name": "3", "type": "wait", "event": "test"},
            {
                "name": "4",
                "type": "pull",
                "queue": "log-action",
                "input": {"k1": 23, "k2": "$1.output.key1", "k3": "$6.output.x"},
            },
            {
                "name": "9",
                "type": "pull",
                "queue": "log-action",
                "input": {
                    "k1": 24,
                    "k2": "$1.output.key2",
                    "k3": "$6.output.x",
                    "k4": "$.input.age",
                },
            },
        ],
        "transitions": [
            {"current": "init", "event": "start", "next": "1"},
            {"current": "1", "event": "success", "next": "6"},
            {"current": "6", "event": "success", "next": "7"},
            {"current": "7", "event": "success", "next": "2"},
            {"current": "2", "event": "200", "next": "3"},
            {"current": "3", "event": "success", "next": "4_9"},
            {"current": "4_9", "event": "success", "next": "done"},
        ],
        "events": {"test": {}},
    }


def test_the_seed_runs_to_its_end(convert: Convert, seed: Seed) -> None:
    player = Player(convert("orchy", seed("orchy-test-workflow")).blueprint).start({"age": 89})
    player.end(output={"key1": "200", "key2": 39}).end(output={"x": "nesX"})
    assert player.state == "7"
    player.fire()
    assert player.state == "3"
    player.send("test")
    assert {task.name: task.input for task in player.execution.open_tasks()} == {
        "4": {"k1": 23, "k2": "200", "k3": "nesX"},
        "9": {"k1": 24, "k2": 39, "k3": "nesX", "k4": 89},
    }
    player.end_task("9").end_task("4")
    assert player.execution.status == "completed"


def test_project_and_activity_can_be_given(convert: Convert) -> None:
    blueprint = convert("orchy", workflow(user(1)), project="p", activity="a").blueprint
    assert (blueprint["project"], blueprint["activity"]) == ("p", "a")
    assert blueprint["meta"] == {"name": "w"}


# ---------------------------------------------------------------- ways


def test_a_leaf_ends_the_execution_and_a_goto_back_is_a_loop(convert: Convert) -> None:
    imported = convert(
        "orchy",
        workflow(
            user(1, 2),
            system(2, "switch", expression="$.1.output.x", next={"again": [1], "on": [3]}),
            user(3),
        ),
    )
    assert rows(imported) == [
        ("init", "start", "1"),
        ("1", "success", "2"),
        ("2", "again", "1"),
        ("2", "on", "3"),
        ("3", "success", "done"),
    ]
    player = Player(imported.blueprint).start()
    player.end(output={"x": "again"}).end(output={"x": "on"}).end()
    assert (player.execution.status, player.execution.visits["1"]) == ("completed", 2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"next": {"default": [2]}}, [("success", "2")]),
        ({"next": {"go": [3], "default": [2]}}, [("go", "3")]),
        (
            {"next": {"go": [3], "default": [2]}, "timeoutSeconds": 5},
            [("go", "3"), ("timeout", "2")],
        ),
        ({"next": {"default": [2]}, "timeoutSeconds": 5}, [("success", "2"), ("timeout", "2")]),
        ({"next": {"go": []}}, [("go", "done")]),
    ],
)
def test_a_wait_goes_the_way_of_its_event_or_the_default_one_which_is_that_of_its_timer(
    convert: Convert, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    document = workflow(system(1, "wait", event="go", **fields), user(2), user(3))
    imported = convert("orchy", document)
    assert [(e, n) for c, e, n in rows(imported) if c == "1"] == expected
    assert action(imported, "1").get("timeout") == fields.get("timeoutSeconds")


def test_a_wait_that_times_out_goes_on(convert: Convert) -> None:
    wait = system(1, "wait", event="go", timeoutSeconds=5, next={"go": [3], "default": [2]})
    blueprint = convert("orchy", workflow(wait, user(2), user(3))).blueprint
    assert Player(blueprint).start().fire().state == "2"
    player = Player(blueprint).start()
    player.send("go")
    assert player.state == "3"


def test_an_event_with_a_reserved_name_gets_another_one_that_meta_tells(convert: Convert) -> None:
    wait = system(1, "wait", event="success", next={"success": [2], "default": [3]})
    blueprint = convert("orchy", workflow(wait, user(2), user(3))).blueprint
    assert blueprint["events"] == {"success_2": {}}
    assert blueprint["meta"] == {"events": {"success_2": "success"}}
    player = Player(blueprint).start()
    player.send("success_2")
    assert player.state == "2"


SWITCH = system(
    2,
    "switch",
    expression="$.1.output.x",
    next={"200": [3], "very good": [4], "success": [5], "go": [6], "default": [7]},
)


@pytest.mark.parametrize(
    ("output", "state"),
    [
        ({"x": "200"}, "3"),
        ({"x": 200}, "3"),
        ({"x": "very good"}, "4"),
        ({"x": "success"}, "5"),
        ({"x": "go"}, "6"),
        ({"x": "other"}, "7"),
        ({"x": None}, "7"),
        ({"x": [1]}, "7"),
        ({"x": {}}, "7"),
        ({}, "2"),
    ],
)
def test_a_switch_takes_the_way_of_its_value_as_orchy_documents_it(
    convert: Convert, output: Any, state: str
) -> None:
    # An event of the same name comes from outside alone, so the label has another one.
    waits = system(6, "wait", 3, event="go")
    document = workflow(user(1, 2), SWITCH, user(3), user(4), user(5), waits, user(7))
    player = Player(convert("orchy", document).blueprint).start().end(output=output)
    assert player.state == state
    if state == "2":
        assert player.execution.error is not None
        assert player.execution.error["code"] == "no_branch"


def test_a_switch_without_default_is_no_more_than_its_path(convert: Convert) -> None:
    choice = system(2, "switch", expression="{$1.output.x}", next={"a": [1]})
    imported = convert("orchy", workflow(user(1, 2), choice))
    assert action(imported, "2")["expression"] == "$1.output.x"
    assert Player(imported.blueprint).start().end(output={"x": None}).execution.status == "failed"


def test_what_no_way_leads_to_is_left_out_and_what_never_happens_is_told(convert: Convert) -> None:
    imported = convert(
        "orchy",
        workflow(user(1, join=2, next={"default": [], "error": [2]}), user(2), colour="red"),
    )
    assert imported.blueprint["states"] == ["1"]
    assert found(imported) == [
        ("warning", "/actions/1"),
        ("warning", "/colour"),
        ("warning", "/actions/0/join"),
        ("warning", "/actions/0/next/error"),
    ]


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.input.list[0]", 1),
        ("$.input", {"name": "Ann", "list": [1, [2, 3]]}),
        ("$1.output.n", 5),
        ("$.nope.x", None),
        ("Hi {$.input.name}, {$1.output.n}%", "Hi Ann, 5%"),
        ("${HOME}", "${HOME}"),
        ("a ${b {$.input.name}", "a ${b Ann"),
        ("for ${$.input.name}", "for $Ann"),
        ("${$.input.name}", "${$.input.name}"),
        ("{name} {$5}", "{name} {$5}"),
        ("$100", "$100"),
        ([["$1.output.n", [2]], 3], [[5, [2]], 3]),
        ({"$.input.name": "$.input.name"}, {"$.input.name": "Ann"}),
    ],
)
def test_parameters_are_the_values_that_orchy_documents(
    convert: Convert, text: Any, value: Any
) -> None:
    document = workflow(user(1, 2), user(2, parameters={"v": text}))
    player = Player(convert("orchy", document).blueprint)
    player.start({"name": "Ann", "list": [1, [2, 3]]}).end(output={"n": 5})
    (task,) = player.execution.open_tasks()
    assert task.input == {"v": value}


def test_a_user_action_without_parameters_gets_none_and_not_the_input(convert: Convert) -> None:
    player = Player(convert("orchy", workflow(user(1))).blueprint).start({"secret": 1})
    assert player.execution.open_tasks()[0].input == {}


@pytest.mark.parametrize("text", ["$..name", "$.list[*]", "$.list[?(@.x)]", "$", "$1.list[-1]"])
def test_a_path_of_more_than_names_and_indexes_is_an_error(convert: Convert, text: str) -> None:
    choice = system(2, "switch", expression=text, next={"a": [1]})
    imported = convert("orchy", workflow(user(1, 2, parameters={"a": [text]}), choice))
    assert found(imported) == [
        ("error", "/actions/0/parameters/a/0"),
        ("error", "/actions/1/expression"),
    ]


def test_text_that_orchy_would_turn_into_null_is_told(convert: Convert) -> None:
    imported = convert("orchy", workflow(user(1, parameters={"price": "$100"})))
    assert found(imported) == [("warning", "/actions/0/parameters/price")]


@pytest.mark.parametrize(
    ("script", "reference", "rewritten", "severities"),
    [
        ("$['x'] = 1", "$.1.output.x", "$.1.output.x", []),
        ("$['x'] = 1", "$.1.output.input.age", "$.input.age", []),
        ("$['x'] = $.input.age", "$.1.output.input.age", "$.1.output.input.age", ["warning"]),
        ("$['x'] = 1", "$.1.output.2.output.y", "$.2.output.y", []),
        ("$['2'].output.y = 1", "$.1.output.2.output.y", "$.1.output.2.output.y", ["warning"]),
    ],
)
def test_what_orchy_only_copies_into_the_output_of_a_script_is_read_where_it_is(
    convert: Convert, script: str, reference: str, rewritten: str, severities: list[str]
) -> None:
    document = workflow(
        system(1, "javascript", 2, expression=script), user(2, parameters={"v": reference})
    )
    imported = convert("orchy", document)
    assert action(imported, "2")["input"] == {"v": rewritten}
    assert [finding.severity for finding in imported.findings] == severities


def test_a_jsonmapper_is_a_map(convert: Convert) -> None:
    mapper = system(1, "jsonmapper", 2, parameters={"a": "$.input.b"})
    imported = convert("orchy", workflow(mapper, user(2, parameters={"v": "$.1.output.a"})))
    assert action(imported, "1") == {"name": "1", "type": "map", "value": {"a": "$.input.b"}}
    player = Player(imported.blueprint).start({"b": 7})
    assert player.execution.open_tasks()[0].input == {"v": 7}


def test_a_system_action_that_nobody_knows_is_an_error(convert: Convert) -> None:
    imported = convert("orchy", workflow(system(1, "http")))
    assert found(imported) == [("error", "/actions/0/name")]


# ---------------------------------------------------------------- retries, retention, names


@pytest.mark.parametrize(
    ("definition", "expected", "findings"),
    [
        (
            {"retry_count": 3, "retry_after_seconds": 5, "timeout_seconds": 10},
            {
                "lease": 10,
                "retryCount": 2,
                "retry": {"interval": 5, "backoffRate": 1, "jitter": "none"},
            },
            [],
        ),
        (
            {"retry_count": 0},
            {"retryCount": 0, "retry": {"interval": 0, "backoffRate": 1, "jitter": "none"}},
            [],
        ),
        (
            {"retry_count": 2, "retry_after_seconds": 90, "retry_policy": "fixed"},
            {
                "retryCount": 1,
                "retry": {
                    "interval": 90,
                    "backoffRate": 1,
                    "jitter": "none",
                    "maxInterval": 90,
                },
            },
            [],
        ),
        (
            {"retry_count": 3, "retry_after_seconds": 5, "retry_policy": "BACKOFF"},
            {"retryCount": 2, "retry": {"interval": 10, "backoffRate": 1.5, "jitter": "none"}},
            [],
        ),
        (
            {"retry_count": 4, "retry_after_seconds": 20, "retry_policy": "BACKOFF"},
            {
                "retryCount": 3,
                "retry": {
                    "interval": 40,
                    "backoffRate": 1.5,
                    "jitter": "none",
                    "maxInterval": 80,
                },
            },
            [("warning", "/actionDefinitions/0/retry_policy")],
        ),
    ],
)
def test_orchy_counts_attempts_and_we_count_retries(
    convert: Convert,
    definition: dict[str, Any],
    expected: dict[str, Any],
    findings: list[tuple[str, str]],
) -> None:
    definitions = [{"name": "work", **definition}]
    document = {"workflow": workflow(user(1)), "actionDefinitions": definitions}
    imported = convert("orchy", document)
    common = {"name": "1", "type": "pull", "queue": "work", "input": {}}
    assert action(imported, "1") == {**common, **expected}
    assert found(imported) == findings


@pytest.mark.parametrize(
    ("fields", "retain", "findings"),
    [
        ({"onSuccess": "DELETE", "onFailure": "delete"}, 0, []),
        ({"onSuccess": "NOOP", "onFailure": ""}, None, []),
        ({"onSuccess": "DELETE"}, None, [("warning", "/onSuccess")]),
    ],
)
def test_executions_that_orchy_deletes_are_not_kept(
    convert: Convert,
    fields: dict[str, Any],
    retain: int | None,
    findings: list[tuple[str, str]],
) -> None:
    imported = convert("orchy", workflow(user(1), **fields))
    assert imported.blueprint.get("retain") == retain
    assert found(imported) == findings


def test_names_outside_the_rule_are_mapped_and_kept_in_meta(convert: Convert) -> None:
    document = workflow(user(-1, name="send mail"), name="My Flow", rootAction=-1)
    blueprint = convert("orchy", document).blueprint
    assert blueprint["activity"] == "My_Flow"
    assert blueprint["meta"] == {"name": "My Flow"}
    assert blueprint["states"] == [{"name": "_1", "meta": {"name": "-1"}}]
    assert blueprint["actions"] == [
        {
            "name": "_1",
            "type": "pull",
            "queue": "send_mail",
            "input": {},
            "meta": {"name": "send mail"},
        }
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("w", "an Orchy workflow is an object"),
        ({"name": "w", "rootAction": 1}, "'actions' is missing"),
        ({"name": "w", "actions": []}, "'rootAction' is missing"),
        (workflow(user(2)), "at /rootAction: there is no action 1"),
        (workflow(user(1), user(1)), "at /actions/1: the action 1 is there twice"),
        (workflow(user(1, 7)), "at /actions/0: there is no action 7 to go on with"),
        (workflow({"id": 1, "type": "user"}), "at /actions/0: 'name' is missing"),
        (workflow(user(1) | {"type": "robot"}), "at /actions/0/type"),
        (workflow(user(1, next={"default": 2})), "at /actions/0/next/default"),
        (workflow(system(1, "switch", expression="$.input.x")), "a switch needs"),
        (workflow(system(1, "switch", 1)), "a switch needs an 'expression' and 'next'"),
        (workflow(system(1, "javascript")), "a javascript action needs an 'expression'"),
        (workflow(system(1, "delay")), "a delay needs 'delaySeconds' above 0"),
        (workflow(system(1, "wait")), "a wait needs an 'event'"),
        (workflow(user(1), onSuccess="MAIL"), "at /onSuccess"),
        ({"workflow": workflow(user(2))}, "at /workflow/rootAction: there is no action 1"),
        (workflow(system(1, "delay", delaySeconds=1e12)), "cannot be a blueprint"),
        (workflow(user(1), name=""), "does not name its activity: give the activity"),
    ],
)
def test_what_orchy_refuses_is_refused_with_the_place(
    convert: Convert, document: Any, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        convert("orchy", document)
    assert message in refused.value.detail
