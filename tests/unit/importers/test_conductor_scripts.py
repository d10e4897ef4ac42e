"""The JavaScript of Conductor's conditions, evaluated as JSONata."""

from typing import Any

import pytest

from goflow_py.expression import compile_expression
from goflow_py.importers.asl_paths import Untranslatable, place
from goflow_py.importers.conductor_scripts import choice, condition

DATA = {"n": 3, "max": 5, "s": "b2b", "list": [1, 2], "nil": None, "deep": {"a b": [{"c": True}]}}


def resolve(steps: tuple[str | int, ...]) -> str:
    return place("data").below(*steps).text


def holds(script: str) -> bool:
    return compile_expression(condition(script, resolve)).test({"data": DATA})


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("$.n < $.max", True),
        ("$['n'] >= 3 && $.s === 'b2b'", True),
        ("$.n == 4 || $.s != 'b2c'", True),
        ("!($.n < $.max)", False),
        ("!$.absent", True),
        ("$.absent < 3", False),
        ("!($.absent < 3)", True),
        ("$.absent == null && $.nil == undefined && $.n != null", True),
        ("$.absent != 'x'", True),
        ("$.deep['a b'][0].c", True),
        ("$.list.length == 2 && $.s.length == 3", True),
        ("$.list.includes(2) && $.s.includes('2')", True),
        ("$.s.toUpperCase() == 'B2B'", True),
        ("($.n + 1) * 2 % 3 == 2", True),
        ("-$.n + 3 == 0", True),
        ("if ($.n < 2) { true; } else { false; }", False),
        ("if ($.n > 2) return true; return false;", True),
        ("if ($.n < 2) { 1; } else if ($.n == 3) { return true; } else { false; }", True),
        ("(function () { return $.n == 3 ? true : false; })();", True),
        ("function e() { return $.n > 2; } e();", True),
    ],
)
def test_a_condition_means_what_it_meant(script: str, result: bool) -> None:
    assert holds(script) is result


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("$.n > 2 ? 'large' : 'small'", "large"),
        ("'tier-' + $.n", "tier-3"),
        ("$.n + 1", 4),
        ("$.n > 2 && $.max > 2", True),
        ('"it\\\'s" + "\\n"', "it's\n"),
    ],
)
def test_a_value_is_what_it_was(script: str, value: Any) -> None:
    assert compile_expression(choice(script, resolve)).evaluate({"data": DATA}) == value


@pytest.mark.parametrize(
    "script",
    [
        "",
        "$.n +",
        "$.a + $.b",
        "$.n.toFixed(2) == '3.00'",
        "var x = 1; x",
        "new Date() > 3",
        "for (;;) {}",
        "$.n = 3",
        "`x` == 'x'",
        "(" * 50 + "1" + ")" * 50,
        "$.a" + ".includes($.b" * 30 + ")" * 30,
        "(" * 20 + "$.a" + " == null)" * 20,
    ],
)
def test_what_is_not_simple_is_not_translated(script: str) -> None:
    with pytest.raises(Untranslatable):
        condition(script, resolve)


def test_a_choice_of_values_by_or_is_not_taken_for_a_truth() -> None:
    with pytest.raises(Untranslatable):
        choice("$.a || 'none'", resolve)
