"""The functions of JSONata that both engines share, on plain values.

Nothing in, nothing out, unless a function says otherwise; but an argument of the wrong type is an
error even then. The full engine gets these in place of
its own where its own differ from the language, or can be made to run or to grow without bound.
"""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from math import ceil, floor
from typing import Any, Final, NamedTuple

from goflow_py.expression.errors import Fault
from goflow_py.expression.operators import kind
from goflow_py.expression.values import (
    MISSING,
    SIZE_MAX,
    checked,
    is_number,
    number,
    to_string,
    truthy,
)

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PREFIXES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}
_SPACES = re.compile(r"[ \t\n\r]+")
_DIGITS_MAX = 400


class Function(NamedTuple):
    """A function: what it does, how many arguments it takes, its signature in JSONata's terms."""

    apply: Callable[..., Any]
    least: int
    most: int
    signature: str


def exists(value: Any) -> bool:
    """Tell whether there is a value; null is one."""
    return value is not MISSING


def boolean(value: Any) -> Any:
    """Cast to a boolean."""
    return MISSING if value is MISSING else truthy(value)


def not_(value: Any) -> Any:
    """Cast to a boolean and turn it round."""
    return MISSING if value is MISSING else not truthy(value)


def count(value: Any) -> int:
    """Count the items; nothing has none, one value has one."""
    if value is MISSING:
        return 0
    return len(value) if isinstance(value, list) else 1


def sum_(value: Any) -> Any:
    """Add the items of a list of numbers."""
    items = _numbers(value, "$sum")
    if items is None:
        return MISSING
    total: int | float = 0
    for item in items:
        total += item
    return number(total)


def average(value: Any) -> Any:
    """Return the mean of a list of numbers; of none it is nothing."""
    items = _numbers(value, "$average")
    return number(number(sum_(items)) / len(items)) if items else MISSING


def largest(value: Any) -> Any:
    """Return the largest of a list of numbers; of none it is nothing."""
    items = _numbers(value, "$max")
    return max(items) if items else MISSING


def smallest(value: Any) -> Any:
    """Return the smallest of a list of numbers; of none it is nothing."""
    items = _numbers(value, "$min")
    return min(items) if items else MISSING


def length(value: Any) -> Any:
    """Count the characters of a text."""
    return MISSING if value is MISSING else len(_text(value, "$length"))


def uppercase(value: Any) -> Any:
    """Write a text in capitals."""
    return MISSING if value is MISSING else checked(_text(value, "$uppercase").upper())


def lowercase(value: Any) -> Any:
    """Write a text in small letters."""
    return MISSING if value is MISSING else checked(_text(value, "$lowercase").lower())


def trim(value: Any) -> Any:
    """Make each run of white space one space, and none at the ends."""
    return MISSING if value is MISSING else _SPACES.sub(" ", _text(value, "$trim")).strip(" ")


def contains(value: Any, part: Any) -> Any:
    """Tell whether a text contains another."""
    wanted = MISSING if part is MISSING else _text(part, "$contains")
    if value is MISSING:
        return MISSING
    return _text(wanted, "$contains") in _text(value, "$contains")


def substring_before(value: Any, part: Any) -> Any:
    """Return what comes before the first occurrence of a text, or all of it."""
    wanted = MISSING if part is MISSING else _text(part, "$substringBefore")
    if value is MISSING:
        return MISSING
    text = _text(value, "$substringBefore")
    return text if wanted is MISSING else text[: text.find(wanted)] if wanted in text else text


def string(value: Any, pretty: Any = MISSING) -> Any:
    """Cast to a text."""
    return MISSING if value is MISSING else to_string(value, pretty=pretty is True)


def to_number(value: Any) -> Any:
    """Cast to a number, from a text that is one in JSON, or begins with 0x, 0o or 0b."""
    if value is MISSING or is_number(value):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and len(value) <= _DIGITS_MAX:
        if _NUMBER.fullmatch(value):
            return number(float(value)) if not value.lstrip("-").isdigit() else number(int(value))
        base = _PREFIXES.get(value[:2])
        digits = value[2:]
        if base and digits.isalnum() and digits.isascii():
            try:
                return number(int(digits, base))
            except ValueError:
                pass
    raise Fault(f"$number cannot read {kind(value)} as a number")


def keys(value: Any) -> Any:
    """Return the keys of a map, or of all maps of a list; one key is returned alone."""
    found: dict[str, None] = {}
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            found.update(dict.fromkeys(item))
        elif isinstance(item, list):
            todo.extend(reversed(item))
    names = list(found)
    return names if len(names) > 1 else names[0] if names else MISSING


def type_of(value: Any) -> Any:
    """Name the type in JSON's words."""
    if value is MISSING:
        return MISSING
    words = {
        "null": "null",
        "a boolean": "boolean",
        "a text": "string",
        "a number": "number",
        "a list": "array",
        "a map": "object",
    }
    return words[kind(value)]


def round_(value: Any, digits: Any = MISSING) -> Any:
    """Round to a number of digits, halves to the even one."""
    places = 0 if digits is MISSING else int(_number(digits, "$round"))
    if value is MISSING:
        return MISSING
    if abs(places) > _DIGITS_MAX:
        raise Fault("$round takes at most 400 digits")
    exact = Decimal(str(_number(value, "$round")))
    exponent: Any = exact.as_tuple().exponent
    if exponent >= -places:
        return number(value)
    return number(float(exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)))


def floor_(value: Any) -> Any:
    """Round down."""
    return MISSING if value is MISSING else number(floor(_number(value, "$floor")))


def ceil_(value: Any) -> Any:
    """Round up."""
    return MISSING if value is MISSING else number(ceil(_number(value, "$ceil")))


def absolute(value: Any) -> Any:
    """Drop the sign."""
    return MISSING if value is MISSING else number(abs(_number(value, "$abs")))


def join(value: Any, separator: Any = MISSING) -> Any:
    """Join a list of texts; measured before it is built."""
    between = "" if separator is MISSING else _text(separator, "$join")
    if value is MISSING:
        return MISSING
    items = value if isinstance(value, list) else [value]
    size = len(between) * max(0, len(items) - 1)
    size += sum(len(_text(item, "$join")) for item in items)
    if size > SIZE_MAX:
        raise Fault("it builds a text of more than 1 MiB")
    return between.join(items)


def pad(value: Any, width: Any, char: Any = MISSING) -> Any:
    """Fill a text up to a width, on the left when it is negative; measured before it is built."""
    if value is MISSING or width is MISSING:
        return value
    text = _text(value, "$pad")
    filler = " " if char is MISSING else _text(char, "$pad") or " "
    size = int(_number(width, "$pad"))
    if abs(size) > SIZE_MAX:
        raise Fault("it builds a text of more than 1 MiB")
    wanted = abs(size) - len(text)
    if wanted <= 0:
        return text
    padding = (filler * (wanted // len(filler) + 1))[:wanted]
    return padding + text if size < 0 else text + padding


def _text(value: Any, function: str) -> str:
    if not isinstance(value, str):
        raise Fault(f"{function} takes a text, not {kind(value)}")
    return value


def _number(value: Any, function: str) -> int | float:
    if not is_number(value):
        raise Fault(f"{function} takes a number, not {kind(value)}")
    result: int | float = value
    return result


def _numbers(value: Any, function: str) -> list[Any] | None:
    if value is MISSING:
        return None
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not is_number(item):
            raise Fault(f"{function} takes a list of numbers, not one that holds {kind(item)}")
    return items


FUNCTIONS: Final[dict[str, Function]] = {
    "exists": Function(exists, 1, 1, "<x:b>"),
    "boolean": Function(boolean, 1, 1, "<x-:b>"),
    "not": Function(not_, 1, 1, "<x-:b>"),
    "count": Function(count, 1, 1, "<x:n>"),
    "sum": Function(sum_, 1, 1, "<x:n>"),
    "average": Function(average, 1, 1, "<x:n>"),
    "max": Function(largest, 1, 1, "<x:n>"),
    "min": Function(smallest, 1, 1, "<x:n>"),
    "length": Function(length, 1, 1, "<s-:n>"),
    "uppercase": Function(uppercase, 1, 1, "<s-:s>"),
    "lowercase": Function(lowercase, 1, 1, "<s-:s>"),
    "trim": Function(trim, 1, 1, "<s-:s>"),
    "contains": Function(contains, 2, 2, "<s-(sf):b>"),
    "substringBefore": Function(substring_before, 2, 2, "<s-s:s>"),
    "string": Function(string, 1, 2, "<x-b?:s>"),
    "number": Function(to_number, 1, 1, "<(nsb)-:n>"),
    "keys": Function(keys, 1, 1, "<x-:a<s>>"),
    "type": Function(type_of, 1, 1, "<x:s>"),
    "round": Function(round_, 1, 2, "<n-n?:n>"),
    "floor": Function(floor_, 1, 1, "<n-:n>"),
    "ceil": Function(ceil_, 1, 1, "<n-:n>"),
    "abs": Function(absolute, 1, 1, "<n-:n>"),
    "join": Function(join, 1, 2, "<xs?:s>"),
    "pad": Function(pad, 2, 3, "<s-ns?:s>"),
}
