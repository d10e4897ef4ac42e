"""Parents and children: one step, one commit."""

from typing import Any

from goflow_py.ports import Filter
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine

START = {"current": "init", "event": "start", "next": "work"}


def machine(*states: Any, transitions: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    first = states[0]["name"] if isinstance(states[0], dict) else states[0]
    rows = [{"current": "init", "event": "start", "next": first}, *(transitions or [])]
    return {"states": list(states), "transitions": rows}


def parent(machines: dict[str, Any], tasks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "states": [
            {"name": "work", "tasks": tasks, "on": {"success": "after", "stop": "after"}},
            {"name": "after", "on": {"go": "done"}},
        ],
        "transitions": [START],
        "actions": [{"name": name, "type": "activity", "machine": name} for name in machines],
        "machines": machines,
        **more,
    }


WAITS = machine({"name": "wait", "on": {"go_on": {"next": "done", "set": {"got": "$.event.data"}}}})


async def test_a_machine_runs_as_a_child_and_its_output_is_the_tasks(engine: Engine) -> None:
    doubling = {
        **machine("twice"),
        "actions": [{"name": "twice", "type": "map", "value": "${input * 2}"}],
    }
    await engine.upload(parent({"double": doubling}, [{"name": "double"}]), [])
    execution = await engine.start(21)
    found = await engine.read(execution)
    assert (found.state, found.outputs["work"]["double"]) == ("after", {"output": 42})
    page = await engine.it.store.list(Filter(parent=execution.id), limit=10, cursor=None)
    assert len(page.items) == 1


async def test_an_event_for_the_parent_reaches_the_waiting_children(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS, "b": WAITS}, [{"name": "a"}, {"name": "b"}]), [])
    execution = await engine.start()
    sent = await engine.send(execution, "go_on", 5)
    assert sent.applied
    assert (await engine.read(execution)).state == "after"


async def test_an_event_for_a_named_task_reaches_that_child_only(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS, "b": WAITS}, [{"name": "a"}, {"name": "b"}]), [])
    execution = await engine.start()
    await engine.send(execution, "go_on", task="b")
    open_tasks = [task.name for task in (await engine.read(execution)).open_tasks()]
    assert open_tasks == ["a"]


async def test_leaving_the_state_cancels_the_children_in_the_same_commit(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS}, [{"name": "a"}]), [])
    execution = await engine.start()
    child = next(iter(execution.children()))
    await engine.send(execution, "stop")
    assert (await engine.it.owner.memory.read(child)).status == "cancelled"


async def test_a_pause_and_a_resume_reach_down(engine: Engine) -> None:
    await engine.upload(parent({"a": WAITS}, [{"name": "a"}]), [])
    execution = await engine.start()
    child = next(iter(execution.children()))
    await engine.control(execution, "pause")
    assert (await engine.it.owner.memory.read(child)).status == "paused"
    await engine.control(execution, "resume")
    assert (await engine.it.owner.memory.read(child)).status == "waiting"
    await engine.send(execution, "go_on")
    assert (await engine.read(execution)).state == "after"


async def test_a_failed_child_is_retried_not_started_again(engine: Engine) -> None:
    calling = {**machine("call"), "actions": [{"name": "call"}]}
    document = parent({"a": calling}, [{"name": "a"}])
    await engine.upload(document, [{"name": "call", "workerEndpoint": "w"}])
    engine.transport.script = lambda *_: answer(status=400)
    execution = await engine.start()
    await engine.advance(1)
    failed = await engine.read(execution)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "child_failed"
    child = failed.tasks["a"].child
    engine.transport.script = lambda *_: answer()
    await engine.control(execution, "retry")
    await engine.advance(1)
    found = await engine.read(execution)
    assert (found.state, found.tasks) == ("after", {})
    assert child is not None
    assert (await engine.it.owner.memory.read(child)).status == "completed"


async def test_a_child_that_a_row_led_to_failed_is_replaced_when_the_parent_is_retried(
    engine: Engine,
) -> None:
    lost = machine({"name": "wait", "on": {"lose": "failed", "win": "done"}})
    await engine.upload(parent({"a": lost}, [{"name": "a"}]), [])
    execution = await engine.start()
    first = next(iter(execution.children()))
    await engine.send(execution, "lose")
    assert (await engine.read(execution)).status == "failed"
    await engine.control(execution, "retry")
    (second,) = (await engine.read(execution)).children()
    assert second != first
    await engine.send(execution, "win")
    assert (await engine.read(execution)).state == "after"


async def test_children_are_born_in_the_order_of_their_tasks(engine: Engine) -> None:
    names = [f"m{number}" for number in range(8)]
    machines = {name: {**machine("call"), "actions": [{"name": "call"}]} for name in names}
    document = parent(machines, [{"name": name} for name in names])
    for action in document["actions"]:
        action["input"] = action["name"]
    await engine.upload(document, [{"name": "call", "workerEndpoint": "w"}])
    await engine.start()
    await engine.advance(1)
    assert [body["input"] for body in engine.transport.bodies] == names
