"""Every kind of request, on any node, while shards move and nodes die: all say what happened."""

import itertools
import json
import os
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster import SLOW, Cluster, cluster, load
from tests.e2e.test_kills import Notes, mock
from tests.e2e.test_postgres import url
from tests.harness import Mock, until

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MOVES = int(os.environ.get("GOFLOW_MOVES", "1"))
ORDER = {
    "project": "shop",
    "activity": "order",
    "key": "${ input.order }",
    "actions": [{"name": "wait", "type": "wait", "event": "go"}],
}
PULL = {
    "project": "shop",
    "activity": "pull",
    "actions": [{"name": "work", "type": "pull", "queue": "q", "lease": 2, "retryCount": 50}],
}
BLUEPRINTS = [
    {
        "states": ["busy"],
        "transitions": [
            {
                "current": "init",
                "event": "start",
                "next": "busy",
                "action": one["actions"][0]["name"],
            },
            {"current": "busy", "event": "success", "next": "done"},
        ],
        **one,
    }
    for one in (ORDER, PULL)
]
ENDED = ("completed", "failed", "cancelled")
MOVE_CHANCE = 0.02
"""That a reader goes on at another node, behind each event."""
READ_SECONDS = 4.0
"""Without a word on a stream, after which its reader asks another node."""

Told = dict[str, list[int]]
"""The entries of each execution, as a stream told them."""


@dataclass
class Seen:
    """What those who ask saw, of all nodes together."""

    keyed: dict[str, str] = field(default_factory=dict)
    """The event of each execution that it was to end."""
    pulled: dict[str, int] = field(default_factory=dict)
    """What each execution of pulled work was started with."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Of executions that somebody waited for."""
    stories: Told = field(default_factory=dict)
    """Of executions whose own stream was followed to its end."""
    told: Told = field(default_factory=lambda: defaultdict(list))
    """What the stream of all executions told."""
    refused: list[str] = field(default_factory=list)


class Asker(threading.Thread):
    """Takes turns until it is told to stop, each request at another node; repeats what fails."""

    def __init__(
        self, found: Cluster, seen: Seen, stop: threading.Event, turn: "Turn", number: int
    ) -> None:
        super().__init__(daemon=True)
        self._turn, self.number, self.seen, self.stop_asked = turn, number, seen, stop
        self.chance = random.Random(number)
        self._urls = [node.url for node in found.nodes]

    def run(self) -> None:
        with httpx.Client(timeout=5.0, trust_env=False) as self.client:
            for count in itertools.count():
                if self.stop_asked.is_set():
                    return
                self._turn(self, f"{self._turn.__name__}-{self.number}-{count}")

    def url(self) -> str:
        """Return the address of any node."""
        return self.chance.choice(self._urls)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        allowed: tuple[int, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Return the body of the first answer that is one, whichever node gives it."""
        for _ in range(100 * SLOW):
            try:
                answer = self.client.request(method, self.url() + path, json=body, headers=headers)
            except httpx.HTTPError:
                answer = None
            if answer is not None and (answer.status_code < 300 or answer.status_code in allowed):
                return answer.json()
            if answer is not None and answer.status_code not in (502, 503):
                self.seen.refused.append(f"{method} {path}: {answer.text}")
                return None
            self.stop_asked.wait(0.05)
        self.seen.refused.append(f"{method} {path}: nobody answers")
        return None

    def begin(self, activity: str, name: str, value: dict[str, Any]) -> str:
        path, key = f"/v1/activities/shop/{activity}/executions", {"Idempotency-Key": name}
        return str(self.ask("POST", path, {"input": value}, headers=key)["id"])

    def wait(self, execution: str) -> None:
        """Wait for the end of an execution, now here, now there."""
        for _ in range(20 * SLOW):
            now = self.ask("GET", f"/v1/executions/{execution}?wait=2s")
            if now["status"] in ENDED:
                self.seen.outputs[execution] = (now["status"], now.get("output"))
                return


Turn = Callable[[Asker, str], None]


def by_key(asker: Asker, name: str) -> None:
    """Start an execution, end it by its key, wait for it."""
    execution = asker.begin("order", name, {"order": name})
    body = {"name": "go", "key": name, "id": f"event-{name}"}
    asker.ask("POST", "/v1/events", body)
    asker.seen.keyed[execution] = body["id"]
    asker.wait(execution)


def by_id(asker: Asker, name: str) -> None:
    """Start an execution, follow it on its own stream, end it by its id."""
    execution = asker.begin("order", name, {"order": name})
    body = {"name": "go", "id": f"event-{name}"}
    asker.ask("POST", f"/v1/executions/{execution}/events", body)
    asker.seen.keyed[execution] = body["id"]
    asker.seen.stories[execution] = [
        said["seq"] for said in follow(asker, f"/v1/executions/{execution}/stream")
    ]


def pulled(asker: Asker, name: str) -> None:
    """Start an execution whose work is pulled; wait for it."""
    number = asker.chance.randrange(1_000_000)
    execution = asker.begin("pull", name, {"n": number})
    asker.seen.pulled[execution] = number
    asker.wait(execution)


def works(asker: Asker, name: str) -> None:
    """Poll any node for work, and say to any how it ended."""
    body = {"queues": ["q"], "worker": name, "wait": 1}
    for task in asker.ask("POST", "/v1/tasks:poll", body)["tasks"]:
        done = {"token": task["token"], "output": task["payload"]["input"]}
        # Its claim may have lapsed meanwhile.
        asker.ask("POST", f"/v1/tasks/{task['id']}:complete", done, allowed=(409, 410))


def reads(asker: Asker, _: str) -> None:
    """Follow all that is committed."""
    for said in follow(asker, "/v1/stream"):
        asker.seen.told[said["execution"]].append(said["entry"]["seq"])


def follow(asker: Asker, path: str) -> Iterator[Any]:
    """Yield what a stream tells until its end, now from this node, now from that."""
    last: dict[str, str] = {}
    while not asker.stop_asked.is_set():
        try:
            with asker.client.stream(
                "GET", asker.url() + path, headers=last, timeout=READ_SECONDS
            ) as answer:
                if answer.status_code == 204:
                    return
                if answer.status_code != 200:
                    continue
                event: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, text = line.partition(": ")
                    event[name] = text
                    if line:
                        continue
                    last = {"Last-Event-ID": event["id"]} if "id" in event else last
                    if event.get("event") == "end":
                        return
                    assert event.get("event") != "reset", event
                    if "data" in event:
                        yield json.loads(event["data"])
                    event = {}
                    if asker.chance.random() < MOVE_CHANCE:
                        break
        except httpx.HTTPError:
            continue


def moves(found: Cluster) -> None:
    """Let a node join, another one die, a third one go; each time shards change hands."""
    place = len(found.nodes)
    found.start(1)
    found.even(place + 1)
    for number in range(place):
        if number % 2:
            assert found.nodes[number].stop() == 0
        else:
            found.taken_over(found.kill(number))
        found.again(number)


def test_requests_to_any_node_are_done_once_while_shards_move(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    notes, seen, stop, is_read = Notes(), Seen(), threading.Event(), threading.Event()
    turns = [by_key, by_id, pulled, works, works]
    with cluster(url, tmp_path, count=2) as found:
        for blueprint in BLUEPRINTS:
            found.nodes[0].client.post("/v1/blueprints", json=blueprint).raise_for_status()
        reader = Asker(found, seen, is_read, reads, 99)
        reader.start()
        askers = [Asker(found, seen, stop, turn, number) for number, turn in enumerate(turns)]
        with load(found, mock, notes, clients=2):
            for asker in askers:
                asker.start()
            for _ in range(MOVES):
                moves(found)
            stop.set()
            for asker in askers:
                asker.join(timeout=20 * SLOW)
        try:
            found.judge(mock, notes)
            _as_told(found, seen)
        finally:
            is_read.set()
            reader.join(timeout=20 * SLOW)


def _as_told(found: Cluster, seen: Seen) -> None:
    """Hold what was seen against what is stored."""
    assert seen.refused == []
    stored = {row[0]: row[1] for row in found.ask("SELECT id, seq FROM executions")}

    def is_all_told() -> bool:
        return all(len(seen.told[one]) > seq for one, seq in stored.items())

    until(is_all_told, "the stream tells all", seconds=20 * SLOW)
    whole = {one: list(range(seq + 1)) for one, seq in stored.items()}
    assert seen.told == whole, "each entry once, in its order"
    assert len(seen.stories) > 3
    for execution, told in seen.stories.items():
        assert told == whole[execution]
    for execution, event in seen.keyed.items():
        entries = found.nodes[0].history(execution)
        assert [one["type"] for one in entries if one.get("id") == event] == ["eventApplied"]
    for execution, (status, output) in seen.outputs.items():
        expected = {"n": seen.pulled[execution]} if execution in seen.pulled else output
        assert (status, output) == ("completed", expected)
    assert len(seen.outputs) > 10
