"""What a script sees, and what its output is."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain import documents
from goflow_py.ports.scripts import Broken, Done
from goflow_py.scripting import DONE, child
from goflow_py.scripting.pool import ScriptPool
from goflow_py.testing.clock import START_MS, FakeClock
from tests.unit.scripting.conftest import ENOUGH_SECONDS

ORCHY_SEED = "if($['1'].output.key1 == '200') {$['x']='nesX'};"
ORCHY_DISCOUNT = (
    "$['user']=$['query_db'].output.user; $['user']['discount']=$['user'].age>=20?20:10"
)
SANDBOX = Path(child.__file__).with_name("sandbox.js").read_text("utf-8")


def output_of(script: str, document: dict[str, Any]) -> Any:
    """Return the output of a script that runs in this very process."""
    call = {"script": script, "document": document, "nowMs": START_MS, "seed": [1, 2, 3, 4]}
    kind, text = child.evaluate(*child.prepared(SANDBOX), documents.dumps(call).decode())
    assert kind == DONE, text
    return documents.loads(text)


async def test_the_script_of_orchys_seed_runs_unchanged(pool):
    document = {"input": {"age": 89}, "1": {"output": {"key1": "200", "key2": 39}}}
    outcome = await pool.run(ORCHY_SEED, document, timeout_seconds=ENOUGH_SECONDS)
    assert outcome == Done(output={"x": "nesX"})


@pytest.mark.parametrize(("age", "discount"), [(25, 20), (19, 10)])
async def test_the_script_of_orchys_notification_runs_unchanged(pool, age, discount):
    user = {"age": age, "gender": "FEMALE"}
    document = {"query_db": {"output": {"user": user}}}
    outcome = await pool.run(ORCHY_DISCOUNT, document, timeout_seconds=ENOUGH_SECONDS)
    changed = {**user, "discount": discount}
    assert outcome == Done(output={"query_db": {"output": {"user": changed}}, "user": changed}), (
        "the user is one object under two names"
    )


DOCUMENT = {"input": {"age": 89, "tags": ["a", "b"]}, "n": None, "ratio": 0.5, "one": 1.0}
OUTPUTS = {
    "": {},
    "$.input.age + 1": {},
    "$.input.age = 89": {},
    "$.input = {tags: ['a', 'b'], age: 89}": {},
    "$.input.age += 1": {"input": {"age": 90, "tags": ["a", "b"]}},
    "$.input.tags.reverse()": {"input": {"age": 89, "tags": ["b", "a"]}},
    "$.input.age = '89'": {"input": {"age": "89", "tags": ["a", "b"]}},
    "$.n = 0": {"n": 0},
    "$.n = undefined": {},
    "$.one = true": {"one": True},
    "delete $.n": {},
    "$ = {n: 1}": {"n": 1},
    "$.f = () => 1; $.u = undefined; $.s = Symbol('s')": {},
    "$.deep = {f() {}, u: undefined, kept: 1}": {"deep": {"kept": 1}},
    "$.list = [undefined, () => 1]": {"list": [None, None]},
    "var left = 1; let alone = 2; globalThis.third = 3": {},
    "$.big = 2 ** 53; $.small = 1e-7; $.whole = 3.0": {
        "big": 2**53,
        "small": 1e-7,
        "whole": 3,
    },
    "$['a b'] = 'ü€😀\\n\\\\\"'": {"a b": 'ü€😀\n\\"'},
    "$.date = new Date(0)": {"date": "1970-01-01T00:00:00.000Z"},
    "$.map = new Map([[1, 2]])": {"map": {}},
    "Object.defineProperty($, 'got', {enumerable: true, get: () => 7})": {"got": 7},
    "$.json = {toJSON: () => [1]}": {"json": [1]},
    "$.__proto__ = {inherited: 1}": {},
    "Object.defineProperty($, '__proto__', {value: 1, enumerable: true})": {"__proto__": 1},
    "Promise.resolve(4).then((v) => { $.later = v })": {"later": 4},
    "(async () => { await null; $.later = 5 })()": {"later": 5},
    "$.text = 'x'.repeat(100_000) + 'y'.repeat(100_000)": {"text": "x" * 100_000 + "y" * 100_000},
}


@pytest.mark.parametrize("script", OUTPUTS)
def test_the_output_is_what_was_added_or_changed(script):
    output = output_of(script, DOCUMENT)
    assert documents.dumps(output) == documents.dumps(OUTPUTS[script])


BROKEN = {
    "\n\nfoo()": "ReferenceError: foo is not defined (line 3)",
    "$.a = ;": "SyntaxError: unexpected token in expression: ';' (line 1)",
    "throw new Error('no stock')": "Error: no stock (line 1)",
    "throw 'no stock'": "no stock",
    "throw {toString() { throw 1 }}": "it throws something that has no text",
    "throw null": "it is out of memory (67108864 bytes), or throws null",
    "$.x = NaN": "TypeError: $['x'] holds NaN, which is no JSON; use null or a text",
    "$.n = NaN": "TypeError: $['n'] holds NaN, which is no JSON; use null or a text",
    "$.x = [{y: -Infinity}]": (
        "TypeError: $['x'] holds -Infinity, which is no JSON; use null or a text"
    ),
    "$.x = 10n": "TypeError: BigInt are forbidden in JSON.stringify",
    "$.x = $": "TypeError: circular reference",
    "$ = 5": "TypeError: '$' is no object any more; set keys of it",
    "$ = [1]": "TypeError: '$' is no object any more; set keys of it",
    "(async () => { throw new Error('late') })()": "Error: late (line 1)",
    "new Promise(() => {})": "Error: the script's promise is never settled",
    "$.x = 'a\\0'": "the output is not acceptable as JSON: a text or a key contains the character "
    "NUL (\\u0000); remove it",
    "$.x = '\\ud800'": "the output is not acceptable as JSON: character 0 is a lone surrogate; "
    "send whole characters",
    "$.x = 2 ** 64": "the output is not acceptable as JSON: the integer 18446744073709552000 does "
    "not fit 64 bits; send it as a text",
    "let d = {}; for (let i = 0; i < 70; i++) d = {d}; $.x = d": "the output is not acceptable as "
    "JSON: the document is nested deeper than 64 levels; flatten it",
    "$.x = 'y'.repeat(2_000_000)": "the output has 2000008 bytes, at most 1048576 may be",
    "import('/etc/passwd')": "ReferenceError: could not load module '/etc/passwd'",
    "require('fs')": "ReferenceError: require is not defined (line 1)",
}


@pytest.mark.parametrize("script", BROKEN)
async def test_a_broken_script_says_why(pool, script):
    outcome = await pool.run(script, DOCUMENT, timeout_seconds=ENOUGH_SECONDS)
    assert outcome == Broken(message=BROKEN[script])


async def test_a_document_that_is_too_large_is_not_sent(pool):
    outcome = await pool.run("", {"text": "x" * 5_000_000}, timeout_seconds=ENOUGH_SECONDS)
    assert isinstance(outcome, Broken)
    assert "at most 4194304 may be" in outcome.message


async def test_nothing_of_one_call_is_there_in_the_next(pool):
    spoil = "globalThis.left = 1; Object.prototype.left = 1; JSON.stringify = () => 'x'; $.x = 1"
    first = await pool.run(spoil, {}, timeout_seconds=ENOUGH_SECONDS)
    assert first == Done(output={"x": 1})
    look = "$.seen = [typeof left, typeof $.left, JSON.stringify({})]"
    second = await pool.run(look, {}, timeout_seconds=ENOUGH_SECONDS)
    assert second == Done(output={"seen": ["undefined", "undefined", "{}"]})


async def test_time_stands_still_and_is_the_clocks(pool):
    script = """
        $.now = [Date.now(), +new Date(), +new Date(0).constructor.now(), new Date(5).getTime()];
        $.zone = [new Date().getTimezoneOffset(), Date()];
        $.same = [new Date() instanceof Date, Date.name, Date.UTC(1970, 0), Date.parse('1970')];
        $.other = typeof performance;
    """
    outcome = await pool.run(script, {}, timeout_seconds=ENOUGH_SECONDS)
    assert outcome == Done(
        output={
            "now": [START_MS, START_MS, START_MS, 5],
            "zone": [0, "Thu Jan 01 2026 00:00:00 GMT+0000"],
            "same": [True, "Date", 0, 0],
            "other": "undefined",
        }
    )


async def test_chance_is_the_clocks():
    script = "$.chance = Array.from({length: 100}, Math.random)"

    async def chances(seed: int) -> list[list[float]]:
        pool = ScriptPool(FakeClock(seed=seed), size=1)
        outcomes = [await pool.run(script, {}, timeout_seconds=ENOUGH_SECONDS) for _ in range(2)]
        await pool.close()
        return [o.output["chance"] for o in outcomes if isinstance(o, Done)]

    one, again, other = await chances(1), await chances(1), await chances(2)
    assert one == again
    drawn = {number for numbers in (*one, *other) for number in numbers}
    assert len(drawn) == 400, "no two calls, no two seeds have the same"
    assert all(0 <= number < 1 for number in drawn)
    assert 0.4 < sum(drawn) / len(drawn) < 0.6


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_a_document_that_nobody_touches_gives_no_output(document):
    assert output_of("", document) == {}


@given(VALUES)
def test_a_value_that_is_copied_stays_the_same(value):
    copied = output_of("$.copy = $.value", {"value": value})
    assert copied == {"copy": value}
    assert isinstance(copied["copy"], bool) == isinstance(value, bool)
