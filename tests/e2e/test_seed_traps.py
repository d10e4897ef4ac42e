"""Mistakes of older systems that only processes and wires can show.

The whole list is in ``tests/unit/engine/test_seed_traps.py`` and ``test_seed_traps_more.py``.
"""

import json
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Mock, Server, ended, until

pytestmark = pytest.mark.e2e

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
SPAWN = get_context("spawn")
ROUNDS = 15
TOGETHER_SECONDS = 20.0
UNKNOWN = "0197a0e4-5a2b-7c3d-8e4f-5a6b7c8d9e10"
LIMIT_SECONDS = 1.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("traps") / "goflow.db")
    with ended(server):
        yield server


def upload(server: Server, activity: str, *states: Any, **more: Any) -> None:
    first = states[0]["name"] if isinstance(states[0], dict) else states[0]
    begin = {"current": "init", "event": "start", "next": first}
    document = {
        "project": "p",
        "activity": activity,
        "states": list(states),
        **more,
        "transitions": [begin, *more.get("transitions", ())],
    }
    server.upload(json.dumps(document).encode())


def poll(server: Server, *queues: str) -> list[dict[str, Any]]:
    body = {"queues": list(queues), "max": 10, "wait": 0, "worker": "tester"}
    answer = server.client.post("/v1/tasks:poll", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


def complete(url: str, tasks: list[dict[str, Any]], together: Barrier) -> None:
    """Complete tasks, each at the same moment as the other process does one."""
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client:
        for task in tasks:
            together.wait(TOGETHER_SECONDS)
            body = {"token": task["token"]}
            answer = client.post(f"/v1/tasks/{task['id']}:complete", json=body)
            assert answer.status_code == 200, answer.text


def test_two_processes_that_complete_the_last_two_parents_schedule_their_child_once(
    server: Server,
) -> None:
    """Trap 7: both see the other one open, or both see it ended."""
    last = {"name": "last", "needs": ["left", "right"]}
    tasks = [{"name": "left"}, {"name": "right"}, last]
    upload(
        server,
        "diamond",
        {"name": "work", "tasks": tasks, "on": {"success": "done"}},
        actions=[{"name": name, "type": "pull"} for name in ("left", "right", "last")],
    )
    begun = [server.start("p/diamond")["id"] for _ in range(ROUNDS)]
    parents = [poll(server, "left", "right") for _ in range(ROUNDS * 2 // 10)]
    claimed = {
        name: [t for page in parents for t in page if t["payload"]["task"] == name]
        for name in ("left", "right")
    }
    assert {len(tasks) for tasks in claimed.values()} == {ROUNDS}
    for side in claimed.values():
        side.sort(key=lambda task: begun.index(task["payload"]["executionId"]))
    together = SPAWN.Barrier(len(claimed))
    children = [
        SPAWN.Process(target=complete, args=(server.url, tasks, together))
        for tasks in claimed.values()
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    for execution in begun:
        scheduled = [e["task"] for e in server.history(execution) if e["type"] == "taskScheduled"]
        assert sorted(scheduled) == ["last", "left", "right"]


def test_a_start_of_an_unknown_workflow_is_404_and_starts_nothing(server: Server) -> None:
    """Trap 10: it is 200, with an empty id."""
    answer = server.client.post("/v1/activities/p/nonsense/executions", json={"input": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    listed = server.client.get("/v1/executions", params={"activity": "nonsense"}).json()
    assert listed["items"] == []


def test_an_unknown_execution_is_404_and_the_server_goes_on(server: Server) -> None:
    """Trap 11: the server crashes."""
    for id_ in (UNKNOWN, "nonsense"):
        for part in ("", "/history", "/attempts", "/context", "/why", "/graph", "/output"):
            assert server.client.get(f"/v1/executions/{id_}{part}").status_code == 404
        for call, body in (("/events", {"name": "go"}), (":retry", {}), (":pause", {})):
            answer = server.client.post(f"/v1/executions/{id_}{call}", json=body)
            assert answer.status_code == 404, answer.text
    assert server.client.get("/healthz").status_code == 200


def test_a_result_that_comes_over_the_wire_while_paused_is_applied_on_resume(
    tmp_path: Path,
) -> None:
    """Trap 5: it is thrown away, and the resume skips the work."""
    mock = Mock()
    server = Server(tmp_path / "goflow.db", "--endpoint", f"cook={mock.url}/cook")
    with ended(server, mock):
        mock.script(**{"cook/cook": [{"delay": 0.5, "body": {"hot": True}}]})
        upload(
            server,
            "cooks",
            "cook",
            actions=[{"name": "cook"}],
            workers=[{"name": "cook", "workerEndpoint": "cook"}],
        )
        begun = server.start("p/cooks")["id"]
        until(mock.calls, "the worker is called")
        paused = server.client.post(f"/v1/executions/{begun}:pause", json={})
        assert paused.json()["status"] == "paused"

        def kept() -> bool:
            return any(e["type"] == "eventDeferred" for e in server.history(begun))

        until(kept, "the answer is kept")
        assert server.get(begun)["status"] == "paused"
        server.client.post(f"/v1/executions/{begun}:resume", json={})
        now = server.end_of(begun)
        assert (now["status"], now["output"]) == ("completed", {"hot": True})
        assert mock.calls() == [("cook", "cook")]


def test_a_limit_of_time_survives_a_kill(tmp_path: Path) -> None:
    """Trap 12: after a restart every limit is a minute."""
    server = Server(tmp_path / "goflow.db")
    upload(
        server,
        "limited",
        {"name": "pack", "on": {"timeout": "late"}},
        {"name": "late", "on": {"go": "done"}},
        actions=[{"name": "pack", "type": "pull", "timeout": LIMIT_SECONDS}],
    )
    begun = server.start("p/limited")["id"]
    server.kill()
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        until(lambda: server.get(begun)["state"] == "late", "the limit is kept")
        [fired] = [e for e in server.history(begun) if e["type"] == "timerFired"]
        assert fired["at"] >= fired["due"]


def test_a_business_key_survives_a_kill(tmp_path: Path) -> None:
    """Trap 23: it is lost when the instance is read again."""
    server = Server(tmp_path / "goflow.db")
    pizza = (SEEDS / "swm-deliver-pizza.json").read_bytes()
    answer = server.client.post("/v1/blueprints", params={"format": "swm"}, content=pizza)
    assert answer.status_code == 201, answer.text
    order = {"business_ref_no": "ORDER-001", "component_name": "ITALIAN"}
    server.client.post("/v1/events", json={**order, "event_name": "StartWorkflow"})
    server.kill()
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        task = {"stage_name": "ORDER", "task_name": "confirm_order", "task_type": "SERVICE"}
        body = {**order, **task, "event_name": "TaskCompleted"}
        [found] = server.client.post("/v1/events", json=body).json()["matched"]
        assert found["state"] == "PREPARE"
        now = server.get(found["id"])
        assert now["key"] == "ORDER-001"
