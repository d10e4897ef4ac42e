"""The blueprints of the workloads: sound, and as large as they say."""

from typing import Any

import pytest

from benchmarks import documents
from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.workers import Worker
from goflow_py.fsm.check import check

RESERVED = {"init", "done", "failed"}


@pytest.mark.parametrize(
    "document",
    [
        documents.steps(1),
        documents.steps(10),
        documents.states(3),
        documents.states(4),
        documents.states(200),
        documents.storm(),
        documents.chain(20),
        documents.reading(20),
    ],
    ids=lambda document: f"{document['activity']}-{len(document['states'])}",
)
def test_a_blueprint_of_a_workload_has_no_errors(document: dict[str, Any]) -> None:
    known = {name: value for name, value in document.items() if name != "workers"}
    workers = [Worker.model_validate(one) for one in document["workers"]]
    _, findings = check(
        Blueprint.model_validate(known),
        workers=workers,
        workers_in_body=True,
        is_resolved=lambda _: True,
    )
    assert [one for one in findings if one.severity == "error"] == []


@pytest.mark.parametrize("count", [3, 4, 20, 200])
def test_there_are_as_many_states_as_asked_for(count: int) -> None:
    named = documents.states(count)["states"]
    names = {one if isinstance(one, str) else one["name"] for one in named}
    assert len(names - RESERVED) == count


def test_states_beyond_the_path_add_no_call() -> None:
    assert documents.states(200)["workers"] == documents.states(3)["workers"]
