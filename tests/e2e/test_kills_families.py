"""kill -9 under families, queues and notifications: nobody is left waiting for anybody."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Mock, Server, ended, until

pytestmark = pytest.mark.e2e

KILLS = 6
STARTS = 4
BETWEEN_SECONDS = 0.25
HEAL_SECONDS = 60.0
RETRY = {"interval": 0.05, "maxInterval": 0.2}
BLUEPRINT: dict[str, Any] = {
    "project": "soak",
    "activity": "family",
    "states": [
        {
            "name": "work",
            "tasks": [
                {"name": "branch", "each": "$.input.branches", "concurrency": 2},
                {"name": "packed"},
                {"name": "told", "needs": ["packed"]},
            ],
            "on": {"success": "last"},
            "notify": {"left": "w"},
        },
        "last",
    ],
    "actions": [
        {"name": "branch", "type": "activity", "machine": "branch", "input": "$.item"},
        {"name": "packed", "type": "pull", "lease": 0.5, "retryCount": 1000, "retry": RETRY},
        {"name": "told", "type": "sync"},
        {"name": "last", "type": "sync"},
    ],
    "transitions": [{"current": "init", "event": "start", "next": "work"}],
    "machines": {
        "branch": {
            "states": ["first", "nap", "second"],
            "actions": [{"name": "nap", "type": "delay", "seconds": 0.05}],
            "transitions": [
                {"current": "init", "event": "start", "next": "first"},
                {"current": "first", "event": "success", "next": "nap"},
                {"current": "nap", "event": "success", "next": "second"},
                {"current": "second", "event": "success", "next": "done"},
            ],
        }
    },
    "workers": [
        {"name": name, "workerEndpoint": "w", "retryCount": 50, "retry": RETRY}
        for name in ("first", "second", "told", "last")
    ],
}


class Packer(threading.Thread):
    """Polls and completes for as long as it is not stopped, whatever becomes of the server."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.stopped = url, threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=5.0, trust_env=False) as client:
            body = {"queues": ["packed"], "max": 5, "wait": 1, "worker": "packer"}
            while not self.stopped.is_set():
                try:
                    for task in client.post("/v1/tasks:poll", json=body).json()["tasks"]:
                        place = f"/v1/tasks/{task['id']}:complete"
                        client.post(place, json={"token": task["token"], "output": "packed"})
                except (httpx.HTTPError, KeyError):
                    self.stopped.wait(0.05)


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        mock.script(**{"w/second": [{"status": 500, "times": 1}, {"status": 200, "delay": 0.02}]})
        yield mock


def test_families_queues_and_notifications_survive_kills(mock: Mock, tmp_path: Path) -> None:
    def serve(port: int = 0) -> Server:
        data = tmp_path / "goflow.db"
        return Server(data, f"--endpoint=w={mock.url}/w", "--retry-interval", "0.05", port=port)

    server = serve()
    port = int(server.url.rsplit(":", 1)[1])
    server.upload(json.dumps(BLUEPRINT).encode())
    packer = Packer(server.url)
    packer.start()
    begun: list[str] = []
    for _ in range(KILLS):
        starts = [server.start("soak/family", {"branches": [1, 2, 3]}) for _ in range(STARTS)]
        begun += [started["id"] for started in starts]
        time.sleep(BETWEEN_SECONDS)  # the kill comes at a moment of its own
        server.kill()
        server = serve(port)
    with ended(server):
        for execution in begun:
            now = server.end_of(execution, seconds=HEAL_SECONDS)
            assert (now["status"], now["error"]) == ("completed", None)
        until(lambda: _told(mock) >= set(begun), "every leaving of 'work' was told")
        packer.stopped.set()
        packer.join()
        report = server.client.get("/v1/admin/verify").json()
        assert report["breaches"] == []
        assert report["executions"] == len(begun) * 4  # three branches each
        assert set(report["byStatus"]) == {"completed"}


def _told(mock: Mock) -> set[str]:
    """Return the executions whose CloudEvent came."""
    bodies = (call["body"] for call in mock.recorded())
    return {body["subject"] for body in bodies if "specversion" in body}
