"""JSON values as JSONata sees them: what is true, what is equal, how they are written.

``None`` is JSON's null; ``MISSING`` is JSONata's nothing. Both the compiled closures and the full
engine use these functions, so that one expression means one thing whichever of them runs it.
"""

import json
from enum import Enum
from math import isfinite, isinf
from typing import Any, Final, Literal

from goflow_py.domain import documents
from goflow_py.expression.errors import Fault

SIZE_MAX: Final = 1024 * 1024
"""The longest text, and the largest value, that an expression may build."""

VALUE_DEPTH_MAX: Final = 128
"""Twice a document's depth: values are built around parts of documents."""

_EXACT_MAX = 2**53
_INT64 = 2**63
_TOO_LARGE = "it builds a value of more than 1 MiB"
_TOO_DEEP = f"it builds a value of more than {VALUE_DEPTH_MAX} levels"


class Missing(Enum):
    """Hold the one value that means that there is none."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final[Literal[Missing.MISSING]] = Missing.MISSING


def is_number(value: Any) -> bool:
    """Tell a number from a boolean, which Python takes for one."""
    kind = type(value)
    return kind is int or kind is float


def number(value: int | float) -> int | float:
    """Return a result as JSON prints it: whole numbers without a point, nothing infinite.

    JSONata counts in doubles: a sum of integers is exact up to 2**53 and rounded beyond.
    """
    if type(value) is int:
        if -_EXACT_MAX <= value <= _EXACT_MAX:
            return value
        try:
            value = float(value)
        except OverflowError:
            raise Fault("a number is out of range") from None
    if not isfinite(value):
        raise Fault("a number is out of range" if isinf(value) else "a result is not a number")
    whole = int(value) if -_INT64 <= value < _INT64 else None
    return whole if whole == value else value


def truthy(value: Any) -> bool:
    """Cast as JSONata's ``$boolean`` does; nothing is false, a list is true if one item is."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if isinstance(value, list):
        return any(truthy(item) for item in value)
    if value is None or value is MISSING:
        return False
    return bool(value)


def equal(left: Any, right: Any) -> bool:
    """Compare in depth; 1 equals 1.0 and never true."""
    todo = [(left, right)]
    while todo:
        one, other = todo.pop()
        if one is other:
            continue
        if isinstance(one, dict):
            if not isinstance(other, dict) or one.keys() != other.keys():
                return False
            todo.extend((item, other[key]) for key, item in one.items())
        elif isinstance(one, list):
            if not isinstance(other, list) or len(one) != len(other):
                return False
            todo.extend(zip(one, other, strict=True))
        elif isinstance(one, bool) or isinstance(other, bool) or one != other:
            return False
    return True


def to_string(value: Any, *, pretty: bool = False) -> str:
    """Cast as JSONata's ``$string`` does: numbers to 15 digits, lists and maps as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if is_number(value):
        return _number_text(value)
    ensure_small(value)
    rounded = _rounded(value)
    if not pretty:
        return checked(documents.dumps(rounded).decode())
    # Bounded too: what is small when compact gains at most two spaces for each of its levels.
    return checked(json.dumps(rounded, indent=2, ensure_ascii=False))


def to_text(value: Any) -> str:
    """Write a value into a template's text: null is nothing, lists and maps are compact JSON."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    ensure_small(value)
    return documents.dumps(value).decode()


def checked(text: str) -> str:
    """Refuse a text that is over the limit."""
    if len(text) > SIZE_MAX:
        raise Fault("it builds a text of more than 1 MiB")
    return text


def ensure_small(value: Any) -> None:
    """Refuse a value that would be written as more than about 1 MiB, or is nested too deep."""
    if isinstance(value, str):
        checked(value)
    elif isinstance(value, dict | list):
        Scales().weigh(value)


class Scales:
    """Weigh values in characters without walking one part twice.

    A few nested lists that hold each other twice are small in memory and endless when written.
    So what an expression builds is weighed where it is built, each distinct part once.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # The parts are kept with their weights: an id is only an id while its object lives.
        self._known: dict[int, tuple[Any, int, int]] = {}

    def weigh(self, value: dict[str, Any] | list[Any]) -> int:
        """Return the weight; raise ``Fault`` when it or the depth is over the limit."""
        weight, depth = self._measure(value, 0)
        if weight > SIZE_MAX:
            raise Fault(_TOO_LARGE)
        if depth > VALUE_DEPTH_MAX:
            raise Fault(_TOO_DEEP)
        return weight

    def _measure(self, value: dict[str, Any] | list[Any], above: int) -> tuple[int, int]:
        known = self._known.get(id(value))
        if known is not None:
            return known[1], known[2]
        if above > VALUE_DEPTH_MAX:
            raise Fault(_TOO_DEEP)
        weight, depth = 2, 0
        if isinstance(value, dict):
            weight += sum(map(len, value)) + 4 * len(value)
            parts: Any = value.values()
        else:
            weight += len(value)
            parts = value
        if weight > SIZE_MAX:
            raise Fault(_TOO_LARGE)
        for part in parts:
            if isinstance(part, str):
                weight += len(part)
            elif isinstance(part, dict | list):
                inner = self._measure(part, above + 1)
                weight += inner[0]
                depth = max(depth, inner[1])
        if weight > SIZE_MAX:
            raise Fault(_TOO_LARGE)
        self._known[id(value)] = (value, weight, depth + 1)
        return weight, depth + 1


def _number_text(value: int | float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) <= _INT64 else _number_text(float(value))
    if not isfinite(value):
        raise Fault("a number is out of range")
    rounded = float(f"{value:.15g}")
    if rounded.is_integer() and abs(rounded) < 1e21:
        return str(int(rounded))
    return _scientific(repr(rounded))


def _scientific(text: str) -> str:
    """Write exponents as JavaScript does: from 1e21 upwards and below 1e-6, ``1e-7``."""
    digits, found, exponent = text.partition("e")
    if not found:
        return text
    power = int(exponent)
    if power < -6 or power >= 21:
        return f"{digits.removesuffix('.0')}e{power:+d}"
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = digits.partition(".")
    return f"{sign}0.{'0' * (-power - 1)}{whole}{fraction if fraction != '0' else ''}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        if not isfinite(value):
            raise Fault("a number is out of range")
        return number(float(f"{value:.15g}"))
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
