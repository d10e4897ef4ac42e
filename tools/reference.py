"""Writes the reference of the language, docs/reference.md, of the models and their docstrings.

`python tools/reference.py` writes it; a test says when that is due.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from goflow_py.domain import actions, blueprint, states, workers
from goflow_py.domain.json_schema import descriptions, schema_of, summary
from goflow_py.domain.names import NAME_PATTERN

TARGET = Path(__file__).parents[1] / "docs/reference.md"
DOCUMENTS: tuple[type[BaseModel], ...] = (
    blueprint.Blueprint,
    blueprint.EventDeclaration,
    blueprint.Machine,
    states.State,
    states.GraphTask,
    states.Subscribe,
    states.Notify,
    states.Row,
    states.OnRow,
    states.After,
)
ACTIONS: tuple[type[BaseModel], ...] = (
    actions.CallAction,
    actions.PullAction,
    actions.HumanAction,
    actions.DelayAction,
    actions.WaitAction,
    actions.SwitchAction,
    actions.MapAction,
    actions.ScriptAction,
    actions.ActivityAction,
    actions.EmitAction,
    actions.UndoAction,
)
WORKERS: tuple[type[BaseModel], ...] = (workers.Worker, workers.Retry, workers.WorkersDocument)
MODELS = (*DOCUMENTS, actions.AnyAction, *ACTIONS, *WORKERS)
INTRODUCTION = """\
# Reference of the language

Every document and every field, made of the models themselves (`python tools/reference.py`).
What it all means stands in [the language](language.md).

- A **name** is `[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}`.
- A **duration** is a number of seconds, `"500ms"`, `"5s"`, `"1m30s"`, `"2h"`, `"1d"` or ISO 8601;
  at most ten years.
- **Anything** is any JSON value. Where a field is called a template, its texts may hold paths and
  expressions.
- A field without a default that is not required is absent, or null.
"""


def document() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION]
    for model in DOCUMENTS:
        lines += _section(model, 2, _fields(model))
    common = _fields(actions.AnyAction)
    lines += _section(actions.AnyAction, 2, common, title="Action")
    for model in ACTIONS:
        own = {name: row for name, row in _fields(model).items() if row != common.get(name)}
        lines += _section(model, 3, own, title=_types(model))
    for model in WORKERS:
        lines += _section(model, 2, _fields(model))
    return "\n".join(lines)


def _section(
    model: type[BaseModel], level: int, rows: dict[str, str], *, title: str | None = None
) -> Iterator[str]:
    yield f"{'#' * level} {title or model.__name__}\n"
    yield f"{summary(model).replace('``', '`')}\n"
    yield "| field | type | default | what it is |\n|---|---|---|---|"
    yield from rows.values()
    yield ""


def _types(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields["type"].annotation.__args__)  # type: ignore[union-attr]


def _fields(model: type[BaseModel]) -> dict[str, str]:
    """Return the rows of a table, by the names of the fields in JSON; its own fields first."""
    own = model.__annotations__
    properties = _SCHEMAS[model.__name__]["properties"]
    said = descriptions(model)
    rows: dict[str, str] = {}
    for python, field in sorted(model.model_fields.items(), key=lambda item: item[0] not in own):
        name = field.serialization_alias or field.alias or python
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else _default(default)
        text = said[python].replace("``", "`").replace("|", "\\|")
        rows[name] = f"| `{name}` | {_words(properties[name])} | {shown} | {text} |"
    return rows


def _default(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "`true`" if value else "`false`"
        case float():
            return f"{value:g}"
        case BaseModel():
            return ""
        case _:
            return f"`{value}`"


# ---------------------------------------------------------------- types in words


def _words(schema: dict[str, Any]) -> str:
    """Return a type and its bounds as people say them."""
    if "$ref" in schema:
        return _reference(schema)
    if "enum" in schema:
        return _or(f"`{word}`" for word in schema["enum"] if word is not None)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return _or(_words(kind) for kind in schema["anyOf"] if kind != {"type": "null"})
    types = schema.get("type", [])
    named = [types] if isinstance(types, str) else list(types)
    conditions = [rule["then"] for rule in schema.get("allOf", ())]
    covered = {name for rule in schema.get("allOf", ()) for name in rule["if"]["type"]}
    plain = [_type(name, schema) for name in named if name not in {*covered, "null"}]
    return _or([*plain, *map(_words, conditions)]) or "anything"


def _reference(schema: dict[str, Any]) -> str:
    target = schema["$ref"].rpartition("/")[2]
    if target != "Duration":
        return f"[{target}](#{target.lower()})"
    above = ", more than 0" if "exclusiveMinimum" in schema else ""
    return "duration" + above + (", at most 10 s" if schema["maximum"] == 10 else "")


def _type(name: str, schema: dict[str, Any]) -> str:
    match name:
        case "string" if schema.get("pattern") == NAME_PATTERN:
            return "name"
        case "string":
            return "text" + _bounds(schema.get("minLength"), schema.get("maxLength"), "characters")
        case "array":
            return f"list of {_words(schema['items'])}" + _bounds(None, schema.get("maxItems"), "")
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            keys = "names" if "propertyNames" in schema else "texts"
            return f"map of {keys} to {_words(schema['additionalProperties'])}"
        case "integer":
            return "integer" + _bounds(schema.get("minimum"), schema.get("maximum"), "")
        case "number":
            low = ", more than 0" if "exclusiveMinimum" in schema else ""
            return "number" + low + _bounds(schema.get("minimum"), schema.get("maximum"), "")
        case _:
            return name


def _bounds(least: float | None, most: float | None, unit: str) -> str:
    match least, most:
        case None, None:
            return ""
        case _, None:
            return f", at least {least:,} {unit}".rstrip()
        case None, _:
            return f", at most {most:,} {unit}".rstrip()
        case _:
            return f", {least:,} to {most:,} {unit}".rstrip()


def _or(words: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def _schemas() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for model in (blueprint.Blueprint, workers.WorkersDocument):
        schema = schema_of(model, title=model.__name__)
        found |= {**schema["$defs"], model.__name__: schema}
    return {**found, "AnyAction": found["UndoAction"]}


_SCHEMAS = _schemas()

if __name__ == "__main__":
    TARGET.write_text(document(), "utf-8")
