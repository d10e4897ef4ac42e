"""YAML in: the values of the strict JSON profile, and nothing that YAML has beyond them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain import documents
from goflow_py.domain.yaml_documents import load_documents
from goflow_py.errors import MalformedRequest, TooLarge

BLUEPRINTS = Path(__file__).parents[3] / "blueprints"

# No line breaks of Unicode, no control characters: YAML has no plain way to write them.
TEXTS = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cn", "Zl", "Zp"), exclude_characters="\ufeff"
    ),
    max_size=20,
)
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

BLUEPRINT = """\
# A blueprint and its workers.
project: shop
activity: order
states:
  - name: ask
    on: {no: refused, yes: done}   # YAML 1.1 has booleans here, three of them
  - refused
transitions:
  - {current: init, event: start, next: ask}
  - current: ask
    event: late
    when: "event.data.at = '12:30'"
    next: {200: done, 404: refused}
---
project: shop
activity: order
workers:
  - name: ask
    workerEndpoint: http://localhost:1/ask
"""


@given(VALUES)
def test_json_is_read_as_the_same_value(value: Any) -> None:
    for indent in (None, 1):
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        assert load_documents(text.encode()) == [value]


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.text("a1.-:?,[]{}&*!|>'\"%@# \n\t<$~0", max_size=60).map(str.encode)
)
def test_whatever_comes_in_is_read_or_refused(body: bytes) -> None:
    try:
        values = load_documents(body)
    except MalformedRequest as refusal:
        assert refusal.reason == "malformed_yaml"
    else:
        # What is let in passes the JSON door as well, and comes out of it unchanged.
        assert [documents.loads(documents.dumps(value)) for value in values] == values


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, word) for word in ("on", "off", "yes", "no", "On", "NO", "y", "n")),
        ("12:30", "12:30"),
        ("1:30:00", "1:30:00"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0x", "0x"),
        ("1.2.3", "1.2.3"),
        ("-a", "-a"),
        ("=", "="),
        ("<<", "<<"),
        ("tRue", "tRue"),
        ("$.input.x", "$.input.x"),
        ("${ input.x > 1 }", "${ input.x > 1 }"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'null'", "null"),
        ('"\\u00e9\\t\\/"', "\u00e9\t/"),
        ("''", ""),
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1.50", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("0.5e-1", 0.05),
    ],
)
def test_a_word_means_what_the_core_schema_says(word: str, value: Any) -> None:
    [[read]] = load_documents(f"- {word}".encode())
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("key", ["200", "on", "true", "null", "~", "1.0", "007", "12:30", "a b"])
def test_a_plain_key_is_the_text_that_was_typed(key: str) -> None:
    assert load_documents(f"{key}: x".encode()) == [{key: "x"}]
    assert load_documents(f"{{{key}: x}}".encode()) == [{key: "x"}]


def test_a_blueprint_and_its_workers_are_two_documents() -> None:
    blueprint, workers = load_documents(BLUEPRINT.encode())
    assert blueprint["states"][0] == {"name": "ask", "on": {"no": "refused", "yes": "done"}}
    assert blueprint["transitions"][1]["next"] == {"200": "done", "404": "refused"}
    assert workers["workers"][0]["workerEndpoint"] == "http://localhost:1/ask"


@pytest.mark.parametrize("path", sorted(BLUEPRINTS.glob("*.json")), ids=lambda path: path.name)
def test_a_blueprint_that_is_json_is_yaml_too(path: Path) -> None:
    for value in documents.load_documents(path.read_bytes())[0]:
        assert load_documents(documents.dumps(value)) == [value]


def test_block_texts_keep_their_lines() -> None:
    assert load_documents(b"a: |\n  x\n  y\nb: >\n  x\n  y\n") == [{"a": "x\ny\n", "b": "x y\n"}]


def test_one_document_is_all_that_some_doors_take() -> None:
    assert load_documents(b"--- a", documents_max=1) == ["a"]
    with pytest.raises(MalformedRequest, match="more than one document at line 2, column 1"):
        load_documents(b"a\n---\nb", documents_max=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing is there"),
        ("# a comment\n", "nothing is there"),
        ("---", "an empty document at line 2, column 1"),
        ("a: 1\n---\n", "an empty document at line 3, column 1"),
        ("a\n---\nb\n---\nc", "more than 2 documents at line 4, column 1"),
        ("a: &x 1", "the anchor &x at line 1, column 4"),
        ("a: &x {b: 1}", "the anchor &x at line 1, column 4"),
        ("&x a: 1", "the anchor &x at line 1, column 1"),
        ("a: 1\nb: *x", r"the alias \*x at line 2, column 4"),
        ("*x : 1", r"the alias \*x at line 1, column 1"),
        ("<<: {a: 1}", "a merge key at line 1, column 1; write the fields out"),
        ("a: !!str 1", "the tag tag:yaml.org,2002:str at line 1, column 4"),
        ("a: !!python/object:os.system {}", "the tag .* at line 1, column 4"),
        ("! a", "the tag ! at line 1, column 1"),
        ("%TAG ! x\n--- a", "a %TAG directive at line 1, column 1"),
        ("%YAML 1.1\n--- a", "another version than 1.2 at line 1"),
        ("%OTHER\n--- a", "unknown directive name at line 1"),
        ("a: 1\nb: 2\na: 3", 'the key "a" twice in one map at line 3, column 1; keep one'),
        ("1: a\n'1': b", 'the key "1" twice in one map at line 2, column 1'),
        ("{a: 1, a: 2}", 'the key "a" twice in one map at line 1, column 8'),
        ("? [a]\n: b", "a key that is a list or a map at line 1, column 3"),
        ("{{a: 1}: b}", "a key that is a list or a map at line 1, column 2"),
        ("? \n: b", "an empty key at line"),
        ("a: {$.input.x}", r"no value for the key \"\$.input.x\" in braces at line 1.*in quotes"),
        ("{a: }", 'no value for the key "a" in braces'),
        ("- .inf", ".inf, which no JSON can hold, at line 1, column 3"),
        ("- -.INF", "which no JSON can hold"),
        ("- .NaN", ".NaN, which no JSON can hold"),
        ("- 1e400", "the number 1e400, which is out of range, at line 1, column 3"),
        ("- 9223372036854775808", "does not fit 64 bits, at line 1, column 3; put it in quotes"),
        ("- -9223372036854775809", "does not fit 64 bits"),
        ("- 0xffffffffffffffff", "does not fit 64 bits"),
        pytest.param("1" * 500_000, "integer 1{24}, which does not fit 64 bits", id="long"),
        ("- 007", "the number 007 with leading zeros at line 1, column 3; put it in quotes"),
        ("- -00.5", "the number -00.5 with leading zeros"),
        ('- "\\0"', "the character NUL at line 1, column 3"),
        ('"\\u0000": 1', "the character NUL at line 1, column 1"),
        ('- "\\ud800"', "invalid Unicode character escape code at line 1, column 6"),
        ("a: x\nb: \x07", r"the character U\+0007 at line 2, column 4; remove it, or"),
        ("- \x00", r"the character U\+0000 at line 1, column 3"),
        ("- a\u2028b", r"the character U\+2028 at line 1, column 4"),
        ("- a\x85b", r"the character U\+0085 at line 1, column 4"),
        ("- a\ufeffb", r"the character U\+FEFF at line 1, column 4"),
        ("\ufeffa: 1", "begins with a byte order mark"),
        ("a:\n\t- b", "cannot start any token at line 2, column 1"),
        ("a: b: c", "mapping values are not allowed in this context at line 1, column 5"),
        ("a: [b", r"expected ',' or '\]' at line 2, column 1; correct it there"),
        ("a: 'b", "unexpected end of stream at line 1, column 6"),
    ],
)
def test_what_is_no_safe_yaml_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason) as refusal:
        load_documents(text.encode())
    assert refusal.value.reason == "malformed_yaml"
    assert "\n" not in refusal.value.detail
    if " at line " in refusal.value.detail:
        assert refusal.value.facts["line"] >= 1
        assert refusal.value.facts["column"] >= 1


def test_other_encodings_are_refused() -> None:
    with pytest.raises(MalformedRequest, match="byte 3 is not UTF-8"):
        load_documents(b"a: \xff")
    with pytest.raises(MalformedRequest, match="byte 0 is not UTF-8"):
        load_documents("a: 1".encode("utf-16"))


def test_a_document_over_the_limit_is_refused_before_it_is_parsed() -> None:
    assert load_documents(b"a" * 100, limit_bytes=100) == ["a" * 100]
    with pytest.raises(TooLarge, match="has 101 bytes, at most 100"):
        load_documents(b"[" * 101, limit_bytes=100)
    with pytest.raises(TooLarge):
        load_documents(b"a" * (documents.BODY_LIMIT_BYTES + 1))


def test_as_many_levels_as_in_json_are_read() -> None:
    deepest = "[" * documents.DEPTH_MAX + "]" * documents.DEPTH_MAX
    assert load_documents(deepest.encode()) == [documents.loads(deepest)]
    assert load_documents(f"- {deepest[1:-1]}".encode()) == [documents.loads(deepest)]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[? ", "[{a: "])
def test_depth_is_refused_as_soon_as_it_is_reached(opening: str) -> None:
    body = (opening * (documents.BODY_LIMIT_BYTES // len(opening))).encode()
    with pytest.raises(MalformedRequest, match=r"deeper than 64 levels|list or a map") as refusal:
        load_documents(body)
    assert refusal.value.facts["line"] == 1
    assert refusal.value.facts["column"] <= 64 * len(opening) + 1


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"k{n}: &k{n} [*a, *a, *a]\n" for n in range(10_000))
    with pytest.raises(MalformedRequest, match="the anchor &a at line 1, column 4"):
        load_documents(bomb.encode())


def test_many_tag_directives_are_refused_at_the_first_one() -> None:
    lines = "".join(f"%TAG !{number}! x:y\n" for number in range(50_000))
    with pytest.raises(MalformedRequest, match="a %TAG directive at line 1, column 1"):
        load_documents(lines.encode())
