"""The blueprints that come with goflow, each with its mock script, on real processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, ended, until

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parents[2] / "blueprints"


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server with mock workers of its own that play the blueprint's script."""
    name = request.param
    mock = f"--workers-mock={FOLDER / name}.mock.json"
    server = Server(tmp_path / "goflow.db", mock, "--retry-interval", "0.05")
    with ended(server):
        uploaded = server.upload((FOLDER / f"{name}.json").read_bytes())
        assert [f for f in uploaded["findings"] if f["severity"] == "error"] == []
        yield server


def example(name: str, **more: Any) -> dict[str, Any]:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    found: dict[str, Any] = {**document["meta"]["example"]["input"], **more}
    return found


def path(server: Server, execution: str) -> list[str]:
    entered = [e for e in server.history(execution) if e["type"] == "transition" and e["entered"]]
    return [entry["to"] for entry in entered]


def verified(server: Server) -> None:
    assert server.client.get("/v1/admin/verify").json()["breaches"] == []


@pytest.mark.parametrize("server", ["inquiry"], indirect=True)
def test_inquiry_fails_over(server: Server) -> None:
    now = server.end_of(server.start("goflow/inquiry", {"customer": 1})["id"])
    assert now["status"] == "completed"
    attempts = server.get(now["id"], "/attempts")["items"]
    assert [a["worker"] for a in attempts[:5]] == ["worker_url"] * 4 + ["worker_url_2"]
    verified(server)


@pytest.mark.parametrize("server", ["order"], indirect=True)
def test_an_order_is_shipped_and_one_that_cannot_be_is_refunded(server: Server) -> None:
    first = server.end_of(server.start("shop/order", example("order"))["id"])
    assert first["status"] == "completed", first["error"]
    payments = [a for a in server.get(first["id"], "/attempts")["items"] if "charge" in a["action"]]
    assert [a["outcome"] for a in payments] == ["error", "error", "success"]
    second = server.end_of(server.start("shop/order", example("order", orderId="A-2"))["id"])
    assert second["status"] == "failed"
    assert "refund_payment" in [a["action"] for a in server.get(second["id"], "/attempts")["items"]]
    verified(server)


@pytest.mark.parametrize("server", ["approval"], indirect=True)
def test_leave_is_approved_by_an_event_or_rejected_by_silence(server: Server) -> None:
    patient = server.start("hr/leave", example("approval", patience=30))["id"]
    until(lambda: server.get(patient)["awaiting"], "the approval is awaited")
    answer = server.client.post(
        f"/v1/executions/{patient}/events", json={"name": "approved", "data": {"by": "mia"}}
    )
    assert answer.status_code == 200, answer.text
    assert server.end_of(patient)["status"] == "completed"
    silent = server.end_of(server.start("hr/leave", example("approval"))["id"])
    assert silent["businessStatus"] != server.get(patient)["businessStatus"]
    assert len(path(server, silent["id"])) > len(path(server, patient))
    verified(server)


@pytest.mark.parametrize("server", ["polling"], indirect=True)
def test_a_job_is_polled_until_it_is_ready(server: Server) -> None:
    now = server.end_of(server.start("media/transcode", example("polling"))["id"])
    assert now["status"] == "completed", now["error"]
    states = path(server, now["id"])
    assert max(states.count(state) for state in states) > 1
    verified(server)
