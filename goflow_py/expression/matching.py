"""The functions of JSONata that search texts, by a text or by a regular expression.

The library's own are replaced because they take the square of a text's length, or do not ask
how long their result gets. Each match is a step of the evaluation.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from goflow_py.expression.engine import Functions, Jsonata, Utils, is_function, ours, theirs
from goflow_py.expression.errors import Fault
from goflow_py.expression.functions import FUNCTIONS
from goflow_py.expression.operators import kind
from goflow_py.expression.values import SIZE_MAX

_DIGITS = re.compile(r"[0-9]+")


def contains(value: Any = None, token: Any = None) -> Any:
    """Tell whether a text contains another, or a match."""
    if value is None or isinstance(token, str) or not is_function(token):
        return theirs(FUNCTIONS["contains"].apply(ours(value), ours(token)))
    return token.search(_text(value, "$contains")) is not None


def split(value: Any = None, separator: Any = None, limit: Any = None) -> Any:
    """Cut a text at another, at the matches, or between all characters."""
    if value is None:
        return None
    text, most = _text(value, "$split"), _limit(limit, "$split")
    if isinstance(separator, str):
        return (text.split(separator) if separator else list(text))[:most]
    parts, position = list[str](), 0
    for match in _matches(text, separator):
        parts.append(text[position : match.start()])
        position = match.end()
    parts.append(text[position:])
    return parts[:most]


def match(value: Any = None, pattern: Any = None, limit: Any = None) -> Any:
    """Return the matches, their places and their groups."""
    if value is None:
        return None
    text, most = _text(value, "$match"), _limit(limit, "$match")
    return Utils.create_sequence_from_iter(
        {"match": match.group(), "index": match.start(), "groups": list(match.groups())}
        for match in islice(_matches(text, pattern), most)
    )


def replace(value: Any = None, pattern: Any = None, by: Any = None, limit: Any = None) -> Any:
    """Put a text in the place of another, or of the matches; measured while it is built."""
    if value is None:
        return None
    text, most = _text(value, "$replace"), _limit(limit, "$replace")
    if isinstance(pattern, str):
        return _replace_text(text, pattern, by, most)
    pieces, position, size = list[str](), 0, len(text)
    for match in islice(_matches(text, pattern), most):
        piece = _replacement(by, match)
        size += len(piece)
        if size > SIZE_MAX + len(text):
            raise Fault("it builds a text of more than 1 MiB")
        pieces += [text[position : match.start()], piece]
        position = match.end()
    return "".join(pieces) + text[position:]


def _replace_text(text: str, part: str, by: Any, most: int | None) -> str:
    if not part:
        raise Fault("$replace cannot look for the empty text")
    if not isinstance(by, str):
        raise Fault("$replace takes a text to put in the place of a text")
    number_of = text.count(part)
    times = number_of if most is None else min(most, number_of)
    if len(text) + times * (len(by) - len(part)) > SIZE_MAX:
        raise Fault("it builds a text of more than 1 MiB")
    return text.replace(part, by, times)


def _matches(text: str, pattern: Any) -> Iterator[Any]:
    if not hasattr(pattern, "finditer"):
        raise Fault("a text or a regular expression is expected")
    spend = Jsonata.CURRENT.jsonata.spend
    for match in pattern.finditer(text):
        spend(1)
        if match.end() == match.start():
            raise Fault("a regular expression matches the empty text")
        yield match


def _replacement(by: Any, match: Any) -> str:
    if isinstance(by, str):
        return _filled(by, match) if "$" in by else by
    if not is_function(by):
        raise Fault("$replace puts a text, or what a function returns, in the place of a match")
    groups = [match.group(), *match.groups()]
    result = Functions.func_apply(by, [{"match": match.group(), "groups": groups}])
    return _text(result, "$replace")


def _filled(by: str, match: Any) -> str:
    groups = match.groups()
    most_digits = len(str(max(1, len(groups))))
    pieces, position = list[str](), 0
    while (found := by.find("$", position)) >= 0:
        pieces.append(by[position:found])
        position = found + 1
        if by.startswith("$", position):
            pieces.append("$")
            position += 1
            continue
        digits = _leading_digits(by[position : position + most_digits])
        if len(digits) > 1 and int(digits) > len(groups):
            digits = digits[:-1]
        if not digits:
            pieces.append("$")
        elif int(digits) == 0:
            pieces.append(match.group())
        elif int(digits) <= len(groups):
            pieces.append(groups[int(digits) - 1] or "")
        position += len(digits)
    return "".join(pieces) + by[position:]


def _leading_digits(text: str) -> str:
    found = _DIGITS.match(text)
    return found.group() if found else ""


def _limit(limit: Any, function: str) -> int | None:
    if limit is None:
        return None
    if limit < 0:
        raise Fault(f"the limit of {function} is negative")
    return int(limit)


def _text(value: Any, function: str) -> str:
    if not isinstance(value, str):
        raise Fault(f"{function} takes a text, not {kind(ours(value))}")
    return value
