"""Compile a tree to Python closures: one call for each node, nothing looked up twice.

A guard costs a microsecond or two in this way, where a general engine costs fifty. The rules are
JSONata's, including nothing (``MISSING``), and lists of one that become their item in paths.
"""

from collections.abc import Callable, Mapping
from typing import Any

from goflow_py.expression.errors import Fault
from goflow_py.expression.functions import FUNCTIONS
from goflow_py.expression.operators import ARITHMETIC, COMPARISONS, contained, joined, negative
from goflow_py.expression.syntax import (
    Beyond,
    Binary,
    Call,
    Condition,
    Constant,
    Items,
    Names,
    Negative,
    Node,
    Pairs,
)
from goflow_py.expression.values import MISSING, ensure_small, equal, truthy

Closure = Callable[[Mapping[str, Any]], Any]

_OPERATORS = {**ARITHMETIC, **COMPARISONS, "&": joined, "in": contained}


def compile_node(node: Node) -> Closure:
    """Return the closure of a tree; what it builds is measured before it is given away."""
    run = _compile(node)
    if not _builds(node):
        return run

    def measured(document: Mapping[str, Any]) -> Any:
        value = run(document)
        ensure_small(value)
        return value

    return measured


def roots(node: Node) -> set[str]:
    """Return the first name of every path in the tree."""
    if isinstance(node, Names):
        return {node.steps[0][0]} if node.steps else set()
    found: set[str] = set()
    for part in _parts(node):
        found |= roots(part)
    return found


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Binary(_, left, right):
            return (left, right)
        case Condition(test, then, otherwise):
            return (test, then) if otherwise is None else (test, then, otherwise)
        case Items(items) | Call(_, items):
            return items
        case Pairs(pairs):
            return tuple(part for pair in pairs for part in pair)
        case Negative(operand):
            return (operand,)
        case _:
            return ()


def _builds(node: Node) -> bool:
    return isinstance(node, Items | Pairs) or any(_builds(part) for part in _parts(node))


def _compile(node: Node) -> Closure:
    match node:
        case Constant(value):
            return lambda _: value
        case Names(steps):
            return _names(steps)
        case Negative(operand):
            return _unary(_compile(operand), negative)
        case Binary(operator, left, right):
            return _binary(operator, left, right)
        case Condition(test, then, otherwise):
            return _condition(test, then, otherwise)
        case Items(items):
            return _items(items)
        case Pairs(pairs):
            return _pairs(pairs)
        case Call(name, arguments):
            return _call(name, arguments)


def _unary(run: Closure, apply: Callable[[Any], Any]) -> Closure:
    return lambda document: apply(run(document))


def _names(steps: tuple[tuple[str, tuple[int, ...]], ...]) -> Closure:
    if not steps:
        return lambda document: document
    names = [name for name, indices in steps if not indices]

    def general(document: Mapping[str, Any]) -> Any:
        return _mapped(document, steps)

    if len(names) != len(steps) or len(names) > 3:
        return general
    return (_one, _two, _three)[len(names) - 1](names, general)


def _one(names: list[str], _: Closure) -> Closure:
    (a,) = names

    def read(document: Mapping[str, Any]) -> Any:
        return document.get(a, MISSING)

    return read


def _two(names: list[str], general: Closure) -> Closure:
    a, b = names

    def read(document: Mapping[str, Any]) -> Any:
        # A list, a text or a number has no names: the general walk knows what that means.
        try:
            return document[a][b]
        except (KeyError, TypeError):
            return general(document)

    return read


def _three(names: list[str], general: Closure) -> Closure:
    a, b, c = names

    def read(document: Mapping[str, Any]) -> Any:
        try:
            return document[a][b][c]
        except (KeyError, TypeError):
            return general(document)

    return read


def _mapped(document: Mapping[str, Any], steps: tuple[tuple[str, tuple[int, ...]], ...]) -> Any:
    """Walk as JSONata does: each step over all items of a list, their lists joined."""
    values: list[Any] = [document]
    last = len(steps) - 1
    for number, (name, indices) in enumerate(steps):
        found: list[Any] = []
        for value in values:
            result, is_list = _looked_up(value, name)
            for index in indices:
                result, is_list = _indexed(result, index)
            if result is MISSING:
                continue
            found.append((result, is_list))
        if number == last and len(found) == 1 and found[0][1]:
            return found[0][0]
        values = []
        for result, _ in found:
            if isinstance(result, list):
                values.extend(result)
            else:
                values.append(result)
        if not values:
            return MISSING
    return values[0] if len(values) == 1 else values


def _looked_up(value: Any, name: str) -> tuple[Any, bool]:
    """Return the value of a name, and whether it is a list of the data, not a sequence."""
    if isinstance(value, Mapping):
        found = value.get(name, MISSING)
        return found, isinstance(found, list)
    if isinstance(value, list):
        gathered = _gathered(value, name)
        if not gathered:
            return MISSING, False
        if len(gathered) == 1:
            return gathered[0], isinstance(gathered[0], list)
        return gathered, False
    return MISSING, False


def _gathered(items: list[Any], name: str) -> list[Any]:
    gathered: list[Any] = []
    for item in items:
        found: Any = MISSING
        if isinstance(item, dict):
            found = item.get(name, MISSING)
        elif isinstance(item, list):
            found = _gathered(item, name)
        if isinstance(found, list):
            gathered.extend(found)
        elif found is not MISSING:
            gathered.append(found)
    return gathered


def _indexed(value: Any, index: int) -> tuple[Any, bool]:
    if value is MISSING:
        return MISSING, False
    items = value if isinstance(value, list) else [value]
    if not -len(items) <= index < len(items):
        return MISSING, False
    return items[index], isinstance(items[index], list)


def _binary(operator: str, left: Node, right: Node) -> Closure:
    if operator == "=" and isinstance(right, Constant) and isinstance(right.value, str):
        return _equals_text(_compile(left), right.value)
    one, other = _compile(left), _compile(right)
    if operator == "and":
        return lambda document: truthy(one(document)) and truthy(other(document))
    if operator == "or":
        return lambda document: truthy(one(document)) or truthy(other(document))
    if operator in ("=", "!="):
        return _equality(one, other, wanted=operator == "=")
    apply = _OPERATORS[operator]
    return lambda document: apply(one(document), other(document))


def _equals_text(run: Closure, text: str) -> Closure:
    # The commonest guard of all: nothing, a number and a list are all unequal to a text.
    return lambda document: bool(run(document) == text)


def _equality(one: Closure, other: Closure, *, wanted: bool) -> Closure:
    def run(document: Mapping[str, Any]) -> bool:
        left, right = one(document), other(document)
        # Nothing is neither equal nor unequal to anything.
        if left is MISSING or right is MISSING:
            return False
        return equal(left, right) is wanted

    return run


def _condition(test: Node, then: Node, otherwise: Node | None) -> Closure:
    check, one = _compile(test), _compile(then)
    if otherwise is None:
        return lambda document: one(document) if truthy(check(document)) else MISSING
    other = _compile(otherwise)
    return lambda document: one(document) if truthy(check(document)) else other(document)


def _items(items: tuple[Node, ...]) -> Closure:
    runs = [(_compile(item), isinstance(item, Items)) for item in items]

    def build(document: Mapping[str, Any]) -> list[Any]:
        built: list[Any] = []
        for run, nested in runs:
            value = run(document)
            if isinstance(value, list) and not nested:
                built.extend(value)
            elif value is not MISSING:
                built.append(value)
        return built

    return build


def _pairs(pairs: tuple[tuple[Node, Node], ...]) -> Closure:
    runs = [(_compile(key), _compile(value)) for key, value in pairs]

    def build(document: Mapping[str, Any]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        keys: set[str] = set()
        for key_of, value_of in runs:
            key = key_of(document)
            if key is MISSING:
                continue
            if not isinstance(key, str):
                raise Fault("a key of a map is not a text")
            if key in keys:
                raise Fault(f"the key '{key[:64]}' is given twice in one map")
            keys.add(key)
            value = value_of(document)
            if value is not MISSING:
                built[key] = value
        return built

    return build


def _call(name: str, arguments: tuple[Node, ...]) -> Closure:
    runs = [_compile(argument) for argument in arguments]
    if name == "":
        return runs[0]
    function = FUNCTIONS[name]
    if not function.least <= len(runs) <= function.most:
        # With fewer arguments some functions take the context: that is the full engine's.
        raise Beyond
    apply = function.apply
    if len(runs) == 1:
        return _unary(runs[0], apply)
    return lambda document: apply(*[run(document) for run in runs])
