"""Templates, and the secrets in them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.errors import ExpressionFailed
from goflow_py.expression import (
    ExpressionSyntaxError,
    compile_template,
    resolve_secrets,
    secret_names,
)

DOCUMENT: dict[str, Any] = {
    "input": {
        "name": "Ann",
        "age": 41,
        "ratio": 0.5,
        "yes": True,
        "none": None,
        "list": [1, [2, "x"]],
        "evil": "${secret:TOKEN} $${secret:TOKEN} {$.input.age} $",
    },
    "1": {"output": {"k": "v"}},
}
SECRETS = {"TOKEN": "s3cret", "a.b:c-d": "other"}.get


@pytest.mark.parametrize(
    ("template", "value"),
    [
        # wholly a path: typed
        ("$.input.age", 41),
        ("$.input.list", [1, [2, "x"]]),
        ("$1.output.k", "v"),
        ("$.input.none", None),
        # exactly an expression: typed
        ("${ input.age + 1 }", 42),
        ("${$.input.list}", [1, [2, "x"]]),
        ("${{'a': {'b': '}'}}}", {"a": {"b": "}"}}),
        (r"${ $contains(input.name, /\}/) }", False),
        ("${ input.`a}b` }", None),
        # text
        ("Dear {$.input.name}", "Dear Ann"),
        ("{$.input.name}", "Ann"),
        ("${1 + 1} of ${ $count(input.list) }", "2 of 2"),
        ("{$.input.age}/{$.input.ratio}/{$.input.yes}/{$.input.none}", "41/0.5/true/"),
        ("list: {$.input.list}", 'list: [1,[2,"x"]]'),
        ("{{$.input.name}}", "{Ann}"),
        # anything else is literal
        ("$100", "$100"),
        ("cost: $5", "cost: $5"),
        ("{name} {$.} { $.input.name } {$name}", "{name} {$.} { $.input.name } {$name}"),
        ("{$.input.name", "{$.input.name"),
        ('{"json": true}', '{"json": true}'),
        ("", ""),
        # `$$` at the start escapes all of it
        ("$$.input.age", "$.input.age"),
        ("$${1 + 1}", "${1 + 1}"),
        ("$$ {$.input.name}", "$ {$.input.name}"),
        # in depth, never flattened
        ({"a": ["$.input.list", {"b": "${input.age}"}], "c": 1}, None),
        ([[["$.input.list"]]], [[[[1, [2, "x"]]]]]),
        (5, 5),
        (None, None),
    ],
)
def test_a_template_is_rendered(template: Any, value: Any) -> None:
    if isinstance(template, dict):
        value = {"a": [[1, [2, "x"]], {"b": 41}], "c": 1}
    rendered = compile_template(template).render(DOCUMENT)
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("template", "value", "missing"),
    [
        ("$.input.no", None, ["$.input.no"]),
        ("${input.no}", None, ["input.no"]),
        ("a{$.input.no}b${ x.y }c", "abc", ["$.input.no", "x.y"]),
        ({"a": "$.no", "b": ["$.input.none"]}, {"a": None, "b": [None]}, ["$.no"]),
    ],
)
def test_what_leads_nowhere_is_null_and_noted(template: Any, value: Any, missing: Any) -> None:
    noted: list[str] = []
    assert compile_template(template).render(DOCUMENT, noted) == value
    assert noted == missing
    assert compile_template(template).render(DOCUMENT) == value


@pytest.mark.parametrize("value", [1, "text", None, {"a": [1, {"b": "$5"}]}, [], {}])
def test_a_constant_template_renders_the_very_value(value: Any) -> None:
    template = compile_template(value)
    assert template.constant
    assert template.render(DOCUMENT) is value
    assert template.roots == frozenset()


def test_a_template_knows_what_it_reads_and_warns() -> None:
    template = compile_template({"a": "$.input.x", "b": "{$.data.y} ${risk.output.a-b}"})
    assert template.roots == {"input", "data", "risk", "b"}
    assert not template.constant
    assert len(template.warnings) == 1
    assert "begins like a path" in compile_template("$.input.a-b").warnings[0]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("${", "not closed"),
        ("a ${ 'x } b", "closing '"),
        ("${ }", "there is nothing"),
        ("${ 1 + }", "ends too early"),
        (["${ $now() }"], "not allowed"),
        ("${secret:TOKEN}", "headers, endpoints and auth"),
        ({"a": "Bearer ${secret:TOKEN}"}, "headers, endpoints and auth"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(template: Any, reason: str) -> None:
    with pytest.raises(ExpressionSyntaxError, match=reason):
        compile_template(template)


def test_a_template_is_bounded_in_depth_and_size() -> None:
    deep: Any = "$.input.age"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ExpressionSyntaxError, match="64 levels"):
        compile_template(deep)
    with pytest.raises(ExpressionFailed, match="1 MiB"):
        compile_template("{$.x}{$.x}").render({"x": "a" * 600_000})


def test_a_failing_expression_names_itself() -> None:
    with pytest.raises(ExpressionFailed, match=r"'1/0' failed"):
        compile_template({"a": ["b ${1/0}"]}).render(DOCUMENT)


# ---------------------------------------------------------------- secrets

HEADERS = {
    "Authorization": "Bearer ${secret:TOKEN}",
    "X-Both": "${secret:a.b:c-d}/{$.input.evil}",
    "X-Typed": "$.input.evil",
    "X-Price": "$5",
    "X-List": ["${input.evil}"],
}


def test_secrets_are_put_in_where_the_author_refers_to_them_and_nowhere_else() -> None:
    template = compile_template(HEADERS, secrets=True)
    evil = DOCUMENT["input"]["evil"]
    assert template.render(DOCUMENT, secrets=SECRETS) == {
        "Authorization": "Bearer s3cret",
        "X-Both": f"other/{evil}",
        "X-Typed": evil,
        "X-Price": "$5",
        "X-List": [evil],
    }
    assert template.secret_names == ("TOKEN", "a.b:c-d")


def test_a_sealed_text_can_be_stored_and_opened_later() -> None:
    sealed = compile_template(HEADERS, secrets=True).render(DOCUMENT)
    evil = DOCUMENT["input"]["evil"]
    assert sealed["Authorization"] == "Bearer ${secret:TOKEN}"
    assert secret_names(sealed["X-Both"]) == ["a.b:c-d"]
    assert secret_names(sealed["X-Typed"]) == []
    assert resolve_secrets(sealed["X-Both"], SECRETS) == f"other/{evil}"
    assert resolve_secrets(sealed["X-Typed"], SECRETS) == evil
    assert resolve_secrets(sealed["X-Price"], SECRETS) == "$5"
    assert resolve_secrets(sealed["X-List"][0], SECRETS) == evil


@given(st.text(st.sampled_from("${}secret:TOKEN\\ a")), st.sampled_from(["{$.x}", "${x}"]))
def test_data_is_never_taken_for_a_reference(text: str, place: str) -> None:
    template = compile_template(f"$ {place}${{secret:TOKEN}}{place}$", secrets=True)
    expected = f"$ {text}s3cret{text}$"
    assert template.render({"x": text}, secrets=SECRETS) == expected
    sealed = template.render({"x": text})
    assert secret_names(sealed) == ["TOKEN"]
    assert resolve_secrets(sealed, SECRETS) == expected


def test_a_missing_secret_is_named_and_no_value_is_shown() -> None:
    template = compile_template("${secret:TOKEN}${secret:NONE}", secrets=True)
    with pytest.raises(ExpressionFailed, match="there is no secret 'NONE'") as failure:
        template.render({}, secrets=SECRETS)
    assert "s3cret" not in str(failure.value) + repr(failure.value.facts)
    with pytest.raises(ExpressionFailed, match="'NONE'"):
        resolve_secrets(template.render({}), SECRETS)


@pytest.mark.parametrize("text", ["${secret:}", "${secret:a b}", "${secret:TOKEN", "${secret: T}"])
def test_a_reference_is_written_exactly(text: str) -> None:
    with pytest.raises(ExpressionSyntaxError, match="NAME"):
        compile_template(text, secrets=True)
