"""The JSON Schema of the language, for editors: what pydantic gives, made to be read by people.

The docstring under a field is its description. They are read when somebody asks for them: as a
setting of the models they would cost every start of the command line 25 ms.

Unions become conditions: an editor then says what is wrong with the one kind that was meant, and
not that none of eleven fits.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from goflow_py.domain.model import Model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_EXCLUSIVE: Final[dict[str, tuple[str, ...]]] = {
    "After": ("delay", "at"),
    "DelayAction": ("seconds", "until"),
    "ActivityAction": ("activity", "machine"),
    "EmitAction": ("execution", "key", "endpoint"),
}
"""Fields of which exactly one is given, as the models' own validators have it."""
_DURATION_TEXT: Final = "[0-9.]+(ms|s|m|h|d)?([0-9.]+(ms|s|m|h|d))*"
_DURATION: Final[Schema] = {
    "description": "Seconds, '500ms', '5s', '1m30s', '2h', '1d', or ISO 8601 ('PT1M30S').",
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": rf"^\s*({_DURATION_TEXT}|P[0-9.WDTHMS]+)\s*$",
}
_SECONDS_MAX: Final = frozenset({10, 315_360_000})
"""The upper bounds of durations: of a script, and of all others."""


def schema_of(model: type[BaseModel], *, title: str) -> Schema:
    """Return the JSON Schema of a document."""
    whole = model.model_json_schema(by_alias=True)
    definitions: Schema = whole.pop("$defs")
    models = {known.__name__: known for known in _subclasses(Model)}
    for name, schema in (*definitions.items(), (model.__name__, whole)):
        _describe(schema, models[name])
    whole, definitions = _plain(whole), _plain(definitions)
    definitions["Duration"] = _DURATION
    for name, schema in list(definitions.items()):
        if name in _EXCLUSIVE:
            schema["oneOf"] = [{"required": [field]} for field in _EXCLUSIVE[name]]
        if name == "GraphTask":
            _take_alias(schema)
    for schema in (whole, definitions.get("Machine", {})):
        actions = schema.get("properties", {}).get("actions")
        if actions is not None:
            definitions["Action"] = _by_type(actions["items"], models)
            actions["items"] = {"$ref": "#/$defs/Action"}
    identity = {"$schema": DIALECT, "$id": f"urn:goflow:schema:{model.__name__.lower()}"}
    return {**identity, **whole, "title": title, "$defs": definitions}


def _subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for known in model.__subclasses__():
        yield known
        yield from _subclasses(known)


# ---------------------------------------------------------------- descriptions


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings under the fields of *model*, by their names in Python."""
    found: dict[str, str] = {}
    for known in reversed(model.__mro__):
        if issubclass(known, BaseModel) and known is not BaseModel:
            found |= _docstrings(known.__module__).get(known.__name__, {})
    if "type" in model.model_fields:
        found.setdefault("type", summary(model))
    return found


def summary(model: type[BaseModel]) -> str:
    """Return what a model is, in one line."""
    return " ".join((model.__doc__ or "").split())


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings under fields, by class and field; of a module that is loaded."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: dict(_under_fields(node)) for node in tree.body if isinstance(node, ast.ClassDef)
    }


def _under_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())
            case _:
                pass


def _describe(schema: Schema, model: type[BaseModel]) -> None:
    """Give a model's fields their descriptions; pydantic's titles only repeat the names."""
    schema["description"] = summary(model).replace("``", "'")
    said = descriptions(model)
    for name, field in model.model_fields.items():
        schema["properties"][field.serialization_alias or field.alias or name] |= {
            "title": None,
            "description": said[name].replace("``", "'"),
        }


# ---------------------------------------------------------------- forms that editors read well


def _plain(value: Any) -> Any:
    """Return a schema in the forms that give good errors, from its leaves up."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    schema: Schema = {
        key: _plain(item)
        for key, item in value.items()
        if not (key in ("title", "default") and item is None)
    }
    if schema.get("type") == "number" and schema.get("le") in _SECONDS_MAX:
        return _duration(schema)
    if "patternProperties" in schema:
        ((pattern, each),) = schema.pop("patternProperties").items()
        return {**schema, "propertyNames": {"pattern": pattern}, "additionalProperties": each}
    for union in ("anyOf", "oneOf"):
        if isinstance(schema.get(union), list):
            types = [name for kind in schema[union] for name in _types(kind)]
            if len(set(types)) == len(types):
                return schema | _by_kind(schema.pop(union), types)
    return schema


def _duration(schema: Schema) -> Schema:
    bounds: Schema = {"maximum": schema.pop("le")}
    if "gt" in schema:
        bounds["exclusiveMinimum"] = schema.pop("gt")
    kept = {key: item for key, item in schema.items() if key not in ("ge", "type")}
    return {"$ref": "#/$defs/Duration", **bounds, **kept}


def _types(kind: Schema) -> list[str]:
    """Return the JSON types of one kind of a union; a reference leads to a model."""
    if "$ref" in kind:
        return list(_DURATION["type"]) if kind["$ref"].endswith("/Duration") else ["object"]
    named = kind.get("type", "any")
    return list(named) if isinstance(named, list) else [named]


def _by_kind(kinds: list[Schema], types: list[str]) -> Schema:
    """Return a union of kinds of different types as one; what holds for one kind has a condition.

    Most keywords need none: ``pattern`` asks nothing of what is no text.
    """
    if all("enum" in kind or kind == {"type": "null"} for kind in kinds):
        words = [word for kind in kinds for word in kind.get("enum", [None])]
        return {"type": types, "enum": words}
    schema: Schema = {"type": types}
    rules: list[Schema] = []
    for kind in kinds:
        if kind.keys() & {"$ref", "enum", "allOf"}:
            rules.append({"if": {"type": _types(kind)}, "then": kind})
        else:
            schema |= {key: item for key, item in kind.items() if key != "type"}
    return schema | ({"allOf": rules} if rules else {})


def _by_type(union: Schema, models: dict[str, type[BaseModel]]) -> Schema:
    """Return the union of actions as conditions on ``type``; ``sync`` where there is none."""
    rules: list[Schema] = []
    words: list[str] = []
    for kind in union["oneOf"]:
        field = models[kind["$ref"].rpartition("/")[2]].model_fields["type"]
        types = list(field.annotation.__args__)  # type: ignore[union-attr]
        words += types
        condition: Schema = {"properties": {"type": {"enum": types}}}
        if field.is_required():
            condition["required"] = ["type"]
        rules.append({"if": condition, "then": kind})
    return {
        "description": "Work that a state, or a task, can do.",
        "type": "object",
        "required": ["name"],
        "properties": {"type": {"enum": words, "default": "sync"}},
        "allOf": rules,
    }


def _take_alias(task: Schema) -> None:
    """Let ``parentTask`` stand for ``needs``."""
    needs = task["properties"]["needs"]
    task["properties"]["parentTask"] = {**needs, "description": "Another word for 'needs'."}
    task["not"] = {"required": ["needs", "parentTask"]}
