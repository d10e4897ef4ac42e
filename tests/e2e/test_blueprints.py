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


@pytest.mark.parametrize("server", ["trip"], indirect=True)
def test_a_trip_that_cannot_be_booked_is_given_back_newest_first(server: Server) -> None:
    first = server.end_of(server.start("travel/trip", example("trip"))["id"])
    assert (first["status"], first["output"]["car"]) == ("completed", "GF 11")
    second = server.end_of(server.start("travel/trip", example("trip"))["id"])
    assert (second["status"], second["error"]["code"]) == ("failed", "none_left")
    attempts = server.get(second["id"], "/attempts")["items"]
    undone = [
        a["action"] for a in attempts if a["outcome"] == "success" and "cancel" in a["action"]
    ]
    assert undone == ["cancel_hotel", "cancel_flight"]
    verified(server)


@pytest.mark.parametrize("server", ["expense"], indirect=True)
def test_an_expense_is_reviewed_by_a_person_when_it_is_large(server: Server) -> None:
    small = server.end_of(server.start("finance/expense", example("expense"))["id"])
    assert (small["status"], small["output"]["granted"]) == ("completed", True)
    large = server.start("finance/expense", example("expense", amount=500))["id"]
    task = until(lambda: inbox(server, assignedTo="mia"), "the review is in the inbox")[0]
    claimed = post(server, f"/v1/tasks/{task['id']}:claim", worker="mia")
    assert claimed["payload"]["input"]["amount"] == 500
    form = server.client.post(
        f"/v1/tasks/{task['id']}:complete", json={"token": claimed["token"], "output": {"yes": 1}}
    )
    assert form.status_code == 422
    decision = {"granted": False, "comment": "too dear"}
    post(server, f"/v1/tasks/{task['id']}:complete", token=claimed["token"], output=decision)
    assert server.end_of(large)["output"] == decision
    verified(server)


@pytest.mark.parametrize("server", ["pizza"], indirect=True)
def test_a_pizza_is_cooked_and_paid_at_the_same_time(server: Server) -> None:
    paid = server.end_of(server.start("pizza/delivery", example("pizza"))["id"])
    assert (paid["status"], paid["output"]["paid"]) == ("completed", 21)
    unpaid = server.start("pizza/delivery", example("pizza", paid=0))["id"]
    sent = post(server, f"/v1/executions/{unpaid}/events", name="paid", data={"amount": 5})
    assert sent["respond"] == {"thanks": 5}
    now = server.end_of(unpaid)
    assert now["output"]["baked"] == {"pizzas": ["on the peel"] * 2, "minutes": 7}
    verified(server)


@pytest.mark.parametrize("server", ["album"], indirect=True)
def test_an_album_has_all_photos_but_the_one_that_cannot_be_read(server: Server) -> None:
    now = server.end_of(server.start("media/album", example("album"))["id"])
    assert now["status"] == "completed", now["error"]
    assert now["output"] == {"url": "https://albums.example.com/7", "photos": 4}
    verified(server)


@pytest.mark.parametrize("server", ["thumbnail"], indirect=True)
def test_a_thumbnail_is_made_by_a_worker_that_fetches_its_work(server: Server) -> None:
    waiting = server.start("media/thumbnail", example("thumbnail"))["id"]
    polled = post(server, "/v1/tasks:poll", queues=["frames"], worker="w1", wait=5)
    (task,) = polled["tasks"]
    assert task["payload"]["input"]["second"] == 12
    output = {"image": "s3://frames/12.png"}
    post(server, f"/v1/tasks/{task['id']}:complete", token=task["token"], output=output)
    assert server.end_of(waiting)["output"] == output
    assert post(server, "/v1/tasks:poll", queues=["frames"], worker="w1")["tasks"] == []
    verified(server)


def inbox(server: Server, **which: str) -> Any:
    return server.client.get("/v1/tasks", params=which).json()["items"]


def post(server: Server, path: str, **body: Any) -> Any:
    answer = server.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()
