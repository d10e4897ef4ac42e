"""Every error of the tree becomes a problem of its status."""

from typing import Any

import orjson
import pytest

from goflow_py import errors
from goflow_py.api import problems
from goflow_py.errors import (
    EventNotAccepted,
    GoFlowError,
    InvalidBlueprint,
    Moved,
    Queued,
    Unavailable,
)

SPECIAL: dict[type[GoFlowError], GoFlowError] = {
    EventNotAccepted: EventNotAccepted("no", awaiting=[{"event": "go"}], state="s"),
    InvalidBlueprint: InvalidBlueprint("no", findings=[{"code": "x"}]),
    Unavailable: Unavailable("later", retry_after=7),
    Moved: Moved("an id"),
}
CLASSES = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, GoFlowError) and one not in (GoFlowError, Queued)
]


def body_of(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(response.body)
    return found


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_is_a_problem_with_its_facts(kind: type[GoFlowError]) -> None:
    error = SPECIAL.get(kind) or kind("what is wrong", code="special", more=[1])
    response = problems.of_error(error)
    assert response.status == error.status
    assert "Content-Type: application/problem+json\r\n" in response.head
    body = body_of(response)
    assert body["type"] == f"urn:goflow:problem:{error.reason}"
    assert (body["status"], body["code"]) == (error.status, error.reason)
    assert (body["title"], body["detail"]) == (error.title, error.detail)
    assert dict(error.facts).items() <= body.items()
    assert "X-Content-Type-Options: nosniff\r\n" in response.head


def test_what_is_queued_is_no_problem() -> None:
    response = problems.of_error(Queued("later"))
    assert (response.status, body_of(response)) == (202, {"queued": True})
    assert "Content-Type: application/json" in response.head


def test_a_fact_does_not_replace_what_a_problem_has() -> None:
    body = body_of(problems.of_error(GoFlowError("d", status=200, title="fine", more=1)))
    assert (body["status"], body["title"], body["more"]) == (500, "Internal error", 1)


def test_what_is_closed_says_when_to_come_again() -> None:
    assert problems.of_error(SPECIAL[Unavailable]).headers["Retry-After"] == "7"


def test_the_unexpected_tells_its_number_alone() -> None:
    body = body_of(problems.unexpected("abc"))
    assert (body["status"], body["id"]) == (500, "abc")
