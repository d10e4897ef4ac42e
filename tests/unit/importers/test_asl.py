"""State machines of the States Language: imported, and run."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from goflow_py.errors import Invalid
from goflow_py.importers import Imported, import_definition
from tests.unit.importers.playing import Failed, Played, play

Convert = Callable[..., Imported]
LOST_PATH = ("warning", "", "a path that leads nowhere gives null here, where it was an error")


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    """A definition that begins with the first of *states*; the last one ends it."""
    names = list(states)
    for name, following in pairwise(names):
        if states[name]["Type"] not in ("Choice", "Fail", "Succeed"):
            states[name].setdefault("Next", following)
    if states[names[-1]]["Type"] not in ("Choice", "Fail", "Succeed"):
        states[names[-1]].setdefault("End", True)
    return {"StartAt": names[0], "States": states}


def task(resource: str = "arn:aws:lambda:eu-west-1:1:function:work", **fields: Any) -> Any:
    return {"Type": "Task", "Resource": resource, **fields}


def run(definition: dict[str, Any], value: Any, **answers: Any) -> Played:
    imported = import_definition("asl", definition, project=None, activity="t")
    assert [f for f in imported.findings if f.severity == "error"] == []
    return play(imported.blueprint, value, answers)


def losses(definition: dict[str, Any]) -> list[tuple[str, str]]:
    imported = import_definition("asl", definition, project=None, activity="t")
    return [(f.severity, f.pointer) for f in imported.findings if f.pointer]


def action_of(imported: Imported, name: str) -> dict[str, Any]:
    return next(one for one in imported.blueprint["actions"] if one["name"] == name)


# ---------------------------------------------------------------- an order, from end to end

ORDER: dict[str, Any] = {
    "Comment": "Takes an order to the customer",
    "StartAt": "Check stock",
    "TimeoutSeconds": 604800,
    "States": {
        "Check stock": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": "arn:aws:lambda:eu-central-1:123456789012:function:stock:LIVE",
                "Payload": {"sku.$": "$.order.sku", "run.$": "$$.Execution.Id", "note": "$5 off"},
            },
            "ResultSelector": {"free.$": "$.Payload.free"},
            "ResultPath": "$.stock",
            "Retry": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "IntervalSeconds": 2,
                    "MaxAttempts": 5,
                    "BackoffRate": 1.5,
                    "MaxDelaySeconds": 20,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [
                {"ErrorEquals": ["Discontinued"], "ResultPath": None, "Next": "Give up"},
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Tell staff"},
            ],
            "Next": "Enough?",
        },
        "Enough?": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": "$.stock.free",
                    "NumericGreaterThanEqualsPath": "$.order.count",
                    "Next": "Ship",
                },
                {"Variable": "$.order.patient", "BooleanEquals": True, "Next": "Wait a day"},
            ],
            "Default": "Give up",
        },
        "Wait a day": {"Type": "Wait", "Seconds": 86400, "Next": "Check stock"},
        "Ship": {
            "Type": "Task",
            "Resource": "https://shipping.example.com/parcels",
            "TimeoutSeconds": 30,
            "InputPath": "$.order",
            "ResultPath": "$.parcel",
            "OutputPath": "$.parcel",
            "End": True,
        },
        "Tell staff": {"Type": "Succeed", "OutputPath": "$.failure"},
        "Give up": {"Type": "Fail", "Error": "OutOfStock", "Cause": "Nothing ${left}"},
    },
}


def test_an_order_that_is_in_stock_is_shipped(convert: Convert) -> None:
    imported = convert("asl", ORDER, project="shop", activity="order")
    assert imported.blueprint["project"] == "shop"
    assert imported.blueprint["timeout"] == 604800
    played = play(
        imported.blueprint,
        {"order": {"sku": "pen", "count": 2}},
        {"Check_stock": {"free": 7}, "Ship": lambda given: {"parcel": given["sku"]}},
    )
    assert played.status == "completed"
    assert played.path == ["init", "Check_stock", "Enough_", "Ship", "done"]
    assert played.given("Check_stock") == [
        {"sku": "pen", "run": played.player.execution.id, "note": "$5 off"}
    ]
    assert played.given("Ship") == [{"sku": "pen", "count": 2}]
    assert played.output == {"parcel": "pen"}


def test_an_order_that_waits_is_checked_again(convert: Convert) -> None:
    free = iter([0, 1, 2])
    played = play(
        convert("asl", ORDER, activity="order").blueprint,
        {"order": {"sku": "pen", "count": 2, "patient": True}},
        {"Check_stock": lambda _: {"free": next(free)}, "Ship": {"id": 1}},
    )
    assert played.path.count("Wait_a_day") == 2
    assert played.output == {"id": 1}


@pytest.mark.parametrize(
    ("answer", "status", "output"),
    [
        ({"free": 0}, "failed", {"Error": "OutOfStock", "Cause": "Nothing ${left}"}),
        (Failed("Discontinued"), "failed", {"Error": "OutOfStock", "Cause": "Nothing ${left}"}),
        (Failed("timeout"), "completed", {"Error": "States.Timeout", "Cause": "it failed"}),
        (Failed("refused"), "completed", {"Error": "refused", "Cause": "it failed"}),
    ],
)
def test_an_order_that_goes_wrong_ends_where_its_error_leads(
    answer: Any, status: str, output: Any
) -> None:
    played = run(ORDER, {"order": {"sku": "pen", "count": 2}}, Check_stock=answer)
    assert (played.status, played.output) == (status, output)


def test_a_choice_without_a_match_is_the_error_no_branch() -> None:
    rule = {"Variable": "$.x", "NumericEquals": 1, "Next": "End"}
    definition = machine(Choose={"Type": "Choice", "Choices": [rule]}, End={"Type": "Succeed"})
    played = run(definition, {"x": 2})
    assert played.status == "failed"
    assert (played.player.execution.error or {})["code"] == "no_branch"
    assert run(definition, {"x": 1}).output == {"x": 1}


def test_names_are_kept_where_they_fit_and_explained_where_not(convert: Convert) -> None:
    states = convert("asl", ORDER, activity="order").blueprint["states"]
    assert {"name": "Check_stock", "meta": {"name": "Check stock"}} in states
    assert "Ship" in states


# ---------------------------------------------------------------- how data flows

RAW = {"a": {"b": 1, "list": [1, 2]}, "z": "last"}


@pytest.mark.parametrize(
    ("fields", "given", "output"),
    [
        ({}, RAW, {"r": [9]}),
        ({"InputPath": "$.a"}, RAW["a"], {"r": [9]}),
        ({"InputPath": None}, {}, {"r": [9]}),
        (
            {"InputPath": "$.a", "Parameters": {"x.$": "$.b", "y": ["$.b"]}},
            {"x": 1, "y": ["$.b"]},
            {"r": [9]},
        ),
        ({"ResultSelector": {"s.$": "$.r[0]", "t": "$.r"}}, RAW, {"s": 9, "t": "$.r"}),
        ({"ResultPath": None}, RAW, RAW),
        ({"ResultPath": "$.new.deep"}, RAW, {**RAW, "new": {"deep": {"r": [9]}}}),
        ({"ResultPath": "$.a.b"}, RAW, {**RAW, "a": {"b": {"r": [9]}, "list": [1, 2]}}),
        ({"ResultPath": "$['a']['list']", "OutputPath": "$.a"}, RAW, {"b": 1, "list": {"r": [9]}}),
        ({"ResultPath": "$.new", "OutputPath": "$.new.r"}, RAW, [9]),
        ({"ResultPath": "$.new", "OutputPath": "$.a.b"}, RAW, 1),
        ({"ResultPath": "$.new", "OutputPath": "$.a.list[*]"}, RAW, [1, 2]),
        ({"OutputPath": "$.r"}, RAW, [9]),
        ({"OutputPath": None}, RAW, {}),
        ({"InputPath": "$.a", "ResultPath": "$.z"}, RAW["a"], {**RAW, "z": {"r": [9]}}),
        (
            {"ResultSelector": {"only.$": "$.r"}, "ResultPath": "$.a"},
            RAW,
            {**RAW, "a": {"only": [9]}},
        ),
    ],
)
def test_the_fields_of_a_task_move_data_as_theirs_do(
    fields: dict[str, Any], given: Any, output: Any
) -> None:
    played = run(machine(Work=task(**fields)), RAW, Work={"r": [9]})
    assert played.given("Work") == [given]
    assert played.output == output


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, RAW),
        ({"Result": {"text": "$.a.b", "more": "${x}"}}, {"text": "$.a.b", "more": "${x}"}),
        ({"Result": None, "ResultPath": "$.z"}, {**RAW, "z": None}),
        ({"Result": [[1]], "ResultPath": "$.z"}, {**RAW, "z": [[1]]}),
        (
            {"Parameters": {"n.$": "States.MathAdd($.a.b, 1)"}, "ResultPath": "$.z"},
            {**RAW, "z": {"n": 2}},
        ),
        ({"InputPath": "$.a.list"}, [1, 2]),
        ({"InputPath": "$.a.list", "ResultPath": "$.a"}, {**RAW, "a": [1, 2]}),
        ({"ResultPath": None, "OutputPath": "$.z"}, "last"),
        (
            {"Parameters": {"name.$": "$$.State.Name", "in.$": "$$.Execution.Input.z"}},
            {"name": "Move", "in": "last"},
        ),
    ],
)
def test_a_pass_gives_what_theirs_gives(fields: dict[str, Any], output: Any) -> None:
    assert run(machine(Move={"Type": "Pass", **fields}), RAW).output == output


@pytest.mark.parametrize(
    "fields",
    [
        {"SecondsPath": "$.pause"},
        {"Seconds": 90},
        {"TimestampPath": "$.at"},
        {"Timestamp": "1970-01-01T00:18:10Z"},
    ],
)
def test_a_wait_waits_as_long_as_theirs(fields: dict[str, Any]) -> None:
    value = {"pause": 90, "at": "1970-01-01T00:18:10Z"}
    played = run(machine(Pause={"Type": "Wait", "OutputPath": "$.pause", **fields}), value)
    assert (played.player.now, played.output) == (1_090_000, 90)


def test_an_error_is_put_where_the_catch_says() -> None:
    catch = [
        {"ErrorEquals": ["States.Timeout", "Busy"], "ResultPath": "$.e", "Next": "End"},
        {"ErrorEquals": ["States.Http.StatusCode.404"], "Next": "End"},
        {"ErrorEquals": ["States.TaskFailed"], "ResultPath": None, "Next": "End"},
    ]
    definition = machine(Work=task(Catch=catch), End={"Type": "Pass"})
    busy = {"Error": "Busy", "Cause": "it failed"}
    assert run(definition, RAW, Work=Failed("Busy")).output == {**RAW, "e": busy}
    assert run(definition, RAW, Work=Failed("server_error")).output == RAW
    timed = run(definition, RAW, Work=Failed("timeout")).output
    assert timed["e"]["Error"] == "States.Timeout"


# ---------------------------------------------------------------- JSONata and variables


def test_jsonata_states_compute_and_assign() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        **machine(
            Price={
                **task(),
                "Arguments": {
                    "skus": "{% $states.input.lines.sku %}",
                    "dear": "{% $states.input.lines[price > $states.input.limit].sku %}",
                    "text": "{%%",
                    "who": "{% $states.context.Execution.Input.who %}",
                },
                "Assign": {"total": "{% $sum($states.result.prices) %}", "input": "kept"},
                "Output": "{% $merge([$states.input, {'ok': true}]) %}",
            },
            Dear={
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": "{% ($limit := 100; $total > $limit) %}",
                        "Assign": {"dear": True},
                        "Output": {"of": "{% $states.input.who %}"},
                        "Next": "Rest",
                    }
                ],
                "Default": "Rest",
            },
            Rest={"Type": "Wait", "Seconds": "{% $total - $total + 5 %}"},
            Sum={
                "Type": "Pass",
                "Output": {
                    "total": "{% $total %}",
                    "kept": "{% $input %}",
                    "in": "{% $states.input %}",
                    "range": "{% $range(1, 5, 2) %}",
                    "parts": "{% $partition([1, 2, 3], 2) %}",
                    "each": "{% $map([1, 2], function($v) { $v * $total }) %}",
                },
            },
        ),
    }
    lines = [{"sku": "pen", "price": 3}, {"sku": "ink", "price": 9}]
    value = {"lines": lines, "limit": 5, "who": "Ada"}
    played = run(definition, value, Price={"prices": [100, 20]})
    given = {"skus": ["pen", "ink"], "dear": "ink", "text": "{%%", "who": "Ada"}
    assert played.given("Price") == [given]
    assert played.output == {
        "total": 120,
        "kept": "kept",
        "in": {"of": "Ada"},
        "range": [1, 3, 5],
        "parts": [[1, 2], [3]],
        "each": [120, 240],
    }
    assert run(definition, value, Price={"prices": [1]}).output["in"] == {**value, "ok": True}


def test_a_jsonata_catch_sees_the_error() -> None:
    catch = {
        "ErrorEquals": ["States.ALL"],
        "Next": "End",
        "Assign": {"why": "{% $states.errorOutput.Error %}"},
        "Output": {"e": "{% $states.errorOutput.Cause %}"},
    }
    definition = machine(
        Work=task(QueryLanguage="JSONata", Catch=[catch]),
        End={"Type": "Pass", "Parameters": {"why.$": "$why", "e.$": "$.e"}},
    )
    assert run(definition, {}, Work=Failed("Bad")).output == {"why": "Bad", "e": "it failed"}


def test_jsonpath_states_assign_from_their_result() -> None:
    definition = machine(
        Work=task(ResultPath="$.w", ResultSelector={"x.$": "$.n"}, Assign={"n.$": "$.n", "c": "$"}),
        End={"Type": "Pass", "Parameters": {"n.$": "$n", "c.$": "$c", "x.$": "$.w.x"}},
    )
    assert run(definition, {}, Work={"n": 4}).output == {"n": 4, "c": "$", "x": 4}


# ---------------------------------------------------------------- Parallel and Map

FAN: dict[str, Any] = machine(
    Start={"Type": "Pass", "Assign": {"factor": 10}},
    Both={
        "Type": "Parallel",
        "Parameters": {"n.$": "$.n", "list.$": "$.list"},
        "ResultPath": "$.both",
        "Branches": [
            machine(
                Halt={"Type": "Wait", "Seconds": 5},
                List={"Type": "Pass", "OutputPath": "$.list"},
            ),
            machine(
                Times={
                    "Type": "Task",
                    "Resource": "arn:aws:states:eu-west-1:1:activity:times",
                    "Parameters": {
                        "n.$": "$.n",
                        "factor.$": "$factor",
                        "whole.$": "$$.Execution.Input.n",
                    },
                }
            ),
        ],
    },
    Each={
        "Type": "Map",
        "ItemsPath": "$.both[0]",
        "ItemSelector": {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "n.$": "$.n"},
        "MaxConcurrency": 2,
        "ResultSelector": {"all.$": "$", "first.$": "$[0].v"},
        "ResultPath": "$.each",
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Sorry"}],
        "ItemProcessor": machine(
            Touch=task(ResultPath="$.touched", Parameters={"of.$": "$$.Map.Item.Value"})
        ),
        "Next": "Out",
    },
    Sorry={"Type": "Fail", "ErrorPath": "$.e.Error"},
    Out={"Type": "Succeed", "OutputPath": "$.each"},
)


def test_branches_and_items_become_machines(convert: Convert) -> None:
    blueprint = convert("asl", FAN, activity="fan").blueprint
    states = {s["name"]: s for s in blueprint["states"] if isinstance(s, dict)}
    assert states["Both"]["tasks"] == [
        {"name": "branch_1", "do": "Both_1"},
        {"name": "branch_2", "do": "Both_2"},
    ]
    assert states["Each"]["tasks"] == [
        {"name": "items", "do": "Each_item", "each": "$.data.input.both[0]", "concurrency": 2}
    ]
    assert set(blueprint["machines"]) == {"Both_1", "Both_2", "Each"}
    given = next(a for a in blueprint["actions"] if a["name"] == "Each_item")["input"]
    assert given["input"] == {"v": "$.item", "i": "$.index", "n": "$.data.input.n"}
    assert given["item"] == "$.item"


def test_branches_run_and_their_outputs_are_a_list_in_order() -> None:
    played = run(
        FAN,
        {"n": 3, "list": ["a", "b"]},
        Times=lambda given: given["n"] * given["factor"] + given["whole"],
        Touch=lambda given: f"touched {given['of']}",
    )
    assert played.status == "completed"
    assert played.output == {
        "all": [
            {"v": "a", "i": 0, "n": 3, "touched": "touched a"},
            {"v": "b", "i": 1, "n": 3, "touched": "touched b"},
        ],
        "first": "a",
    }
    assert played.player.execution.data["input"]["both"] == [["a", "b"], 33]


def test_an_error_in_an_item_is_caught_by_the_map() -> None:
    played = run(FAN, {"n": 3, "list": [1]}, Times=1, Touch=Failed("Broken"))
    assert (played.status, played.output) == ("failed", {"Error": "child_failed"})


def test_a_map_in_a_map_reaches_what_is_around_it() -> None:
    inner = {
        "Type": "Map",
        "Items": "{% $states.input.row %}",
        "ItemSelector": {"cell": "{% $states.context.Map.Item.Value * $scale %}"},
        "ItemProcessor": machine(
            Cell={
                "Type": "Pass",
                "Output": "{% $states.input.cell + $states.context.Execution.Input.add %}",
            }
        ),
    }
    outer = {
        "Type": "Map",
        "Items": "{% $states.input.rows %}",
        "ItemSelector": {"row": "{% $states.context.Map.Item.Value %}"},
        "ItemProcessor": machine(Row=inner),
    }
    scale = {"Type": "Pass", "Assign": {"scale": 10}}
    definition = {"QueryLanguage": "JSONata", **machine(Scale=scale, Rows=outer)}
    value = {"rows": [[1, 2], [], [3]], "add": 0.5}
    assert run(definition, value).output == [[10.5, 20.5], [], [30.5]]


# ---------------------------------------------------------------- resources


@pytest.mark.parametrize(
    ("resource", "endpoint"),
    [
        ("https://work.example.com/do", "https://work.example.com/do"),
        ("arn:aws:lambda:eu-west-1:1:function:charge-card", "charge-card"),
        ("arn:aws:lambda:eu-west-1:1:function:charge-card:7", "charge-card"),
        ("arn:aws:states:::dynamodb:putItem", "putItem"),
    ],
)
def test_a_resource_is_a_url_or_an_alias(convert: Convert, resource: str, endpoint: str) -> None:
    blueprint = convert("asl", machine(Work=task(resource)), activity="t").blueprint
    (worker,) = blueprint["workers"]
    assert (worker["name"], worker["workerEndpoint"]) == ("Work", endpoint)
    assert (worker["retryCount"], worker["responseTimeout"]) == (0, 900)


def test_an_http_call_is_made_as_it_was(convert: Convert) -> None:
    parameters = {
        "ApiEndpoint.$": "States.Format('https://api.example.com/v1/users/u-{}/notes', $.user)",
        "Method": "PATCH",
        "Headers": {"X-Team": "blue", "Content-Type": "application/json"},
        "QueryParameters": {"dry": True, "since.$": "$.since"},
        "RequestBody": {"note.$": "$.note"},
        "Authentication": {"ConnectionArn": "arn:aws:events:eu:1:connection/crm-main/ab-12"},
    }
    work = task(
        "arn:aws:states:::http:invoke", Parameters=parameters, OutputPath="$.ResponseBody.id"
    )
    imported = convert("asl", machine(Work=work), activity="t")
    action = action_of(imported, "Work")
    assert (action["raw"], action["method"]) == (True, "PATCH")
    assert action["query"] == {"dry": True, "since": "$.data.input.since"}
    assert imported.blueprint["workers"] == [
        {
            "name": "Work",
            "workerEndpoint": "https://api.example.com/v1/users",
            "retryCount": 0,
            "responseTimeout": 60,
            "headers": {"X-Team": "blue"},
            "auth": "${secret:CRM_MAIN}",
        }
    ]
    played = play(imported.blueprint, {"user": 7, "note": "hi", "since": 1}, {"Work": {"id": 12}})
    assert played.given("Work") == [{"note": "hi"}]
    scheduled = next(e for e in played.player.entries if e["type"] == "taskScheduled")
    assert scheduled["target"] == {"path": "u-7/notes", "query": {"dry": True, "since": 1}}
    assert played.output == 12
    assert [f.severity for f in imported.findings] == ["warning"] * 3


def test_the_retry_of_everything_is_the_workers(convert: Convert) -> None:
    retry = [
        {"ErrorEquals": ["Busy"], "MaxAttempts": 9},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3, "MaxAttempts": 2},
    ]
    imported = convert("asl", machine(Work=task(Retry=retry, TimeoutSeconds=7)), activity="t")
    (worker,) = imported.blueprint["workers"]
    assert (worker["retryCount"], worker["responseTimeout"]) == (2, 7)
    assert worker["retry"] == {
        "interval": 3,
        "backoffRate": 2,
        "maxInterval": 12,
        "jitter": "none",
    }
    assert "timeout" not in action_of(imported, "Work")
    first = imported.findings[0]
    assert (first.severity, first.pointer) == ("warning", "/States/Work/Retry/0")


def test_without_retries_the_timeout_bounds_the_action(convert: Convert) -> None:
    imported = convert("asl", machine(Work=task(TimeoutSeconds=7)), activity="t")
    assert action_of(imported, "Work")["timeout"] == 7


def test_a_task_token_becomes_a_callback(convert: Convert) -> None:
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    parameters = {"token.$": "$$.Task.Token", "x.$": "$.x"}
    work = task(resource, Parameters=parameters, TimeoutSeconds=3600, HeartbeatSeconds=60)
    action = action_of(convert("asl", machine(Work=work), activity="t"), "Work")
    assert (action["type"], action["timeout"], action["heartbeatTimeout"]) == ("async", 3600, 60)
    assert losses(machine(Work=work)) == [("warning", "/States/Work/Resource")]


def test_an_activity_is_polled_and_a_child_is_started(convert: Convert) -> None:
    poll = task("arn:aws:states:eu-west-1:1:activity:approve", HeartbeatSeconds=30)
    child = task(
        "arn:aws:states:::states:startExecution.sync:2",
        Parameters={
            "StateMachineArn": "arn:aws:states:eu:1:stateMachine:bill",
            "Input.$": "$.bill",
        },
        OutputPath="$.Output",
    )
    imported = convert("asl", machine(Poll=poll, Child=child), activity="t")
    polled = action_of(imported, "Poll")
    assert (polled["type"], polled["queue"], polled["lease"]) == ("pull", "approve", 30)
    assert action_of(imported, "Child")["activity"] == "bill"
    played = play(imported.blueprint, {}, {"Poll": {"bill": 5}, "Child": {"paid": True}})
    assert played.given("Child") == [5]
    assert played.output == {"paid": True}


# ---------------------------------------------------------------- what cannot be kept


def test_a_simple_definition_loses_nothing_but_the_failure_of_paths(convert: Convert) -> None:
    findings = convert("asl", machine(Work=task()), activity="t").findings
    assert [(f.severity, f.pointer, f.message) for f in findings] == [LOST_PATH]
    assert findings[0].code == "import_unsupported"
    jsonata = {"QueryLanguage": "JSONata", **machine(Work=task())}
    assert convert("asl", jsonata, activity="t").findings == ()


@pytest.mark.parametrize(
    ("state", "loss"),
    [
        (task(Parameters={"t.$": "$$.State.EnteredTime"}), ("error", "/Parameters/t.$")),
        (task(Parameters={"t.$": "States.UUID()"}), ("error", "/Parameters/t.$")),
        (task(Parameters={"t.$": "$unknown"}), ("error", "/Parameters/t.$")),
        (task(ResultPath="$.list[0]"), ("error", "")),
        (task(TimeoutSecondsPath="$.t"), ("error", "/TimeoutSecondsPath")),
        (task(HeartbeatSeconds=5), ("warning", "/HeartbeatSeconds")),
        (task(Credentials={}), ("error", "/Credentials")),
        (task(Arguments={}), ("error", "/Arguments")),
        (task(Speed=5), ("warning", "/Speed")),
        (task(QueryLanguage="JSONata", InputPath="$"), ("error", "/InputPath")),
        (task(QueryLanguage="JSONata", Arguments="{% $uuid() %}"), ("error", "/Arguments")),
        (task(QueryLanguage="JSONata", Arguments="{% $now() %}"), ("error", "/Arguments")),
        (task(QueryLanguage="JSONata", Arguments="{% $states.result %}"), ("error", "/Arguments")),
        (
            task(
                "arn:aws:states:::http:invoke", Parameters={"Method": "GET", "ApiEndpoint.$": "$.u"}
            ),
            ("error", "/Parameters"),
        ),
        (task("arn:aws:states:::states:startExecution"), ("error", "/Resource")),
    ],
)
def test_what_cannot_be_kept_is_shown_where_it_stands(state: Any, loss: tuple[str, str]) -> None:
    severity, pointer = loss
    assert (severity, f"/States/Work{pointer}") in losses(machine(Work=state))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"Retry": [{"ErrorEquals": ["States.ALL"]}]}, "/Retry"),
        ({"ItemReader": {}, "ToleratedFailurePercentage": 5}, "/ToleratedFailurePercentage"),
        ({"ItemBatcher": {"MaxItemsPerBatch": 3}}, "/ItemBatcher"),
        ({"MaxConcurrencyPath": "$.c"}, "/MaxConcurrency"),
    ],
)
def test_what_a_map_cannot_do_is_shown(fields: dict[str, Any], pointer: str) -> None:
    processor = machine(Inside={"Type": "Pass"})
    definition = machine(Each={"Type": "Map", "ItemProcessor": processor, **fields})
    assert ("error", f"/States/Each{pointer}") in losses(definition)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ([], "is an object"),
        ({"StartAt": "A"}, "'States' is missing"),
        ({"StartAt": "B", "States": {"A": {"Type": "Succeed"}}}, "there is no state 'B'"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, "it needs 'Next' or 'End'"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "there is no state 'B'"),
        ({"StartAt": "A", "States": {"A": {"Type": "Sleep"}}}, "input should be"),
        (machine(A={"Type": "Task"}), "a Task needs a 'Resource'"),
        (machine(A={"Type": "Wait"}), "a Wait needs 'Seconds' or 'Timestamp'"),
        (machine(A={"Type": "Wait", "Timestamp": "soon"}), "RFC 3339"),
        (machine(A={"Type": "Map"}), "a Map needs an 'ItemProcessor'"),
    ],
)
def test_what_is_no_state_machine_is_refused(definition: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        import_definition("asl", definition, project=None, activity=None)


def test_an_import_that_would_grow_without_end_is_refused() -> None:
    branches = [machine(**{f"B{i}": {"Type": "Pass"}}) for i in range(50)]
    selector = {f"f{i}": {"x.$": "$"} for i in range(700)}
    both = {"Type": "Parallel", "Branches": branches, "ResultSelector": selector}
    with pytest.raises(Invalid, match="import it in parts"):
        import_definition("asl", machine(Both=both), project=None, activity=None)


def test_the_error_of_a_branch_is_not_told_from_others() -> None:
    catch = [{"ErrorEquals": ["Declined"], "Next": "End"}]
    both = {"Type": "Parallel", "Branches": [machine(A={"Type": "Pass"})], "Catch": catch}
    definition = machine(Both=both, End={"Type": "Pass"})
    assert losses(definition) == [("error", "/States/Both/Catch/0/ErrorEquals")]
    catch[0]["ErrorEquals"] = ["States.TaskFailed"]
    assert losses(definition) == []


def test_without_an_input_there_is_an_empty_object() -> None:
    definition = machine(Work=task(ResultPath="$.w"))
    played = run(definition, None, Work=1)
    assert played.given("Work") == [{}]
    assert played.output == {"w": 1}
    assert run(definition, [[5]], Work=1).given("Work") == [[[5]]]
