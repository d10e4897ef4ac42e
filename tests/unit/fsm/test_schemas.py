"""Values held to the schemas that blueprints declare: whole, and within bounds."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from goflow_py.errors import Invalid
from goflow_py.expression import budget
from goflow_py.fsm.schemas import check_schema
from goflow_py.fsm.validation import CHECKS_MAX

VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([-2, -1, 0, 1, 0.0, 1.0, -1.0, 0.5, "", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


def fits(schema: Any, value: Any) -> bool:
    try:
        check_schema(schema, value, "it", payer="p")
    except Invalid as refusal:
        assert refusal.reason == "schema"
        return False
    return True


@given(st.lists(VALUES, max_size=5))
def test_unique_items_are_what_the_stock_keyword_says(value: list[Any]) -> None:
    stock = Draft202012Validator({"uniqueItems": True}).is_valid(value)
    assert fits({"uniqueItems": True}, value) == stock


def test_many_items_are_compared_in_one_pass() -> None:
    """Each was compared with each: 4,000 small objects held the loop for 12 s."""
    assert fits({"uniqueItems": True}, [{"a": 1, "b": [number]} for number in range(50_000)])
    assert not fits({"uniqueItems": True}, [{"a": number % 7} for number in range(50_000)])


DEEP = {"anyOf": [{"items": {"$ref": "#/$defs/a"}, "minItems": 1}] * 9}
COSTLY = {
    "many alternatives": (
        {"items": {"anyOf": [{"const": f"x{number}"} for number in range(300)]}},
        ["x299"] * 2_000,
    ),
    "a long enumeration": ({"items": {"enum": list(range(10_000))}}, [9_999] * 2_000),
    "deep alternatives": (
        {"$defs": {"a": DEEP}, "$ref": "#/$defs/a"},
        json.loads("[" * 12 + "]" * 12),
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_check_that_takes_too_much_is_refused_with_what_to_do(name: str) -> None:
    schema, value = COSTLY[name]
    with pytest.raises(Invalid) as refusal:
        check_schema(schema, value, "the input", payer="p")
    assert "the input cannot be held to its schema" in refusal.value.detail


def test_a_large_ordinary_value_is_held_to_its_schema() -> None:
    item = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 40}},
        "required": ["id"],
    }
    value = [{"id": number, "name": f"item {number}"} for number in range(4_000)]
    assert CHECKS_MAX >= 50_000
    assert fits({"items": item, "uniqueItems": True}, value)
    assert not fits({"items": item}, [*value, {"name": "x"}])


def test_the_project_is_charged_for_the_check() -> None:
    budget.bill("payer")
    check_schema({"items": {"type": "integer"}}, list(range(2_000)), "it", payer="payer")
    assert budget.bill("payer") > 0
    with pytest.raises(Invalid):
        check_schema({"items": {"type": "string"}}, [1], "it", payer="payer")
    assert budget.bill("payer") > 0
