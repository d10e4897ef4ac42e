"""G17: to the key of one project another's things are like things that nobody has.

At large: tests/safety/test_isolation.py (every route), tests/safety/test_two_projects.py,
tests/safety/test_routes.py, tests/torture/test_simulation.py (rules S17 and S18).
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.guarantees.conftest import House, waits

pytestmark = pytest.mark.e2e

NOBODYS = "0190b0b0-0000-7000-8000-000000000000"
SCOPES = ["blueprint:write", "execution:start", "execution:read", "execution:event"]
SCOPES += ["execution:control", "task"]
READS = ("", "/history", "/attempts", "/context", "/why", "/graph", "/output")
VERBS = (":cancel", ":pause", ":terminate")
ASKED: dict[str, Any] = dict.fromkeys(READS) | {verb: {} for verb in VERBS}
ASKED["/events"] = {"name": "go"}


@pytest.fixture
def shop(house: Any, tmp_path: Path) -> House:
    key = tmp_path / "admin.key"
    found: House = house("--host", "0.0.0.0", "--bootstrap-key-file", str(key))
    found.server.client.headers["Authorization"] = f"Bearer {key.read_text().strip()}"
    return found


def of(shop: House, project: str) -> httpx.Client:
    """Return a client with a key of a project, which has an activity."""
    made = shop.post("/v1/keys", {"project": project, "scopes": SCOPES}).json()["key"]
    headers = {"Authorization": f"Bearer {made}"}
    client = httpx.Client(base_url=shop.server.url, headers=headers, trust_env=False, timeout=30)
    client.post("/v1/blueprints", json=waits(project=project)).raise_for_status()
    return client


def test_another_project_sees_nothing_and_does_nothing(shop: House) -> None:
    with closing(of(shop, "anna")) as anna, closing(of(shop, "bert")) as bert:
        begun = {"input": "berts mark", "key": "berts-key", "labels": {"of": "bert"}}
        order = bert.post("/v1/activities/bert/order/executions", json=begun).json()["id"]
        before = bert.get(f"/v1/executions/{order}").json()
        for path, body in ASKED.items():
            told = []
            for execution in (order, NOBODYS):
                verb = "GET" if body is None else "POST"
                answer = anna.request(verb, f"/v1/executions/{execution}{path}", json=body)
                told.append((answer.status_code, answer.text.replace(execution, "")))
            assert told[0] == told[1], path
            assert told[0][0] == 404, path
        assert anna.get("/v1/executions").json()["items"] == []
        assert anna.get("/v1/executions?key=berts-key").json()["items"] == []
        assert "bert" not in anna.get("/v1/blueprints").text
        assert anna.post("/v1/activities/bert/order/executions", json={}).status_code == 404
        event = {"name": "go", "key": "berts-key"}
        assert anna.post("/v1/events", json=event).status_code == 404
        assert bert.get(f"/v1/executions/{order}").json() == before
        mine = anna.post("/v1/activities/anna/order/executions", json={"key": "berts-key"})
        assert (mine.status_code, mine.json()["id"] == order) == (201, False)
