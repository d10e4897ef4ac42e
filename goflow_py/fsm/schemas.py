"""JSON Schemas that blueprints declare: for the execution's input, and for events."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
import re2
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator

from goflow_py.errors import Invalid

ERRORS_SHOWN_MAX = 20


def _pattern(_: Validator, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Match with RE2: the stock keyword hangs on ``(a+)+$``."""
    if isinstance(value, str) and not re2.search(pattern, value):
        yield ValidationError(f"{value[:100]!r} does not match {pattern!r}")


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    Draft202012Validator, {"pattern": _pattern}
)


def schema_problem(schema: Any) -> str | None:
    """Return what is wrong with a schema itself, or None."""
    problem = _unsafe(schema)
    if problem is not None:
        return problem
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return str(error.message)
    return None


def check_schema(schema: Any, value: Any, what: str) -> None:
    """Raise ``Invalid`` with JSON pointers when *value* does not fit *schema*."""
    found = []
    for error in _validator(orjson.dumps(schema)).iter_errors(value):
        pointer = "".join(f"/{part}" for part in error.absolute_path)
        found.append({"pointer": pointer, "message": error.message[:500]})
        if len(found) == ERRORS_SHOWN_MAX:
            break
    if found:
        first = found[0]
        where = f" at {first['pointer']}" if first["pointer"] else ""
        raise Invalid(
            f"{what} does not fit its schema{where}: {first['message']}",
            code="schema",
            errors=found,
        )


@lru_cache(maxsize=1_000)
def _validator(schema: bytes) -> Validator:
    validator: Validator = _Validator(orjson.loads(schema))
    return validator


def _unsafe(schema: Any) -> str | None:
    """Return what a schema must not do: fetch something, or match in more than linear time."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        if not isinstance(value, dict):
            continue
        target, pattern = value.get("$ref"), value.get("pattern")
        if isinstance(target, str) and not target.startswith("#"):
            return "a $ref must point inside the schema ('#...'): nothing is fetched"
        if isinstance(value.get("patternProperties"), dict):
            return "'patternProperties' is not supported"
        if isinstance(pattern, str) and not _is_linear(pattern):
            return f"the pattern {pattern!r} is not one that RE2 can run in linear time"
        waiting.extend(value.values())
    return None


def _is_linear(pattern: str) -> bool:
    try:
        re2.compile(pattern)
    except re2.error:
        return False
    return True
