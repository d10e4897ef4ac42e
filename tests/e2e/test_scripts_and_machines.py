"""Scripts, machines and waits on real processes: what a crash, a bomb or a kill does to them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, ended, until

pytestmark = pytest.mark.e2e

BOMBS = {
    "memory": "let a = []; while (true) a.push(new Array(1000).fill('x'))",
    "loop": "while (true) {}",
    "text": "let s = 'x'; while (true) s += s",
    "throws": "throw new Error('no')",
    "regex": "/^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("language") / "goflow.db")
    with ended(server):
        yield server


def upload(server: Server, activity: str, **document: Any) -> None:
    server.upload(json.dumps({"project": "p", "activity": activity, **document}).encode())


def script(server: Server, activity: str, text: str) -> None:
    upload(
        server,
        activity,
        states=[{"name": "run", "on": {"success": "done"}}],
        actions=[{"name": "run", "type": "script", "script": text}],
        transitions=[{"current": "init", "event": "start", "next": "run"}],
    )


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_scripts_crash_or_bomb_fails_that_step_alone(server: Server, bomb: str) -> None:
    script(server, f"bomb_{bomb}", BOMBS[bomb])
    script(server, "good", "$['twice'] = $.input.n * 2")
    bad = server.start(f"p/bomb_{bomb}")
    good = server.start("p/good", {"n": 21})
    assert server.end_of(good["id"])["output"] == {"twice": 42}
    failed = server.end_of(bad["id"])
    assert failed["status"] == "failed"
    assert failed["error"]["code"] in ("script", "timeout")
    assert server.get(bad["id"], "/attempts")["items"][0]["worker"] == "script"
    assert server.client.get("/healthz").status_code == 200


def test_a_wait_in_a_machine_a_delay_and_a_timeout_survive_a_kill(tmp_path: Path) -> None:
    server = Server(tmp_path / "goflow.db")
    machine = {
        "states": [{"name": "waiting", "on": {"go": "done"}}],
        "transitions": [{"current": "init", "event": "start", "next": "waiting"}],
        "output": "went",
    }
    upload(
        server,
        "branches",
        states=[
            {
                "name": "work",
                "tasks": [{"name": "waits"}, {"name": "sleeps"}, {"name": "times_out"}],
                "on": {"success": "done"},
            }
        ],
        actions=[
            {"name": "waits", "type": "activity", "machine": "waiting"},
            {"name": "sleeps", "type": "delay", "seconds": 1.5},
            {
                "name": "times_out",
                "type": "wait",
                "event": "never",
                "timeout": 1.5,
                "ignoreFailure": True,
            },
        ],
        transitions=[{"current": "init", "event": "start", "next": "work"}],
        machines={"waiting": machine},
    )
    begun = server.start("p/branches")
    server.kill()
    server = Server(tmp_path / "goflow.db")
    with ended(server):
        child = server.get(begun["id"])["children"][0]
        assert server.get(child)["status"] == "waiting"

        def only_the_wait_is_left() -> bool:
            tasks = server.get(begun["id"])["tasks"]
            return [t["task"] for t in tasks if t["status"] != "ended"] == ["waits"]

        until(only_the_wait_is_left, "the delay and the timeout fired")
        sent = server.client.post(f"/v1/executions/{begun['id']}/events", json={"name": "go"})
        assert sent.status_code == 200, sent.text
        now = server.end_of(begun["id"])
        assert now["output"] == {"waits": "went", "sleeps": None, "times_out": None}
        report = server.client.get("/v1/admin/verify").json()
        assert report["breaches"] == []
