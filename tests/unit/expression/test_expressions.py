"""What expressions mean, and what is said when they cannot be read or evaluated."""

import copy
from typing import Any

import pytest

from goflow_py.errors import ExpressionFailed, Invalid
from goflow_py.expression import MISSING, ExpressionSyntaxError, compile_expression

DOCUMENT: dict[str, Any] = {
    "input": {
        "amount": 120,
        "tier": "gold",
        "name": "Ann",
        "price": 2.5,
        "none": None,
        "yes": True,
        "empty": [],
        "one": [5],
        "a-b": 1,
        "items": [
            {"sku": "s1", "price": 10, "tags": ["x", "y"]},
            {"sku": "s2", "price": 20, "tags": ["z"]},
            {"sku": "s3", "price": 5},
        ],
        "nested": [[1, 2], [3]],
    },
    "risk": {"output": {"level": "low"}},
    "1": {"output": {"key1": "k"}},
}

# Each row holds for JSONata, whichever of the two engines takes it.
CASES: list[tuple[str, Any]] = [
    # literals and arithmetic
    ("1 + 1", 2),
    ("7 / 2", 3.5),
    ("6 / 2", 3),
    ("5.5 % 2", 1.5),
    ("-7 % 3", -1),
    ("2 + 3 * 4", 14),
    ("(2 + 3) * 4", 20),
    ("10 - 2 - 3", 5),
    ("-input.amount", -120),
    ("- -1", 1),
    ("0.1 + 0.2", 0.30000000000000004),
    ("input.amount + nothing", MISSING),
    ("9007199254740993 = 9007199254740992", False),
    ("true", True),
    ("null", None),
    ('"a\\u0041\\n"', "aA\n"),
    # paths
    ("input.tier", "gold"),
    ("input.`a-b`", 1),
    ("input.'tier'", "gold"),
    ("$.input.tier & ''", "gold"),
    ("$$.input.tier & ''", "gold"),
    ("$1.output.key1 = 'k'", True),
    ("$.`1`.output.key1", "k"),
    ("input.items.price", [10, 20, 5]),
    ("input.items.tags", ["x", "y", "z"]),
    ("input.items[0].price", 10),
    ("input.items[-1].sku", "s3"),
    ("input.items[7].sku", MISSING),
    ("input.items.tags[0]", ["x", "z"]),
    ("input.amount[0]", 120),
    ("input.nested[0]", [1, 2]),
    ("input.empty", []),
    ("input.one", [5]),
    ("input.none", None),
    ("input.none.x", MISSING),
    ("input.items[price > 5].sku", ["s1", "s2"]),
    ("input.items[price > 10].sku", "s2"),
    ("input.items^(>price).sku", ["s2", "s1", "s3"]),
    ("input.items.(price * 2)", [20, 40, 10]),
    ("input.items.{'s': sku}", [{"s": "s1"}, {"s": "s2"}, {"s": "s3"}]),
    ("input.*[0]", 120),
    # comparison and logic
    ("input.amount > 100 and risk.output.level = 'low'", True),
    ("input.amount > 100 or missing.x > 'y'", True),
    ("'a' < 'b'", True),
    ("1 = 1.0", True),
    ("1 = true", False),
    ("null = null", True),
    ("nothing = nothing", False),
    ("nothing != 1", False),
    ("nothing > 1", MISSING),
    ("[1, {'a': [2]}] = [1, {'a': [2]}]", True),
    ("input.tier in ['gold', 'silver']", True),
    ("input.tier in 'gold'", True),
    ("1 in [true]", False),
    ("nothing in [1]", False),
    ("1 = 1 and 2 = 3 or true", True),
    # conditions
    ("input.yes ? 'a' : 'b'", "a"),
    ("input.none ? 'a'", MISSING),
    ("nothing ? 1 : input.empty ? 2 : 3", 3),
    ("nothing ?: 4", 4),
    ("input.none ?? 5", None),
    # texts, lists and maps
    ("'a' & 1 & true & null & nothing", "a1truenull"),
    ("'' & 0.1 & 1e21 & 1e-7", "0.11e+211e-7"),
    ("'' & [1, {'a': 0.30000000000000004}]", '[1,{"a":0.3}]'),
    ("[1, nothing, [2, 3], input.one]", [1, [2, 3], 5]),
    ("[([1, 2]), 3]", [1, 2, 3]),
    ("[1..4]", [1, 2, 3, 4]),
    ("{'a': input.amount, 'b': nothing, 'c': null}", {"a": 120, "c": None}),
    ("{input.tier: 1}", {"gold": 1}),
    ("{nothing: 1}", {}),
    ("input.empty{'a': 1}", {"a": 1}),
    ("input.items{sku: price}", {"s1": 10, "s2": 20, "s3": 5}),
    # functions
    ("$exists(input.none)", True),
    ("$exists(input.no)", False),
    ("$not(input.empty)", True),
    ("$not(nothing)", MISSING),
    ("$boolean([0, 0])", False),
    ("$count(input.items)", 3),
    ("$count(nothing)", 0),
    ("$count(input.none)", 1),
    ("$sum(input.items.price)", 35),
    ("$sum(input.amount)", 120),
    ("$sum(nothing)", MISSING),
    ("$average([1, 2])", 1.5),
    ("$max(input.items.price)", 20),
    ("$min(input.empty)", MISSING),
    ("$length('häß😀')", 4),
    ("$uppercase('ab')", "AB"),
    ("$lowercase('ÀB')", "àb"),
    ("$trim('  a \n b ')", "a b"),
    ("$contains('abc', 'b')", True),
    ("$contains('abc', /B/i)", True),
    ("$contains(nothing, 'b')", MISSING),
    ("$substringBefore('a-b', '-')", "a"),
    ("$substringAfter('a-b', '-')", "b"),
    ("$substring('hello', 1, 3)", "ell"),
    ("$string(5)", "5"),
    ("$number('12.50')", 12.5),
    ("$number('0x1F')", 31),
    ("$number(true)", 1),
    ("$keys(risk)", "output"),
    ("$keys(input.items)", ["sku", "price", "tags"]),
    ("$keys(1)", MISSING),
    ("$type(input.none)", "null"),
    ("$type($sum)", "function"),
    ("$round(2.5)", 2),
    ("$round(12345, -2)", 12300),
    ("$floor(-1.5)", -2),
    ("$ceil(1.2)", 2),
    ("$abs(-3)", 3),
    ("$join(input.items.sku, '+')", "s1+s2+s3"),
    ("$pad('a', -3, '#')", "##a"),
    ("$split('a1b2c', /[0-9]/)", ["a", "b", "c"]),
    ("$split('a,b,c', ',', 2)", ["a", "b"]),
    ("$replace('abab', 'a', '$1')", "$1b$1b"),
    ("$replace('abab', /a(b)/, '<$1$$>', 1)", "<b$>ab"),
    ("$replace('abc', /b/, function($m) { $uppercase($m.match) })", "aBc"),
    ("$match('abcb', /b/)[1].index", 3),
    ("$distinct([1, 1.0, '1', [1], [1], true])", [1, "1", [1], True]),
    ("$sort([3, 1, 2])", [1, 2, 3]),
    ("$reverse([1, 2])", [2, 1]),
    ("$map([1, 2], function($v) { $v * $count($$.input.items) })", [3, 6]),
    ("$filter(input.items, function($i) { $i.price > 10 }).sku", "s2"),
    ("$reduce([1..5], function($a, $b) { $a * $b })", 120),
    ("$map(['a-b', 'c-d'], $substringAfter(?, '-'))", ["b", "d"]),
    ("input.items.price ~> $sum", 35),
    ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
    ("$lookup(risk, 'output').level", "low"),
    ("$spread({'a': 1, 'b': 2})", [{"a": 1}, {"b": 2}]),
    ("$each({'a': 1}, function($v, $k) { $k & $v })", "a1"),
    ("$toMillis('1970-01-01T00:00:01Z')", 1000),
    ("$fromMillis(0)", "1970-01-01T00:00:00.000Z"),
    ("$formatNumber(1234.5, '#,##0.00')", "1,234.50"),
    ("$formatInteger(12, 'w')", "twelve"),
    ("($x := 5; $y := $x + 1; $x * $y)", 30),
    ("($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(6))", 720),
    ("risk ~> |output|{'level': 'high'}|", {"output": {"level": "high"}}),
    ("input.amount /* a comment */ > 1", True),
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_an_expression_has_a_value(text: str, value: Any) -> None:
    before = copy.deepcopy(DOCUMENT)
    result = compile_expression(text).evaluate(DOCUMENT)
    assert result == value
    assert type(result) is type(value)
    assert before == DOCUMENT, "an expression reads its document, and never changes it"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "out of range"),
        ("5 % 0", "out of range"),
        ("1e308 * 10", "out of range"),
        ("'a' + 1", "the left side of '\\+' is a text"),
        ("nothing + 'a'", "the right side of '\\+' is a text"),
        ("1 < 'a'", "compares a number with a text"),
        ("null < 1", "the left side of '<' is null"),
        ("-'a'", "a text cannot be negated"),
        ("{1: 2}", "a key of a map is not a text"),
        ("{'a': 1, 'a': 2}", "given twice"),
        ("$sum(['a'])", "\\$sum takes a list of numbers"),
        ("$uppercase(1)", "\\$uppercase takes a text, not a number"),
        ("$number('1_0')", "cannot read a text"),
        ("$sum", "a function, not a value"),
        ("[1, $sum]", "a function, not a value"),
        ("input()", "non-function"),
        ("$error('no stock')", "no stock"),
        ("$assert(input.amount < 1, 'too much')", "too much"),
        ("$replace('a', /x*/, 'b')", "matches the empty text"),
        ("$sort([1, 'a'])", "nothing mixed"),
        ("$base64decode('AA==')", "NUL"),
        ("{$base64decode('AA=='): 1}", "NUL"),
    ],
)
def test_what_does_not_fit_fails_with_a_sentence(text: str, reason: str) -> None:
    expression = compile_expression(text)
    with pytest.raises(ExpressionFailed, match=reason) as failure:
        expression.evaluate(DOCUMENT)
    assert failure.value.reason == "expression"
    assert str(failure.value).startswith(f"'{text}' failed: ")


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("", "there is nothing", 0),
        ("   ", "there is nothing", 0),
        ("a b", "'b' is not expected", 2),
        ("(1", r"'\)' is expected", 2),
        ("1)", r"'\)' closes nothing", 1),
        ("{'a': 1}}", "'}' closes nothing", 8),
        ("1 +", "ends too early", 3),
        ("'abc", "closing ' is missing", 0),
        ("`abc", "closing ` is missing", 0),
        (r"'\x'", "escape sequence", 1),
        (r"'\ud800'", "half a character", 0),
        (r"'\u0000'", "NUL", 0),
        ("a /* b", "not closed", 2),
        ("$contains(a, /b", "not closed", 13),
        ("$contains(a, /(?=b)/)", "regular expression is not accepted", None),
        ("$.1.output = 2", "`1` in backquotes", 2),
        ("$['a-b'] = 1", r"quoted as \.`a-b`", 1),
        ("input.x['y'].z = 1", r"quoted as \.`y`", 7),
        ("$eval('1')", "not allowed", 0),
        ("1 + $now()", "startedAt", 4),
        ("$millis()", "not allowed", 0),
        ("$random()", "not allowed", 0),
        ("$shuffle([1])", "not allowed", 0),
        ("[1] ~> $shuffle", "not allowed", 7),
        ("$lenght(a)", r"did you mean \$length", 0),
        ("$nosuch(a)", "there is no function", 0),
        ("$__evaluate_entry := 1", "do not begin with '__'", 0),
        ("function($x)<s:s> { $x }", "no signature", None),
        ("a ? b : ", "ends too early", 7),
        ("[1, 2", r"'\]' is expected", 5),
        ("a :: b", "cannot be read", None),
        ("1 ~ 2", "cannot be read", None),
        (":", "cannot be read", None),
        ("#", "cannot be read", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    text: str, reason: str, position: int | None
) -> None:
    with pytest.raises(ExpressionSyntaxError, match=reason) as refusal:
        compile_expression(text)
    assert isinstance(refusal.value, Invalid)
    assert refusal.value.reason == "expression_syntax"
    if position is not None:
        assert refusal.value.facts["position"] == position


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("$.input.age", {"input"}),
        ("input.a > data.b and $1.output.x = 'y'", {"input", "data", "1"}),
        ("input.items[price > data.limit].sku", {"input"}),
        ("input.items[price > $$.data.limit].sku", {"input", "data"}),
        ("$map(input.items, function($i) { $i.price + risk.output.x })", {"input", "risk"}),
        ("{'a': error.code, 'b': [event.name]}", {"error", "event"}),
        ("$sum([1, 2])", set()),
        ("a.(b; c)", {"a"}),
    ],
)
def test_an_expression_knows_what_it_reads(text: str, roots: set[str]) -> None:
    assert compile_expression(text).roots == roots


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("input.a-b = 1", ["a-b"]),
        ("input.a - b", []),
        ("input.total-1", []),
        ("input.`a-b`", []),
        ("'a-b' & c-d", ["c-d"]),
        ("input.items[x-y > 1]", ["x-y"]),
    ],
)
def test_a_name_that_subtracts_is_warned_of(text: str, names: list[str]) -> None:
    warnings = compile_expression(text).warnings
    assert len(warnings) == len(names)
    assert all(name in warning for name, warning in zip(names, warnings, strict=True))


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("input.amount", True),
        ("0", False),
        ("''", False),
        ("[]", False),
        ("[0, '']", False),
        ("[0, 1]", True),
        ("{}", False),
        ("risk", True),
        ("input.none", False),
        ("nothing", False),
        ("input.empty", False),
        ("$.input.nested", True),
    ],
)
def test_a_guard_is_true_or_false_by_the_rules_of_the_language(text: str, truth: bool) -> None:
    assert compile_expression(text).test(DOCUMENT) is truth


def test_large_integers_of_the_data_stay_what_they_are() -> None:
    document = {"a": 2**63 - 1, "list": [2**62 + 1]}
    assert compile_expression("a").evaluate(document) == 2**63 - 1
    assert compile_expression("list[0 + 0]").evaluate(document) == 2**62 + 1
    assert compile_expression("a = 9223372036854775806").evaluate(document) is False


def test_one_evaluation_leaves_nothing_behind_for_the_next() -> None:
    expression = compile_expression("($x := $exists($x) ? 2 : 1; $x)")
    assert [expression.evaluate({}) for _ in range(3)] == [1, 1, 1]
    bare = compile_expression("$y := $exists($y) ? 2 : 1")
    assert [bare.evaluate({}) for _ in range(3)] == [1, 1, 1]


def test_what_one_expression_calls_its_variables_is_not_told_to_the_next() -> None:
    compile_expression("($mine := $power; $mine(2, 2))").evaluate({})
    with pytest.raises(ExpressionFailed) as failure:
        compile_expression("$power('a', 2)").evaluate({})
    assert "mine" not in str(failure.value)
