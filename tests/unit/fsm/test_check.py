"""Every finding of an upload, by a table: the least document that shows it."""

from typing import Any

import pytest
from pydantic import ValidationError

from goflow_py.domain.blueprint import Blueprint
from goflow_py.engine.submissions import validate_document
from goflow_py.fsm.check import check

START = {"current": "init", "event": "start", "next": "a"}
GO = {"current": "a", "event": "go", "next": "done"}


def findings(document: dict[str, Any], *, resolved: bool = True) -> list[tuple[str, str, str]]:
    document = {
        "project": "p",
        "activity": "a",
        "states": ["a"],
        "transitions": [START],
        **document,
    }
    blueprint = Blueprint.model_validate(document)
    _, found = check(
        blueprint,
        workers=blueprint.workers or [],
        workers_in_body=blueprint.workers is not None,
        is_resolved=lambda _: resolved,
    )
    return [(finding.severity, finding.code, finding.pointer) for finding in found]


def worker(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": "http://h/x", **fields}


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ({"transitions": [START, {**GO, "next": "b"}]}, "undeclared_state", "/transitions/1"),
        ({"transitions": [START, {**GO, "current": "b"}]}, "undeclared_state", "/transitions/1"),
        ({"transitions": [{**START, "action": "x"}]}, "undeclared_action", "/transitions/0"),
        ({"states": [{"name": "a", "do": "x"}]}, "undeclared_action", "/states/0/do"),
        ({"states": ["a", "a"]}, "duplicate_state", "/states/1"),
        ({"actions": [{"name": "x"}, {"name": "x"}]}, "duplicate_action", "/actions/1"),
        ({"states": ["a", "input"]}, "reserved_name", "/states/1"),
        ({"actions": [{"name": "continue"}]}, "reserved_name", "/actions/0"),
        ({"events": {"success": {}}}, "reserved_name", "/events/success"),
        ({"states": [{"name": "a", "defer": ["error"]}]}, "reserved_name", "/states/0/defer/0"),
        ({"transitions": [START, GO, GO]}, "two_unguarded_rows", "/transitions/2"),
        ({"transitions": [START, {"current": "a", "event": "error"}]}, "no_next", "/transitions/1"),
        (
            {"events": {"x": {}}, "transitions": [START, {"current": "a", "event": "label"}]},
            "no_next",
            "/transitions/1",
        ),
        (
            {"transitions": [START, {"current": "a", "event": "always", "next": "a"}]},
            "always_self",
            "/transitions/1",
        ),
        (
            {"transitions": [START, {"current": "*", "event": "start", "next": "a"}]},
            "star_start",
            "/transitions/1",
        ),
        ({"transitions": [START, {**GO, "next": "init"}]}, "init_entered", "/transitions/1"),
        ({"transitions": [START, {**GO, "when": "1 +"}]}, "bad_expression", "/transitions/1/when"),
        (
            {"transitions": [START, {**GO, "set": {"x": "${ 1 + }"}}]},
            "bad_expression",
            "/transitions/1/set/x",
        ),
        ({"output": "${ ( }"}, "bad_expression", "/output"),
        ({"input": {"type": "nonsense"}}, "bad_schema", "/input"),
        ({"input": {"$ref": "http://h/x"}}, "bad_schema", "/input"),
        ({"input": {"pattern": "(?=a)b"}}, "bad_schema", "/input"),
        ({"events": {"x": {"schema": {"type": 7}}}}, "bad_schema", "/events/x/schema"),
        (
            {"workers": [worker(workerEndpoint="ftp://h")]},
            "bad_endpoint",
            "/workers/0/workerEndpoint",
        ),
        (
            {"workers": [worker(workerEndpoint="http://u:p@h/x")]},
            "bad_endpoint",
            "/workers/0/workerEndpoint",
        ),
        (
            {"workers": [worker(workerEndpoint="http://")]},
            "bad_endpoint",
            "/workers/0/workerEndpoint",
        ),
        ({"workers": [worker(workerEndpoint="a b")]}, "bad_endpoint", "/workers/0/workerEndpoint"),
        ({"workers": [worker(headers={"Host": "x"})]}, "bad_header", "/workers/0/headers/Host"),
        ({"workers": [worker(headers={"X-A": "a\nb"})]}, "bad_header", "/workers/0/headers/X-A"),
        ({"workers": [worker(), worker()]}, "duplicate_worker", "/workers/1"),
        (
            {"workers": [worker(workerEndpoint=f"http://h/{n}") for n in range(51)]},
            "too_many_workers",
            "/workers/50",
        ),
        ({"actions": [{"name": "x"}], "workers": []}, "no_worker", "/actions/0"),
        (
            {
                "states": ["a", "b"],
                "transitions": [
                    START,
                    {"current": "a", "event": "success", "next": "b"},
                    {"current": "b", "event": "success", "next": "a"},
                ],
            },
            "zero_work_cycle",
            "/transitions/1",
        ),
        (
            {
                "states": ["a", "b"],
                "transitions": [
                    START,
                    {"current": "a", "event": "always", "next": "b"},
                    {"current": "b", "event": "always", "next": "a"},
                ],
            },
            "zero_work_cycle",
            "/transitions/1",
        ),
    ],
)
def test_each_error_is_found_where_it_is(document: dict[str, Any], code: str, pointer: str) -> None:
    assert ("error", code, pointer) in findings(document)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"workers": [worker(), worker(name="unused")]}, "worker_never_called"),
        ({"workers": [worker()]}, "unmatched_success"),
        ({"workers": [worker()]}, "unmatched_error"),
        ({"states": [{"name": "a", "timeout": 5}], "workers": [worker()]}, "unmatched_timeout"),
        ({"actions": [{"name": "x"}]}, "no_worker"),
        ({"transitions": [START, GO, {**GO, "when": "true"}]}, "row_never_tried"),
        ({"states": [{"name": "a", "final": "failed", "timeout": 3}]}, "row_from_final"),
        ({"transitions": [START, {**GO, "when": "data.to-day = 1"}]}, "doubtful_expression"),
        (
            {
                "states": ["a", "b"],
                "transitions": [
                    START,
                    {"current": "a", "event": "always", "next": "b", "when": "data.n > 1"},
                    {"current": "b", "event": "always", "next": "a"},
                ],
            },
            "guarded_cycle",
        ),
    ],
)
def test_each_warning_is_found(document: dict[str, Any], code: str) -> None:
    assert code in [c for severity, c, _ in findings(document) if severity == "warning"]


def test_an_alias_that_points_nowhere_is_a_warning() -> None:
    document = {"workers": [worker(workerEndpoint="alias")]}
    found = findings(document, resolved=False)
    assert ("warning", "unresolved_alias", "/workers/0/workerEndpoint") in found
    assert "unresolved_alias" not in [code for _, code, _ in findings(document)]


def test_names_without_events_are_open_to_both_sides() -> None:
    assert ("info", "open_events", "/events") in findings({"transitions": [START, GO]})


def test_a_cycle_with_work_in_it_is_honest() -> None:
    document = {
        "states": ["a", "b"],
        "workers": [worker()],
        "transitions": [
            START,
            {"current": "a", "event": "success", "next": "b"},
            {"current": "b", "event": "success", "next": "a"},
        ],
    }
    assert not [code for _, code, _ in findings(document) if "cycle" in code]


@pytest.mark.parametrize(
    ("fields", "code", "pointer", "part"),
    [
        ({"stats": []}, "unknown_field", "/stats", "did you mean 'states'?"),
        ({"states": [{"name": "a", "finale": 1}]}, "unknown_field", "/states/0/finale", "'final'"),
        ({"actions": [{"name": "x", "tipe": 1}]}, "unknown_field", "/actions/0/tipe", "'type'"),
        ({"actions": [{"name": "x", "type": "odd"}]}, "invalid_field", "/actions/0", "sync, async"),
        ({"states": ["no spaces"]}, "invalid_field", "/states/0", "pattern"),
        ({"states": [7]}, "invalid_field", "/states/0", ""),
        ({"workers": [{"name": "a"}]}, "missing_field", "/workers/0/workerEndpoint", "missing"),
        ({"workers": [worker(retryCount=-1)]}, "invalid_field", "/workers/0/retryCount", "0"),
        ({"timeout": "soon"}, "invalid_field", "/timeout", "duration"),
        ({"transitions": [{"current": "a"}]}, "missing_field", "/transitions/0/event", "missing"),
    ],
)
def test_a_document_that_does_not_fit_names_the_place(
    fields: dict[str, Any], code: str, pointer: str, part: str
) -> None:
    document = {"project": "p", "activity": "a", "states": [], **fields}
    blueprint, found = validate_document(Blueprint, document)
    assert blueprint is None
    assert (code, pointer) in [(finding.code, finding.pointer) for finding in found]
    assert part in " ".join(finding.message for finding in found)


def test_all_findings_come_at_once() -> None:
    document = {"states": ["a", "a"], "transitions": [START, GO, GO, {**GO, "next": "zz"}]}
    assert {"duplicate_state", "two_unguarded_rows", "undeclared_state"} <= {
        code for _, code, _ in findings(document)
    }


def test_a_blueprint_of_5000_states_is_the_limit() -> None:
    states = [f"s{n}" for n in range(5_001)]
    with pytest.raises(ValidationError):
        Blueprint.model_validate({"project": "p", "activity": "a", "states": states})


def test_rows_of_any_state_are_counted_once_for_each_state() -> None:
    states = [f"s{n}" for n in range(4_999)]
    rows = [{"current": "*", "event": f"e{n}", "next": "s0"} for n in range(21)]
    document = {"states": states, "transitions": [{**START, "next": "s0"}, *rows]}
    assert ("error", "too_many_rows", "/transitions") in findings(document)
