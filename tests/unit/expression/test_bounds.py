"""No expression takes a second, much memory, or the process with it."""

import subprocess
import sys
import time
from typing import Any

import pytest

from goflow_py.errors import ExpressionFailed
from goflow_py.expression import ExpressionSyntaxError, compile_expression, engine, natives
from goflow_py.expression.tokens import EXPRESSION_LENGTH_MAX

SECONDS_MAX = 1.0
DOCUMENT: dict[str, Any] = {
    "text": "a" * 40 + "!",
    "long": "a" * 900_000,
    "rows": [{"a": number, "b": [number]} for number in range(1_000)],
    "map": {str(number): [number] for number in range(5_000)},
    "zeros": [[0] * 1_000 for _ in range(100)],
}
RECURSION = "($f := function($n) {{ {} }}; $f(0))"

FAILING = [
    ("[1..9999999]", "more than 10000 items"),
    ("[-99999999999..99999999999]", "more than 10000 items"),
    ("$pad('x', 5e8)", "1 MiB"),
    ("$pad('x', -5e8)", "1 MiB"),
    (RECURSION.format("$f($n + 1)"), "steps|longer"),
    (RECURSION.format("1 + $f($n + 1)"), "deeper than 320"),
    (RECURSION.format("[$f($n + 1)]"), "deeper than 320"),
    (RECURSION.format("$map([1, 2], function() { $f($n + 1) })"), "deeper than 320"),
    (RECURSION.format("$each({'a': 1}, function() { [$f($n)] })"), "deeper than 320"),
    (RECURSION.format("$reduce([1, 2], function($a, $b) { $f($n) })"), "deeper than 320"),
    (RECURSION.format("$replace('a', /a/, function($m) { $f($n) })"), "deeper than 320"),
    (RECURSION.format("{'a': [($f($n))]}.a[$f(0)]"), "deeper than 320"),
    (RECURSION.format("[1, 2]^($f($n))"), "deeper than 320"),
    (RECURSION.format("[1] ~> $map($f) ~> $sum"), "deeper than 320"),
    (RECURSION.format("$sort([1, 2], function($a, $b) { $f($n) })"), "deeper than 320"),
    ("$reduce([1..10000], function($a, $b) { [[$a]] })", "levels|steps"),
    ("$reduce([1..10000], function($a, $b) { {'x': $a} })", "levels|steps"),
    ("$reduce([1..99], function($a, $b) { {'x': $a, 'y': $a} }, 1)", "1 MiB|steps"),
    ("$reduce([1..99], function($a, $b) { [$a, $a] })", "1 MiB|steps"),
    ("$reduce([1..99], function($a, $b) { $append($a, $a) }, [1])", "1 MiB|steps"),
    ("$reduce([1..99], function($a, $b) { $a & $a }, 'x')", "1 MiB"),
    ("$map([1..10000], function($i) { long & $i })", "steps|1 MiB"),
    ("$replace(long, 'a', long)", "1 MiB"),
    ("$replace(long, /a/, long)", "1 MiB"),
    ("$replace(long, 'a', 'bc')", "1 MiB"),
    ("$join($map([1..10000], function() { 'x' }), long)", "1 MiB"),
    ("$match(long, /a/)", "steps|longer"),
    ("$split(long, '')", "1 MiB"),
    ("long & long", "1 MiB"),
    ("[long, long]", "1 MiB"),
    ("{'a': long, 'b': long}", "1 MiB"),
    ("$string([long, long])", "1 MiB"),
    ("$string({'a': [long, long]}) = ''", "1 MiB"),
    ("**.**.**.**", "steps|longer|1 MiB"),
    ("($x := [1..10000]; $map($x, function() { $x }))", "steps|1 MiB"),
    ("($x := [1..10000]; $reduce($map($x, function() { $x }), $append))", "steps|1 MiB"),
    ("$ ~> |$|{'x': $$, 'y': $$}|", "1 MiB|longer"),
    ("$formatInteger(1e308, 'I')", "up to 2"),
    ("$formatNumber(1, '0', {'grouping-separator': ']|(a+)+$|['})", "not one character"),
    ("$formatNumber(1, '0', {'decimal-separator': '('})", "cannot be"),
    ("$formatNumber(1, $pad('', 1000, '#'))", "256 characters"),
    ("$toMillis('aaaaaaaaaaaaaaaaaaaaaaaa!', '[FNn](a+)+$')", "no picture"),
    ("$round(1.5, 1e9)", "400 digits"),
    ("$power(10, 400)", "does not fit"),
]

FINISHING = [
    "$contains(text, /(a+)+$/)",
    "$match(text, /(a|aa)+$/)",
    "$split(text, /(a*)*b/)",
    "$count($distinct(rows))",
    "$count(map.*)",
    "$count($spread(map))",
    "zeros and zeros or zeros",
    "zeros = zeros",
    "$count($keys(map))",
    "rows[a = 999].b",
    RECURSION.format("$n >= 50 ? $n : 0 + $f($n + 1)"),
]

UNREADABLE = [
    "(" * 10_000 + "1" + ")" * 10_000,
    "(" * 8_000,
    "[" * 100 + "]" * 100,
    "{" * 8_000,
    "-" * 16_000 + "1",
    "1" + "+1" * 8_000,
    "a" + ".a" * 8_000,
    "a" + "[0]" * 5_000,
    "a?" * 5_000 + "1",
    "a ? b : " * 2_000 + "c",
    "$f(" * 4_000,
    "not a " * 2_000,
    "/" * 16_000,
    "/*" * 8_000,
    "'" * 15_999,
    "`" * 15_999,
    "\\" * 16_000,
    "|" * 16_000,
    "%." * 8_000,
    "a" * (EXPRESSION_LENGTH_MAX + 1),
    "$contains('a', /((((a{1,100}){1,100}){1,100}){1,100})/)",
]


@pytest.fixture(autouse=True)
def within_a_second() -> Any:
    # Of this thread's own work: a machine that gives it no time is no finding.
    started = time.thread_time()
    yield
    assert time.thread_time() - started < SECONDS_MAX


@pytest.mark.parametrize(("text", "reason"), FAILING, ids=[text[:50] for text, _ in FAILING])
def test_what_would_run_or_grow_without_end_fails(text: str, reason: str) -> None:
    expression = compile_expression(text)
    with pytest.raises(ExpressionFailed, match=reason) as failure:
        expression.evaluate(DOCUMENT)
    assert len(str(failure.value)) < 500


@pytest.mark.parametrize("text", FINISHING)
def test_what_only_looks_endless_finishes(text: str) -> None:
    compile_expression(text).evaluate(DOCUMENT)


@pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_no_parser_should_read_is_refused(text: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as refusal:
        compile_expression(text)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "a ~> " * 3_000 + "b",
        "(" * 32 + "1" + ")" * 32,
        "1 or " * 120 + "1",
        "$string(" * 30 + "1" + ")" * 30,
        "[long, " * 60 + "1" + "]" * 60,
        "function($a) { " * 60 + "1" + "}" * 60,
        "a.(" * 60 + "b" + ")" * 60,
    ],
    ids=range(7),
)
def test_long_chains_and_deep_nests_are_values_or_failures(text: str) -> None:
    try:
        compile_expression(text).evaluate(DOCUMENT)
    except (ExpressionFailed, ExpressionSyntaxError):
        pass


def test_the_library_does_not_lift_the_recursion_limit_of_the_process() -> None:
    asked = "import sys, goflow_py.expression.full; print(sys.getrecursionlimit())"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    assert int(answer.stdout) == engine.RECURSION_MAX


def test_refused_functions_are_refused_at_run_time_too() -> None:
    tree, frame = engine.parse("$now()"), natives.frame()
    with pytest.raises(Exception, match=r"\$now is not allowed"):
        engine.Evaluator(tree, frame).run({}, frame)
