"""kill -9 of the real server exactly before its k-th write, sync, send or connect.

One data file lives through all of the kills: what a killed server left behind is what the next
one starts with, is loaded with, and is killed on, in its recovery too. In the end everything that
was acknowledged is there and has ended, and the history checker finds nothing.
"""

import os
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Mock, Server, ended, until

KILLS = int(os.environ.get("GOFLOW_SYSCALL_KILLS", "12"))
SOAK_KILLS = max(KILLS, 400)
LAST = {"pwrite64": 700, "fdatasync": 60, "write": 90, "connect": 2}
"""The last call of each kind to kill at: start and recovery lie within, and a small load."""
CLIENTS, STARTS_MAX = 2, 40
HEAL_SECONDS = 60.0
BLUEPRINT = {
    "project": "soak",
    "activity": "calls",
    "states": ["call", "pause", "again"],
    "actions": [
        {"name": "call", "type": "sync"},
        {"name": "pause", "type": "delay", "seconds": 0.05},
        {"name": "again", "type": "sync", "input": {"n": "$.input.n"}},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "call"},
        {"current": "call", "event": "success", "next": "pause"},
        {"current": "pause", "event": "success", "next": "again"},
    ],
}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900 + 20 * KILLS),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at the k-th syscall"),
]


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        mock.script(**{f"w/{name}": [{"status": 200, "body": {}}] for name in ("call", "again")})
        yield mock


@dataclass
class Load:
    """Clients that start executions until the server is gone; a start has one key for ever."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key to execution."""
    refused: list[str] = field(default_factory=list)
    asked: int = 0

    def run(self, url: str) -> None:
        self.asked += 1
        clients = [
            threading.Thread(target=self._start, args=(url, f"{self.asked}-{number}"), daemon=True)
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join(timeout=60)
            assert not client.is_alive()

    def _start(self, url: str, prefix: str) -> None:
        path = "/v1/activities/soak/calls/executions"
        with httpx.Client(base_url=url, timeout=20.0, trust_env=False) as client:
            for turn in range(STARTS_MAX):
                key = f"{prefix}-{turn}"
                headers = {"Idempotency-Key": key}
                try:
                    answer = client.post(path, json={"input": {"n": key}}, headers=headers)
                except httpx.HTTPError:
                    return  # it is killed
                if answer.status_code == 201:
                    self.acknowledged[key] = answer.json()["id"]
                else:
                    self.refused.append(answer.text)


def killed_at(syscall: str, number: int) -> tuple[str, ...]:
    """Return the tracer that kills: no parent of the server, and blind to all other calls."""
    injected = f"inject={syscall}:signal=SIGKILL:when={number}"
    watched = ("-e", f"trace={syscall}", "-e", injected)
    return ("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", *watched)


def kill_again_and_again(mock: Mock, data: Path, kills: int) -> None:
    chance, load = random.Random(kills), Load()
    workers = [
        {"name": name, "workerEndpoint": f"{mock.url}/w", "retryCount": 50}
        for name in ("call", "again")
    ]
    with ended(server := Server(data)):
        answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
        assert answer.status_code == 201, answer.text
    dead = 0
    for turn in range(kills):
        syscall = list(LAST)[turn % len(LAST)]
        number = chance.randint(1, LAST[syscall])
        try:
            server = Server(data, under=killed_at(syscall, number))
        except AssertionError:
            dead += 1  # before it was ready
            continue
        with ended(server):
            load.run(server.url)
            if server.child.poll() is None:
                server.kill()  # the load was too small for this call
            assert server.stop() == -signal.SIGKILL
            dead += 1
    assert dead == kills
    assert load.refused == []
    with ended(server := Server(data)):
        judge(server, load.acknowledged, mock)


def judge(server: Server, acknowledged: dict[str, str], mock: Mock) -> None:
    def at_rest() -> bool:
        counts: dict[str, Any] = server.client.get("/v1/admin/store").json()["executions"]
        return set(counts) == {"completed"}

    until(at_rest, "every execution ends after the kills", seconds=HEAL_SECONDS)
    report = server.client.get("/v1/admin/verify", timeout=120.0).json()
    assert report["breaches"] == []
    assert len(set(acknowledged.values())) == len(acknowledged) > 20
    for key, execution in acknowledged.items():
        assert server.get(execution)["input"] == {"n": key}
    attempts = {
        (execution, e["visit"], e["attempt"])
        for execution in {call["body"]["executionId"] for call in mock.recorded()}
        for e in server.history(execution)
        if e["type"] == "attemptStarted"
    }
    for call in mock.recorded():
        body = call["body"]
        assert (body["executionId"], body["visit"], body["attempt"]) in attempts, "logged first"


def test_a_kill_at_any_syscall_loses_nothing(mock: Mock, tmp_path: Path) -> None:
    kill_again_and_again(mock, tmp_path / "goflow.db", KILLS)


@pytest.mark.soak
def test_many_more_kills_at_any_syscall_lose_nothing(mock: Mock, tmp_path: Path) -> None:
    kill_again_and_again(mock, tmp_path / "goflow.db", SOAK_KILLS)
