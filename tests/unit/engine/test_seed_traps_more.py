"""Mistakes that older systems make, 14 to 26 of 26; the others are in ``test_seed_traps.py``."""

from collections.abc import Callable
from typing import Any

import pytest

from goflow_py.errors import Conflict
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import answer
from tests.unit.engine.conftest import Engine
from tests.unit.engine.seeds import (
    begins,
    complete,
    graph,
    import_,
    noted,
    one,
    open_tasks,
    pizzeria,
    poll,
    pull,
    say,
    wait,
)


async def test_a_released_task_is_on_its_queue_again_and_needs_no_label_for_it(
    engine: Engine,
) -> None:
    """Trap 14: a release is an error, unless an edge is called so."""
    await engine.upload(begins("pack", states=["pack"], actions=pull("pack")), [])
    execution = await engine.start()
    first = await one(engine, "pack")
    await engine.it.claims.release(first.id, first.token)
    second = await one(engine, "pack")
    assert (second.id, second.token == first.token) == (first.id, False)
    assert (await engine.read(execution)).tasks["pack"].used == {}
    await complete(engine, second)
    assert (await engine.read(execution)).status == "completed"


async def test_a_completion_after_the_task_was_issued_again_is_refused(engine: Engine) -> None:
    """Trap 15: it is accepted without a word."""
    actions = pull("pack", lease=2, retry={"interval": 0, "jitter": "none"})
    await engine.upload(begins("pack", states=["pack"], actions=actions), [])
    execution = await engine.start()
    dead = await one(engine, "pack")
    await engine.advance(2)
    again = await one(engine, "pack")
    assert again.payload["visit"] == dead.payload["visit"]
    with pytest.raises(Conflict) as refused:
        await complete(engine, dead, "late")
    assert (refused.value.status, refused.value.reason) == (409, "superseded")
    await complete(engine, again, "in time")
    assert (await engine.read(execution)).output == "in time"
    assert await noted(engine, execution, "lateIgnored") == ["pack"]
    entered = [e for e in await engine.entries(execution) if e["type"] == "transition"]
    assert [e["to"] for e in entered] == ["pack", "done"]


@pytest.mark.parametrize("format_", ["goflow", "relor"])
async def test_a_blueprint_of_one_leaf_completes(engine: Engine, format_: str) -> None:
    """Trap 16: one node without edges loops for ever."""
    if format_ == "relor":
        node = {"id": "only", "op": {"name": "op"}}
        await import_(engine, "relor", {"start": "only", "nodes": [node], "edges": []})
    else:
        await engine.upload(begins("only", states=["only"]), [])
    assert (await engine.start()).status == "completed"


def loop(*, leave: str, at: int, to: str) -> dict[str, Any]:
    """Return ``for`` three times: note i; at *at* go *to*; note a. Then, for a break, note E."""
    noting = [
        {"name": name, "type": "map", "set": {"log": f"{{$.data.log}}{name}", "n": number}}
        for name, number in (("i", "${data.n + 1}"), ("a", "$.data.n"), ("E", "$.data.n"))
    ]
    rows = [
        {"current": "head", "event": "always", "when": "data.n < 3", "next": "i"},
        {"current": "head", "event": "always", "next": leave},
        {"current": "i", "event": "success", "when": f"data.n = {at}", "next": to},
        {"current": "i", "event": "success", "next": "a"},
        {"current": "a", "event": "success", "next": "head"},
        {"current": "E", "event": "success", "next": "done"},
    ]
    document = begins("head", states=["head", "i", "a", "E"], actions=noting)
    document["transitions"] += rows
    return {**document, "data": {"log": "", "n": 0}, "output": "$.data.log"}


@pytest.mark.parametrize(
    ("how", "log"),
    [
        ({"leave": "done", "at": 2, "to": "head"}, "iaiia"),
        ({"leave": "E", "at": 2, "to": "E"}, "iaiE"),
    ],
    ids=["continue", "break"],
)
async def test_continue_and_break_leave_the_rest_of_the_body_out_at_once(
    engine: Engine, how: dict[str, Any], log: str
) -> None:
    """Trap 17: a continue does nothing, and a break lets the rest of the body run."""
    await engine.upload(loop(**how), [])
    assert (await engine.start()).output == log


NOTHING = {
    "no tasks": graph(),
    "no items": graph({"name": "item", "each": []}),
    "all skipped": graph({"name": "item", "when": "false"}),
    "any of no tasks": graph(join="any"),
    "a true condition": {"name": "work", "on": {"always": {"when": "data.n = 0", "next": "done"}}},
}


@pytest.mark.parametrize("what", NOTHING)
async def test_a_join_that_is_satisfied_on_entry_lets_the_execution_pass(
    engine: Engine, what: str
) -> None:
    """Trap 18: to wait for nothing panics."""
    document = begins("work", states=[NOTHING[what]], actions=pull("item"), data={"n": 0})
    await engine.upload(document, [])
    assert (await engine.start()).status == "completed"


async def test_an_event_finds_the_machine_that_awaits_it_without_being_told_which(
    engine: Engine,
) -> None:
    """Trap 19: it fails as soon as an earlier branch awaits nothing."""
    machines = {
        name: begins("ready", states=[{"name": "ready", "on": {event: "done"}}])
        for name, event in (("first", "paid"), ("second", "cooked"), ("third", "cooked"))
    }
    actions = [{"name": name, "type": "activity", "machine": name} for name in machines]
    tasks = graph({"name": "cook"}, *({"name": name} for name in machines))
    document = begins("work", states=[tasks], actions=[*actions, *pull("cook")], machines=machines)
    await engine.upload(document, [])
    execution = await engine.start()
    await engine.send(execution, "cooked")
    assert open_tasks(await engine.read(execution)) == ["cook", "first"]
    await engine.send(execution, "paid")
    assert open_tasks(await engine.read(execution)) == ["cook"]


async def test_what_is_awaited_can_be_addressed_as_it_is_shown(engine: Engine) -> None:
    """Trap 19, where one of several is meant: an item of a list, a task within a machine."""
    tasks = graph({"name": "wait_go"}, name="ready")
    thread = {**begins("ready", states=[tasks]), "actions": wait("go")}
    threads = [{"name": "each", "do": "thread", "each": "$.input"}, {"name": "thread"}]
    action = {"name": "thread", "type": "activity", "machine": "thread"}
    await engine.upload(
        begins(
            "work",
            states=[graph(*threads)],
            actions=[action],
            machines={"thread": thread},
        ),
        [],
    )
    execution = await engine.start([1, 2])
    for _ in range(3):
        shown = await engine.it.tracking.view(await engine.read(execution))
        await engine.send(execution, "go", task=shown["awaiting"][-1]["task"])
        left = await engine.it.tracking.view(await engine.read(execution))
        assert left["awaiting"] == shown["awaiting"][:-1]
    assert (await engine.read(execution)).status == "completed"


async def test_a_branch_that_ends_waits_for_the_others_and_any_closes_them_openly(
    engine: Engine,
) -> None:
    """Trap 20: when the main one has ended, the others are forgotten without a word."""
    tasks = ({"name": "main"}, {"name": "wait_other"})
    actions = [*pull("main"), *wait("other")]
    await engine.upload(begins("work", states=[graph(*tasks)], actions=actions), [])
    execution = await engine.start()
    await complete(engine, await one(engine, "main"))
    assert (await engine.read(execution)).status == "waiting"
    await engine.send(execution, "other")
    assert (await engine.read(execution)).status == "completed"
    await engine.upload(begins("work", states=[graph(*tasks, join="any")], actions=actions), [])
    execution = await engine.start()
    await complete(engine, await one(engine, "main"))
    assert (await engine.read(execution)).status == "completed"
    ends = [e for e in await engine.entries(execution) if e["type"] == "taskEnded"]
    assert [(e["task"], e["outcome"]) for e in ends] == [
        ("main", "success"),
        ("wait_other", "cancelled"),
    ]


async def test_a_task_that_is_scheduled_already_is_not_sent_again(engine: Engine) -> None:
    """Trap 21: every event sends again all that is under way."""
    execution = await pizzeria(engine)
    await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    queues = ("make_food_queue", "assign_executive_queue")
    assert len(await poll(engine, *queues)) == 2
    await say(engine, "TaskCompleted", "PREPARE", "make_food")
    assert await poll(engine, *queues) == []
    scheduled = await noted(engine, execution, "taskScheduled")
    assert sorted(scheduled) == ["assign_executive", "confirm_order", "make_food"]


async def test_a_task_of_a_completed_stage_is_replayed_and_what_came_after_is_reset(
    engine: Engine,
) -> None:
    """Trap 22: only the active stage is looked at, so it is never scheduled again."""
    execution = await pizzeria(engine)
    await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    await say(engine, "TaskCompleted", "PREPARE", "make_food")
    await say(engine, "TaskPending", "ORDER", "confirm_order")
    now = await engine.read(execution)
    assert (now.state, open_tasks(now), "PREPARE" in now.outputs) == (
        "ORDER",
        ["confirm_order"],
        False,
    )
    await complete(engine, await one(engine, "confirm_order_queue"))
    now = await engine.read(execution)
    assert sorted(open_tasks(now)) == ["assign_executive", "make_food"]


async def test_a_business_key_survives_a_reload(make_engine: Callable[..., Engine]) -> None:
    """Trap 23: it is lost when the instance is read again."""
    tables = Tables()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    execution = await pizzeria(engine)
    await engine.it.stop()
    engine = make_engine(MemoryStore(tables))
    await engine.it.start()
    assert (await engine.read(execution)).key == "ORDER-001"
    again = await say(engine, "TaskCompleted", "ORDER", "confirm_order")
    assert (again.id, again.state) == (execution.id, "PREPARE")
    await engine.it.stop()


async def test_queued_work_is_taken_in_the_order_in_which_it_came(engine: Engine) -> None:
    """Trap 24: the last one is the first."""
    await engine.upload(begins("pack", states=["pack"], actions=pull("pack")), [])
    for number in range(5):
        await engine.start(number)
        await engine.advance(0.01)
    first, second = await poll(engine, "pack", most=2)
    await engine.it.claims.release(first.id, first.token)
    left = [claimed.payload["input"] for claimed in await poll(engine, "pack")]
    assert (second.payload["input"], left) == (1, [0, 2, 3, 4])


async def test_the_same_business_key_twice_is_the_same_execution(engine: Engine) -> None:
    """Trap 25: there are two orders of one number."""
    execution = await pizzeria(engine)
    assert (await say(engine, "StartWorkflow")).id == execution.id
    assert (await say(engine, "StartWorkflow", ref="ORDER-002")).id != execution.id


def subscription() -> dict[str, Any]:
    around = {"setup": "subscribe", "teardown": "unsubscribe"}
    pay = {"name": "pay", "subscribe": around, "on": {"paid": "done"}}
    return begins("pay", states=[pay], actions=[{"name": "subscribe"}, {"name": "unsubscribe"}])


SUBSCRIBERS = [
    {"name": "subscribe", "workerEndpoint": "w"},
    {"name": "unsubscribe", "workerEndpoint": "w"},
]


async def test_a_failed_setup_fails_the_state(engine: Engine) -> None:
    """Trap 26, its first half."""
    await engine.upload(subscription(), SUBSCRIBERS)
    engine.transport.script = lambda *_: answer(status=400)
    execution = await engine.start()
    await engine.advance(1)
    now = await engine.read(execution)
    assert (now.status, now.state) == ("failed", "pay")


async def test_a_failed_teardown_is_tried_again_and_fails_nothing(engine: Engine) -> None:
    """Trap 26, its second half."""
    await engine.upload(subscription(), SUBSCRIBERS)
    fails = {"subscribe": 0, "unsubscribe": 2}

    def script(_: Any, body: dict[str, Any]) -> Any:
        fails[body["action"]] -= 1
        return answer(status=500 if fails[body["action"]] >= 0 else 200)

    engine.transport.script = script
    execution = await engine.start()
    await engine.advance(0)
    await engine.send(execution, "paid")
    assert (await engine.read(execution)).status == "completed"
    await engine.advance(120)
    assert [action for _, action, _ in engine.calls()] == ["subscribe"] + ["unsubscribe"] * 3
    assert (await engine.read(execution)).status == "completed"
