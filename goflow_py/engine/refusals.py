"""Refusals as JSON, and back: as they were raised, for whoever is answered by another."""

from collections.abc import Mapping
from typing import Any

from goflow_py import errors
from goflow_py.errors import GoFlowError

NO_ANSWER = "no_answer"
"""The code of a refusal: another node has the execution, and says nothing."""

_ERRORS: dict[str, type[GoFlowError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, GoFlowError)
}


def with_refusal(refusal: GoFlowError) -> dict[str, Any]:
    """Return a refusal as an answer."""
    return {
        "refusal": type(refusal).__name__,
        "detail": refusal.detail,
        "code": refusal.reason,
        "facts": dict(refusal.facts),
    }


def refusal_of(answer: Mapping[str, Any]) -> GoFlowError:
    """Return the refusal of an answer, as it was raised."""
    kind = _ERRORS.get(answer["refusal"], GoFlowError)
    refusal = kind.__new__(kind)
    GoFlowError.__init__(refusal, answer["detail"], code=answer["code"], **answer["facts"])
    return refusal
