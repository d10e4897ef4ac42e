"""The jsonschema library with RE2 in it. Imported when the first schema is met: it takes 8 MB."""

from collections.abc import Iterator
from typing import Any

import orjson
import re2
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator


def _pattern(_: Validator, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Match with RE2: the stock keyword hangs on ``(a+)+$``."""
    if isinstance(value, str) and not re2.search(pattern, value):
        yield ValidationError(f"{value[:100]!r} does not match {pattern!r}")


class TooManyReferences(Exception):
    """A value led through more references than a validation may take."""


class TooMuchWork(Exception):
    """A validation takes more checks than it may."""


REFERENCES_MAX = 10_000
"""Of one validation: references that fan out, or lead back to themselves, end here."""
CHECKS_MAX = 50_000
"""Of one validation: keywords held against values, about 7 us each; long lists count as several."""
LIST_PART, TEXT_PART = 8, 1_024
"""So many parts, or characters, of what a keyword looks at count as one check more."""


class _Spent:
    """Of the validation at work; they run one at a time, on the event loop."""

    references = 0
    checks = 0


def _reference(validator: Validator, target: str, value: Any, schema: Any) -> Iterator[Any]:
    """Follow a ``$ref``, counted."""
    _Spent.references += 1
    if _Spent.references > REFERENCES_MAX:
        raise TooManyReferences
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, target, value, schema)


def _unique(_: Validator, wanted: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    """Compare canonical texts: the stock keyword compares each with each."""
    if not wanted or not isinstance(value, list):
        return
    texts = {orjson.dumps(_canonical(item), option=orjson.OPT_SORT_KEYS) for item in value}
    if len(texts) < len(value):
        yield ValidationError("the list has the same item twice")


def _canonical(value: Any) -> Any:
    """Return a copy in which equal numbers are written alike: to JSON Schema, 1.0 is 1."""
    found: list[Any] = [value]
    waiting: list[tuple[Any, Any]] = [(found, 0)]
    while waiting:
        holder, place = waiting.pop()
        item = holder[place]
        if isinstance(item, float) and item.is_integer():
            holder[place] = int(item) if abs(item) < 2**63 else item
        elif isinstance(item, list):
            holder[place] = list(item)
            waiting += [(holder[place], number) for number in range(len(item))]
        elif isinstance(item, dict):
            holder[place] = dict(item)
            waiting += [(holder[place], name) for name in item]
    return found[0]


def _counted(keyword: Any) -> Any:
    """Return a keyword that counts what it looks at. Raises ``TooMuchWork``."""

    def check(validator: Validator, wanted: Any, value: Any, schema: Any) -> Any:
        _Spent.checks += 1 + _weight(wanted) + _weight(value)
        if _Spent.checks > CHECKS_MAX:
            raise TooMuchWork
        return keyword(validator, wanted, value, schema)

    return check


def _weight(value: Any) -> int:
    if isinstance(value, list | dict):
        return len(value) // LIST_PART
    return len(value) // TEXT_PART if isinstance(value, str) else 0


def errors(validator: Validator, value: Any) -> Iterator[ValidationError]:
    """Yield the errors of *value*.

    Raises ``TooManyReferences``, ``TooMuchWork``, ``RecursionError``.
    """
    _Spent.references = _Spent.checks = 0
    yield from validator.iter_errors(value)


_KEYWORDS = {
    **Draft202012Validator.VALIDATORS,
    "pattern": _pattern,
    "$ref": _reference,
    "uniqueItems": _unique,
}
_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    Draft202012Validator, {name: _counted(keyword) for name, keyword in _KEYWORDS.items()}
)


def validator(schema: Any) -> Validator:
    """Return what finds the errors of values against *schema*."""
    found: Validator = _Validator(schema)
    return found


def problem(schema: Any) -> str | None:
    """Return what keeps *schema* from being a JSON Schema (2020-12), or None."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return str(error.message)
    return None
