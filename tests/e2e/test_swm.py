"""A client of the Serverless Workflow Manager, unchanged: its definition, events and instances."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.conftest import Api, Serve

pytestmark = pytest.mark.e2e

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
PIZZA = (SEEDS / "swm-deliver-pizza.json").read_bytes()
INSTANCE = orjson.loads((SEEDS / "swm-deliver-pizza-instance.json").read_bytes())
LATER = ("version", "updated_at")


@pytest.fixture
async def pizzeria(api: Api) -> Api:
    answer = await api("POST", "/v1/blueprints?format=swm", raw=PIZZA)
    assert answer.status == 201, answer.raw
    return api


def event(name: str, stage: str | None = None, task: str | None = None, **more: Any) -> Any:
    body = {
        "business_ref_no": "ORDER-001",
        "component_name": "ITALIAN",
        "event_name": name,
        "stage_name": stage,
        "task_name": task,
        "task_type": None if task is None else "SERVICE",
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


async def say(api: Api, name: str, stage: str = "", task: str = "", **more: Any) -> dict[str, Any]:
    answer = await api("POST", "/v1/events", event(name, stage or None, task or None, **more))
    assert answer.status == 202, answer.raw
    [match] = answer.body["matched"]
    found: dict[str, Any] = match
    return found


async def view(api: Api, execution: str) -> dict[str, Any]:
    found: dict[str, Any] = await api.good("GET", f"/v1/executions/{execution}?view=swm")
    return found


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    for stage in document["stages"]:
        for task in stage.get("tasks", ()):
            if "last_updated_time_pretty" in task:
                task["last_updated_time_pretty"] = "then"
    return {name: value for name, value in document.items() if name not in LATER}


async def test_a_pizza_is_ordered_and_the_instance_is_that_of_the_seed(pizzeria: Api) -> None:
    started = await say(pizzeria, "StartWorkflow", customer="anna")
    again = await say(pizzeria, "StartWorkflow")
    assert again["id"] == started["id"]
    ordered = await say(pizzeria, "TaskCompleted", "ORDER", "confirm_order", eta=20)
    assert ordered["revision"] > started["revision"]
    found = await view(pizzeria, started["id"])
    assert found["version"] == ordered["revision"]
    sample = orjson.loads(orjson.dumps(INSTANCE))
    assert without_times(found) == without_times(sample)
    execution = await pizzeria.good("GET", f"/v1/executions/{started['id']}")
    assert (execution["key"], execution["input"]) == ("ORDER-001", {"customer": "anna"})
    assert execution["businessStatus"] == "ORDER CONFIRMED"
    for stage, task in (
        ("PREPARE", "make_food"),
        ("PREPARE", "assign_executive"),
        ("PREPARE", "confirm_delivery"),
        ("DELIVER", "deliver_food"),
    ):
        await say(pizzeria, "TaskCompleted", stage, task)
    ended = await pizzeria.good("GET", f"/v1/executions/{started['id']}")
    assert (ended["status"], ended["businessStatus"]) == ("completed", "FOOD DELIVERED")


async def test_a_failed_task_is_tried_again_and_an_earlier_stage_replayed(pizzeria: Api) -> None:
    started = await say(pizzeria, "StartWorkflow")
    await say(pizzeria, "TaskCompleted", "ORDER", "confirm_order")
    failed = await say(pizzeria, "TaskFailed", "PREPARE", "make_food", reason="oven")
    assert failed["status"] == "waiting"
    found = await view(pizzeria, started["id"])
    assert found["stages"][2]["tasks"][0]["reason"] == "oven"
    pending = await say(pizzeria, "TaskPending", "PREPARE", "make_food")
    assert (pending["id"], pending["status"]) == (started["id"], "waiting")
    replayed = await say(pizzeria, "TaskPending", "ORDER", "confirm_order")
    assert replayed["state"] == "ORDER"
    late = event("TaskCompleted", "PREPARE", "make_food")
    (await pizzeria("POST", "/v1/events", late)).problem(409, "not_now")


async def test_a_repeated_event_is_taken_once(pizzeria: Api) -> None:
    start, done = event("StartWorkflow"), event("TaskCompleted", "ORDER", "confirm_order")
    for body, key in ((start, "a"), (done, "b")):
        first = await pizzeria("POST", "/v1/events", body, Idempotency_Key=key)
        again = await pizzeria("POST", "/v1/events", body, Idempotency_Key=key)
        assert (first.status, again.status) == (202, 202)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.body == first.body
    other = event("TaskFailed", "ORDER", "confirm_order")
    answer = await pizzeria("POST", "/v1/events", other, Idempotency_Key="b")
    answer.problem(422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (event("StartWorkflow", component_name="CHINESE"), 404, "no_match"),
        (event("StartWorkflow", workflow_name="Pho"), 404, "no_match"),
        (event("TaskCompleted", "ORDER", "confirm_order"), 404, "no_match"),
        (event("TaskCompleted", "ORDER"), 422, "invalid_body"),
        (event("TaskStarted", "ORDER", "confirm_order"), 422, "invalid_body"),
        ({"event_name": "StartWorkflow"}, 422, "invalid_body"),
        ({"event_name": None}, 422, "invalid_body"),
        (event("StartWorkflow", business_ref_no=7), 422, "invalid_body"),
    ],
)
async def test_an_event_that_cannot_be_taken_says_why(
    pizzeria: Api, body: Any, status: int, code: str
) -> None:
    (await pizzeria("POST", "/v1/events", body)).problem(status, code)


async def test_only_stages_have_an_instance_and_only_these_views_exist(shop: Api) -> None:
    started = await shop.good("POST", "/v1/activities/shop/order/executions", {"key": "k"})
    place = f"/v1/executions/{started['id']}"
    (await shop("GET", f"{place}?view=swm")).problem(422, "no_swm_view")
    (await shop("GET", f"{place}?view=other")).problem(400, "bad_parameter")


async def test_a_key_sends_what_its_scopes_allow_within_its_project(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "admin.key"
    async with serve(host="0.0.0.0", bootstrap_key_file=file) as (_, api):
        admin = api.with_key(file.read_text().strip())
        made = await admin("POST", "/v1/blueprints?format=swm", raw=PIZZA)
        assert made.status == 201
        tells, other = [
            api.with_key((await admin.good("POST", "/v1/keys", {"scopes": scopes, **whose}))["key"])
            for scopes, whose in (
                (["execution:event"], {"project": "ITALIAN"}),
                (["execution:event", "execution:start"], {"project": "CHINESE"}),
            )
        ]
        start = event("StartWorkflow")
        problem = (await tells("POST", "/v1/events", start)).problem(403, "scope")
        assert problem["scopes"] == ["execution:start"]
        (await other("POST", "/v1/events", start)).problem(404, "no_match")
        await say(admin, "StartWorkflow")
        done = event("TaskCompleted", "ORDER", "confirm_order")
        (await other("POST", "/v1/events", done)).problem(404, "no_match")
        again = event("TaskPending", "ORDER", "confirm_order")
        (await tells("POST", "/v1/events", again)).problem(403, "scope")
        assert (await tells("POST", "/v1/events", done)).status == 202
