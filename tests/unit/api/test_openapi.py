"""The document is valid, and says of every route what there is to say."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from goflow_py.api.app import OPS
from goflow_py.api.auth import OPEN, SCOPES
from goflow_py.api.op import Op
from goflow_py.api.openapi import document

DOCUMENT = document(OPS)


def operation(op: Op) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][op.path][op.method.lower()]
    return found


def name_of(op: Op) -> str:
    return f"{op.method} {op.path}"


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_no_route_is_there_twice() -> None:
    assert len({(op.method, op.path) for op in OPS}) == len(OPS)
    ids = [operation(op)["operationId"] for op in OPS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_each_route_says_what_it_is_takes_and_answers(op: Op) -> None:
    said = operation(op)
    assert said["summary"].endswith(".")
    assert any(int(status) < 400 for status in said["responses"])
    assert ("requestBody" in said) == op.takes_body
    assert {p["name"] for p in said["parameters"] if p["in"] == "path"} == set(op.names)
    headers = {p["name"] for p in said["parameters"] if p["in"] == "header"}
    assert ("Idempotency-Key" in headers) == op.idempotent
    assert ("If-Match" in headers) == op.matches
    for status, response in said["responses"].items():
        if int(status) >= 400:
            assert list(response["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_each_route_declares_its_scope(op: Op) -> None:
    assert op.scopes is OPEN or (op.scopes and set(op.scopes) <= set(SCOPES))
    assert bool(operation(op)["security"]) == (op.scopes is not OPEN)


@pytest.mark.parametrize("op", [op for op in OPS if op.method == "POST"], ids=name_of)
def test_a_post_that_makes_or_changes_something_takes_an_idempotency_key(op: Op) -> None:
    # A callback is its own key, a claim's token its; a key's text is not stored; the admin's calls
    # may be repeated.
    exempt = op.path.startswith(("/v1/callbacks/", "/v1/tasks", "/v1/admin/", "/v1/keys"))
    assert op.idempotent != exempt


def test_every_reference_leads_somewhere() -> None:
    known = set(DOCUMENT["components"]["schemas"])
    waiting: list[Any] = [DOCUMENT]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(target := value.get("$ref"), str):
                assert target.rpartition("/")[2] in known, target
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
