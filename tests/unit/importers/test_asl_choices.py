"""The rules of a Choice state, evaluated."""

from typing import Any

import pytest

from goflow_py.expression import compile_expression
from goflow_py.importers.asl_choices import guard
from goflow_py.importers.asl_scope import JSONPATH, Scope, Sight
from goflow_py.importers.result import Losses

INPUT = {
    "n": 5,
    "m": 5.0,
    "five": "5",
    "name": "log-2025.txt",
    "star": "a*b",
    "yes": True,
    "nil": None,
    "list": [1],
    "early": "2025-03-01T10:00:00Z",
    "later": "2025-03-01T09:30:00.5-05:00",
    "not_a_time": "tomorrow",
}


def decide(rule: dict[str, Any]) -> bool:
    losses = Losses()
    sight = Sight(scope=Scope(()), losses=losses, language=JSONPATH, state="s")
    text = guard(rule, sight, ("States", "s", "Choices", 0))
    assert losses.findings() == ()
    return compile_expression(text).test({"data": {"input": INPUT}})


@pytest.mark.parametrize(
    ("variable", "operator", "wanted", "result"),
    [
        ("n", "NumericEquals", 5, True),
        ("n", "NumericEqualsPath", "$.m", True),
        ("five", "NumericEquals", 5, False),
        ("yes", "NumericEquals", 1, False),
        ("n", "NumericLessThan", 6, True),
        ("five", "NumericLessThan", 6, False),
        ("absent", "NumericLessThan", 6, False),
        ("n", "NumericGreaterThanEqualsPath", "$.m", True),
        ("n", "NumericGreaterThanPath", "$.five", False),
        ("five", "StringEquals", "5", True),
        ("n", "StringEquals", "5", False),
        ("five", "StringLessThan", "6", True),
        ("n", "StringLessThan", "6", False),
        ("five", "StringLessThanEqualsPath", "$.name", True),
        ("yes", "BooleanEquals", True, True),
        ("nil", "BooleanEquals", False, False),
        ("yes", "BooleanEqualsPath", "$.yes", True),
        ("early", "TimestampEquals", "2025-03-01T11:00:00+01:00", True),
        ("early", "TimestampLessThanPath", "$.later", True),
        ("later", "TimestampLessThanEquals", "2025-03-01T14:30:00Z", False),
        ("later", "TimestampGreaterThan", "2025-03-01T14:30:00Z", True),
        ("not_a_time", "TimestampLessThan", "2025-03-01T14:30:00Z", False),
        ("n", "TimestampGreaterThanEqualsPath", "$.early", False),
        ("name", "StringMatches", "log-*.txt", True),
        ("name", "StringMatches", "log-*", True),
        ("name", "StringMatches", "*2024*", False),
        ("name", "StringMatches", "log.2025.txt", False),
        ("star", "StringMatches", "a\\*b", True),
        ("name", "StringMatches", "log\\*", False),
        ("n", "StringMatches", "*", False),
        ("nil", "IsNull", True, True),
        ("n", "IsNull", False, True),
        ("nil", "IsPresent", True, True),
        ("absent", "IsPresent", False, True),
        ("n", "IsNumeric", True, True),
        ("five", "IsNumeric", True, False),
        ("five", "IsString", True, True),
        ("yes", "IsBoolean", True, True),
        ("list", "IsString", False, True),
        ("later", "IsTimestamp", True, True),
        ("not_a_time", "IsTimestamp", False, True),
    ],
)
def test_a_comparison_is_true_between_values_of_its_type_alone(
    variable: str, operator: str, wanted: Any, result: bool
) -> None:
    assert decide({"Variable": f"$.{variable}", operator: wanted, "Next": "x"}) is result


def test_rules_combine() -> None:
    small = {"Variable": "$.n", "NumericLessThan": 3}
    text = {"Variable": "$.name", "IsString": True}
    assert decide({"And": [text, {"Not": small}], "Next": "x"})
    assert decide({"Or": [small, {"And": [text, text]}], "Next": "x"})
    assert not decide({"And": [text, {"Or": [small, small]}], "Next": "x"})
    assert decide({"Not": {"Variable": "$.absent", "NumericLessThan": 3}})


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.n"},
        {"Variable": "$.n", "NumericEquals": "5"},
        {"Variable": "$.n", "NumericEquals": True},
        {"Variable": "$.n", "BooleanLessThan": True},
        {"Variable": "$.n", "TimestampEquals": "soon"},
        {"Variable": "$.n", "IsPresent": "yes"},
        {"Variable": "$.n", "Resembles": 5},
        {"Variable": "$.n[", "NumericEquals": 5},
        {"And": [{}]},
    ],
)
def test_a_rule_that_is_not_understood_is_reported_and_never_true(rule: dict[str, Any]) -> None:
    losses = Losses()
    sight = Sight(scope=Scope(()), losses=losses, language=JSONPATH, state="s")
    text = guard(rule, sight, ("Choices", 0))
    assert [finding.severity for finding in losses.findings()] == ["error"]
    assert not compile_expression(text).test({"data": {"input": {"n": 5}}})
