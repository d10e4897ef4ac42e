"""The closures and the full engine are one language: held against each other, and the library.

The library's own functions take null for nothing; the language does not, and neither do we. So
the stock library is asked about documents with null only where its answer is the language's.
"""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils

from goflow_py.expression import MISSING, compile_expression, full
from goflow_py.expression.functions import FUNCTIONS
from goflow_py.expression.tokens import tokens

NAMES = ["a", "b", "c"]
NULL_SAFE = ["exists", "keys", "string", "type"]
TWO_ARGUMENTS = ["contains", "join", "substringBefore"]
OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "&", "and", "or", "in"]
ONE_ARGUMENT = sorted(set(FUNCTIONS) - {*TWO_ARGUMENTS, "pad"})

Strategy = st.SearchStrategy[str]


def documents(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
        ),
        max_leaves=8,
    )
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=3)


SCALARS = (
    st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from([0.5, 2.5, -1.25])
    | st.sampled_from(["", "x", "a1", "7"])
)
STEP = st.builds(
    lambda name, indices: name + "".join(f"[{index}]" for index in indices),
    st.sampled_from(NAMES),
    st.lists(st.integers(-2, 2), max_size=1),
)
PATH = (
    st.lists(STEP, min_size=1, max_size=3).map(".".join)
    | st.just("$")
    | st.sampled_from(NAMES).map("$.{}".format)
)
LITERAL = st.sampled_from(["1", "0", "2.5", "'x'", "''", "true", "false", "-3", "'7'"])


def compound(inner: Strategy, one: list[str], two: list[str]) -> Strategy:
    pairs = st.lists(st.tuples(st.sampled_from(["'p'", "'q'"]), inner), max_size=2)
    calls: Strategy = st.builds("${}({})".format, st.sampled_from(one), inner)
    if two:
        calls |= st.builds("${}({}, {})".format, st.sampled_from(two), inner, inner)
    return (
        calls
        | st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
        | st.builds("({} ? {})".format, inner, inner)
        | inner.map("-({})".format)
        | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | pairs.map(lambda given: "{" + ", ".join(f"{k}: {v}" for k, v in given) + "}")
    )


def texts(leaves: Strategy, one: list[str], two: list[str]) -> Strategy:
    return st.recursive(leaves, lambda inner: compound(inner, one, two), max_leaves=6)


def outcome(run: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "value", normal(run())
    except Exception:  # noqa: BLE001 (the library fails in every way there is)
        return "failure", None


def normal(value: Any) -> Any:
    """Write numbers as JSON does, and tell 1 from true."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    whole = isinstance(value, float) and value.is_integer()
    return repr(int(value) if whole else value)


def stock(text: str, document: dict[str, Any]) -> Any:
    library = Jsonata(text)
    library.set_validate_input(False)
    library.set_output_convert_nulls(False)
    return plain(library.evaluate(document, {}), missing=MISSING)


def plain(value: Any, *, missing: Any = None) -> Any:
    if value is None or value is Utils.NULL_VALUE:
        return missing if value is None else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def fully(text: str) -> Callable[[dict[str, Any]], Any]:
    run, _ = full.compile_fully(text, list(tokens(text)))
    return run


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts(PATH | LITERAL | st.just("null"), ONE_ARGUMENT, TWO_ARGUMENTS),
    documents(SCALARS | st.none()),
)
def test_a_closure_agrees_with_the_full_engine(text: str, document: dict[str, Any]) -> None:
    expression, before = compile_expression(text), copy.deepcopy(document)
    if expression.path is None:
        run = fully(text)
        closure = outcome(lambda: expression.evaluate(document))
        assert closure == outcome(lambda: run(document))
        assert document == before


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts(PATH | LITERAL, ONE_ARGUMENT, TWO_ARGUMENTS), documents(SCALARS))
def test_a_closure_agrees_with_the_stock_library(text: str, document: dict[str, Any]) -> None:
    expression = compile_expression(text)
    if expression.path is None:
        closure = outcome(lambda: expression.evaluate(document))
        assert closure == outcome(lambda: stock(text, document))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts(PATH | LITERAL | st.just("null"), NULL_SAFE, []), documents(SCALARS | st.none()))
def test_null_is_a_value_for_both(text: str, document: dict[str, Any]) -> None:
    expression = compile_expression(text)
    if expression.path is None:
        closure = outcome(lambda: expression.evaluate(document))
        assert closure == outcome(lambda: stock(text, document))


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        st.sampled_from("ab1.$[]{}()'\"`?:=<>+-*/%&|~^@#,;! \n_or") | st.characters(), max_size=30
    )
)
def test_whatever_is_written_is_compiled_or_refused(text: str) -> None:
    result = outcome(lambda: compile_expression(text).evaluate({"a": [1, {"b": 2}]}))
    assert result[0] in ("value", "failure")
