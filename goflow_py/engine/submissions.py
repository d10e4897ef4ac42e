"""The documents of an upload: read, held to their models, normalised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from goflow_py.domain import documents
from goflow_py.domain.actions import ACTION_MODELS
from goflow_py.domain.blueprint import Blueprint, Machine
from goflow_py.domain.documents import TrailingComma
from goflow_py.domain.states import After, GraphTask, Notify, OnRow, Row, State, Subscribe
from goflow_py.domain.workers import Retry, Worker, WorkersDocument
from goflow_py.errors import InvalidBlueprint
from goflow_py.fsm.findings import Finding, findings_of
from goflow_py.importers import import_definition

M = TypeVar("M", bound=BaseModel)
Syntax = Literal["json", "yaml"]


def dump(model: BaseModel) -> dict[str, Any]:
    """Return a document as it was written: only the fields that were given."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _names_of(*models: type[BaseModel]) -> list[str]:
    return sorted({f.alias or name for model in models for name, f in model.model_fields.items()})


_STATES = (State, GraphTask, OnRow, After, Subscribe, Notify)
_KNOWN_FIELDS: dict[str, list[str]] = {
    "": _names_of(Blueprint),
    "states": _names_of(*_STATES),
    "transitions": _names_of(Row),
    "workers": _names_of(Worker, Retry),
    "actions": _names_of(*ACTION_MODELS, Retry),
    "machines": _names_of(Machine, *_STATES, Row, *ACTION_MODELS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which system a definition is from, and the names that it has here."""

    format: str = "goflow"
    project: str | None = None
    activity: str | None = None


OURS = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A definition that was read: held to its models, and not checked yet."""

    blueprint: Blueprint
    workers: Sequence[Worker] | None
    """None: the workers stay as they are."""
    findings: Sequence[Finding] = ()


def read_definition(body: bytes, *, syntax: Syntax = "json", origin: Origin = OURS) -> Definition:
    """Read a definition of ours, or import one of another system.

    Raises ``InvalidBlueprint`` with all findings, ``Invalid`` for what is none of the format.
    """
    if origin.format == "goflow":
        blueprint, workers, commas = read_documents(body, syntax=syntax)
        found = [comma_finding(comma) for comma in commas]
        return Definition(blueprint=blueprint, workers=workers, findings=found)
    document = read_document(body, syntax=syntax)
    imported = import_definition(
        origin.format, document, project=origin.project, activity=origin.activity
    )
    blueprint = Blueprint.model_validate(imported.blueprint)
    return Definition(blueprint=blueprint, workers=blueprint.workers, findings=imported.findings)


def read_documents(
    body: bytes, *, syntax: Syntax = "json"
) -> tuple[Blueprint, list[Worker] | None, list[TrailingComma]]:
    """Read a blueprint, and the workers that came with it: inside, or as a second document."""
    commas: list[TrailingComma] = []
    if syntax == "yaml":
        from goflow_py.domain import yaml_documents  # 10 ms, and most documents are JSON

        values = yaml_documents.load_documents(body)
    else:
        values, commas = documents.load_documents(body)
    blueprint, found = validate_document(Blueprint, values[0])
    workers = blueprint.workers if blueprint is not None else None
    if len(values) > 1:
        second, more = validate_document(WorkersDocument, values[1], prefix="/1")
        found += more
        if second is not None and blueprint is not None:
            names = (blueprint.project, blueprint.activity)
            if (second.project, second.activity) != names:
                theirs = f"{second.project}/{second.activity}"
                message = f"the workers are for {theirs}, not for {names[0]}/{names[1]}"
                found.append(
                    Finding(code="other_activity", severity="error", pointer="/1", message=message)
                )
            if workers is not None:
                message = "workers are given twice: in the blueprint and in a document of their own"
                found.append(
                    Finding(code="workers_twice", severity="error", pointer="/1", message=message)
                )
            workers = second.workers
    refuse_errors(found, strict=False)
    assert blueprint is not None, "a document that does not fit has errors"
    return blueprint, workers, commas


def read_document(body: bytes, *, syntax: Syntax = "json") -> Any:
    """Read the one document that a body is."""
    if syntax == "yaml":
        from goflow_py.domain import yaml_documents

        return yaml_documents.load_documents(body, documents_max=1)[0]
    return documents.loads(body)


def validate_document(
    model: type[M], value: Any, *, prefix: str = ""
) -> tuple[M | None, list[Finding]]:
    """Return the document, or every finding that keeps it from being one."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        found = findings_of(error, value, _KNOWN_FIELDS)
        if not prefix:
            return None, found
        return None, [
            Finding(code=f.code, severity=f.severity, pointer=prefix + f.pointer, message=f.message)
            for f in found
        ]


def completed(value: Any, project: str, activity: str) -> Any:
    """Let a workers document leave out what the path says already."""
    if not isinstance(value, dict):
        return value
    return {"project": project, "activity": activity, **value}


def comma_finding(comma: TrailingComma) -> Finding:
    """Return a trailing comma as a finding."""
    return Finding(
        code="trailing_comma",
        severity="warning",
        pointer=comma.pointer,
        message=f"a trailing comma at line {comma.line}, column {comma.column} was left out",
        fix="remove it: JSON has none",
    )


def refuse_errors(findings: Sequence[Finding], *, strict: bool) -> None:
    """Raise ``InvalidBlueprint`` with all findings when one of them refuses the document."""
    bad = [f for f in findings if f.severity == "error" or (strict and f.severity == "warning")]
    if not bad:
        return
    count = f"{len(bad)} errors" if len(bad) > 1 else "an error"
    raise InvalidBlueprint(
        f"the document has {count}; the first: {bad[0].message} ({bad[0].pointer or '/'})",
        findings=[finding.as_json() for finding in findings],
    )


def normalised(blueprint: Blueprint, worker_names: Sequence[str]) -> tuple[bytes, str]:
    """Return the stored document, and the hash of what it says."""
    body = dump(blueprint)
    body.pop("workers", None)
    document = orjson.dumps({"blueprint": body, "workerNames": list(worker_names)})
    return document, documents.digest_of_stored(document)


def workers_body(name: tuple[str, str], workers: Sequence[Worker]) -> bytes:
    """Return a workers document as it is stored."""
    return orjson.dumps(
        {"project": name[0], "activity": name[1], "workers": [dump(w) for w in workers]}
    )
