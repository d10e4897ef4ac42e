"""JSONPath and the intrinsics of the States Language, evaluated."""

from typing import Any

import pytest

from goflow_py.expression import compile_template
from goflow_py.importers.asl_intrinsics import intrinsic
from goflow_py.importers.asl_paths import Untranslatable, Value, follow, place

LINES: list[dict[str, Any]] = [
    {"sku": "pen", "price": 3, "sizes": ["s"]},
    {"sku": "ink", "price": 9, "sizes": ["m", "l"]},
    {"sku": "pad", "price": 5},
]
BASKET = {
    "id": "b-17",
    "total": 42,
    "nothing": None,
    "tags": ["new"],
    "it's": {"a-b": {"1": True}},
    "lines": LINES,
    "limit": 4,
    "grid": [[1, 2], [3], [4]],
}
DOCUMENT = {"data": {"input": BASKET}}


def found(path: str) -> Value:
    return follow(place("data", "input"), path[1:], found)


def rendered(value: Value) -> Any:
    return compile_template({"x": value.template}).render(DOCUMENT)["x"]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("$", "$.data.input"),
        ("$.lines[0].sku", "$.data.input.lines[0].sku"),
        ("$['it\\'s']['a-b']['1']", "$.data.input[\"it's\"]['a-b']['1']"),
        ("$.lines[?(@.price > 4)].sku", "${ [$$.data.input.lines[$.price > 4].sku] }"),
    ],
)
def test_a_path_to_one_place_stays_a_path(path: str, template: str) -> None:
    assert found(path).template == template


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.id", "b-17"),
        ("$.tags", ["new"]),
        ("$.absent.deeper", None),
        ("$['it\\'s']['a-b']['1']", True),
        ("$.lines[*].sku", ["pen", "ink", "pad"]),
        ("$.tags[*]", ["new"]),
        ("$..sku", ["pen", "ink", "pad"]),
        ("$.lines[-1].sku", "pad"),
        ("$.lines[0:2].price", [3, 9]),
        ("$.lines[1:].price", [9, 5]),
        ("$.lines[-2:].price", [9, 5]),
        ("$.lines[0,2].price", [3, 5]),
        ("$.lines[?(@.sku == 'ink')].price", [9]),
        ("$.lines[?(@.price > $.limit && @.sizes)].sku", ["ink"]),
        ('$.lines[?(!(@.price >= 5) || @.sku == "pad")].sku', ["pen", "pad"]),
        ("$.lines[?(@.sku == 'none')]", []),
        ("$.lines.length()", 3),
    ],
)
def test_a_path_finds_what_jsonpath_finds(path: str, value: Any) -> None:
    assert rendered(found(path)) == value


@pytest.mark.parametrize(
    "path", ["$.a[", "$.a[?(@.b =~ /x/)]", "$['a','b']", "$.a[3:1]", "$.a[?(1)]", "$.x y"]
)
def test_a_path_that_has_no_counterpart_says_so(path: str) -> None:
    with pytest.raises(Untranslatable):
        found(path)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (
            "States.Format('Order {} of {}: \\{it\\'s\\}', $.id, $.total)",
            "Order b-17 of 42: {it's}",
        ),
        ("States.Format('{}', $.grid)", "[[1,2],[3],[4]]"),
        ("States.JsonToString($.lines[0].sizes)", '["s"]'),
        ("States.JsonToString($.id)", '"b-17"'),
        ("States.Array()", []),
        ("States.Array($.tags)", [["new"]]),
        ("States.Array($.grid[0], 'x', 1, true, null, $.id)", [[1, 2], "x", 1, True, None, "b-17"]),
        ("States.ArrayPartition($.grid, 2)", [[[1, 2], [3]], [[4]]]),
        ("States.ArrayPartition(States.Array(1, 2), 5)", [[1, 2]]),
        ("States.ArrayContains($.grid, States.Array(3))", True),
        ("States.ArrayContains($.tags, 'old')", False),
        ("States.ArrayRange(1, 9, 3)", [1, 4, 7]),
        ("States.ArrayRange(4, 4, 1)", [4]),
        ("States.ArrayGetItem($.grid, 1)", [3]),
        ("States.ArrayLength($.lines)", 3),
        ("States.ArrayUnique(States.Array(1, 1))", [1]),
        ("States.Base64Decode(States.Base64Encode('päd'))", "päd"),
        (
            "States.JsonMerge($.lines[0], $.lines[2], false)",
            {**LINES[0], **LINES[2]},
        ),
        ("States.MathAdd($.total, -2)", 40),
        ("States.StringSplit('a,b', ',')", ["a", "b"]),
        ("States.StringSplit('This.is+a,test=text', '.+,=')", ["This", "is", "a", "test", "text"]),
    ],
)
def test_an_intrinsic_gives_what_it_gave(call: str, value: Any) -> None:
    assert rendered(intrinsic(call, found)) == value


@pytest.mark.parametrize(
    "call",
    [
        "States.UUID()",
        "States.Hash($.id, 'SHA-256')",
        "States.MathRandom(1, 5)",
        "States.StringToJson($.id)",
        "States.JsonMerge($.a, $.b, true)",
        "States.Nonsense()",
        "States.Format('{} {}', 1)",
        "States.Format('{}', 1, 2)",
        "States.Array(1",
        "States.Array(1) and more",
        "States.Array(" * 12 + ")" * 12,
        "States.Array(1" + ", 1" * 500 + ")",
        "States.ArrayLength('" + "x" * 20_000 + "')",
    ],
)
def test_an_intrinsic_without_a_counterpart_says_so(call: str) -> None:
    with pytest.raises(Untranslatable):
        intrinsic(call, found)


def test_paths_that_would_grow_without_end_are_refused() -> None:
    with pytest.raises(Untranslatable):
        found("$.a" + "[1:]" * 40)
    with pytest.raises(Untranslatable):
        found("$" + ".a" * 5_000)
