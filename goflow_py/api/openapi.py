"""The OpenAPI 3.1 document, made of the routes' declarations and their pydantic models.

Pydantic writes JSON Schema 2020-12, which is the schema dialect of OpenAPI 3.1: nothing is
translated. Errors are all the same problem; which statuses a route can answer is worked out here.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from goflow_py import __version__
from goflow_py.api import answers
from goflow_py.api.auth import OPEN
from goflow_py.api.op import Op
from goflow_py.api.problems import MEDIA_TYPE
from goflow_py.domain.names import NAME_PATTERN

REFERENCE = "#/components/schemas/{model}"
_NAME: dict[str, Any] = {"type": "string", "pattern": NAME_PATTERN}
_PATH: Mapping[str, dict[str, Any]] = {
    "project": _NAME,
    "activity": _NAME,
    "id": {"type": "string", "format": "uuid"},
    "version": {"type": "integer", "minimum": 1},
    "alias": _NAME,
    "batch": {"type": "string", "format": "uuid"},
    "key": {"type": "string", "minLength": 1, "maxLength": 64},
    "task": {"type": "string", "minLength": 1, "maxLength": 512},
    "token": {"type": "string", "minLength": 1, "maxLength": 512},
}
_VISIBLE = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}


_LEADS: Mapping[str, Mapping[str, str]] = {
    "POST /v1/activities/{project}/{activity}/executions": {"id": "id"},
    "POST /v1/executions/{id}:fork": {"id": "id"},
    "POST /v1/blueprints": {"project": "project", "activity": "activity"},
    "POST /v1/batches": {"batch": "id"},
    "POST /v1/keys": {"key": "id"},
    "PUT /v1/endpoints/{alias}": {"alias": "alias"},
    "GET /v1/tasks": {"task": "items/0/id"},
}
"""Where an answer names what other routes have in their paths: by parameter, a JSON pointer."""


def document(ops: Iterable[Op], *, needs_keys: bool = False) -> dict[str, Any]:
    """Return the document; of a server that *needs_keys*, a key is no choice."""
    ops = list(ops)
    schemas, components = _schemas(ops)
    paths: dict[str, dict[str, Any]] = {}
    for op in ops:
        operation = _operation(op, schemas)
        if op.scopes is not OPEN:
            operation["security"] = [{"key": []}] if needs_keys else [{}, {"key": []}]
        links = _links(op, ops)
        for status in op.answers if links else ():
            operation["responses"][str(status)]["links"] = links
        paths.setdefault(op.path, {})[op.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "goflow",
            "version": __version__,
            "description": "A durable orchestrator for HTTP microservices.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


Schemas = Mapping[Any, Mapping[str, Any]]
"""The schema of each (model, mode)."""


def _schemas(ops: Iterable[Op]) -> tuple[Schemas, dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (answers.Problem, "serialization"): None
    }
    for op in ops:
        for model in (op.body, op.raw):
            if model is not None:
                wanted[model, "validation"] = None
        for answer in op.answers.values():
            for model in _kinds(answer):
                if _is_model(model):
                    wanted[model, "serialization"] = None
    found, definitions = models_json_schema(list(wanted), by_alias=True, ref_template=REFERENCE)
    return found, definitions.get("$defs", {})


def _kinds(answer: Any) -> tuple[Any, ...]:
    """Return the kinds of an answer: models, media types, None."""
    return answer if isinstance(answer, tuple) else (answer,)


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)


def _operation(op: Op, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(op),
        "tags": [op.tag],
        "summary": op.summary,
        "parameters": [*_path_parameters(op), *_query_parameters(op), *_header_parameters(op)],
        "responses": dict(_responses(op, schemas)),
        "security": [],
    }
    if op.scopes is not OPEN:
        operation["x-scopes"] = list(op.scopes)
    body = op.body or op.raw
    if body is not None:
        schema = schemas[body, "validation"]
        operation["requestBody"] = {
            "required": op.body_required,
            "content": {kind: {"schema": schema} for kind in op.media_types},
        }
    return operation


def _operation_id(op: Op) -> str:
    name = op.handler.__name__
    return f"{op.tag}_{name if name != 'handler' else op.path.rpartition(':')[2]}"


def _links(op: Op, ops: Iterable[Op]) -> dict[str, Any]:
    """Return which routes the answer of a route leads to: those for what it names."""
    leads = _LEADS.get(f"{op.method} {op.path}", {})
    return {
        _operation_id(other): {
            "operationId": _operation_id(other),
            "parameters": {
                f"path.{name}": f"$response.body#/{leads[name]}" for name in other.names
            },
        }
        for other in ops
        if other.names and set(other.names) == set(leads)
    }


def _path_parameters(op: Op) -> Iterator[dict[str, Any]]:
    for name in op.names:
        yield {"name": name, "in": "path", "required": True, "schema": _PATH[name]}


def _query_parameters(op: Op) -> Iterator[dict[str, Any]]:
    if op.query is None:
        return
    properties = op.query.model_json_schema(by_alias=True, ref_template=REFERENCE)["properties"]
    for name, schema in properties.items():
        if name in op.prefixes:
            continue
        plain = _without_null(schema)
        parameter = {"name": name, "in": "query", "required": False, "schema": plain}
        if plain.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        yield parameter


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that is given: a query has no null."""
    plain = {name: value for name, value in schema.items() if name not in ("title", "default")}
    kinds = [kind for kind in plain.pop("anyOf", []) if kind != {"type": "null"}]
    return {**plain, **kinds[0]} if kinds else plain


def _header_parameters(op: Op) -> Iterator[dict[str, Any]]:
    if op.idempotent:
        yield _header("Idempotency-Key", "The same key and body: the same answer.", _VISIBLE)
    if op.matches:
        schema = {"type": "string", "pattern": r'^("?\d{1,15}"?|"?visit-\d{1,15}"?|\*)$'}
        yield _header("If-Match", 'A revision ("12") or a visit ("visit-3").', schema)
    for name, text in (op.headers or {}).items():
        yield _header(name, text, {"type": "string", "pattern": "^[ -~]*$"})


def _header(name: str, text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def _responses(op: Op, schemas: Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, answer in op.answers.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        content: dict[str, Any] = {}
        for model in _kinds(answer):
            if isinstance(model, str):
                content[model] = {"schema": {"type": "string"}}
            elif model is not None:
                schema = schemas[model, "serialization"] if _is_model(model) else {}
                content["application/json"] = {"schema": schema}
        yield str(status), {**response, "content": content} if content else response
    problem = schemas[answers.Problem, "serialization"]
    for status in sorted({*op.errors, *_usual_errors(op)}):
        yield (
            str(status),
            {
                "description": HTTPStatus(status).phrase,
                "content": {MEDIA_TYPE: {"schema": problem}},
            },
        )


def _usual_errors(op: Op) -> Iterator[int]:
    yield from (400, 503)
    if op.query is not None:
        yield 414
    if op.scopes is not OPEN:
        yield from (401, 403, 429)
    if op.takes_body:
        yield from (408, 413, 415, 422)
    elif op.query is not None:
        yield 422
    if op.names:
        yield 404
