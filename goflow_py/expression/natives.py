"""The functions that the full engine may call: all of JSONata's that are pure and bounded.

Each call is counted by the size of what it is given, and what it returns is weighed. Functions
that would answer differently when an execution is replayed are refused when an expression is read.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from goflow_py.expression import matching
from goflow_py.expression.engine import (
    Jsonata,
    Utils,
    cast,
    is_function,
    ours,
    plain,
    theirs,
    written,
)
from goflow_py.expression.errors import Fault
from goflow_py.expression.functions import FUNCTIONS, string
from goflow_py.expression.operators import kind
from goflow_py.expression.values import checked, is_number, number

REFUSED: Final = {
    "eval": "it would run text that nobody has checked",
    "now": "the same input must always give the same result; use $.execution.startedAt",
    "millis": "the same input must always give the same result; use $.execution.startedAt",
    "random": "the same input must always give the same result",
    "shuffle": "the same input must always give the same result",
}
PICTURE_LENGTH_MAX: Final = 256
CALLBACK_LEVELS: Final = 2
"""What a function that calls functions adds to the depth: it takes that much of the stack."""

_INTEGER_MAX = 2**53
_ONE_CHARACTER_OPTIONS = frozenset(
    {
        "decimal-separator",
        "grouping-separator",
        "exponent-separator",
        "pattern-separator",
        "percent",
        "per-mille",
        "zero-digit",
        "digit",
        "minus-sign",
    }
)


class Native(Jsonata.JFunction):  # type: ignore[misc]
    """Call a function of the language, counted and weighed."""

    def __init__(self, name: str, native: Any) -> None:
        own = FUNCTIONS.get(name)
        super().__init__(None, own.signature if own else None)
        if own is None:
            self.signature = native.signature
        # The library renames a function that is given to a variable, for every expression that
        # follows: what one project calls its variables is nobody else's to read.
        self.signature.set_function_name = lambda _: None
        self.function_name = name
        self._apply = _OWN.get(name) or _STOCK[name]
        self._most: int = native.nargs

    def call(self, input: Any, args: Sequence[Any] | None) -> Any:
        evaluator = Jsonata.CURRENT.jsonata
        given = list(args or ())
        evaluator.spend(1 + sum(len(value) >> 4 for value in given if isinstance(value, list)))
        with evaluator.deeper(CALLBACK_LEVELS if any(map(is_function, given)) else 0):
            result = self._apply(*given)
        if isinstance(result, str):
            return checked(result)
        return evaluator.weighed(result)

    def get_number_of_args(self) -> int:
        return self._most


def frame() -> Any:
    """Return a new frame in which all functions are known, and only these."""
    return Jsonata.Frame(_FRAME)


def _adapted(name: str) -> Callable[..., Any]:
    apply = FUNCTIONS[name].apply

    def call(*given: Any) -> Any:
        return theirs(apply(*[_shallow(value) for value in given]))

    return call


def _shallow(value: Any) -> Any:
    if isinstance(value, list) and any(item is Utils.NULL_VALUE for item in value):
        return [ours(item) for item in value]
    return ours(value)


def _boolean(value: Any = None) -> Any:
    return None if value is None else cast(value)


def _not(value: Any = None) -> Any:
    return None if value is None else not cast(value)


def _type(value: Any = None) -> Any:
    return "function" if is_function(value) else theirs(FUNCTIONS["type"].apply(ours(value)))


def _exists(value: Any = None) -> bool:
    return value is not None


def _string(value: Any = None, pretty: Any = None) -> Any:
    return None if value is None else string(written(value), pretty)


def _clone(value: Any = None) -> Any:
    return theirs(plain(value))


def _lookup(value: Any = None, key: Any = None) -> Any:
    found: list[Any] = []
    for item in _leaves(value):
        if isinstance(item, dict) and isinstance(key, str) and key in item:
            inner = item[key]
            if not isinstance(value, list):
                return theirs(ours(inner)) if inner is not None else Utils.NULL_VALUE
            found.extend(inner if isinstance(inner, list) else [inner])
    return Utils.create_sequence_from_iter(found) if isinstance(value, list) else None


def _spread(value: Any = None) -> Any:
    if not isinstance(value, dict | list):
        return value
    parts: list[Any] = []
    for item in _leaves(value):
        if isinstance(item, dict):
            parts.extend({key: inner} for key, inner in item.items())
        else:
            parts.append(item)
    return Utils.create_sequence_from_iter(parts)


def _leaves(value: Any) -> Iterator[Any]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(reversed(item))
        else:
            yield item


def _distinct(value: Any = None) -> Any:
    if not isinstance(value, list) or len(value) <= 1:
        return value
    # Compared by what is written, in one pass: the library compares each item with all others.
    seen: set[str] = set()
    distinct = []
    for item in value:
        own = None if item is None else plain(item, functions=None)
        written_as = json.dumps(_canonical(own), sort_keys=True)
        if written_as not in seen:
            seen.add(written_as)
            distinct.append(item)
    return Utils.create_sequence_from_iter(distinct) if isinstance(value, Utils.JList) else distinct


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return [_canonical(item) for item in value] if isinstance(value, list) else value


def _sort(value: Any = None, comparator: Any = None) -> Any:
    if comparator is None and isinstance(value, list) and len(value) > 1:
        kinds = {kind(ours(item)) for item in value}
        if kinds not in ({"a number"}, {"a text"}):
            raise Fault("$sort without a function sorts numbers or texts, and nothing mixed")
    return _STOCK["sort"](value, comparator)


def _format_number(value: Any = None, picture: Any = None, options: Any = None) -> Any:
    _check_picture(picture)
    # The library puts these into regular expressions of its own, as they are.
    for name, option in (options or {}).items():
        single = name in _ONE_CHARACTER_OPTIONS
        if not isinstance(option, str) or len(option) > (1 if single else PICTURE_LENGTH_MAX):
            raise Fault(f"the option '{str(name)[:40]}' of $formatNumber is not one character")
        if single and (option.isalpha() or option in "\\[](){}^$*+?|") and option not in "eE":
            raise Fault(f"the option '{str(name)[:40]}' of $formatNumber cannot be {option!r}")
    return _STOCK["formatNumber"](value, picture, options)


def _format_integer(value: Any = None, picture: Any = None) -> Any:
    _check_picture(picture)
    if is_number(value) and abs(value) > _INTEGER_MAX:
        raise Fault("$formatInteger takes integers up to 2**53")
    return _STOCK["formatInteger"](value, picture)


def _parse_integer(value: Any = None, picture: Any = None) -> Any:
    _check_picture(picture)
    _check_picture(value)
    return _STOCK["parseInteger"](value, picture)


def _from_millis(value: Any = None, picture: Any = None, zone: Any = None) -> Any:
    _check_picture(picture)
    _check_picture(zone)
    return _STOCK["fromMillis"](value, picture, zone)


def _to_millis(value: Any = None, picture: Any = None) -> Any:
    if picture is not None:
        # Pictures become regular expressions that nobody bounds.
        raise Fault("$toMillis takes an ISO 8601 time, and no picture")
    _check_picture(value)
    return _STOCK["toMillis"](value, None)


def _check_picture(text: Any) -> None:
    if isinstance(text, str) and len(text) > PICTURE_LENGTH_MAX:
        raise Fault(f"a picture or a time has more than {PICTURE_LENGTH_MAX} characters")


def _refusing(name: str) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise Fault(f"${name} is not allowed: {REFUSED[name]}")

    return call


def _stock_call(native: Any) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        arguments = [*given, *[None] * (native.nargs - len(given))]
        result = native.method(*arguments)
        return Utils.convert_number(result) if Utils.is_numeric(result) else result

    return call


_NATIVES = {
    name: native
    for name, native in Jsonata.static_frame.bindings.items()
    if isinstance(native, Jsonata.JNativeFunction)
}
_STOCK = {name: _stock_call(native) for name, native in _NATIVES.items()}
_OWN: dict[str, Callable[..., Any]] = {
    **{name: _adapted(name) for name in FUNCTIONS},
    **{name: _refusing(name) for name in REFUSED},
    "boolean": _boolean,
    "not": _not,
    "type": _type,
    "exists": _exists,
    "string": _string,
    "clone": _clone,
    "lookup": _lookup,
    "spread": _spread,
    "distinct": _distinct,
    "sort": _sort,
    "contains": matching.contains,
    "split": matching.split,
    "replace": matching.replace,
    "match": matching.match,
    "formatNumber": _format_number,
    "formatInteger": _format_integer,
    "parseInteger": _parse_integer,
    "fromMillis": _from_millis,
    "toMillis": _to_millis,
}
_FRAME = Jsonata.Frame(None)
for _name, _native in _NATIVES.items():
    _FRAME.bind(_name, Native(_name, _native))
KNOWN: Final = frozenset(_NATIVES)
