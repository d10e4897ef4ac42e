"""kill -9 of a real server under load, again and again: nothing acknowledged is lost.

Clients start executions with idempotency keys and send events with ids, and repeat what was not
answered. Workers answer at once, by callback, or late. Afterwards the history checker judges the
store, and the clients' and the workers' own notes are held against it.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Mock, Server, ended, until

BLUEPRINT = {
    "project": "soak",
    "activity": "kill",
    "states": [
        "call",
        "later",
        {"name": "hold", "timeout": 0.4, "on": {"go": "pause", "timeout": "pause"}},
        "pause",
        "last",
    ],
    "actions": [
        {"name": "call", "type": "sync"},
        {"name": "later", "type": "async", "heartbeatTimeout": 1.5},
        {"name": "pause", "type": "delay", "seconds": 0.1},
        {"name": "last", "type": "sync", "input": {"n": "$.input.n"}},
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "call"},
        {"current": "call", "event": "success", "next": "later"},
        {"current": "later", "event": "success", "next": "hold"},
        {"current": "pause", "event": "success", "next": "last"},
    ],
    "output": {"n": "$.last.output.n"},
}
RETRY = {"interval": 0.05, "maxInterval": 0.2}
CLIENTS = 4
PAUSE_SECONDS = 0.04
HEAL_SECONDS = 60.0


@dataclass
class Notes:
    """What the clients saw."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key to execution."""
    events: dict[str, str] = field(default_factory=dict)
    """Event id to execution, of the events that were acknowledged."""
    refused: list[str] = field(default_factory=list)
    """Answers that no client should ever get."""


class Client(threading.Thread):
    """Starts executions and sends events until it is told to stop; repeats what got no answer."""

    def __init__(self, number: int, url: str, notes: Notes, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number, self.url, self.notes, self.stop_asked = number, url, notes, stop

    def run(self) -> None:
        turn = 0
        with httpx.Client(base_url=self.url, timeout=5.0, trust_env=False) as client:
            while not self.stop_asked.wait(PAUSE_SECONDS):
                turn += 1
                key = f"{self.number}-{turn}"
                begun = self._ask(
                    client,
                    "/v1/activities/soak/kill/executions",
                    {"input": {"n": key}},
                    {"Idempotency-Key": key},
                )
                if begun is None:
                    return
                self.notes.acknowledged[key] = begun["id"]
                if turn % 3 == 0:
                    self._send(client, begun["id"], f"event-{key}")

    def _send(self, client: httpx.Client, execution: str, event: str) -> None:
        for _ in range(40):
            if self.stop_asked.is_set():
                return
            answer = self._try(
                client, f"/v1/executions/{execution}/events", {"name": "go", "id": event}, {}
            )
            if answer is not None and answer.status_code in (200, 202):
                self.notes.events[event] = execution
                return
            if answer is not None and answer.status_code not in (409, 503):
                self.notes.refused.append(answer.text)
                return
            self.stop_asked.wait(0.05)

    def _ask(
        self, client: httpx.Client, path: str, body: Any, headers: dict[str, str]
    ) -> dict[str, Any] | None:
        while True:
            answer = self._try(client, path, body, headers)
            if answer is not None and answer.status_code in (200, 201):
                found: dict[str, Any] = answer.json()
                return found
            if answer is not None and answer.status_code != 503:
                self.notes.refused.append(answer.text)
            if self.stop_asked.wait(0.05):
                return None

    def _try(
        self, client: httpx.Client, path: str, body: Any, headers: dict[str, str]
    ) -> httpx.Response | None:
        try:
            return client.post(path, json=body, headers=headers)
        except httpx.HTTPError:
            return None


@pytest.fixture
def mock() -> Iterator[Mock]:
    mock = Mock()
    with ended(mock):
        mock.script(
            **{
                "w/later": [{"status": 202, "callback": {"after": 0.05, "body": {"output": 1}}}],
                "w/last": [
                    {"status": 500, "times": 1},
                    {"drop": True, "times": 1},
                    {"status": 200, "body": {"n": 0}, "delay": 0.02},
                ],
            }
        )
        yield mock


def soak(mock: Mock, data: Path | str, kills: int) -> None:
    """Run clients while the server is killed; judge what is left."""
    chance = random.Random(kills)
    server = Server(data)
    port = int(server.url.rsplit(":", 1)[1])
    upload(server, mock)
    notes, stop = Notes(), threading.Event()
    clients = [Client(number, server.url, notes, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 0.7))  # the moment of the crash is the test's input
            server.kill()
            server = Server(data, port=port)
        time.sleep(0.5)
    finally:
        stop.set()
        for client in clients:
            client.join(timeout=20)
    with ended(server):
        judge(server, mock, notes)


def upload(server: Server, mock: Mock) -> None:
    """Upload what the clients start."""
    workers = [
        {"name": name, "workerEndpoint": f"{mock.url}/w", "retryCount": 50, "retry": RETRY}
        for name in ("call", "later", "last")
    ]
    answer = server.client.post("/v1/blueprints", json={**BLUEPRINT, "workers": workers})
    assert answer.status_code == 201, answer.text


def judge(server: Server, mock: Mock, notes: Notes) -> None:
    mock.script(**{"w/later": [{"status": 202, "callback": {"after": 0, "body": {"output": 1}}}]})
    assert notes.refused == []
    assert len(notes.acknowledged) > 20

    def all_ended() -> bool:
        # Asked at once: between two questions one that waits can begin to run.
        asked = "/v1/executions?status=running,waiting&limit=1"
        found: list[Any] = server.client.get(asked).json()["items"]
        return not found

    until(all_ended, "every execution ends after the faults", seconds=HEAL_SECONDS)
    report = server.client.get("/v1/admin/verify", timeout=120.0).json()
    assert report["breaches"] == []
    failed = server.client.get("/v1/executions", params={"status": "failed"}).json()["items"]
    assert [(one["id"], one["error"]) for one in failed] == []
    assert set(report["byStatus"]) == {"completed"}
    _no_lost_acknowledgement(server, notes)
    _every_call_was_logged_first(server, mock)


def _no_lost_acknowledgement(server: Server, notes: Notes) -> None:
    """S1, S2, S13: what was acknowledged is there, once."""
    assert len(set(notes.acknowledged.values())) == len(notes.acknowledged)
    for key, execution in notes.acknowledged.items():
        assert server.get(execution)["input"] == {"n": key}
    for event, execution in notes.events.items():
        fates = [e["type"] for e in server.history(execution) if e.get("id") == event]
        assert fates in (["eventApplied"], ["eventIgnored"]), (event, fates)


def _every_call_was_logged_first(server: Server, mock: Mock) -> None:
    """S8, S9: each request that a worker saw is an attempt of the history, with the visit's key."""
    histories: dict[str, set[tuple[int, int]]] = {}
    for call in mock.recorded():
        body = call["body"]
        execution = body["executionId"]
        if execution not in histories:
            histories[execution] = {
                (e["visit"], e["attempt"])
                for e in server.history(execution)
                if e["type"] == "attemptStarted"
            }
        assert (body["visit"], body["attempt"]) in histories[execution]
        assert call["headers"]["idempotency-key"] == f"{execution}/{body['visit']}"


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_20_kills_lose_nothing(mock: Mock, tmp_path: Path) -> None:
    soak(mock, tmp_path / "goflow.db", 20)


@pytest.mark.soak
def test_kills_lose_nothing(mock: Mock, tmp_path: Path) -> None:
    soak(mock, tmp_path / "goflow.db", int(os.environ.get("GOFLOW_KILLS", "300")))
