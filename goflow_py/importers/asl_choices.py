"""The rules of a Choice state as guards.

A comparison is true only between values of its type: the text ``"5"`` is neither equal to the
number nor less than it, and no guard fails on data of another type.
"""

import re
from typing import Any, Final

from goflow_py.domain import durations
from goflow_py.importers.asl_paths import Untranslatable, quoted
from goflow_py.importers.asl_scope import Sight, Steps
from goflow_py.importers.result import pointer

NESTING_MAX: Final = 32

_COMPARISONS: Final = {
    "Equals": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "<=",
    "GreaterThanEquals": ">=",
}
_OPERATOR = re.compile(
    r"(String|Numeric|Boolean|Timestamp)"
    r"(Equals|LessThanEquals|GreaterThanEquals|LessThan|GreaterThan)(Path)?\Z"
)
_TYPES: Final = {"String": "string", "Numeric": "number", "Boolean": "boolean"}
_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "String": (str,),
    "Numeric": (int, float),
    "Boolean": (bool,),
    "Timestamp": (str,),
}
_TIME: Final = r"/^\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/"
_CHECKS: Final = {
    "IsNull": "{0} = null",
    "IsPresent": "$exists({0})",
    "IsNumeric": '$type({0}) = "number"',
    "IsString": '$type({0}) = "string"',
    "IsBoolean": '$type({0}) = "boolean"',
    "IsTimestamp": '($type({0}) = "string" and $contains({0}, ' + _TIME + "))",
}
_MEANTIME: Final = frozenset({"Next", "Comment", "Assign", "Output"})


def guard(rule: dict[str, Any], sight: Sight, at: Steps) -> str:
    """Return a rule as an expression; what it cannot be is reported, and is false."""
    try:
        return _guard(rule, sight, at, 0)
    except Untranslatable as reason:
        sight.losses.changes(pointer(*at), f"the rule is not supported: {reason}")
        return "false"


def _guard(rule: Any, sight: Sight, at: Steps, depth: int) -> str:
    if not isinstance(rule, dict) or depth > NESTING_MAX:
        raise Untranslatable("a rule is an object, and not nested too deep")
    for word, joint in (("And", " and "), ("Or", " or ")):
        parts = rule.get(word)
        if isinstance(parts, list) and parts:
            texts = [_guard(p, sight, (*at, word, i), depth + 1) for i, p in enumerate(parts)]
            return texts[0] if len(texts) == 1 else joint.join(f"({text})" for text in texts)
    if "Not" in rule:
        return f"$not({_guard(rule['Not'], sight, (*at, 'Not'), depth + 1)})"
    operators = [key for key in rule if key != "Variable" and key not in _MEANTIME]
    if len(operators) != 1 or not isinstance(rule.get("Variable"), str):
        raise Untranslatable("it needs a 'Variable' and one comparison")
    return _test(rule["Variable"], operators[0], rule[operators[0]], sight, at)


def _test(variable: str, operator: str, wanted: Any, sight: Sight, at: Steps) -> str:
    left = _place(variable, sight, (*at, "Variable"))
    if operator in _CHECKS:
        if not isinstance(wanted, bool):
            raise Untranslatable(f"{operator} is true or false")
        text = _CHECKS[operator].format(left)
        return text if wanted else f"$not({text})"
    if operator == "StringMatches":
        if not isinstance(wanted, str):
            raise Untranslatable("StringMatches takes a text")
        return f'$type({left}) = "string" and $contains({left}, {_pattern(wanted)})'
    found = _OPERATOR.match(operator)
    if found is None or (found.group(1) == "Boolean" and found.group(2) != "Equals"):
        raise Untranslatable(f"there is no comparison '{operator[:80]}'")
    kind, symbol = found.group(1), _COMPARISONS[found.group(2)]
    if found.group(3):
        if not isinstance(wanted, str):
            raise Untranslatable(f"{operator} takes a path")
        return _compared(kind, left, symbol, _place(wanted, sight, (*at, operator)), is_path=True)
    if not isinstance(wanted, _PYTHON[kind]) or (kind == "Numeric" and isinstance(wanted, bool)):
        raise Untranslatable(f"{operator} takes another type")
    return _compared(kind, left, symbol, _constant(kind, wanted), is_path=False)


def _place(path: str, sight: Sight, at: Steps) -> str:
    # A guard has no context but the document: the short form means the same and reads better.
    return sight.value(path, at).text.replace("$$.", "")


def _constant(kind: str, wanted: Any) -> str:
    if kind != "Timestamp":
        return quoted(wanted)
    try:
        return str(durations.timestamp_ms(wanted))
    except ValueError as problem:
        raise Untranslatable(str(problem)) from None


def _compared(kind: str, left: str, symbol: str, right: str, *, is_path: bool) -> str:
    if kind == "Timestamp":
        tests = [
            _CHECKS["IsTimestamp"].format(side) for side in ([left, right] if is_path else [left])
        ]
        right = f"$toMillis({right})" if is_path else right
        return " and ".join([*tests, f"$toMillis({left}) {symbol} {right}"])
    comparison = f"{left} {symbol} {right}"
    if not is_path and symbol == "=":
        return comparison
    tests = [f'$type({left}) = "{_TYPES[kind]}"']
    if is_path:
        tests.append(f'$type({right}) = "{_TYPES[kind]}"')
    return " and ".join([*tests, comparison])


def _pattern(text: str) -> str:
    r"""Return a text in which ``*`` stands for anything, and ``\*`` for itself, as a pattern."""
    pieces = list[str]()
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            position += 1
            pieces.append(_escaped(text[position]))
        else:
            pieces.append(r"[\s\S]*" if char == "*" else _escaped(char))
        position += 1
    return f"/^{''.join(pieces)}$/"


def _escaped(char: str) -> str:
    if ord(char) < 32:
        return f"\\x{ord(char):02x}"
    return (
        char if char.isalnum() or char in " _-:@,;#%&=<>\"'~`!" or ord(char) > 127 else f"\\{char}"
    )
