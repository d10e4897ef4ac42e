"""What all importers share: reading foreign documents, and writing texts that mean themselves."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goflow_py.errors import Invalid
from goflow_py.expression import (
    compile_template,
    full,  # noqa: F401 - it sets the recursion limit: not in a test
)
from goflow_py.importers import FORMATS, import_definition
from goflow_py.importers.result import Foreign, Losses, literal, our_name, read, with_texts


class Leg(Foreign):
    length: int


class Table(Foreign):
    name: str
    legs: list[Leg]


@pytest.mark.parametrize(
    ("document", "place", "message"),
    [
        (None, "", "this is not a table: a table is an object"),
        ([], "", "this is not a table: a table is an object"),
        ({"legs": []}, "", "this is not a table: 'name' is missing"),
        ({"name": "x", "legs": [{}]}, "/legs/0", "at /legs/0: 'length' is missing"),
        (
            {"name": "x", "legs": [{"length": "long"}]},
            "/legs/0/length",
            "at /legs/0/length: input should be a valid integer",
        ),
        ({"name": "x", "legs": {"a/b": 1}}, "/legs", "at /legs: input should be a valid list"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_the_place(
    document: Any, place: str, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(Table, document, what="a table")
    assert message in refused.value.detail
    assert refused.value.facts["pointer"] == place


def test_a_format_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Invalid, match="'bpmn' is no format: use one of orchy, relor, swm"):
        import_definition("bpmn", {}, project=None, activity=None)
    assert FORMATS == ("orchy", "relor", "swm", "asl", "conductor")


def test_a_name_that_is_given_has_to_be_one() -> None:
    assert our_name("mine", "Its Own", field="activity", what="a table") == "mine"
    assert our_name(None, "Its Own", field="activity", what="a table") == "Its_Own"
    with pytest.raises(Invalid, match="'my own' is no name for the activity"):
        our_name("my own", "x", field="activity", what="a table")
    with pytest.raises(Invalid, match="a table does not name its activity: give the activity"):
        our_name(None, None, field="activity", what="a table")


@given(text=st.text(alphabet="${}.'\"x5[] \\", max_size=12) | st.text(max_size=12))
@example("${secret:TOKEN}")
@example("in {$.input.x} and ${y}")
def test_a_literal_text_renders_to_itself(text: str) -> None:
    assert compile_template(literal(text)).render({"input": {"x": 1}}) == text


def test_texts_are_changed_in_a_copy_in_the_order_of_the_document() -> None:
    value = {"a": ["x", {"b": "y"}, 1, None], "c": "z"}
    seen: list[tuple[str | int, ...]] = []

    def change(text: str, steps: tuple[str | int, ...]) -> Any:
        seen.append(steps)
        return [text] if text == "y" else text.upper()

    assert with_texts(value, change, "at") == {"a": ["X", {"b": ["y"]}, 1, None], "c": "Z"}
    assert seen == [("at", "a", 0), ("at", "a", 1, "b"), ("at", "c")]
    assert value == {"a": ["x", {"b": "y"}, 1, None], "c": "z"}


def test_losses_are_reported_once_and_an_error_is_what_changes_the_run() -> None:
    losses = Losses()
    losses.changes("/a", "it runs twice")
    losses.changes("/a", "it runs twice")
    losses.drops("/b", "it is not shown", fix="write it")
    found = [(f.code, f.severity, f.pointer, f.fix) for f in losses.findings()]
    assert found == [
        ("import_unsupported", "error", "/a", None),
        ("import_unsupported", "warning", "/b", "write it"),
    ]
