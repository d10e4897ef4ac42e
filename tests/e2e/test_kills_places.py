"""``maxConcurrent`` under kill -9: never more than so many at a time, and nobody is forgotten."""

from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.harness import Server, ended, until

MOST = 3
COUNT = 15
BLUEPRINT = {
    "project": "p",
    "activity": "a",
    "maxConcurrent": MOST,
    "states": [{"name": "s", "on": {"go": "done"}}],
    "transitions": [{"current": "init", "event": "start", "next": "s"}],
}


def begun(server: Server) -> list[str]:
    answer = server.client.get(
        "/v1/executions", params={"project": "p", "activity": "a", "state": "s", "limit": 100}
    )
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def most_at_a_time(histories: list[list[dict[str, Any]]]) -> int:
    """Return how many were in their state at once: an end frees a place, then another begins."""
    moves = []
    for history in histories:
        for entry in history:
            if entry["type"] == "transition" and entry["to"] == "s":
                moves.append((entry["at"], 1))
            if entry["type"] == "ended":
                moves.append((entry["at"], -1))
    most = now = 0
    for _, change in sorted(moves):
        now += change
        most = max(most, now)
    return most


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_places_are_neither_lost_nor_given_twice_by_kills(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.upload(orjson.dumps(BLUEPRINT))
    ids = [server.start("p/a", number)["id"] for number in range(COUNT)]
    done = 0
    while done < COUNT:
        found = until(partial(begun, server), "somebody begins", seconds=40)
        assert len(found) <= MOST
        for one in found:
            sent = server.client.post(f"/v1/executions/{one}/events", json={"name": "go"})
            assert sent.status_code in (200, 202), sent.text
            done += 1
        if done % 2 == 0:  # its answer is here, and nobody may have been asked in yet
            server.kill()
            server = Server(tmp_path / "data")
    with ended(server):
        histories = [server.history(one) for one in ids]
        assert all(history[-1]["status"] == "completed" for history in histories)
        assert most_at_a_time(histories) <= MOST
        report = server.client.get("/v1/admin/verify")
        assert report.status_code == 200, report.text
        assert report.json()["ok"], report.text
