"""The JSON Schema takes what the language takes, and refuses what people get wrong in an editor."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from goflow_py.domain import documents, yaml_documents
from goflow_py.domain.blueprint import Blueprint, json_schema
from goflow_py.domain.json_schema import schema_of
from goflow_py.domain.workers import WorkersDocument

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


def shown() -> Iterator[Any]:
    """Yield every blueprint that is shipped or shown in the documents."""
    for path in sorted((ROOT / "blueprints").glob("*.json")):
        if not path.name.endswith(".mock.json"):
            values, _ = documents.load_documents(path.read_bytes())
            yield pytest.param(values[0], id=path.name)
    for page in sorted(PAGES):
        for number, part in enumerate(page.read_text("utf-8").split("\n```")[1::2], 1):
            kind, _, text = part.partition("\n")
            if kind == "yaml":
                yield pytest.param(yaml_documents.load_documents(text.encode())[0], id=f"y{number}")
            elif kind == "json" and "states" in json.loads(text):
                yield pytest.param(json.loads(text), id=f"{page.stem}-{number}")


def wrong(document: Any) -> dict[str, str]:
    """Return what an editor marks: message by path."""
    return {error.json_path: error.message for error in VALIDATOR.iter_errors(document)}


@pytest.mark.parametrize("document", list(shown()))
def test_every_blueprint_that_is_shown_fits(document: Any) -> None:
    Blueprint.model_validate(document)
    assert wrong(document) == {}


def test_there_are_many_blueprints_to_look_at() -> None:
    assert sum(1 for _ in shown()) > 25


WHOLE: dict[str, Any] = {
    "project": "p",
    "activity": "a",
    "states": [
        "one",
        {
            "name": "two",
            "tasks": [{"name": "t", "needs": []}],
            "on": {"x": {"next": "one"}, "y": "one", "z": [{"next": "one"}]},
            "after": [{"delay": "5s", "next": "one"}],
        },
    ],
    "actions": [{"name": "t"}, {"name": "w", "type": "pull", "lease": "1m"}],
    "transitions": [{"current": ["one"], "event": "x", "next": "two"}],
    "workers": [{"name": "t", "workerEndpoint": "w"}],
    "machines": {"m": {"states": ["a"]}},
}


def test_the_document_that_is_broken_below_is_whole() -> None:
    Blueprint.model_validate_json(json.dumps(WHOLE), strict=True)
    assert wrong(WHOLE) == {}


@pytest.mark.parametrize(
    ("place", "value", "path", "said"),
    [
        ((), {"activity": "a", "states": []}, "$", "'project' is a required property"),
        (("stats",), [], "$", "'stats' was unexpected"),
        (("states", 0), "a state", "$.states[0]", "does not match"),
        (("states", 0), 7, "$.states[0]", "is not of type 'string', 'object'"),
        (("states", 1, "name"), 7, "$.states[1].name", "is not of type 'string'"),
        (("states", 1, "final"), "over", "$.states[1].final", "is not one of"),
        (("states", 1, "join"), "most", "$.states[1].join", "is not one of ['all', 'any']"),
        (("states", 1, "join"), 0, "$.states[1].join", "less than the minimum of 1"),
        (("states", 1, "maxVisits"), "3", "$.states[1].maxVisits", "is not of type 'integer'"),
        (("states", 1, "timeout"), "soon", "$.states[1].timeout", "does not match"),
        (("states", 1, "on", "x", "nxt"), "a", "$.states[1].on.x", "'nxt' was unexpected"),
        (("states", 1, "on", "z", 0, "nxt"), "a", "$.states[1].on.z[0]", "'nxt' was unexpected"),
        (("states", 1, "tasks", 0, "parentTask"), ["u"], "$.states[1].tasks[0]", "should not be"),
        (("states", 1, "after", 0, "at"), "noon", "$.states[1].after[0]", "is valid under each of"),
        (("actions", 0, "type"), "snyc", "$.actions[0].type", "'snyc' is not one of ['sync'"),
        (("actions", 0, "lease"), 5, "$.actions[0]", "'lease' was unexpected"),
        (("actions", 1, "lese"), 5, "$.actions[1]", "'lese' was unexpected"),
        (("actions", 0), {"type": "map"}, "$.actions[0]", "'name' is a required property"),
        (("transitions", 0, "event"), None, "$.transitions[0].event", "is not of type 'string'"),
        (("workers", 0), {"name": "t"}, "$.workers[0]", "'workerEndpoint' is a required"),
        (("workers", 0, "retryCount"), -1, "$.workers[0].retryCount", "less than the minimum"),
        (("machines", "m", "key"), "k", "$.machines.m", "'key' was unexpected"),
        (("data",), {"a b": 1}, "$.data", "does not match"),
    ],
)
def test_a_mistake_is_named_where_it_is(
    place: tuple[str | int, ...], value: Any, path: str, said: str
) -> None:
    document: Any = copy.deepcopy(WHOLE)
    inside = document
    for step in place[:-1]:
        inside = inside[step]
    if place:
        inside[place[-1]] = value
    else:
        document = value
    found = wrong(document)
    assert said in found[path]
    with pytest.raises(ValueError, match="validation error"):
        Blueprint.model_validate_json(json.dumps(document), strict=True)


def test_parent_task_is_another_word_for_needs() -> None:
    document = copy.deepcopy(WHOLE)
    document["states"][1]["tasks"] = [{"name": "t"}, {"name": "u", "do": "t", "parentTask": ["t"]}]
    Blueprint.model_validate(document)
    assert wrong(document) == {}


@pytest.mark.parametrize("text", ["500ms", "5s", "1m30s", "2h", "1d", "PT1M30S", "P14D", "7", 0.3])
def test_durations_may_be_texts(text: str | float) -> None:
    assert wrong({**WHOLE, "timeout": text}) == {}
    Blueprint.model_validate({**WHOLE, "timeout": text})


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema of an object with fields, except the list of words of `type`."""
    if isinstance(schema, list):
        for item in schema:
            yield from objects(item)
    elif isinstance(schema, dict):
        if "additionalProperties" in schema and "properties" in schema:
            yield schema
        for item in schema.values():
            yield from objects(item)


def test_every_field_is_described_and_spelt_in_camel_case() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 20
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["description"]
        for name, field in schema["properties"].items():
            assert name.isalpha() and name[0].islower(), name
            assert len(field["description"]) > 5, name


def test_it_says_what_it_is() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "urn:goflow:schema:blueprint"
    assert SCHEMA["title"] == "A goflow blueprint"
    workers = schema_of(WorkersDocument, title="Workers of a goflow blueprint")
    Draft202012Validator.check_schema(workers)
    good = {"project": "p", "activity": "a", "workers": WHOLE["workers"]}
    assert list(Draft202012Validator(workers).iter_errors(good)) == []
