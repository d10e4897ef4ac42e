"""Graphs: every row is an edge, names and guards cannot break out of Mermaid or DOT."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.blueprint import Blueprint
from goflow_py.fsm.compile import Compiled, compile_blueprint
from goflow_py.fsm.diagram import Walk, dot, graph, mermaid
from goflow_py.fsm.table import diff, machine_rows, rows_view
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


def walked(player: Player) -> dict[str, Any]:
    walk = Walk(graph(player.compiled))
    return walk.shown(player.execution, walk.steps(player.entries))


def test_an_execution_shows_its_path_its_visits_and_where_it_is() -> None:
    player = Player(DOCUMENT, workers=("a",)).start()
    player.send("go", 2)
    player.send("go", 2)
    drawn = walked(player)
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


# ---------------------------------------------------------------- tasks and machines

CHILD: dict[str, Any] = {
    "states": [{"name": "w", "on": {"pay": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "w"}],
}
WHOLE: dict[str, Any] = {
    "states": [
        {
            "name": "a",
            "tasks": [
                {"name": "call"},
                {"name": "more", "do": "call", "needs": ["call"], "each": "$.input.items"},
                {"name": "maybe", "do": "call", "when": "input.n > 1", "ignoreFailure": True},
                {"name": "child", "needs": ["call", "maybe"]},
            ],
            "join": 2,
            "subscribe": {"setup": "call"},
        },
        {"name": "b", "do": "child"},
    ],
    "actions": [{"name": "call"}, {"name": "child", "type": "activity", "machine": "m"}],
    "transitions": [
        {"current": "init", "event": "start", "next": "a"},
        {"current": "a", "event": "success", "next": "b"},
    ],
    "machines": {"m": CHILD},
}


def test_a_graph_of_tasks_is_drawn_in_its_state_and_a_machine_beside_the_blueprint() -> None:
    drawn = graph(compiled_of(WHOLE))
    nodes = {node["id"]: node for node in drawn["nodes"]}
    assert (nodes["a"]["kind"], nodes["a"]["join"], nodes["a"]["setup"]) == ("work", 2, "call")
    assert nodes["a"]["tasks"] == [
        {"name": "call", "action": "call", "type": "sync", "needs": []},
        {
            "name": "more",
            "action": "call",
            "type": "sync",
            "needs": ["call"],
            "each": "$.input.items",
            "as": "item",
        },
        {
            "name": "maybe",
            "action": "call",
            "type": "sync",
            "needs": [],
            "when": "input.n > 1",
            "ignoreFailure": True,
        },
        {
            "name": "child",
            "action": "child",
            "type": "activity",
            "machine": "m",
            "needs": ["call", "maybe"],
        },
    ]
    assert nodes["a"]["accepts"] == ["pay"]
    assert "tasks" not in nodes["b"]
    assert nodes["b"]["work"] == [{"action": "child", "type": "activity", "machine": "m"}]
    inner = drawn["machines"]["m"]
    assert [node["id"] for node in inner["nodes"]] == ["init", "w", "done"]
    assert [edge["id"] for edge in inner["edges"]] == ["init/start/0", "w/pay/0"]


def test_a_box_holds_the_tasks_and_a_line_leads_to_the_machine() -> None:
    drawn = graph(compiled_of(WHOLE))
    text = mermaid(drawn)
    assert 'state "a, 2 of 4" as s1\n' in text
    box = text.partition("    state s1 {\n")[2].partition("\n    }\n")[0]
    assert [line.strip() for line in box.splitlines()] == [
        'state "call" as s1t0',
        'state "more / call * each" as s1t1',
        'state "maybe / call [input.n #62; 1]" as s1t2',
        'state "child" as s1t3',
        "s1t0 --> s1t1",
        "s1t0 --> s1t3",
        "s1t2 --> s1t3",
    ]
    assert "    state m0 {\n" in text
    assert "    s1 --> m0 : child\n" in text
    assert "    s2 --> m0 : child\n" in text
    lines = dot(drawn).splitlines()
    assert '    subgraph "cluster_a" {' in lines
    assert '        "a/call" -> "a/child" [style="solid"];' in lines
    assert '    "a/child" -> "/m/init" [style="dashed", label="runs"];' in lines
    assert '    "b" -> "/m/init" [style="dashed", label="runs"];' in lines


def test_an_execution_shows_how_its_tasks_stand_and_its_children() -> None:
    tasks = [
        *(task for task in WHOLE["states"][0]["tasks"] if task["name"] != "child"),
        {"name": "bad", "do": "call", "ignoreFailure": False},
        {"name": "late", "do": "call", "needs": ["bad", "more"]},
        {"name": "kid", "do": "child"},
    ]
    state = {"name": "a", "tasks": tasks, "join": 5}
    player = Player({**WHOLE, "states": [state, "b"]}, workers=("call",))
    player.start({"n": 1, "items": [1, 2]})
    player.end_task("call")
    player.end_task("more[1]")
    task = player.execution.tasks["kid"]
    task.facts = {**task.facts, "child": "id-of-the-child"}
    drawn = walked(player)
    node = next(node for node in drawn["nodes"] if node["current"])
    shown = {task["name"]: task for task in node["tasks"]}
    assert {name: task["status"] for name, task in shown.items()} == {
        "call": "ended",
        "more": "open",
        "maybe": "skipped",
        "bad": "open",
        "late": "pending",
        "kid": "open",
    }
    assert shown["more"]["items"] == {"all": 2, "open": 1, "ended": 1}
    assert shown["kid"]["child"] == "id-of-the-child"
    assert node["children"] == [{"task": "kid", "id": "id-of-the-child"}]
    assert "call, ended" in mermaid(drawn)
    assert 'label="maybe / call [input.n > 1], skipped", style="rounded,dashed"' in dot(drawn)
    assert all(
        "status" not in t for n in drawn["nodes"] if not n["current"] for t in n.get("tasks", ())
    )


def test_a_failed_graph_shows_which_task_failed_and_which_were_cancelled() -> None:
    player = Player(
        {
            **WHOLE,
            "states": [{"name": "a", "tasks": [{"name": "call"}, {"name": "x", "do": "call"}]}],
        }
        | {"transitions": WHOLE["transitions"][:1]},
        workers=("call",),
    ).start()
    player.end_task("x", "error")
    drawn = walked(player)
    node = next(node for node in drawn["nodes"] if node["current"])
    assert {task["name"]: task["status"] for task in node["tasks"]} == {
        "call": "cancelled",
        "x": "failed",
    }


def test_a_row_that_cannot_fire_in_a_graph_is_not_drawn() -> None:
    state = {"name": "a", "tasks": [{"name": "call"}], "on": {"label": "done", "success": "done"}}
    rows = WHOLE["transitions"][:1]
    drawn = graph(compiled_of({**WHOLE, "states": [state], "events": {}, "transitions": rows}))
    assert [edge["id"] for edge in drawn["edges"]] == ["init/start/0", "a/success/0"]


# ---------------------------------------------------------------- texts

MERMAID_LINE = re.compile(
    r"stateDiagram-v2"
    r'| +state "(?:[^"#;:<>{}\n]|#\d+;)*" as [smt\d]+'
    r"| +state [smt\d]+ \{| +\}"
    r"| +(?:\[\*\]|[smt\d]+) --> (?:\[\*\]|[smt\d]+)(?: : (?:[^\"#;:<>{}%\n]|#\d+;)+)?"
    r"|    classDef \w+ [\w:,#-]+|    class s\d+ \w+"
)
DOT_LINE = re.compile(
    r'digraph "(?:[^"\\]|\\.)*" \{|    rankdir=TB;|    node \[shape=box, style=rounded\];| *\}'
    r'| +subgraph "(?:[^"\\]|\\.)*" \{| +label="(?:[^"\\]|\\.)*";'
    r'| +"(?:[^"\\]|\\.)*"(?: -> "(?:[^"\\]|\\.)*")? \[(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)+\];'
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


@pytest.mark.parametrize("guard", [HARD, "event.data\n= 1", "'\\\\'"])
def test_what_users_write_in_tasks_and_machines_cannot_break_them_either(guard: str) -> None:
    tasks = [{"name": "x:y", "do": "call", "when": guard}, {"name": "m-1.2", "needs": ["x:y"]}]
    document = {
        "states": [{"name": "a", "tasks": tasks}],
        "actions": [{"name": "call"}, {"name": "m-1.2", "type": "activity", "machine": "m:1"}],
        "transitions": WHOLE["transitions"][:1],
        "machines": {"m:1": {**CHILD, "states": [{"name": "w", "tasks": tasks}]}},
    }
    drawn = graph(compiled_of(document))
    for text, pattern in ((mermaid(drawn), MERMAID_LINE), (dot(drawn), DOT_LINE)):
        lines = text.removesuffix("\n").split("\n")
        assert [line for line in lines if not pattern.fullmatch(line)] == []
        assert sum(line.endswith("{") for line in lines) == sum(
            line.strip() == "}" for line in lines
        )


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


def test_the_row_of_a_graph_shows_its_tasks_and_machines_have_rows_of_their_own() -> None:
    compiled = compiled_of(WHOLE)
    own = next(row for row in rows_view(compiled) if row["id"] == "a/start/own")
    assert (own["action"], own["next"], own["join"]) == (None, "a", 2)
    assert [task["name"] for task in own["tasks"]] == ["call", "more", "maybe", "child"]
    assert [row["id"] for row in machine_rows(compiled)["m"]] == ["init/start/0", "w/pay/0"]


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


def test_tasks_and_machines_differ_by_their_names() -> None:
    first, *tasks = WHOLE["states"][0]["tasks"]
    states = [
        {
            **WHOLE["states"][0],
            "tasks": [{**first, "when": "input.x"}, *tasks[:-1], {"name": "new", "do": "call"}],
        },
        WHOLE["states"][1],
    ]
    machine = {
        **CHILD,
        "timeout": 5,
        "states": [*CHILD["states"], "extra"],
        "actions": [{"name": "own"}],
    }
    new = {**WHOLE, "states": states, "machines": {"m": machine, "n": CHILD}}
    found = diff(compiled_of(WHOLE), compiled_of(new), workers=([], []))
    assert found["tasks"]["added"] == ["a/new"]
    assert found["tasks"]["removed"] == ["a/child"]
    assert [one["name"] for one in found["tasks"]["changed"]] == ["a/call"]
    assert found["machines"]["added"] == ["n"]
    (changed_one,) = found["machines"]["changed"]
    assert changed_one["name"] == "m"
    assert changed_one["states"]["added"] == ["extra"]
    assert changed_one["actions"]["added"] == ["own"]
    assert set(changed_one["fields"]) == {"timeout"}
    assert found["fields"] == []
    same = diff(compiled_of(WHOLE), compiled_of(WHOLE), workers=([], []))
    assert same["machines"] == {"added": [], "removed": [], "changed": []}
    assert same["tasks"] == {"added": [], "removed": [], "changed": []}
