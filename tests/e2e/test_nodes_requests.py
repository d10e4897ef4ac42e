"""Every kind of request, on any node, while shards move and nodes die: all say what happened."""

import itertools
import json
import os
import random
import threading
import time
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
from tests.harness import Mock

__all__ = ["mock", "url"]  # the fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MANY = "30"
"""Rounds of moves, in the soak."""
ORDER: dict[str, Any] = {
    "project": "shop",
    "activity": "order",
    "key": "${ input.order }",
    "actions": [{"name": "wait", "type": "wait", "event": "go"}],
}
PULL: dict[str, Any] = {
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
PAUSE_SECONDS = 0.05
"""Before a request is repeated."""
MOVE_CHANCE = 0.02
"""That a reader goes on at another node, behind each event."""
READ_SECONDS = 4.0
"""Without a word on a stream, after which its reader asks another node."""

Told = dict[str, list[int]]
"""The entries of each execution, as a stream told them."""


@dataclass
class Seen:
    """What those who ask saw, of all nodes together."""

    sent: dict[str, str | None] = field(default_factory=dict)
    """The id of the event that was to end each execution, if it has one."""
    pulled: dict[str, int] = field(default_factory=dict)
    """What each execution of pulled work was started with."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Of executions that somebody waited for."""
    stories: Told = field(default_factory=dict)
    """Of executions whose own stream was followed to its end."""
    told: Told = field(default_factory=lambda: defaultdict(list))
    """What the stream of all executions told."""
    refused: list[str] = field(default_factory=list)


class Refused(AssertionError):
    """An answer that nobody should get."""


class Asker(threading.Thread):
    """Takes turns until it is told to stop, each request at another node; repeats what fails."""

    def __init__(self, found: Cluster, seen: Seen, stop: threading.Event, turn: "Turn") -> None:
        super().__init__(daemon=True)
        self._turn, self.seen, self.stop_asked = turn, seen, stop
        self.chance = random.Random(turn.__name__)
        self._urls = [node.url for node in found.nodes]

    def run(self) -> None:
        with httpx.Client(timeout=5.0, trust_env=False) as self.client:
            for count in itertools.count():
                if self.stop_asked.is_set():
                    return
                try:
                    self._turn(self, f"{self._turn.__name__}-{count}")
                except Refused as refusal:
                    self.seen.refused.append(str(refusal))

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
                raise Refused(f"{method} {path}: {answer.text}")
            time.sleep(PAUSE_SECONDS)
        raise Refused(f"{method} {path}: nobody answers")

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
        raise Refused(f"{execution} does not end")


Turn = Callable[[Asker, str], None]


def by_key(asker: Asker, name: str) -> None:
    """Start an execution, end it by its key, wait for it."""
    execution = asker.begin("order", name, {"order": name})
    repeat = {"Idempotency-Key": f"event-{name}"}
    asker.ask("POST", "/v1/events", {"name": "go", "key": name}, headers=repeat)
    asker.seen.sent[execution] = None
    asker.wait(execution)


def by_id(asker: Asker, name: str) -> None:
    """Start an execution, follow it on its own stream, end it by its id."""
    execution = asker.begin("order", name, {"order": name})
    body = {"name": "go", "id": f"event-{name}"}
    asker.ask("POST", f"/v1/executions/{execution}/events", body)
    asker.seen.sent[execution] = body["id"]
    asker.seen.stories[execution] = [
        said["seq"]
        for said in follow(asker, f"/v1/executions/{execution}/stream", threading.Event())
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
    for said in follow(asker, "/v1/stream", asker.stop_asked):
        asker.seen.told[said["execution"]].append(said["entry"]["seq"])


def follow(asker: Asker, path: str, stop: threading.Event) -> Iterator[Any]:
    """Yield what a stream tells until its end, now from this node, now from that."""
    last: dict[str, str] = {}
    while not stop.is_set():
        try:
            with asker.client.stream(
                "GET", asker.url() + path, headers=last, timeout=READ_SECONDS
            ) as answer:
                if answer.status_code == 204:
                    return
                if answer.status_code != 200:
                    continue
                for event in told_by(answer):
                    if event.get("event") == "reset":
                        raise Refused(f"{path} from {last}: {event}")
                    last = {"Last-Event-ID": event["id"]} if "id" in event else last
                    if event.get("event") == "end":
                        return
                    if "data" in event:
                        yield json.loads(event["data"])
                    if asker.chance.random() < MOVE_CHANCE:
                        break
        except httpx.HTTPError:
            continue


def told_by(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """Yield the events of a stream, each by its fields, until it is too slow."""
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, text = line.partition(": ")
        event[name] = text
        if line:
            continue
        if event.get("event") == "reset" and "too_slow" in event["data"]:
            return  # this machine is: what was left out follows the id before
        yield event
        event = {}


def moves(found: Cluster) -> None:
    """Let a node die, and another one go; each time shards change hands."""
    # The load asks the two that were there when it began: only they have work at any time.
    one = random.randrange(2)
    two = random.choice([place for place in range(len(found.nodes)) if place != one])
    found.taken_over(found.kill(one))
    found.again(one)
    assert found.nodes[two].stop() == 0
    found.again(two)


def requests(url: str, mock: Mock, folder: Path, rounds: int) -> None:
    """Ask any node, while a third one joins and others die and go; hold what was seen to it."""
    notes, seen = Notes(), Seen()
    stop, is_done, is_read = threading.Event(), threading.Event(), threading.Event()
    with cluster(url, folder, count=2) as found:
        for blueprint in BLUEPRINTS:
            found.nodes[0].client.post("/v1/blueprints", json=blueprint).raise_for_status()
        starters = [Asker(found, seen, stop, turn) for turn in (by_key, by_id, pulled)]
        workers = [Asker(found, seen, is_done, works) for _ in range(2)]
        reader = Asker(found, seen, is_read, reads)
        reader.start()
        with load(found, mock, notes, clients=2):
            for asker in starters + workers:
                asker.start()
            found.start(1)
            found.even(3)
            for _ in range(rounds):
                moves(found)
        for end, askers in ((stop, starters), (is_done, workers)):
            end.set()
            for asker in askers:
                asker.join(timeout=20 * SLOW)
                assert not asker.is_alive()
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

    def left() -> dict[str, list[int]]:
        return {one: seen.told[one] for one, seq in stored.items() if len(seen.told[one]) <= seq}

    end = time.monotonic() + 20 * SLOW
    while left() and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
    assert (left(), seen.refused) == ({}, []), "the stream tells all"
    whole = {one: list(range(seq + 1)) for one, seq in stored.items()}
    assert seen.told == whole, "each entry once, in its order"
    assert len(seen.stories) > 3
    for execution, told in seen.stories.items():
        assert told == whole[execution]
    for execution, event in seen.sent.items():
        entries = found.nodes[0].history(execution)
        applied = [one.get("id") for one in entries if one["type"] == "eventApplied"]
        assert applied == [event]
    for execution, (status, output) in seen.outputs.items():
        expected = {"n": seen.pulled[execution]} if execution in seen.pulled else output
        assert (status, output) == ("completed", expected)
    assert len(seen.outputs) > 10


@pytest.mark.soak  # under heavy load one run in thirty waits for something; see what it says
def test_requests_to_any_node_are_done_once_while_shards_move(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    requests(url, mock, tmp_path, 1)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_requests_are_done_once_however_often_shards_move(
    url: str, mock: Mock, tmp_path: Path
) -> None:
    requests(url, mock, tmp_path, int(os.environ.get("GOFLOW_MOVES", MANY)))
