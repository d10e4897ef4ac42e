"""The Serverless Workflow Manager's events and instances, on its own pizza order."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import Execution
from goflow_py.engine.requests import Repeat
from goflow_py.engine.swm import SwmEvent
from goflow_py.engine.swm_view import instance
from goflow_py.errors import Conflict, GoFlowError, Invalid, NotFound
from goflow_py.importers import import_definition
from tests.unit.engine.conftest import Engine

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
PIZZA = orjson.loads((SEEDS / "swm-deliver-pizza.json").read_bytes())
INSTANCE = orjson.loads((SEEDS / "swm-deliver-pizza-instance.json").read_bytes())


async def pizzeria(engine: Engine, document: dict[str, Any] = PIZZA) -> None:
    imported = import_definition("swm", document, project=None, activity=None)
    await engine.it.uploads.upload(orjson.dumps(imported.blueprint))


async def say(engine: Engine, name: Any, stage: str = "", task: str = "", **more: Any) -> Execution:
    repeat = more.pop("repeat", None)
    event = SwmEvent(
        name=name,
        business_ref_no=more.pop("ref", "ORDER-001"),
        component_name=more.pop("component", "ITALIAN"),
        stage_name=stage,
        task_name=task,
        **more,
    )
    return (await engine.it.swm.send(event, repeat)).execution


async def shown(engine: Engine, execution: Execution) -> dict[str, Any]:
    now = await engine.read(execution)
    compiled = await engine.it.catalog.compiled_for(now)
    return instance(now, compiled, await engine.entries(now))


def statuses(document: dict[str, Any]) -> dict[str, Any]:
    return {
        stage["stage_name"]: {
            "": stage["status"],
            **{task["task_name"]: task["status"] for task in stage.get("tasks", ())},
        }
        for stage in document["stages"]
    }


async def until_prepare(engine: Engine) -> Execution:
    await pizzeria(engine)
    await say(engine, "StartWorkflow")
    return await say(engine, "TaskCompleted", "ORDER", "confirm_order")


# ---------------------------------------------------------------- the instance


async def test_the_instance_is_the_samples_field_for_field(engine: Engine) -> None:
    execution = await until_prepare(engine)
    found = await shown(engine, execution)
    times = {"last_updated_time_pretty": "Thu Jan  1 00:00:00 2026"}
    sample = orjson.loads(orjson.dumps(INSTANCE))
    for stage in sample["stages"]:
        for task in stage.get("tasks", ()):
            task.update({name: times[name] for name in times if name in task})
    sample |= {"version": execution.seq, "updated_at": "2026-01-01T00:00:00.000+0000"}
    assert found == sample
    assert list(found) == list(sample)
    for stage, wanted in zip(found["stages"], sample["stages"], strict=True):
        assert list(stage) == list(wanted)
    first = sample["stages"][1]["tasks"][0]
    assert list(found["stages"][1]["tasks"][0]) == list(first)


async def test_the_fields_of_a_task_keep_the_order_that_the_importer_noted(engine: Engine) -> None:
    imported = import_definition("swm", PIZZA, project=None, activity=None).blueprint
    for state, stage in zip(imported["states"], PIZZA["stages"], strict=True):
        fields = {task["task_name"]: list(task) for task in stage.get("tasks", ())}
        state.setdefault("meta", {})["fields"] = fields
    await engine.it.uploads.upload(orjson.dumps(imported))
    await say(engine, "StartWorkflow")
    execution = await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    found = await shown(engine, execution)
    for stage, wanted in zip(found["stages"], INSTANCE["stages"], strict=True):
        for task, sample in zip(stage.get("tasks", ()), wanted.get("tasks", ()), strict=True):
            assert list(task) == list(sample)


async def test_the_pizza_is_delivered_and_each_task_is_scheduled_once(engine: Engine) -> None:
    execution = await until_prepare(engine)
    await say(engine, "TaskCompleted", "PREPARE", "make_food", others={"oven": 2})
    assert statuses(await shown(engine, execution))["PREPARE"] == {
        "": "ACTIVE",
        "make_food": "COMPLETED",
        "assign_executive": "SCHEDULED",
        "confirm_delivery": "PENDING",
    }
    await say(engine, "TaskCompleted", "PREPARE", "assign_executive")
    await say(engine, "TaskCompleted", "PREPARE", "confirm_delivery")
    ended = await say(engine, "TaskCompleted", "DELIVER", "deliver_food")
    assert (ended.status, ended.business_status) == ("completed", "FOOD DELIVERED")
    assert ended.outputs["PREPARE"]["make_food"] == {"output": {"oven": 2}}
    found = statuses(await shown(engine, execution))
    assert {status for stage in found.values() for status in stage.values()} == {"COMPLETED"}
    scheduled = [e["task"] for e in await engine.entries(ended) if e["type"] == "taskScheduled"]
    assert len(scheduled) == len(set(scheduled)) == 5


# ---------------------------------------------------------------- StartWorkflow


async def test_a_second_start_with_the_key_answers_with_the_one_that_runs(engine: Engine) -> None:
    await pizzeria(engine)
    first = await say(engine, "StartWorkflow", others={"table": 4})
    second = await say(engine, "StartWorkflow", others={"table": 5})
    assert (second.id, second.input, second.key) == (first.id, {"table": 4}, "ORDER-001")


async def test_a_component_with_several_workflows_asks_for_the_name_of_one(engine: Engine) -> None:
    await pizzeria(engine)
    await pizzeria(engine, {**PIZZA, "workflow_name": "Deliver Pasta"})
    await engine.upload({"project": "ITALIAN", "activity": "no_swm", "states": ["a"]}, [])
    with pytest.raises(Conflict, match="Deliver_Pasta, Deliver_Pizza"):
        await say(engine, "StartWorkflow")
    started = await say(engine, "StartWorkflow", workflow_name="Deliver Pasta")
    assert started.activity == "Deliver_Pasta"
    with pytest.raises(NotFound, match="no workflow 'Pho'"):
        await say(engine, "StartWorkflow", workflow_name="Pho")
    with pytest.raises(NotFound, match="the component 'CHINESE' has no workflow"):
        await say(engine, "StartWorkflow", component="CHINESE")


async def test_a_task_of_one_of_two_workflows_with_the_key_is_told_by_its_name(
    engine: Engine,
) -> None:
    await pizzeria(engine)
    await pizzeria(engine, {**PIZZA, "workflow_name": "Deliver Pasta"})
    await say(engine, "StartWorkflow", workflow_name="Deliver Pasta")
    await say(engine, "StartWorkflow", workflow_name="Deliver Pizza")
    with pytest.raises(Conflict, match="several workflows run"):
        await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    found = await say(
        engine, "TaskCompleted", "ORDER", "confirm_order", workflow_name="Deliver Pasta"
    )
    assert (found.activity, found.state) == ("Deliver_Pasta", "PREPARE")


# ---------------------------------------------------------------- the end of a task


@pytest.mark.parametrize(
    ("name", "stage", "task", "wrong"),
    [
        ("TaskCompleted", "ORDER", "confirm_order", Conflict),
        ("TaskCompleted", "PREPARE", "confirm_delivery", Conflict),
        ("TaskFailed", "DELIVER", "deliver_food", Conflict),
        ("TaskPending", "PREPARE", "make_food", Conflict),
        ("TaskPending", "PREPARE", "confirm_delivery", Conflict),
        ("TaskPending", "DELIVER", "deliver_food", Conflict),
        ("TaskCompleted", "EAT", "eat", NotFound),
        ("TaskCompleted", "PREPARE", "eat", NotFound),
    ],
)
async def test_what_makes_no_sense_now_is_refused_and_changes_nothing(
    engine: Engine, name: Any, stage: str, task: str, wrong: type[GoFlowError]
) -> None:
    execution = await until_prepare(engine)
    with pytest.raises(wrong):
        await say(engine, name, stage, task)
    assert (await engine.read(execution)).seq == execution.seq


async def test_a_task_that_somebody_has_claimed_is_ended_in_the_same_attempt(
    engine: Engine,
) -> None:
    await pizzeria(engine)
    execution = await say(engine, "StartWorkflow")
    page = await engine.it.store.ready(
        ["confirm_order_queue"], project="ITALIAN", now=engine.clock.now_ms(), limit=1
    )
    assert await engine.it.claims.take(page[0], "anna") is not None
    await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    attempts = [e for e in await engine.entries(execution) if e["type"] == "attemptEnded"]
    assert [(e["worker"], e["attempt"], e["via"]) for e in attempts] == [("anna", 1, "swm")]
    assert (await engine.read(execution)).state == "PREPARE"


async def test_an_outcome_while_paused_is_kept_once_and_taken_with_the_resume(
    engine: Engine,
) -> None:
    await pizzeria(engine)
    execution = await say(engine, "StartWorkflow")
    await engine.control(execution, "pause")
    for _ in range(2):
        await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    await engine.control(execution, "resume")
    assert (await engine.read(execution)).state == "PREPARE"
    types = [e["type"] for e in await engine.entries(execution)]
    assert "lateIgnored" not in types


async def test_the_same_request_ends_a_task_once_and_answers_again(engine: Engine) -> None:
    execution = await until_prepare(engine)
    repeat = Repeat(key="k", scope="POST /v1/events", digest="d")
    first = await say(engine, "TaskCompleted", "PREPARE", "make_food", repeat=repeat)
    again = await say(engine, "TaskCompleted", "PREPARE", "make_food", repeat=repeat)
    assert first.seq == again.seq > execution.seq
    other = Repeat(key="k", scope="POST /v1/events", digest="other")
    with pytest.raises(Invalid):
        await say(engine, "TaskCompleted", "PREPARE", "make_food", repeat=other)


# ---------------------------------------------------------------- failure and replay


async def test_a_failed_task_says_why_and_pending_runs_it_once_more(engine: Engine) -> None:
    execution = await until_prepare(engine)
    failed = await say(engine, "TaskFailed", "PREPARE", "make_food", reason="oven")
    assert failed.status == "waiting"
    error = failed.tasks["make_food"].error
    assert error is not None
    assert (error["code"], error["message"]) == ("task_failed", "oven")
    [task] = [t for t in (await _prepare(engine, execution)) if t["task_name"] == "make_food"]
    assert (task["status"], task["reason"]) == ("FAILED", "oven")
    found = statuses(await shown(engine, execution))["PREPARE"]
    assert (found[""], found["assign_executive"]) == ("ACTIVE", "SCHEDULED")  # nothing else stops
    await say(engine, "TaskPending", "PREPARE", "make_food")
    found = statuses(await shown(engine, execution))["PREPARE"]
    assert (found["make_food"], found["assign_executive"]) == ("SCHEDULED", "SCHEDULED")
    await say(engine, "TaskCompleted", "PREPARE", "make_food")
    assert statuses(await shown(engine, execution))["PREPARE"]["make_food"] == "COMPLETED"


async def _prepare(engine: Engine, execution: Execution) -> list[dict[str, Any]]:
    document = await shown(engine, execution)
    found: list[dict[str, Any]] = document["stages"][2]["tasks"]
    return found


async def test_pending_for_an_earlier_stage_replays_it_and_resets_what_came_after(
    engine: Engine,
) -> None:
    execution = await until_prepare(engine)
    await say(engine, "TaskCompleted", "PREPARE", "make_food")
    replayed = await say(engine, "TaskPending", "ORDER", "confirm_order")
    assert replayed.state == "ORDER"
    found = statuses(await shown(engine, execution))
    assert found["ORDER"] == {"": "ACTIVE", "confirm_order": "SCHEDULED"}
    assert found["PREPARE"] == {
        "": "NOT STARTED",
        "make_food": "PENDING",
        "assign_executive": "PENDING",
        "confirm_delivery": "PENDING",
    }
    with pytest.raises(Conflict, match="its stage has not begun"):
        await say(engine, "TaskPending", "PREPARE", "make_food")


async def test_pending_for_a_completed_task_of_the_active_stage_replays_the_stage(
    engine: Engine,
) -> None:
    execution = await until_prepare(engine)
    await say(engine, "TaskCompleted", "PREPARE", "make_food")
    replayed = await say(engine, "TaskPending", "PREPARE", "make_food")
    assert (replayed.state, replayed.visit) == ("PREPARE", execution.visit + 1)
    assert statuses(await shown(engine, execution))["PREPARE"]["make_food"] == "SCHEDULED"


async def test_pending_opens_an_order_again_that_was_delivered(engine: Engine) -> None:
    ended = await until_prepare(engine)
    for stage, task in (
        ("PREPARE", "make_food"),
        ("PREPARE", "assign_executive"),
        ("PREPARE", "confirm_delivery"),
        ("DELIVER", "deliver_food"),
    ):
        ended = await say(engine, "TaskCompleted", stage, task)
    assert ended.status == "completed"
    again = await say(engine, "TaskPending", "DELIVER", "deliver_food")
    assert (again.status, again.state) == ("waiting", "DELIVER")


async def test_only_this_is_refused_for_work_that_others_do(engine: Engine) -> None:
    execution = await until_prepare(engine)
    with pytest.raises(Invalid, match="'pull'"):
        await say(engine, "TaskPending", "ORDER", "confirm_order", only_this=True)
    assert (await engine.read(execution)).seq == execution.seq


async def test_original_names_find_what_the_importer_had_to_rename(engine: Engine) -> None:
    document = {
        "workflow_name": "W",
        "component_name": "Café 1",
        "stages": [
            {
                "stage_name": "to do",
                "stage_order": 7.0,
                "tasks": [
                    {"task_name": "make it", "parent_task": [], "task_type": "SERVICE", "x": 1},
                    {"task_name": "b", "parent_task": ["make it"], "task_type": "SERVICE"},
                ],
            }
        ],
    }
    await pizzeria(engine, document)
    execution = await say(engine, "StartWorkflow", component="Café 1")
    await say(engine, "TaskCompleted", "to do", "make it", component="Café 1")
    found = await shown(engine, execution)
    assert found["component_name"] == "Café 1"
    [stage] = found["stages"]
    assert stage["stage_name"] == "to do"
    assert [task["task_name"] for task in stage["tasks"]] == ["make it", "b"]
    assert (stage["tasks"][0]["x"], stage["tasks"][1]["parent_task"]) == (1, ["make it"])
    assert [task["status"] for task in stage["tasks"]] == ["COMPLETED", "SCHEDULED"]
