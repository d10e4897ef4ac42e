"""Every finding of an upload, by a table: the least document that shows it."""

from typing import Any

import pytest
from pydantic import ValidationError

from goflow_py.domain.blueprint import Blueprint
from goflow_py.engine.submissions import validate_document
from goflow_py.fsm.check import check
from goflow_py.fsm.findings import Finding

START = {"current": "init", "event": "start", "next": "a"}
GO = {"current": "a", "event": "go", "next": "done"}


def findings(document: dict[str, Any], *, resolved: bool = True) -> list[tuple[str, str, str]]:
    found = everything(document, resolved=resolved)
    return [(finding.severity, finding.code, finding.pointer) for finding in found]


def everything(document: dict[str, Any], *, resolved: bool = True) -> list[Finding]:
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
    return found


def worker(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "workerEndpoint": "http://h/x", **fields}


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "do": "call", **more}


def graph(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the state 'a' with that work."""
    return {"name": "a", "tasks": list(tasks), **more}


CALL = {"name": "call"}
MACHINE: dict[str, Any] = {"states": ["a"], "transitions": [START]}


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
        (
            {"actions": [{"name": "a", "type": "emit", "event": "success", "key": "k"}]},
            "reserved_event",
            "/actions/0/event",
        ),
        (
            {"actions": [{"name": "a", "type": "wait", "events": ["x", "timeout"]}]},
            "reserved_event",
            "/actions/0",
        ),
        (
            {"states": [{"name": "a", "tasks": [], "join": 1}]},
            "join_out_of_reach",
            "/states/0/join",
        ),
        (
            {"states": [{"name": "a", "tasks": [{"name": "t", "each": "$.input", "as": "input"}]}]},
            "reserved_name",
            "/states/0/tasks/0/as",
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
        ({"states": [graph(call("t", when="data.x"), join="any")]}, "join_may_be_out_of_reach"),
        (
            {"states": [graph(call("t", when="data.x"), call("u"), join=2)]},
            "join_may_be_out_of_reach",
        ),
        ({"machines": {"m": MACHINE}}, "machine_never_used"),
        ({"actions": [{"name": "a", "type": "undo"}]}, "nothing_to_undo"),
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


# ---------------------------------------------------------------- graphs of tasks

PATIENT = {"name": "call", "type": "pull", "whenFailed": "wait"}


@pytest.mark.parametrize(
    ("state", "action", "codes"),
    [
        (graph(call("t")), CALL, {"unmatched_success", "unmatched_error"}),
        (graph(call("t", ignoreFailure=True)), CALL, {"unmatched_success"}),
        (graph(call("t")), {**CALL, "ignoreFailure": True}, {"unmatched_success"}),
        (
            graph(call("t", ignoreFailure=False)),
            {**CALL, "ignoreFailure": True},
            {"unmatched_success", "unmatched_error"},
        ),
        (graph(call("t")), PATIENT, {"unmatched_success"}),
        (
            graph(call("t")),
            {**PATIENT, "timeout": 5},
            {"unmatched_success", "unmatched_error"},
        ),
        (graph(call("t")), {**CALL, "type": "map"}, {"unmatched_success"}),
        (
            graph(call("t", when="data.x"), join="any"),
            {**CALL, "type": "map"},
            {"unmatched_success", "unmatched_error"},
        ),
        (
            graph(call("t")),
            {**CALL, "type": "wait", "event": "go", "timeout": 5},
            {"unmatched_success", "unmatched_error"},
        ),
        (
            graph(call("t"), timeout=5),
            {**CALL, "type": "map"},
            {"unmatched_success", "unmatched_timeout"},
        ),
        (graph(), CALL, set()),
        (graph(call("t"), on={"always": "done"}), CALL, set()),
        (graph(call("t"), on={"success": "done", "error": "done"}), CALL, set()),
        (
            {"name": "a", "do": "call"},
            {**CALL, "type": "wait", "event": "go", "timeout": 5},
            {"unmatched_success", "unmatched_timeout"},
        ),
        (
            {"name": "a", "subscribe": {"setup": "call"}, "do": "note", "on": {"success": "done"}},
            CALL,
            {"unmatched_error"},
        ),
    ],
)
def test_a_graph_raises_only_what_it_can(
    state: dict[str, Any], action: dict[str, Any], codes: set[str]
) -> None:
    document = {"states": [state], "actions": [action, {"name": "note", "type": "map"}]}
    found = findings(document)
    assert not [one for one in found if one[0] == "error"]
    assert {code for _, code, _ in found if code.startswith("unmatched")} == codes


def test_the_name_of_items_is_checked_only_where_there_are_items() -> None:
    document = {"states": [graph(call("t")), "item"], "actions": [CALL]}
    assert "reserved_name" not in [code for _, code, _ in findings(document)]


def test_a_row_for_the_error_of_work_that_waits_for_a_retry_is_pointed_out() -> None:
    state = graph(call("t"), on={"success": "done", "error": "failed"})
    found = findings({"states": [state], "actions": [PATIENT]})
    assert ("info", "parked_work", "/states/0/on/error") in found
    for other in ({"timeout": 5}, {"whenFailed": "error"}):
        found = findings({"states": [state], "actions": [{**PATIENT, **other}]})
        assert "parked_work" not in [code for _, code, _ in found]


def test_a_join_that_its_unguarded_tasks_reach_is_no_finding() -> None:
    state = graph(call("t", when="data.x"), call("u"), join="any")
    found = findings({"states": [state], "actions": [CALL]})
    assert "join_may_be_out_of_reach" not in [code for _, code, _ in found]


def test_what_can_be_undone_before_is_something_to_undo() -> None:
    document = {
        "states": [
            {"name": "a", "do": "call", "on": {"error": "back"}},
            {"name": "back", "do": "u"},
        ],
        "actions": [{**CALL, "undo": "call"}, {"name": "u", "type": "undo"}],
    }
    assert "nothing_to_undo" not in [code for _, code, _ in findings(document)]
    after = {**document, "states": [{"name": "a", "do": "u", "on": {"success": "b"}}, "b"]}
    after["actions"] = [{"name": "u", "type": "undo"}, {"name": "b", "undo": "b"}]
    assert ("warning", "nothing_to_undo", "/states/0") in findings(after)


# ---------------------------------------------------------------- machines


def starts(*machines: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": "activity", "machine": name} for name in machines]


def machine(state: Any, **more: Any) -> dict[str, Any]:
    return {"states": [state], "transitions": [START], **more}


def test_findings_of_a_machine_point_into_it_also_when_the_blueprint_has_warnings() -> None:
    document = {
        "states": [{"name": "a", "do": "m"}, "lost"],
        "actions": starts("m"),
        "machines": {"m": {**MACHINE, "states": ["a", "b"], "actions": []}},
    }
    found = findings(document)
    assert ("warning", "unreachable_state", "/states/1") in found
    assert ("warning", "unreachable_state", "/machines/m/states/1") in found


def test_what_a_machine_does_with_a_shared_action_is_said_once_of_that_action() -> None:
    document = {
        "states": [{"name": "a", "tasks": [{"name": "m"}, {"name": "n"}]}],
        "actions": [*starts("m", "n"), {"name": "x", "type": "map", "value": "$.nowhere.output"}],
        "machines": {name: machine({"name": "a", "do": "x"}) for name in "mn"},
    }
    found = [one for one in findings(document) if one[1] == "unset_data"]
    assert found == [("warning", "unset_data", "/actions/2")]


@pytest.mark.parametrize(
    ("machines", "path"),
    [
        ({"m": machine({"name": "a", "do": "m"})}, ("m", "m")),
        ({"m": machine(graph({"name": "m"}))}, ("m", "m")),
        ({"m": machine(graph(call("t"), {"name": "m"}, join=2), actions=[CALL])}, ("m", "m")),
        ({"m": machine({"name": "a", "do": "n"}), "n": machine({"name": "a", "do": "m"})},
         ("m", "n", "m")),
        ({"m": machine(graph({"name": "m", "each": [1, 2]}))}, ("m", "m")),
        (
            {"m": machine({"name": "a", "do": "m", "on": {"error": "a", "success": "done"}})},
            ("m", "m"),
        ),
    ],
)  # fmt: skip
def test_machines_that_must_start_themselves_are_refused(
    machines: dict[str, Any], path: tuple[str, ...]
) -> None:
    document = {
        "states": [{"name": "a", "do": "m"}],
        "actions": starts("m", "n")[: len(machines)],
        "machines": machines,
    }
    found = [one for one in everything(document) if one.code == "endless_machines"]
    assert [(one.severity, one.pointer, one.path) for one in found] == [
        ("error", "/machines/m", path)
    ]


@pytest.mark.parametrize(
    "state",
    [
        graph({"name": "m", "when": "input.n > 0"}),
        graph({"name": "m", "each": "$.input.rest"}),
        graph({"name": "m", "each": []}),
        graph(call("t"), {"name": "m"}, join="any"),
        graph(call("t"), {"name": "m"}, on={"error": "done", "success": "done"}),
        {"name": "a", "do": "m", "on": {"stop": "done"}},
        {"name": "a", "do": "m", "timeout": {"delay": 5, "next": "done"}},
        {"name": "a", "on": {"more": {"action": "m", "next": "a"}, "stop": "done"}},
        {"name": "a", "do": "m", "on": {"always": {"next": "done", "when": "input.n = 0"}}},
        {"name": "a", "do": "limited"},
    ],
)
def test_a_recursion_with_a_way_out_is_allowed(state: dict[str, Any]) -> None:
    limited = {"name": "limited", "type": "activity", "machine": "m", "timeout": 9}
    document = {
        "states": [{"name": "a", "do": "m"}],
        "actions": [*starts("m"), limited, CALL],
        "machines": {"m": machine(state)},
    }
    assert [code for severity, code, _ in findings(document) if severity == "error"] == []


def test_a_machine_that_waits_for_ever_is_no_recursion() -> None:
    loop = {"name": "a", "on": {"go": "a"}}
    document = {
        "states": [{"name": "a", "do": "m"}],
        "actions": starts("m", "n"),
        "machines": {"m": machine({"name": "a", "do": "n"}), "n": machine(loop)},
    }
    assert "endless_machines" not in [code for _, code, _ in findings(document)]


def test_workers_of_a_machine_that_nothing_starts_are_never_called() -> None:
    document = {
        "states": [{"name": "b", "do": "b"}],
        "transitions": [{**START, "next": "b"}],
        "actions": starts("m", "n")[1:] + starts("m"),
        "machines": {"m": MACHINE, "n": MACHINE},
        "workers": [worker(), worker(name="b")],
    }
    found = findings(document)
    assert ("warning", "machine_never_used", "/machines/m") in found
    assert ("warning", "worker_never_called", "/workers/0") in found
    used = {**document, "actions": [{"name": "b", "type": "activity", "machine": "m"}]}
    found = findings(used)
    assert ("warning", "machine_never_used", "/machines/n") in found
    assert ("warning", "machine_never_used", "/machines/m") not in found
    assert ("warning", "worker_never_called", "/workers/0") not in found


def test_a_deep_nest_of_machines_is_looked_at_without_recursion() -> None:
    names = [f"m{number}" for number in range(200)]
    nested = [machine({"name": "a", "do": name}) for name in names[1:]]
    document = {
        "states": [{"name": "a", "do": "m0"}],
        "actions": starts(*names),
        "machines": dict(zip(names, [*nested, machine("a")], strict=True)),
    }
    assert [code for severity, code, _ in findings(document) if severity == "error"] == []
