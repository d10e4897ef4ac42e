"""Definitions of Orchy and relor, as they are, on real processes with polling workers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, ended, until

pytestmark = pytest.mark.e2e

SEEDS = Path(__file__).parents[1] / "seeds"

Work = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a task's payload; returns the body of ``:complete``."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("seeds") / "goflow.db")
    with ended(server):
        yield server


def imported(server: Server, format: str, body: bytes, **query: str) -> dict[str, Any]:  # noqa: A002
    params = {"format": format, **query}
    answer = server.client.post("/v1/blueprints", content=body, params=params)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def polled(server: Server, *queues: str, wait: float = 5.0) -> list[dict[str, Any]]:
    body = {"queues": list(queues), "max": 10, "wait": wait, "worker": "tester"}
    answer = server.client.post("/v1/tasks:poll", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


def complete(server: Server, task: dict[str, Any], **body: Any) -> None:
    answer = server.client.post(
        f"/v1/tasks/{task['id']}:complete", json={"token": task["token"], **body}
    )
    assert answer.status_code == 200, answer.text


def do(server: Server, queue: str, work: Work) -> dict[str, Any]:
    """Take one task and complete it; return what the worker got."""
    (task,) = polled(server, queue)
    payload: dict[str, Any] = task["payload"]
    complete(server, task, **work(payload))
    return payload


def entered(server: Server, execution: str) -> list[str]:
    return [
        e["to"] for e in server.history(execution) if e["type"] == "transition" and e["entered"]
    ]


# ---------------------------------------------------------------- Orchy


def test_orchys_workflow_waits_and_then_runs_both_branches_with_typed_values(
    server: Server,
) -> None:
    document = json.loads((SEEDS / "orchy-test-workflow.json").read_bytes())
    for action in document["actions"]:  # the seed waits ten seconds: a second tells the same
        if action["name"] == "delay":
            action["delaySeconds"] = 1
    imported(server, "orchy", json.dumps(document).encode())
    begun = server.start("orchy/test_workflow", {"age": 89})
    first = do(server, "add-params-action", lambda payload: {"output": payload["input"]})
    assert first["input"] == {"key1": "200", "key2": 39}

    until(lambda: server.get(begun["id"])["state"] == "3", "it waits for the event")
    now = server.get(begun["id"])
    assert [item["event"] for item in now["awaiting"]] == ["test"]
    context = server.get(begun["id"], "/context")["context"]
    assert context["6"]["output"]["x"] == "nesX"
    delays = [e for e in server.history(begun["id"]) if e["type"] == "timerFired"]
    assert len(delays) == 1

    sent = server.client.post(f"/v1/executions/{begun['id']}/events", json={"name": "test"})
    assert sent.status_code == 200, sent.text
    tasks = polled(server, "log-action")
    if len(tasks) == 1:
        tasks += polled(server, "log-action")
    inputs = sorted((task["payload"]["input"] for task in tasks), key=lambda value: value["k1"])
    assert inputs == [
        {"k1": 23, "k2": "200", "k3": "nesX"},
        {"k1": 24, "k2": 39, "k3": "nesX", "k4": 89},
    ]
    complete(server, tasks[0])
    assert server.get(begun["id"])["status"] == "waiting"
    complete(server, tasks[1])
    assert server.end_of(begun["id"])["status"] == "completed"
    assert entered(server, begun["id"])[:5] == ["1", "6", "7", "2", "3"]


def test_the_seed_itself_is_imported_byte_for_byte(server: Server) -> None:
    body = (SEEDS / "orchy-test-workflow.json").read_bytes()
    done = imported(server, "orchy", body, project="seeds")
    assert [f for f in done["findings"] if f["severity"] == "error"] == []


def test_a_switch_without_a_branch_fails_and_never_hangs(server: Server) -> None:
    workflow = {
        "name": "branching",
        "rootAction": 1,
        "actions": [
            {
                "id": 1,
                "type": "system",
                "name": "switch",
                "expression": "$.input.gender",
                "next": {"MALE": [2]},
            },
            {"id": 2, "type": "user", "name": "log-action"},
        ],
    }
    imported(server, "orchy", json.dumps(workflow).encode())
    now = server.end_of(server.start("orchy/branching", {"gender": "X"})["id"])
    assert (now["status"], now["error"]["code"]) == ("failed", "no_branch")


# ---------------------------------------------------------------- relor


def edge(source: str, label: str, target: str) -> dict[str, Any]:
    return {"from_id": source, "to_id": target, "condition": {"operation_result": label}}


def nodes(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "op": {"name": f"op_{name}"}} for name in names]


def test_relors_worker_is_told_its_labels_and_chooses_the_edge(server: Server) -> None:
    graph = {
        "start": "a",
        "nodes": nodes("a", "b", "c"),
        "edges": [edge("a", "ok", "b"), edge("a", "not_ok", "c")],
    }
    imported(server, "relor", json.dumps(graph).encode(), activity="labels")
    begun = server.start("relor/labels")
    payload = do(server, "op_a", lambda _: {"event": "not_ok"})
    assert sorted(payload["labels"]) == ["not_ok", "ok"]
    now = server.end_of(begun["id"])
    assert (now["status"], now["state"]) == ("completed", "c")
    rows = [
        (e["from"], e["event"], e["to"])
        for e in server.history(begun["id"])
        if e["type"] == "transition" and e["from"] != "init"
    ]
    assert rows == [("a", "not_ok", "c")]
    assert polled(server, "op_c", wait=0) == []  # a leaf runs nothing


def test_relors_retry_cycle_has_its_history_in_order(server: Server) -> None:
    graph = {
        "start": "a",
        "nodes": nodes("a", "b", "c"),
        "edges": [edge("a", "ok", "b"), edge("b", "retry", "b"), edge("b", "ok", "c")],
    }
    imported(server, "relor", json.dumps(graph).encode(), activity="cycle")
    begun = server.start("relor/cycle")
    do(server, "op_a", lambda _: {"event": "ok"})
    first = do(server, "op_b", lambda _: {"event": "retry"})
    second = do(server, "op_b", lambda _: {"event": "ok"})
    assert (first["visit"], second["visit"]) == (2, 3)
    server.end_of(begun["id"])
    history = server.history(begun["id"])
    rows = [
        (e["from"], e["event"], e["to"])
        for e in history
        if e["type"] == "transition" and e["from"] != "init"
    ]
    assert rows == [("a", "ok", "b"), ("b", "retry", "b"), ("b", "ok", "c")]
    times = [entry["at"] for entry in history]
    assert times == sorted(times)
    drawn = server.client.get(f"/v1/executions/{begun['id']}/graph").json()
    visits = {node["id"]: node["visits"] for node in drawn["nodes"]}
    assert (visits["a"], visits["b"], visits["c"]) == (1, 2, 1)


def test_an_unknown_label_and_a_second_completion_change_nothing(server: Server) -> None:
    graph = {"start": "a", "nodes": nodes("a", "b"), "edges": [edge("a", "ok", "b")]}
    imported(server, "relor", json.dumps(graph).encode(), activity="strict")
    begun = server.start("relor/strict")
    (task,) = polled(server, "op_a")
    complete(server, task, event="ok")
    again = server.client.post(
        f"/v1/tasks/{task['id']}:complete", json={"token": task["token"], "event": "ok"}
    )
    assert again.json() == {"duplicate": True}
    assert server.end_of(begun["id"])["state"] == "b"
