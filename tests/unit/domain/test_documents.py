"""The strict JSON profile, and the documents of an upload."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.documents import TrailingComma, dumps, load_documents, loads
from goflow_py.errors import MalformedRequest, TooLarge

SEED = """{
"project": "goflow",
"activity": "inquiry",
"transitions": [
{
"current": "init",
"event": "start"
},
]
}
{
"project": "goflow",
"activity": "inquiry",
"workers": []
}
"""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps(value).decode()) == value


@given(VALUES)
def test_the_standard_way_of_writing_is_read_too(value: Any) -> None:
    assert loads(json.dumps(value, indent=1)) == value


SMALL_PIECES = [*'{}[],:"', *"0123456789.-+eE", " "]
PIECES = st.sampled_from(
    [
        *SMALL_PIECES,
        *("true", "null", '"a"', '"a":', '{"a":1,"a":2}', "[[", "]]", "NaN"),
        *("1e400", "-0", "1.0", "9" * 18, "9" * 19),
        *("\\u0000", "\\n", "\x7f", "é", "\ud800"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | VALUES.map(lambda v: json.dumps(v)))
def test_the_quick_way_reads_what_the_careful_way_reads(text: str) -> None:
    """Bytes may be read the quick way, texts never are."""
    try:
        careful = repr(loads(text))
    except MalformedRequest:
        careful = "refused"
    body = text.encode("utf-8", "surrogatepass")
    try:
        assert repr(loads(body)) == careful
    except MalformedRequest:
        assert careful == "refused"


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_whatever_comes_in_is_read_or_refused(body: bytes | str) -> None:
    for read in (loads, load_documents):
        try:
            read(body)
        except MalformedRequest as refusal:
            assert refusal.reason == "malformed_json"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "nothing is there"),
        (b"  ", "nothing is there"),
        (b'{"a": 1, "a": 2}', 'the key "a" occurs twice'),
        (b'{"a": {"b": 1, "\\u0062": 2}}', 'the key "b" occurs twice'),
        (b"[NaN]", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"1e400", "out of range"),
        (b"9223372036854775808", "does not fit 64 bits"),
        (b"-9223372036854775809", "does not fit 64 bits"),
        (b"1" * 5_000, "does not fit 64 bits"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"[" * 400_000, "deeper than 64"),
        (b'{"a":[' * 100_000, "deeper than 64"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"\\udc00": 1}', "lone surrogate"),
        (b'"\\u0000"', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'"\x00"', "invalid control character"),
        (b"\xff", "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
        ("é".encode("latin-1"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("\ud800", "lone surrogate"),
        (b"01", "extra data"),
        (b"[1,]", "expecting value"),
        (b"{'a': 1}", "property name"),
        (b"1 2", "extra data"),
        (b"nul", "expecting value"),
    ],
)
def test_what_the_profile_excludes_is_refused(body: bytes | str, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason) as refusal:
        loads(body)
    assert refusal.value.reason == "malformed_json"
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"1e308", 1e308),
        (b"0.1", 0.1),
        (b'"\\ud83d\\ude00"', "😀"),
        ('"😀"', "😀"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"[[[[{{{{"', "[[[[{{{{"),
        (b" \r\n\t1 ", 1),
    ],
)
def test_what_the_profile_includes_is_read(body: bytes | str, value: Any) -> None:
    assert loads(body) == value


def test_sixty_four_levels_are_read_and_brackets_in_texts_are_no_levels() -> None:
    loads("[" * 64 + "]" * 64)
    loads('["' + "[" * 1_000 + '"]')


def test_a_refusal_names_line_and_column() -> None:
    with pytest.raises(MalformedRequest, match="line 2, column 6") as refusal:
        loads(b'{\n "a" 1}')
    assert refusal.value.facts == {"line": 2, "column": 6}


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="at most 10 are accepted"):
        loads(b"[" * 11, limit_bytes=10)
    with pytest.raises(TooLarge):
        loads("é" * 6, limit_bytes=10)
    assert loads('"éééé"', limit_bytes=10) == "éééé"


# ---------------------------------------------------------------- uploads


def test_two_documents_and_a_trailing_comma_are_one_upload() -> None:
    values, commas = load_documents(SEED)
    assert [list(value) for value in values] == [
        ["project", "activity", "transitions"],
        ["project", "activity", "workers"],
    ]
    assert commas == [TrailingComma(pointer="/transitions", line=8, column=2)]


@pytest.mark.parametrize(
    ("text", "values", "pointers"),
    [
        ("[1,]", [[1]], [""]),
        ('{"a": 1 , }', [{"a": 1}], [""]),
        ('[1,2,] {"b/c": [1, {"x": [1,]},],}', [[1, 2], {"b/c": [1, {"x": [1]}]}], None),
        ('["a,]", ",", "\\",]",]', [["a,]", ",", '",]']], [""]),
        ('{"a": [",}"]}', [{"a": [",}"]}], []),
        ("1 2", [1, 2], []),
        ("[]{}", [[], {}], []),
    ],
)
def test_trailing_commas_are_accepted_and_reported(
    text: str, values: list[Any], pointers: list[str] | None
) -> None:
    read, commas = load_documents(text)
    assert read == values
    if pointers is not None:
        assert [comma.pointer for comma in commas] == pointers


def test_each_trailing_comma_points_to_what_it_ends() -> None:
    _, commas = load_documents('[1,]\n{"b/c": [1, {"x": [1,]},],}')
    assert [comma.pointer for comma in commas] == ["", "/b~1c/1/x", "/b~1c", ""]
    assert [comma.line for comma in commas] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    "text", ["[,]", "[1,,]", "{,}", "[,1]", '{"a":,}', "[1,]]", "1,]", "1 2 3", "", '{"a" "b",}']
)
def test_nothing_laxer_is_accepted(text: str) -> None:
    with pytest.raises(MalformedRequest):
        load_documents(text)


def test_many_trailing_commas_take_no_long_time() -> None:
    values, commas = load_documents("[" + "[1,]," * 50_000 + "]")
    assert len(values[0]) == 50_000
    assert len(commas) == 50_001
