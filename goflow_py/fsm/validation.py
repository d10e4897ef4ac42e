"""The jsonschema library with RE2 in it. Imported when the first schema is met: it takes 8 MB."""

from collections.abc import Iterator
from typing import Any

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


REFERENCES_MAX = 10_000
"""Of one validation: references that fan out, or lead back to themselves, end here."""
_references = 0


def _reference(validator: Validator, target: str, value: Any, schema: Any) -> Iterator[Any]:
    """Follow a ``$ref``, counted; validations run one at a time, on the event loop."""
    global _references
    _references += 1
    if _references > REFERENCES_MAX:
        raise TooManyReferences
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, target, value, schema)


def errors(validator: Validator, value: Any) -> Iterator[ValidationError]:
    """Yield the errors of *value*. Raises ``TooManyReferences``, ``RecursionError``."""
    global _references
    _references = 0
    yield from validator.iter_errors(value)


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    Draft202012Validator, {"pattern": _pattern, "$ref": _reference}
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
