"""Graphs: every row is an edge, names and guards cannot break out of Mermaid or DOT."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.fsm.diagram import dot, graph, mermaid, walked
from goflow_py.fsm.table import diff, rows_view
from tests.player import Player

START = {"current": "init", "event": "start", "action": "a", "next": "a"}
DOCUMENT: dict[str, Any] = {
    "states": [
        {"name": "a", "on": {"go": {"when": "event.data > 1", "next": "b", "set": {"n": 1}}}},
        {"name": "b", "timeout": 5, "maxVisits": 2, "stage": "second"},
        {"name": "end", "final": "completed", "output": 1},
        "pick",
    ],
    "actions": [{"name": "pick", "type": "switch", "expression": "data.n"}],
    "transitions": [
        START,
        {"current": "*", "event": "stop", "next": "failed"},
        {"current": "b", "event": "go", "next": "pick"},
        {"current": "pick", "event": "default", "next": "a", "delay": 3},
        {"current": "a", "event": "success", "next": "end"},
    ],
}


def compiled_of(document: dict[str, Any], workers: tuple[str, ...] = ("a",)) -> Compiled:
    blueprint = Blueprint.model_validate({"project": "p", "activity": "a", **document})
    return compile_blueprint(blueprint, workers=workers, version=3)


def test_every_state_is_a_node_of_its_kind_and_every_row_an_edge() -> None:
    drawn = graph(compiled_of(DOCUMENT))
    kinds = {node["id"]: node["kind"] for node in drawn["nodes"]}
    assert kinds == {
        "init": "initial",
        "a": "work",
        "b": "wait",
        "end": "final",
        "pick": "branch",
        "failed": "final",
    }
    edges = {edge["id"]: edge for edge in drawn["edges"]}
    assert edges["a/go/0"] == {
        "id": "a/go/0",
        "from": "a",
        "to": "b",
        "event": "go",
        "action": "continue",
        "enters": True,
        "guard": "event.data > 1",
        "sets": ["n"],
        "source": "/states/0/on/go",
    }
    assert {"a/stop/0", "b/stop/0", "pick/stop/0", "pick/default/0"} <= set(edges)
    assert len(edges) == len(drawn["edges"])


def test_a_success_without_a_row_is_drawn_as_the_rule_that_it_is() -> None:
    drawn = graph(compiled_of({"states": ["a"], "transitions": [START]}))
    rule = drawn["edges"][-1]
    assert (rule["from"], rule["event"], rule["to"], rule["rule"]) == ("a", "success", "done", "R4")


def test_an_execution_shows_its_path_its_visits_and_where_it_is() -> None:
    player = Player(DOCUMENT, workers=("a",)).start()
    player.send("go", 2)
    player.send("go", 2)
    drawn = walked(graph(player.compiled), player.execution, player.entries)
    assert [(step["from"], step["to"]) for step in drawn["path"]] == [
        ("init", "a"),
        ("a", "b"),
        ("b", "pick"),
        ("pick", "a"),
    ]
    visits = {node["id"]: node["visits"] for node in drawn["nodes"]}
    assert visits == {"init": 1, "a": 2, "b": 1, "end": 0, "pick": 1, "failed": 0}
    assert [node["id"] for node in drawn["nodes"] if node["current"]] == ["a"]
    taken = {edge["id"] for edge in drawn["edges"] if edge["taken"]}
    assert taken == {"init/start/0", "a/go/0", "b/go/0", "pick/default/0"}
    assert all(step["edge"] in taken for step in drawn["path"])
    assert "class s1 current" in mermaid(drawn)
    assert "fillcolor" in dot(drawn)


# ---------------------------------------------------------------- texts

MERMAID_LINE = re.compile(
    r"stateDiagram-v2"
    r'|    state "(?:[^"#;:<>{}\n]|#\d+;)*" as s\d+'
    r"|    (?:\[\*\]|s\d+) --> (?:\[\*\]|s\d+)(?: : (?:[^\"#;:<>{}%\n]|#\d+;)+)?"
    r"|    classDef \w+ [\w:,#-]+|    class s\d+ \w+"
)
DOT_LINE = re.compile(
    r'digraph "(?:[^"\\]|\\.)*" \{|    rankdir=TB;|    node \[shape=box, style=rounded\];|\}'
    r'|    "(?:[^"\\]|\\.)*"(?: -> "(?:[^"\\]|\\.)*")? \[(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)+\];'
)
HARD = "event.data = 'a\"b; #35 --> [*] %% <script>{x}\\\\n:: é'"


@pytest.mark.parametrize("guard", [HARD, "event.data\n= 1", "'\\\\'", "data.x > 1 and\tdata.y"])
def test_what_users_write_cannot_break_the_texts(guard: str) -> None:
    document = {
        "states": ["a:b", "1", "x-y"],
        "transitions": [
            {"current": "init", "event": "start", "next": "a:b"},
            {"current": "a:b", "event": "go:on", "when": guard, "next": "x-y"},
        ],
    }
    held(document)


@given(st.text(max_size=60))
def test_no_text_breaks_them(text: str) -> None:
    whole = {
        "current": "a",
        "event": "go",
        "next": "done",
        "when": f"event.data = {_literal(text)}",
    }
    held({"states": ["a"], "transitions": [START, whole]})


def _literal(text: str) -> str:
    return "'" + re.sub(r"['\\\x00-\x1f]", "_", text) + "'"


def held(document: dict[str, Any]) -> None:
    drawn = graph(compiled_of(document))
    lines = mermaid(drawn).removesuffix("\n").split("\n")
    assert [line for line in lines if not MERMAID_LINE.fullmatch(line)] == []
    assert len(lines) == 2 + len(drawn["nodes"]) + len(drawn["edges"]) + sum(
        bool(node["final"]) for node in drawn["nodes"]
    )
    lines = dot(drawn).removesuffix("\n").split("\n")
    assert [line for line in lines if not DOT_LINE.fullmatch(line)] == []
    assert len(lines) == 4 + len(drawn["nodes"]) + len(drawn["edges"])


# ---------------------------------------------------------------- the table


def test_the_rows_are_those_that_are_written_and_those_of_the_rules() -> None:
    rows = rows_view(compiled_of(DOCUMENT))
    found = {row["id"]: row for row in rows}
    assert found["a/start/own"]["rule"] == "R3"
    assert found["a/stop/0"]["anywhere"] is True
    assert found["a/go/0"]["set"] == {"n": 1}
    assert found["pick/default/0"]["delay"] == 3
    assert found["init/start/0"] == {
        "id": "init/start/0",
        **START,
        "source": "/transitions/0",
    }


def changed(**fields: Any) -> dict[str, Any]:
    return diff(
        compiled_of(DOCUMENT), compiled_of({**DOCUMENT, **fields}), workers=(["a", "x"], ["a", "y"])
    )


def test_the_same_version_differs_in_nothing_but_what_it_is_told() -> None:
    found = changed()
    assert found["workers"] == {"added": ["y"], "removed": ["x"]}
    for part in ("states", "actions", "rows"):
        assert found[part] == {"added": [], "removed": [], "changed": []}
    assert found["fields"] == []


def test_what_was_added_removed_and_changed() -> None:
    rows = [row for row in DOCUMENT["transitions"] if row["event"] != "default"]
    rows[2] = {**rows[2], "next": "end"}
    rows.append({"current": "a", "event": "new", "next": "b"})
    states = [*DOCUMENT["states"][:1], {"name": "b", "maxVisits": 9}, *DOCUMENT["states"][2:], "c"]
    found = changed(transitions=rows, states=states, description="other", actions=[])
    assert found["states"]["added"] == ["c"]
    assert [one["name"] for one in found["states"]["changed"]] == ["b"]
    assert found["actions"]["removed"] == ["pick"]
    assert [row["event"] for row in found["rows"]["added"]] == ["new"]
    assert [row["event"] for row in found["rows"]["removed"]] == ["default"]
    assert [(one["from"]["next"], one["to"]["next"]) for one in found["rows"]["changed"]] == [
        ("pick", "end")
    ]
    assert found["fields"] == ["description"]


def test_rows_in_another_order_of_trying_are_a_change_and_moved_ones_are_not() -> None:
    first = {"current": "b", "event": "x", "when": "data.n", "next": "a"}
    second = {"current": "b", "event": "x", "next": "end"}
    base = [*DOCUMENT["transitions"]]
    one, other = compiled_of({**DOCUMENT, "transitions": [*base, first, second]}), None
    moved = compiled_of({**DOCUMENT, "transitions": [first, second, *base]})
    other = compiled_of({**DOCUMENT, "transitions": [*base, second, first]})
    assert diff(one, moved, workers=([], []))["rows"]["changed"] == []
    assert len(diff(one, other, workers=([], []))["rows"]["changed"]) == 1
