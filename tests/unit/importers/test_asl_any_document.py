"""Whatever arrives as a state machine: a clear refusal, or a blueprint that can be uploaded."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.errors import Invalid
from goflow_py.expression import full  # noqa: F401 - it sets the recursion limit: not in a test
from goflow_py.fsm.check import check
from goflow_py.importers import import_definition

NAMES = st.sampled_from(["A", "B", "Charge card", "done", "input", "item", "x" * 70, ""])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        "$",
        "$.a",
        "$['b c'].d[0]",
        "$..x",
        "$.l[*].p",
        "$.l[?(@.p > 1)]",
        "$.l[1:]",
        "$$.Execution.Id",
        "$$.Map.Item.Value",
        "$v",
        "$[",
        "${x",
        "$$",
        "States.Format('{}', $.a)",
        "States.UUID()",
        "States.Array($.a, 1)",
        "States.Array(",
        "$.a`b",
        "$['`\"']",
        "$$.Map",
        "plain",
        "",
    ]
)
CODE = st.sampled_from(
    [
        "{% $states.input.a %}",
        "{% $v + 1 %}",
        "{% %}",
        "{% $states %}",
        "{% $states.context %}",
        "{% $states.result %}",
        "{% $range(1, 2) %}",
        "{% ( %}",
        "{% $states.errorOutput.Error %}",
        "{% $states.context.State.Name %}",
        "{%",
        "{% $uuid() %}",
        "{% `a` ~> $f %}",
    ]
)
PAYLOAD = st.recursive(
    PATHS | CODE | st.integers() | ANYTHING,
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b.$", "Payload", "Payload.$"]), inner)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)
ERRORS = st.lists(
    st.sampled_from(["States.ALL", "States.Timeout", "Bad", "States.TaskFailed", '"', "x" * 99]),
    max_size=2,
)
RESOURCES = st.sampled_from(
    [
        "arn:aws:lambda:eu:1:function:f",
        "https://x.example.com/y",
        "arn:aws:states:::http:invoke",
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::states:startExecution.sync",
        "arn:aws:states:e:1:activity:a",
        ":",
        "x y",
    ]
)
RULES = st.recursive(
    st.fixed_dictionaries(
        {"Variable": PATHS, "Next": st.just("A")},
        optional={
            "NumericEquals": ANYTHING | st.integers(),
            "StringMatches": st.text(max_size=5),
            "TimestampLessThanPath": PATHS,
            "IsPresent": st.booleans(),
            "Condition": CODE,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"Next": st.just("A")},
        optional={"And": st.lists(inner, max_size=2), "Not": inner, "Condition": CODE},
    ),
    max_leaves=3,
)


def _states(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "Next": st.just("A") | st.just("A") | NAMES,
        "QueryLanguage": st.sampled_from(["JSONata", "JSONPath"]),
        "InputPath": PATHS | st.none(),
        "OutputPath": PATHS | st.none(),
        "ResultPath": PATHS | st.none(),
        "Parameters": PAYLOAD,
        "Arguments": PAYLOAD,
        "ResultSelector": PAYLOAD,
        "Output": PAYLOAD,
        "Assign": st.dictionaries(st.sampled_from(["v", "v.$", "input", "a b"]), PATHS | CODE),
        "Result": ANYTHING,
        "Resource": RESOURCES,
        "TimeoutSeconds": st.integers(-1, 9) | CODE,
        "TimestampPath": PATHS,
        "Choices": st.lists(RULES, max_size=2),
        "Default": st.just("A"),
        "Catch": st.lists(
            st.fixed_dictionaries({"ErrorEquals": ERRORS, "Next": st.just("A")}), max_size=2
        ),
        "Retry": st.lists(
            st.fixed_dictionaries(
                {"ErrorEquals": ERRORS}, optional={"MaxAttempts": st.integers(0)}
            ),
            max_size=2,
        ),
        "Error": PATHS | CODE,
        "CausePath": PATHS,
        "Branches": st.lists(inner, max_size=2),
        "ItemProcessor": inner,
        "ItemsPath": PATHS,
        "ItemSelector": PAYLOAD,
        "MaxConcurrency": st.integers(-1, 2),
    }
    kinds = ["Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"]
    return st.fixed_dictionaries(
        {"Type": st.sampled_from(kinds), "End": st.just(True), "Seconds": st.just(5) | CODE},
        optional=fields,
    )


def _machines(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    state = _states(inner)
    states = st.fixed_dictionaries({"A": state}, optional={"B": state, "Charge card": state})
    return st.fixed_dictionaries(
        {"StartAt": st.just("A"), "States": states},
        optional={"QueryLanguage": st.just("JSONata"), "TimeoutSeconds": st.integers(1, 9)},
    )


MACHINES = _machines(_machines(ANYTHING))


def upload_errors(blueprint: Blueprint) -> set[str]:
    workers = blueprint.workers or ()
    _, found = check(blueprint, workers=workers, workers_in_body=True, is_resolved=lambda _: True)
    return {finding.code for finding in found if finding.severity == "error"}


@given(document=MACHINES | ANYTHING)
def test_any_document_is_refused_as_invalid_or_becomes_a_blueprint(document: Any) -> None:
    try:
        imported = import_definition("asl", document, project=None, activity=None)
    except Invalid as refusal:
        assert refusal.detail
        return
    blueprint = Blueprint.model_validate(imported.blueprint)
    if any(finding.severity == "error" for finding in imported.findings):
        return
    # A state that leads back to itself without work is an endless loop there as well.
    assert upload_errors(blueprint) <= {"zero_work_cycle", "always_self"}


# ---------------------------------------------------------------- machines that are sound


@st.composite
def sound(draw: st.DrawFn) -> dict[str, Any]:
    """State machines that are whole: each state goes on to some other, or ends."""
    names = ["A", "B c", "done", "data"][: draw(st.integers(1, 4))]
    paths = st.sampled_from(["$", "$.a", "$.a.b", "$['x y']", "$.l[0]"])
    states: dict[str, Any] = {}
    for name in names:
        others = st.sampled_from([other for other in [*names, "End"] if other != name])
        kind = draw(st.sampled_from(["Task", "Pass", "Choice", "Wait", "Map", "Parallel"]))
        state: dict[str, Any] = {"Type": kind, "Next": draw(others)}
        inside = {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}
        match kind:
            case "Task":
                state |= {
                    "Resource": draw(RESOURCES.filter(lambda r: "http:" not in r and r != ":"))
                }
                state |= {"ResultPath": draw(paths.filter(lambda p: "[0]" not in p))}
                state |= {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": draw(others)}]}
            case "Pass":
                state |= {"Parameters": {"p.$": draw(paths)}, "OutputPath": draw(paths)}
            case "Choice":
                rule = {"Variable": draw(paths), "StringMatches": draw(st.text(max_size=5))}
                state = {"Type": kind, "Choices": [{**rule, "Next": draw(others)}]}
                state |= {"Default": "End"}
            case "Wait":
                state |= {"SecondsPath": draw(paths)}
            case "Map":
                state |= {"ItemsPath": draw(paths), "ItemProcessor": inside}
            case _:
                state |= {"Branches": [inside] * draw(st.integers(0, 2)), "ResultPath": "$.r"}
        states[name] = state
    states["End"] = {"Type": "Succeed"}
    return {"StartAt": names[0], "States": states}


@given(definition=sound())
def test_what_can_be_kept_of_a_state_machine_can_be_uploaded(definition: dict[str, Any]) -> None:
    imported = import_definition("asl", definition, project=None, activity=None)
    if any(finding.severity == "error" for finding in imported.findings):
        return
    blueprint = Blueprint.model_validate(imported.blueprint)
    assert upload_errors(blueprint) <= {"zero_work_cycle"}
