"""relor: nodes, labels, leaves."""

from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.errors import Invalid
from goflow_py.importers import Imported
from tests.player import Player

Convert = Callable[..., Imported]


def edge(from_id: str, label: str, to_id: str) -> dict[str, Any]:
    return {"fromId": from_id, "toId": to_id, "condition": {"operationResult": label}}


def graph(*edges: dict[str, Any], nodes: str = "abc", **fields: Any) -> dict[str, Any]:
    return {"start": "a", "nodes": [{"id": node} for node in nodes], "edges": [*edges], **fields}


RETRY = graph(edge("a", "ok", "b"), edge("b", "retry", "b"), edge("b", "ok", "c"))
FOR_EVER = {"retryCount": 1000, "retry": {"interval": 1, "backoffRate": 1, "jitter": "none"}}


def test_nodes_are_states_with_work_and_labels_are_rows(convert: Convert) -> None:
    imported = convert("relor", RETRY, activity="retries")
    assert imported.findings == ()
    assert imported.blueprint == {
        "project": "relor",
        "activity": "retries",
        "states": ["a", "b", {"name": "c", "final": "completed"}],
        "actions": [
            {"name": "a", "type": "pull", "queue": "a", "lease": 60, **FOR_EVER},
            {"name": "b", "type": "pull", "queue": "b", "lease": 60, **FOR_EVER},
        ],
        "transitions": [
            {"current": "init", "event": "start", "next": "a"},
            {"current": "a", "event": "ok", "next": "b"},
            {"current": "b", "event": "retry", "next": "b", "reenter": True},
            {"current": "b", "event": "ok", "next": "c"},
            {"current": "*", "event": "success", "next": "failed"},
        ],
    }


def test_a_label_leads_on_a_self_edge_does_the_work_again_and_a_leaf_runs_nothing(
    convert: Convert,
) -> None:
    player = Player(convert("relor", RETRY, activity="x").blueprint).start()
    visits = []
    for label in ("ok", "retry", "ok"):
        player.end(label)
        visits.append((player.state, player.execution.visit))
    assert visits == [("b", 2), ("b", 3), ("c", 4)]
    assert player.execution.status == "completed"
    scheduled = [e["task"] for e in player.entries if e["type"] == "taskScheduled"]
    assert scheduled == ["a", "b", "b"]


def test_a_label_from_outside_moves_on_and_on_a_self_edge_issues_the_work_again(
    convert: Convert,
) -> None:
    player = Player(convert("relor", RETRY, activity="x").blueprint).start()
    player.send("ok")
    assert (player.state, player.execution.visit) == ("b", 2)
    player.send("retry")
    assert (player.state, player.execution.visit) == ("b", 3)


def test_a_completion_without_a_label_is_a_failure_and_no_end(convert: Convert) -> None:
    player = Player(convert("relor", RETRY, activity="x").blueprint).start().end("success")
    assert player.execution.status == "failed"


def test_success_and_error_can_be_labels(convert: Convert) -> None:
    document = graph(edge("a", "success", "b"), edge("a", "error", "c"))
    player = Player(convert("relor", document, activity="x").blueprint).start().end("success")
    assert (player.state, player.execution.status) == ("b", "completed")
    player = Player(convert("relor", document, activity="x").blueprint).start().end("error")
    assert (player.state, player.execution.status) == ("c", "completed")


def test_a_graph_of_one_node_completes_at_once(convert: Convert) -> None:
    imported = convert("relor", graph(nodes="a"), activity="x")
    assert imported.blueprint["actions"] == []
    assert Player(imported.blueprint).start().execution.status == "completed"


@pytest.mark.parametrize(
    ("node", "config", "lease"),
    [
        ({"op": {"name": "mail", "timeout": "2s"}}, None, 2),
        ({"op": {"name": "mail", "timeout": 1.5}}, {"defaultTimeout": "9s"}, 1.5),
        ({"op": {"name": "mail"}}, {"defaultTimeout": "9s"}, 9),
        ({"op": {"name": "mail", "timeout": "0s"}}, {"default_timeout": "0s"}, 60),
    ],
)
def test_the_timeout_of_an_operation_is_how_long_a_claim_holds(
    convert: Convert, node: dict[str, Any], config: Any, lease: float
) -> None:
    document = graph(edge("a", "ok", "b"), config=config)
    document["nodes"][0] |= node
    (action,) = convert("relor", document, activity="x").blueprint["actions"]
    assert (action["queue"], action["lease"]) == ("mail", lease)


def test_names_outside_the_rule_are_mapped_and_kept_in_meta(convert: Convert) -> None:
    document = {
        "id": "my flow",
        "start": "a b",
        "nodes": [{"id": "a b", "op": {"name": "send mail"}}, {"id": "done"}],
        "edges": [edge("a b", "not ok", "done"), edge("a b", "timeout", "done")],
    }
    imported = convert("relor", document)
    blueprint = imported.blueprint
    assert blueprint["activity"] == "my_flow"
    assert blueprint["states"] == [
        {"name": "a_b", "meta": {"name": "a b"}},
        {"name": "done_2", "final": "completed", "meta": {"name": "done"}},
    ]
    assert blueprint["actions"][0]["queue"] == "send_mail"
    assert blueprint["actions"][0]["meta"] == {"name": "send mail"}
    labels = {"not_ok": "not ok", "timeout_2": "timeout"}
    assert blueprint["meta"] == {"name": "my flow", "labels": labels}
    assert [(f.severity, f.pointer) for f in imported.findings] == [("warning", "/edges")]


def test_both_ways_to_write_protobuf_as_json_are_read(convert: Convert) -> None:
    snake = graph({"from_id": "a", "to_id": "b", "condition": {"operation_result": "ok"}})
    camel = graph(edge("a", "ok", "b"))
    assert convert("relor", snake, activity="x") == convert("relor", camel, activity="x")


def test_a_field_that_relor_does_not_know_is_reported(convert: Convert) -> None:
    document = graph(edge("a", "ok", "b"), colour="red")
    (finding,) = convert("relor", document, activity="x").findings
    assert (finding.severity, finding.pointer) == ("warning", "/colour")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "'start' is missing"),
        (graph(nodes="ab", start="z"), "at /start: there is no node 'z'"),
        (graph(nodes="aa"), "at /nodes/1: the node 'a' is there twice"),
        (graph(edge("a", "ok", "z")), "at /edges/0: there is no node 'z'"),
        (graph(edge("z", "ok", "a")), "at /edges/0: there is no node 'z'"),
        (graph({"fromId": "a", "toId": "b"}), "at /edges/0: 'condition' is missing"),
        (graph(edge("a", "", "b")), "at /edges/0/condition/operationResult"),
        (
            graph(edge("a", "ok", "b"), edge("a", "ok", "c")),
            "at /edges/1: the node 'a' has two edges for 'ok'",
        ),
        (graph(config={"defaultTimeout": "soon"}), "'soon' is not a duration"),
        (graph(config={"defaultTimeout": -1}), "at /config/defaultTimeout"),
    ],
)
def test_what_relor_refuses_is_refused_with_the_place(
    convert: Convert, document: Any, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        convert("relor", document, activity="x")
    assert message in refused.value.detail


def test_a_graph_has_no_name_so_the_activity_has_to_be_given(convert: Convert) -> None:
    with pytest.raises(Invalid, match="a relor graph does not name its activity"):
        convert("relor", RETRY)
