"""The Serverless Workflow Manager: stages, tasks, instances."""

from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.errors import Invalid
from goflow_py.importers import Imported
from tests.player import Player

Convert = Callable[..., Imported]
Seed = Callable[[str], Any]

FIELDS = {
    "confirm_order": "task_name parent_task task_queue task_type business_status",
    "make_food": "task_name parent_task task_type task_queue",
    "assign_executive": "task_name parent_task task_queue task_type",
    "confirm_delivery": "task_name parent_task task_queue task_type business_status",
    "deliver_food": "task_name parent_task task_type task_queue assigned_to business_status",
}


def fields(*tasks: str) -> dict[str, Any]:
    """The order in which the fields of the seed's tasks are written: the view shows it."""
    return {"fields": {name: FIELDS[name].split() for name in tasks}}


PIZZA = {
    "project": "ITALIAN",
    "activity": "Deliver_Pizza",
    "states": [
        {"name": "START", "stage": "START", "tasks": []},
        {
            "name": "ORDER",
            "stage": "ORDER",
            "tasks": [{"name": "confirm_order", "businessStatus": "ORDER CONFIRMED"}],
            "meta": fields("confirm_order"),
        },
        {
            "name": "PREPARE",
            "stage": "PREPARE",
            "tasks": [
                {"name": "make_food"},
                {"name": "assign_executive"},
                {
                    "name": "confirm_delivery",
                    "needs": ["make_food", "assign_executive"],
                    "businessStatus": "FOOD ON THE WAY",
                },
            ],
            "meta": fields("make_food", "assign_executive", "confirm_delivery"),
        },
        {
            "name": "DELIVER",
            "stage": "DELIVER",
            "tasks": [{"name": "deliver_food", "businessStatus": "FOOD DELIVERED"}],
            "meta": fields("deliver_food"),
        },
    ],
    "actions": [
        *(
            {
                "name": name,
                "type": "pull",
                "queue": f"{name}_queue",
                "lease": 86400,
                "retryCount": 0,
                "whenFailed": "wait",
            }
            for name in ("confirm_order", "make_food", "assign_executive", "confirm_delivery")
        ),
        {
            "name": "deliver_food",
            "type": "human",
            "queue": "deliver_food_queue",
            "assignedTo": "delivery_executive",
            "whenFailed": "wait",
        },
    ],
    "transitions": [
        {"current": "init", "event": "start", "next": "START"},
        {"current": "START", "event": "success", "next": "ORDER"},
        {"current": "ORDER", "event": "success", "next": "PREPARE"},
        {"current": "PREPARE", "event": "success", "next": "DELIVER"},
        {"current": "DELIVER", "event": "success", "next": "done"},
    ],
    "meta": {"name": "Deliver Pizza"},
}


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"task_name": name, "task_type": "SERVICE", **fields}


def workflow(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    stage = {"stage_name": "ONE", "stage_order": 0, "tasks": list(tasks)}
    return {"workflow_name": "w", "component_name": "c", "stages": [stage], **fields}


@pytest.mark.parametrize("name", ["swm-deliver-pizza", "swm-deliver-pizza-instance"])
def test_a_definition_and_an_instance_of_it_are_one_blueprint(
    convert: Convert, seed: Seed, name: str
) -> None:
    imported = convert("swm", seed(name))
    assert imported.blueprint == PIZZA
    assert imported.findings == ()


def test_the_pizza_is_delivered_stage_by_stage(convert: Convert, seed: Seed) -> None:
    player = Player(convert("swm", seed("swm-deliver-pizza")).blueprint).start()

    def open_tasks() -> list[str]:
        return [task.name for task in player.execution.open_tasks()]

    assert (player.state, open_tasks()) == ("ORDER", ["confirm_order"])
    player.end_task("confirm_order")
    assert player.execution.business_status == "ORDER CONFIRMED"
    assert (player.state, open_tasks()) == ("PREPARE", ["make_food", "assign_executive"])
    player.end_task("make_food")
    assert open_tasks() == ["assign_executive"]
    player.end_task("assign_executive")
    assert open_tasks() == ["confirm_delivery"]
    player.end_task("confirm_delivery")
    assert (player.state, open_tasks()) == ("DELIVER", ["deliver_food"])
    player.end_task("deliver_food")
    assert player.execution.business_status == "FOOD DELIVERED"
    assert player.execution.status == "completed"


def test_a_failed_task_can_be_done_again(convert: Convert, seed: Seed) -> None:
    player = Player(convert("swm", seed("swm-deliver-pizza")).blueprint).start()
    player.end_task("confirm_order").end_task("make_food").end_task("assign_executive", "error")
    assert (player.state, player.execution.status) == ("PREPARE", "failed")
    player.control("retry")
    assert [task.name for task in player.execution.open_tasks()] == ["assign_executive"]
    player.end_task("assign_executive").end_task("confirm_delivery")
    assert player.state == "DELIVER"


def test_stages_run_in_the_order_of_their_numbers(convert: Convert) -> None:
    stages = [
        {"stage_name": "LAST", "stage_order": 10.5},
        {"stage_name": "FIRST", "stage_order": 1},
        {"stage_name": "SECOND", "stage_order": 9, "tasks": None},
    ]
    blueprint = convert("swm", workflow(stages=stages)).blueprint
    assert [state["name"] for state in blueprint["states"]] == ["FIRST", "SECOND", "LAST"]
    player = Player(blueprint).start()
    entered = [entry["to"] for entry in player.entries if entry["type"] == "transition"]
    assert entered == ["FIRST", "SECOND", "LAST", "done"]


def test_a_workflow_without_stages_is_over_at_once(convert: Convert) -> None:
    blueprint = convert("swm", workflow(stages=[])).blueprint
    assert Player(blueprint).start().execution.status == "completed"


def test_what_swm_does_not_know_is_handed_to_the_worker(convert: Convert) -> None:
    document = workflow(
        task(
            "a",
            fanout_topic_arn_on_complete="arn:x",
            notification_type="mail",
            ignore_task_failure=True,
            status="FAILED",
            reason="no",
        ),
        _id={"$oid": "5d1"},
        owner="kitchen",
        version=3,
    )
    document["stages"][0] |= {"colour": "red", "status": "ACTIVE"}
    blueprint = convert("swm", document).blueprint
    assert blueprint["meta"] == {"owner": "kitchen"}
    (state,) = blueprint["states"]
    assert state["meta"]["colour"] == "red"
    assert state["tasks"] == [
        {
            "name": "a",
            "ignoreFailure": True,
            "meta": {
                "fanout_topic_arn_on_complete": "arn:x",
                "notification_type": "mail",
                "ignore_task_failure": True,
            },
        }
    ]


def test_names_outside_the_rule_are_mapped_and_kept_in_meta(convert: Convert) -> None:
    document = workflow(
        task("output", task_queue="my queue"),
        task("done", parent_task=["output"]),
        workflow_name="Deliver Pizza",
        component_name="FAST FOOD",
    )
    document["stages"][0]["stage_name"] = "done"
    blueprint = convert("swm", document).blueprint
    assert (blueprint["project"], blueprint["activity"]) == ("FAST_FOOD", "Deliver_Pizza")
    assert blueprint["meta"] == {"name": "Deliver Pizza", "component_name": "FAST FOOD"}
    (state,) = blueprint["states"]
    assert (state["name"], state["stage"]) == ("done_2", "done")
    assert state["meta"]["name"] == "done"
    # A task may be called `done`; an action may not, it would be the work of the state `done`.
    assert state["tasks"] == [
        {"name": "output_2", "do": "output", "meta": {"name": "output"}},
        {"name": "done", "do": "done_2", "needs": ["output_2"]},
    ]
    assert [(a["name"], a.get("meta")) for a in blueprint["actions"]] == [
        ("output", {"task_queue": "my queue"}),
        ("done_2", {"name": "done"}),
    ]
    player = Player(blueprint).start().end_task("output_2").end_task("done")
    assert player.execution.status == "completed"


def test_two_tasks_of_one_name_share_an_action_if_they_are_alike(convert: Convert) -> None:
    stages = [
        {"stage_name": "A", "tasks": [task("check", task_queue="q")]},
        {"stage_name": "B", "tasks": [task("check", task_queue="q")]},
        {"stage_name": "C", "tasks": [task("check", task_queue="other")]},
    ]
    blueprint = convert("swm", workflow(stages=stages)).blueprint
    assert [(a["name"], a["queue"]) for a in blueprint["actions"]] == [
        ("check", "q"),
        ("check_2", "other"),
    ]
    assert [state["tasks"][0].get("do") for state in blueprint["states"]] == [None, None, "check_2"]


@pytest.mark.parametrize("who", ["ann", "$.input.boss", "{$.input.boss}", "${1 + 1}", "$$"])
def test_the_assignee_is_taken_literally(convert: Convert, who: str) -> None:
    document = workflow(task("a", task_type="HUMAN", assigned_to=who))
    player = Player(convert("swm", document).blueprint).start({"boss": "eve"})
    (open_task,) = player.execution.open_tasks()
    assert open_task.facts["assignedTo"] == who


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a definition of the Serverless Workflow Manager is an object"),
        ({"workflow_name": "w", "component_name": "c"}, "'stages' is missing"),
        (workflow({"task_name": "a"}), "at /stages/0/tasks/0: 'task_type' is missing"),
        (workflow(task("a", task_type="ROBOT")), "at /stages/0/tasks/0/task_type"),
        (workflow(task("a"), task("a")), "at /stages/0/tasks/1: the task 'a' is there twice"),
        (
            workflow(task("a", parent_task=["b"])),
            "at /stages/0/tasks/0/parent_task: the stage has no task 'b'",
        ),
        (
            workflow(task("a", parent_task=["b"]), task("b", parent_task=["a"])),
            "at /stages/0/tasks: these tasks wait for each other: a -> b -> a",
        ),
        (
            workflow(stages=[{"stage_name": "A"}, {"stage_name": "A"}]),
            "at /stages/1: the stage 'A' is there twice",
        ),
        (workflow(component_name=""), "does not name its project: give the project"),
    ],
)
def test_what_cannot_be_a_definition_is_refused_with_the_place(
    convert: Convert, document: Any, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        convert("swm", document)
    assert message in refused.value.detail
