"""The operators of JSONata on plain values.

A left side and a right side that are nothing give nothing, but a side of the wrong type is an
error even then: ``"a" + missing`` is a mistake, not an absence.
"""

import operator
from collections.abc import Callable
from math import fmod
from typing import Any

from goflow_py.expression.errors import Fault
from goflow_py.expression.values import (
    MISSING,
    SIZE_MAX,
    equal,
    is_number,
    number,
    to_string,
)

Operator = Callable[[Any, Any], Any]

_EXACT_MAX = 2**53


def kind(value: Any) -> str:
    """Name the type of a value for a message."""
    if value is MISSING:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "a number" if is_number(value) else "a map"


def negative(value: Any) -> Any:
    """Negate a number; nothing stays nothing."""
    if value is MISSING:
        return MISSING
    if not is_number(value):
        raise Fault(f"{kind(value)} cannot be negated, only a number")
    return number(-value)


def joined(left: Any, right: Any) -> str:
    """Join two values as text; nothing is the empty text."""
    one = "" if left is MISSING else to_string(left)
    other = "" if right is MISSING else to_string(right)
    if len(one) + len(other) > SIZE_MAX:
        raise Fault("it builds a text of more than 1 MiB")
    return one + other


def contained(left: Any, right: Any) -> bool:
    """Tell whether a value is among the items of a list; one value is a list of one."""
    if left is MISSING or right is MISSING:
        return False
    if not isinstance(right, list):
        return equal(left, right)
    return any(equal(left, item) for item in right)


def _arithmetic(symbol: str, apply: Callable[[Any, Any], Any]) -> Operator:
    def run(left: Any, right: Any) -> Any:
        one, other = type(left), type(right)
        if (one is int or one is float) and (other is int or other is float):
            try:
                if one is int and other is int and not -_EXACT_MAX < left < _EXACT_MAX:
                    left = float(left)
                return number(apply(left, right))
            except (OverflowError, ZeroDivisionError, ValueError):
                raise Fault(f"{left} {symbol} {right} is out of range") from None
        for side, value in (("left", left), ("right", right)):
            if value is not MISSING and not is_number(value):
                raise Fault(f"the {side} side of '{symbol}' is {kind(value)}, not a number")
        return MISSING

    return run


def _comparison(symbol: str, apply: Callable[[Any, Any], bool]) -> Operator:
    def run(left: Any, right: Any) -> Any:
        one, other = type(left), type(right)
        numbers = (one is int or one is float) and (other is int or other is float)
        if numbers or (one is str and other is str):
            return apply(left, right)
        for side, value in (("left", left), ("right", right)):
            if value is not MISSING and not is_number(value) and not isinstance(value, str):
                raise Fault(
                    f"the {side} side of '{symbol}' is {kind(value)}, not a number or a text"
                )
        if left is MISSING or right is MISSING:
            return MISSING
        raise Fault(f"'{symbol}' compares {kind(left)} with {kind(right)}")

    return run


def _remainder(left: int | float, right: int | float) -> int | float:
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return fmod(left, right)


ARITHMETIC: dict[str, Operator] = {
    "+": _arithmetic("+", operator.add),
    "-": _arithmetic("-", operator.sub),
    "*": _arithmetic("*", operator.mul),
    "/": _arithmetic("/", operator.truediv),
    "%": _arithmetic("%", _remainder),
}
COMPARISONS: dict[str, Operator] = {
    "<": _comparison("<", operator.lt),
    "<=": _comparison("<=", operator.le),
    ">": _comparison(">", operator.gt),
    ">=": _comparison(">=", operator.ge),
}
