"""What the paths show: a table of the least documents, and brute force on random blueprints."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.domain.names import RESERVED_STATES
from goflow_py.fsm.check import check
from goflow_py.fsm.compile import compile_blueprint
from goflow_py.fsm.findings import Finding
from goflow_py.fsm.graph import Paths
from goflow_py.fsm.paths import (
    FINDINGS_A_CODE_MAX,
    accepted,
    dead_ends,
    path_findings,
    paths_of,
    unreachable,
)

START = {"current": "init", "event": "start", "next": "a"}
GO = {"current": "a", "event": "go", "next": "done"}
BACK = {"current": "a", "event": "go", "next": "a", "reenter": True}
WORKERS = [{"name": name, "workerEndpoint": "http://h/x"} for name in "ab"]


def row(current: str, event: str, target: str, **more: Any) -> dict[str, Any]:
    return {"current": current, "event": event, "next": target, **more}


def findings(document: dict[str, Any]) -> list[Finding]:
    blueprint = Blueprint.model_validate(
        {"project": "p", "activity": "a", "states": ["a"], "transitions": [START], **document}
    )
    _, found = check(
        blueprint,
        workers=blueprint.workers or [],
        workers_in_body=blueprint.workers is not None,
        is_resolved=lambda _: True,
    )
    return found


def shown(document: dict[str, Any], code: str) -> list[tuple[str, tuple[str, ...]]]:
    found = findings(document)
    assert not [finding for finding in found if finding.severity == "error"]
    return [(finding.pointer, finding.path) for finding in found if finding.code == code]


AB = ["a", "b"]
CALL = {"name": "call"}
MAP = {"name": "map", "type": "map", "value": 1}


def graph(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the state 'a' with that work."""
    return {"name": "a", "tasks": list(tasks), **more}


def of_call(text: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    """Return a document whose action 'call' reads *text*."""
    return {"states": [graph(*tasks)], "actions": [{**CALL, "input": text}, {"name": "u"}, MAP]}


SWITCH = {"name": "a", "type": "switch", "expression": "data.n"}


@pytest.mark.parametrize(
    ("code", "document", "pointer", "path"),
    [
        ("unreachable_state", {"states": AB}, "/states/1", ("b",)),
        (
            "unreachable_state",
            {"states": ["a", "b", "c"], "transitions": [START, GO, row("b", "x", "c")]},
            "/states/2",
            ("b", "c"),
        ),
        (
            "unreachable_state",
            {"states": AB, "transitions": [START, GO, {**GO, "next": "b", "when": "true"}]},
            "/states/1",
            ("b",),
        ),
        ("dead_end", {"transitions": [START, BACK]}, "/states/0", ("init", "a")),
        (
            "dead_end",
            {"states": AB, "transitions": [START, GO, row("a", "x", "b"), row("b", "x", "b")]},
            "/states/1",
            ("init", "a", "b"),
        ),
        (
            "dead_end",
            {"transitions": [START, row("a", "success", "a")], "workers": WORKERS[:1]},
            "/states/0",
            ("init", "a"),
        ),
        (
            "no_default_row",
            {"transitions": [START, row("a", "success", "done", when="data.n = 1")]}
            | {"workers": WORKERS[:1]},
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "no_default_row",
            {"states": AB, "transitions": [START, row("a", "always", "b", when="data.n = 1")]},
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "no_default_row",
            {
                "actions": [{"name": "a", "type": "wait", "event": "go"}],
                "transitions": [START, {**GO, "when": "event.data"}],
            },
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "no_default_row",
            {
                "events": {},
                "actions": [SWITCH],
                "transitions": [START, row("a", "1", "done", when="data.m")],
            },
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "unset_data",
            {
                "states": AB,
                "workers": WORKERS,
                "transitions": [START, row("a", "success", "b", when="b.output.x"), GO],
            },
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "unset_data",
            {"workers": WORKERS[:1], "actions": [{"name": "a", "input": "$.a.output"}]},
            "/actions/0",
            ("init", "a"),
        ),
        (
            "unset_data",
            {"transitions": [START, row("a", "go", "done", set={"x": "$.aa.output"})]},
            "/transitions/1",
            ("init", "a"),
        ),
        (
            "unset_data",
            {"transitions": [START, GO], "output": {"x": "$.a.output"}},
            "/output",
            ("init", "a", "done"),
        ),
        ("unset_data", {"transitions": [START, GO], "key": "{$.a.output}"}, "/key", ("init",)),
        (
            "unset_data",
            {"states": [{"name": "a", "after": [{"delay": "$.x.output", "next": "done"}]}]},
            "/states/0",
            ("init", "a"),
        ),
        ("unset_data", of_call("$.a.u.output", {"name": "call"}), "/actions/0", ("init", "a")),
        (
            "unset_data",
            of_call("$.a.u.output", {"name": "call"}, {"name": "u"}),
            "/actions/0",
            ("init", "a"),
        ),
        (
            "unset_data",
            of_call("$.a.x.output", {"name": "u"}, {"name": "call", "needs": ["u"]}),
            "/actions/0",
            ("init", "a"),
        ),
        (
            "unset_data",
            of_call(
                "$.a.u.output",
                {"name": "first", "do": "u"},
                {"name": "u"},
                {"name": "call", "needs": ["first"]},
            ),
            "/actions/0",
            ("init", "a"),
        ),
        ("unset_data", of_call("$.item.x", {"name": "call"}), "/actions/0", ("init", "a")),
        (
            "unset_data",
            of_call("$.item.x", {"name": "call", "each": "$.input", "as": "one"}),
            "/actions/0",
            ("init", "a"),
        ),
        (
            "unset_data",
            of_call("x", {"name": "call", "each": "$.item"}),
            "/states/0/tasks/0/each",
            ("init", "a"),
        ),
        (
            "unset_data",
            of_call("x", {"name": "call", "when": "a.output.u"}),
            "/states/0/tasks/0/when",
            ("init", "a"),
        ),
        (
            "unset_data",
            {
                "states": [{"name": "a", "do": "map", "subscribe": {"setup": "call"}}],
                "actions": [{**CALL, "input": "$.a.output"}, MAP],
            },
            "/actions/0",
            ("init", "a"),
        ),
        (
            "unset_data",
            {
                "states": [{"name": "a", "do": "map"}, {"name": "b", "do": "u"}],
                "actions": [
                    {**CALL, "input": "$.b.output"},
                    {**MAP, "undo": "call"},
                    {"name": "u"},
                ],
                "transitions": [
                    row("init", "start", "b"),
                    row("b", "success", "done"),
                    row("init", "other", "a"),
                ],
            },
            "/actions/0",
            ("init", "a"),
        ),
        (
            "row_never_tried",
            {"states": [graph({"name": "call"}, on={"label": "done"})], "events": {}}
            | {"actions": [CALL]},
            "/states/0/on/label",
            (),
        ),
        (
            "row_never_tried",
            {"states": [graph({"name": "call"}, on={"timeout": "done"})], "actions": [CALL]},
            "/states/0/on/timeout",
            (),
        ),
        (
            "unreachable_state",
            {"states": [graph({"name": "call"}, on={"label": "b"}), "b"], "events": {}}
            | {"actions": [CALL]},
            "/states/1",
            ("b",),
        ),
    ],
)
def test_each_finding_has_its_place_and_the_shortest_path(
    code: str, document: dict[str, Any], pointer: str, path: tuple[str, ...]
) -> None:
    assert (pointer, path) in shown(document, code)


@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("unreachable_state", {"states": AB, "transitions": [START, GO, row("a", "x", "b")]}),
        (
            "unreachable_state",
            {"states": [*AB, "failed"], "transitions": [START, row("*", "x", "b")]},
        ),
        (
            "unreachable_state",
            {"states": [{"name": "a", "after": [{"delay": 1, "next": "b"}]}, "b"]},
        ),
        ("dead_end", {"transitions": [START, BACK, {**GO, "event": "stop"}]}),
        ("dead_end", {"transitions": [START]}),
        ("dead_end", {"states": [{"name": "a", "final": "failed"}]}),
        ("dead_end", {"transitions": [START, BACK, row("a", "cancel", "done")]}),
        (
            "no_default_row",
            {"transitions": [START, {**GO, "when": "event.data"}]},
        ),
        (
            "no_default_row",
            {
                "workers": WORKERS[:1],
                "transitions": [
                    START,
                    row("a", "success", "done", when="a.output"),
                    row("*", "success", "failed"),
                ],
            },
        ),
        (
            "no_default_row",
            {
                "events": {},
                "actions": [SWITCH],
                "transitions": [
                    START,
                    row("a", "1", "done", when="data.m"),
                    row("a", "default", "done"),
                ],
            },
        ),
        (
            "unset_data",
            {
                "states": AB,
                "workers": WORKERS,
                "transitions": [
                    START,
                    row("a", "success", "b", when="a.output.x and input.y"),
                    row("b", "success", "done", set={"x": "$.a.output", "y": "$.b.output"}),
                ],
                "output": ["$.a.output", "$.b.output"],
            },
        ),
        (
            "unset_data",
            {
                "workers": WORKERS[:1],
                "actions": [{"name": "a", "input": "$.a.output"}],
                "transitions": [START, row("a", "more", "a"), row("a", "success", "done")],
            },
        ),
        ("unset_data", {"actions": [{"name": "a", "output": "$.result.x"}]}),
        (
            "unset_data",
            of_call("$.a.u.output", {"name": "u"}, {"name": "call", "needs": ["u"]}),
        ),
        (
            "unset_data",
            of_call(
                "$.a.u.output",
                {"name": "call", "needs": ["map"]},
                {"name": "map", "needs": ["u"]},
                {"name": "u"},
            ),
        ),
        ("unset_data", of_call("$.a.map.output", {"name": "map"}, {"name": "call"})),
        (
            "unset_data",
            of_call(
                "${[one, index, a.call.output]}", {"name": "call", "each": "$.input", "as": "one"}
            ),
        ),
        (
            "unset_data",
            of_call(
                "$.item",
                {"name": "u"},
                {"name": "call", "needs": ["u"], "when": "a.u.output", "each": "$.a.u.output"},
            ),
        ),
        (
            "unset_data",
            {
                "states": [graph({"name": "call"}, on={"success": "b"}), "b"],
                "actions": [CALL, {**MAP, "name": "b", "value": ["$.a.call.output", "$.a.output"]}],
            },
        ),
        (
            "unset_data",
            {
                "states": [{"name": "a", "do": "map", "subscribe": {"teardown": "call"}}],
                "actions": [{**CALL, "input": ["$.a.output", "$.result.setup"]}, MAP],
            },
        ),
        (
            "unset_data",
            {
                "states": [{"name": "a", "do": "map", "on": {"success": "b"}}, "b"],
                "actions": [
                    {**CALL, "input": ["$.b.output", "$.a.output", "$.result.output"]},
                    {**MAP, "undo": "call"},
                    {**MAP, "name": "b"},
                ],
            },
        ),
        (
            "row_never_tried",
            {
                "states": [
                    graph({"name": "call"}, on={"go": "done", "timeout": "done"}, timeout=5)
                ],
                "actions": [CALL],
            },
        ),
        (
            "row_never_tried",
            {
                "states": [graph({"name": "call"}, on={"label": "done"})],
                "events": {},
                "actions": [CALL],
                "transitions": [{**START, "action": "call"}],
            },
        ),
        (
            "no_default_row",
            {
                "states": [graph({"name": "w"}, on={"go": {"when": "event.data", "next": "done"}})],
                "actions": [{"name": "w", "type": "wait", "event": "go"}],
            },
        ),
        ("dead_end", {"states": [graph({"name": "call"})], "actions": [CALL]}),
        ("dead_end", {"states": [graph()]}),
    ],
)
def test_what_is_well_is_not_reported(code: str, document: dict[str, Any]) -> None:
    assert shown(document, code) == []


def test_a_worker_of_a_state_that_cannot_be_reached_is_never_called() -> None:
    document = {"states": AB, "workers": WORKERS}
    assert shown(document, "worker_never_called") == [("/workers/1", ())]


def test_of_one_kind_there_are_not_too_many_findings() -> None:
    states = ["a", *(f"s{n}" for n in range(FINDINGS_A_CODE_MAX + 50))]
    found = [f for f in findings({"states": states}) if f.code == "unreachable_state"]
    assert len(found) == FINDINGS_A_CODE_MAX + 1
    assert "more than" in found[-1].message


def test_the_events_that_each_state_accepts() -> None:
    blueprint = Blueprint.model_validate(
        {
            "project": "p",
            "activity": "a",
            "events": {"go": {}, "stop": {}},
            "states": [{"name": "a", "on": {"go": "b", "label": "b"}}, {"name": "b", "do": "w"}],
            "actions": [{"name": "w", "type": "wait", "events": ["go", "stop"]}],
            "transitions": [START],
        }
    )
    compiled = compile_blueprint(blueprint, workers=())
    assert accepted(compiled) == {"a": ["go"], "b": ["go", "stop"]}


def test_a_state_accepts_what_the_waits_of_its_graph_and_its_machines_accept() -> None:
    inner = {"states": [{"name": "w", "on": {"deep": "done"}}]}
    machine = {
        "states": [{"name": "w", "on": {"pay": "x"}}, {"name": "x", "do": "inner"}],
        "transitions": [row("init", "start", "w")],
    }
    blueprint = Blueprint.model_validate(
        {
            "project": "p",
            "activity": "a",
            "states": [graph({"name": "wait"}, {"name": "m"}, on={"stop": "done"})],
            "actions": [
                {"name": "wait", "type": "wait", "event": "go"},
                {"name": "m", "type": "activity", "machine": "m"},
                {"name": "inner", "type": "activity", "machine": "inner"},
                {"name": "again", "type": "activity", "machine": "m"},
            ],
            "transitions": [START],
            "machines": {
                "m": machine,
                "inner": {**inner, "transitions": [row("init", "start", "w")]},
            },
        }
    )
    compiled = compile_blueprint(blueprint, workers=())
    assert accepted(compiled) == {"a": ["stop", "go", "pay", "deep"]}
    assert accepted(compiled.machines["m"]) == {"w": ["pay"], "x": ["deep"]}


# ---------------------------------------------------------------- against brute force

NAMES = ["a", "b", "c", "d", "e"]
EVENTS = ["x", "y", "success", "error", "timeout"]


def _key(found: dict[str, Any]) -> tuple[str, str]:
    return found["current"], found["event"]


table_rows: st.SearchStrategy[dict[str, Any]] = st.builds(
    row,
    st.sampled_from([*NAMES, "*"]),
    st.sampled_from(EVENTS),
    st.sampled_from([*NAMES, "done", "failed"]),
)
random_tables: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "rows": st.lists(table_rows, max_size=12, unique_by=_key),
        "workers": st.sets(st.sampled_from(NAMES)),
        "final": st.sampled_from([None, *NAMES]),
    }
)


def built(table: dict[str, Any]) -> Paths:
    states = [{"name": n, "final": "failed"} if n == table["final"] else n for n in NAMES]
    blueprint = Blueprint.model_validate(
        {
            "project": "p",
            "activity": "a",
            "states": states,
            "transitions": [START, *table["rows"]],
        }
    )
    return paths_of(compile_blueprint(blueprint, workers=table["workers"]))


def steps_of(paths: Paths) -> set[tuple[str, str]]:
    """Return every step that the table allows, found without the graph that is tested."""
    compiled, steps = paths.compiled, set()
    for (current, _), rows in compiled.table.items():
        if not compiled.states[current].final:
            steps |= {(current, found.next or current) for found in rows[:1]}
    for name, state in compiled.states.items():
        ends = state.work is not None or not state.waits
        if name != "init" and not state.final and ends:
            if (name, "success") not in compiled.table:
                steps.add((name, "done"))
    return steps


def closure(steps: set[tuple[str, str]], start: set[str]) -> set[str]:
    reached = set(start)
    for _ in range(20):
        reached |= {target for source, target in steps if source in reached}
    return reached


def shortest(steps: set[tuple[str, str]], starts: set[str], goal: str) -> int:
    """Return the number of states on the shortest path, by widening rings."""
    ring, length = set(starts), 1
    while goal not in ring:
        ring |= {target for source, target in steps if source in ring}
        length += 1
        assert length < 20
    return length


@given(random_tables)
def test_what_is_out_of_reach_agrees_with_brute_force(table: dict[str, Any]) -> None:
    paths, steps = built(table), steps_of(built(table))
    states = set(paths.compiled.states)
    reached = closure(steps, {"init"})
    assert set(unreachable(paths)) == states - reached - RESERVED_STATES
    finals = {name for name, state in paths.compiled.states.items() if state.final}
    stuck = {name for name in reached if not closure(steps, {name}) & finals}
    assert set(dead_ends(paths)) == stuck


@given(random_tables)
def test_a_witness_is_a_shortest_path_of_the_table(table: dict[str, Any]) -> None:
    paths = built(table)
    steps = steps_of(paths)
    for finding in path_findings(paths):
        assert finding.path
        assert set(pairwise(finding.path)) <= steps
        if finding.code != "unreachable_state":
            assert finding.path[0] == "init"
            assert len(finding.path) == shortest(steps, {"init"}, finding.path[-1])


def test_a_chain_of_5000_states_is_walked_without_recursion() -> None:
    names = [f"s{n}" for n in range(4_999)]
    chain = [row(one, "success", other) for one, other in pairwise(names)]
    blueprint = Blueprint.model_validate(
        {
            "project": "p",
            "activity": "a",
            "states": names,
            "transitions": [row("init", "start", "s0"), *chain],
            "output": "$.s0.output",
        }
    )
    paths = paths_of(compile_blueprint(blueprint, workers=names))
    assert list(path_findings(paths)) == []
    assert len(paths.to("done")) == 5_001
