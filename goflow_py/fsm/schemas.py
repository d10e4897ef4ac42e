"""JSON Schemas that blueprints declare: for the execution's input, and for events."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from goflow_py.errors import Invalid
from goflow_py.expression import budget

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ERRORS_SHOWN_MAX = 20


def schema_problem(schema: Any) -> str | None:
    """Return what is wrong with a schema itself, or None."""
    from goflow_py.fsm import validation

    return _unsafe(schema) or validation.problem(schema)


def check_schema(schema: Any, value: Any, what: str, *, payer: str) -> None:
    """Raise ``Invalid`` with JSON pointers when *value* does not fit *schema*.

    *payer*, a project, is charged for the time.
    """
    with budget.charged(payer):
        found = _errors(schema, value, what)
    if found:
        first = found[0]
        where = f" at {first['pointer']}" if first["pointer"] else ""
        raise Invalid(
            f"{what} does not fit its schema{where}: {first['message']}",
            code="schema",
            errors=found,
        )


def _errors(schema: Any, value: Any, what: str) -> list[dict[str, str]]:
    from goflow_py.fsm import validation

    found = []
    try:
        for error in validation.errors(_validator(orjson.dumps(schema)), value):
            pointer = "".join(f"/{part}" for part in error.absolute_path)
            found.append({"pointer": pointer, "message": error.message[:500]})
            if len(found) == ERRORS_SHOWN_MAX:
                break
    except (validation.TooManyReferences, RecursionError):
        raise Invalid(
            f"{what} cannot be held to its schema: the schema's references lead on without end",
            code="schema",
        ) from None
    except validation.TooMuchWork:
        raise Invalid(
            f"{what} cannot be held to its schema: that takes more than "
            f"{validation.CHECKS_MAX} checks; send less, or make the schema simpler",
            code="schema",
        ) from None
    return found


@lru_cache(maxsize=1_000)
def _validator(schema: bytes) -> "Validator":
    from goflow_py.fsm import validation

    return validation.validator(orjson.loads(schema))


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
        if isinstance(target, str) and not _leads_somewhere(schema, target):
            return f"the $ref {target[:80]!r} must be a JSON pointer into the schema ('#/$defs/x')"
        if "$dynamicRef" in value or "$id" in value:
            return "'$dynamicRef' and '$id' are not supported; use $ref with a JSON pointer"
        if isinstance(value.get("patternProperties"), dict):
            return "'patternProperties' is not supported"
        if isinstance(pattern, str) and not _is_linear(pattern):
            return f"the pattern {pattern!r} is not one that RE2 can run in linear time"
        waiting.extend(value.values())
    return None


def _is_linear(pattern: str) -> bool:
    import re2  # few blueprints have a pattern: 2 MB

    try:
        re2.compile(pattern)
    except re2.error:
        return False
    return True


def _leads_somewhere(schema: Any, target: str) -> bool:
    """Tell whether *target* is a JSON pointer to a part of *schema*; nothing is fetched."""
    if target == "#":
        return True
    if not target.startswith("#/"):
        return False
    found = schema
    for step in target[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return False
    return True
