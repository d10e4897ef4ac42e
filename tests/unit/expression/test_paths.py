"""Paths: what is one, and where it leads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.expression import MISSING, compile_expression, parse_path

DOCUMENT: dict[str, Any] = {
    "input": {"age": 41, "a-b": {"c.d": 1}, "list": [[1, 2], {"x": None}], "größe": 2},
    "1": {"output": {"key1": "k", "list": [7]}},
    "text": "abc",
}


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$.input", ("input",)),
        ("$.input.age", ("input", "age")),
        ("$['input']", ("input",)),
        ('$["input"]["age"]', ("input", "age")),
        ("$.1.output.key1", ("1", "output", "key1")),
        ("$1.output.key1", ("1", "output", "key1")),
        ("$['1'].output.list[0]", ("1", "output", "list", 0)),
        ("$.input['a-b']['c.d']", ("input", "a-b", "c.d")),
        ("$.input.größe", ("input", "größe")),
        ("$.a[0][12]", ("a", 0, 12)),
    ],
)
def test_a_path_has_steps(text: str, steps: tuple[str | int, ...]) -> None:
    path = parse_path(text)
    assert path is not None
    assert path.steps == steps
    assert path.root == steps[0]


@pytest.mark.parametrize(
    "text",
    [
        *("", "$", "$$", "$$.input", "$100", "$1", "$1[0]", "$.", "$.a.", "$.a b", " $.a", "$.a "),
        *("$.a-b", "$.a:b", "$[0]", "$['']", "$.a[-1]", "$.a[x]", "$.a[*]", "$..a", "$.*", "a.b"),
        *("$.a = 1", "$.a['b", "$.a[0", "$sum(a)", "$a.b", "$.a\n", "$" + ".a" * 2_000),
    ],
)
def test_other_text_is_no_path(text: str) -> None:
    assert parse_path(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.input.age", 41),
        ("$1.output.key1", "k"),
        ("$['1'].output.list[0]", 7),
        ("$.input['a-b']['c.d']", 1),
        ("$.input.list", [[1, 2], {"x": None}]),
        ("$.input.list[0][1]", 2),
        ("$.input.list[1].x", None),
    ],
)
def test_a_path_leads_to_a_value_and_keeps_its_type(text: str, value: Any) -> None:
    path = parse_path(text)
    assert path is not None
    assert path.get(DOCUMENT) == value
    assert compile_expression(text).evaluate(DOCUMENT) == value


@pytest.mark.parametrize(
    "text",
    [
        *("$.no", "$.input.no", "$.input.age.x", "$.input.list.x", "$.input.list[2]", "$.text[0]"),
        *("$.input[0]", "$.text.x", "$.input.list[1].x.y", "$.input.list[1].x[0]", "$.a.b.c.d.e"),
    ],
)
def test_a_step_that_leads_nowhere_is_missing(text: str) -> None:
    path = parse_path(text)
    assert path is not None
    assert path.get(DOCUMENT) is MISSING
    assert compile_expression(text).test(DOCUMENT) is False


@given(st.lists(st.sampled_from(["a", "b1", "7", "x_y"]) | st.integers(0, 99), max_size=5))
def test_what_is_put_together_from_steps_is_read_as_these_steps(steps: list[str | int]) -> None:
    text = "$['root']" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    path = parse_path(text)
    assert path is not None
    assert path.steps == ("root", *steps)
