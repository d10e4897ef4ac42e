"""A pizza order: a cart loop, a day to decide, payment beside cooking, in either order."""

from typing import Any

import pytest

from goflow_py.errors import EventNotAccepted, Invalid
from tests.unit.engine.conftest import Engine

ITEM = {"type": "object", "required": ["name", "qty"], "properties": {"qty": {"minimum": 1}}}
DAY_SECONDS = 86_400

PAYMENT = {
    "states": [
        {
            "name": "unpaid",
            "on": {
                "ConfirmPayment": {
                    "next": "done",
                    "set": {"paid": "$.event.data.amount"},
                    "respond": {"thanks": True},
                }
            },
        }
    ],
    "transitions": [{"current": "init", "event": "start", "next": "unpaid"}],
    "data": {"paid": 0},
    "output": "$.data.paid",
}
KITCHEN = {
    "states": [
        {"name": "queued", "on": {"StartCooking": "cooking"}},
        {"name": "cooking", "on": {"Cooked": "ready"}},
        {"name": "ready", "on": {"TakeForDelivery": "on_the_way"}},
        {"name": "on_the_way", "on": {"Delivered": "done"}},
    ],
    "transitions": [{"current": "init", "event": "start", "next": "queued"}],
    "output": {"pizzas": "${$count(input.cart)}"},
}
PIZZA: dict[str, Any] = {
    "data": {"cart": []},
    "events": {
        "AddToCart": {"schema": ITEM, "role": "customer"},
        **{
            name: {}
            for name in (
                "EmptyCart",
                "SubmitCart",
                "ConfirmOrder",
                "ConfirmPayment",
                "StartCooking",
                "Cooked",
                "TakeForDelivery",
                "Delivered",
            )
        },
    },
    "states": [
        {
            "name": "cart",
            "on": {
                "AddToCart": {
                    "set": {"cart": "${$append(data.cart, [event.data])}"},
                    "respond": "$.data.cart",
                },
                "EmptyCart": {"set": {"cart": []}},
                "SubmitCart": {"when": "$count(data.cart) > 0", "next": "submitted"},
            },
            "after": [{"delay": "24h", "next": "cancelled"}],
        },
        {"name": "submitted", "on": {"ConfirmOrder": "fulfil"}},
        {
            "name": "fulfil",
            "tasks": [{"name": "payment"}, {"name": "kitchen"}],
            "on": {"success": "done"},
        },
    ],
    "actions": [
        {"name": "payment", "type": "activity", "machine": "payment"},
        {
            "name": "kitchen",
            "type": "activity",
            "machine": "kitchen",
            "input": {"cart": "$.data.cart"},
        },
    ],
    "transitions": [{"current": "init", "event": "start", "next": "cart"}],
    "machines": {"payment": PAYMENT, "kitchen": KITCHEN},
    "output": "$.fulfil.output",
}
COOKING = ("StartCooking", "Cooked", "TakeForDelivery", "Delivered")


async def ordered(engine: Engine) -> Any:
    await engine.upload(PIZZA, [])
    execution = await engine.start()
    await engine.send(execution, "AddToCart", {"name": "margherita", "qty": 2})
    await engine.send(execution, "EmptyCart")
    first = await engine.send(execution, "AddToCart", {"name": "funghi", "qty": 1})
    assert first.respond == [{"name": "funghi", "qty": 1}]
    await engine.send(execution, "AddToCart", {"name": "diavola", "qty": 1})
    await engine.send(execution, "SubmitCart")
    await engine.send(execution, "ConfirmOrder")
    return execution


@pytest.mark.parametrize("paid_after", range(len(COOKING) + 1))
async def test_payment_comes_before_during_or_after_cooking(
    engine: Engine, paid_after: int
) -> None:
    execution = await ordered(engine)
    for number, name in enumerate([*COOKING, None]):
        if number == paid_after:
            sent = await engine.send(execution, "ConfirmPayment", {"amount": 30})
            assert sent.respond == {"thanks": True}
        if name is not None:
            await engine.send(execution, name)
    now = await engine.read(execution)
    assert (now.status, now.output) == ("completed", {"payment": 30, "kitchen": {"pizzas": 2}})


async def test_a_day_without_an_order_ends_it_and_additions_do_not_prolong_it(
    engine: Engine,
) -> None:
    await engine.upload(PIZZA, [])
    execution = await engine.start()
    await engine.advance(DAY_SECONDS - 1)
    await engine.send(execution, "AddToCart", {"name": "funghi", "qty": 1})
    assert (await engine.read(execution)).state == "cart"
    await engine.advance(1)
    assert (await engine.read(execution)).status == "cancelled"


async def test_the_wrong_event_at_the_wrong_time_names_what_is_awaited(engine: Engine) -> None:
    await engine.upload(PIZZA, [])
    execution = await engine.start()
    with pytest.raises(EventNotAccepted) as refused:
        await engine.send(execution, "Cooked")
    awaited = {item["event"] for item in refused.value.facts["awaiting"]}
    assert awaited == {"AddToCart", "EmptyCart", "SubmitCart"}
    with pytest.raises(EventNotAccepted):
        await engine.send(execution, "SubmitCart")  # the cart is empty
    with pytest.raises(Invalid):
        await engine.send(execution, "AddToCart", {"name": "funghi", "qty": 0})


async def test_the_union_of_what_the_branches_await_is_shown_with_their_tasks(
    engine: Engine,
) -> None:
    execution = await ordered(engine)
    view = await engine.it.tracking.view(await engine.read(execution))
    shown = {(item["event"], item["task"]) for item in view["awaiting"]}
    assert shown == {("ConfirmPayment", "payment"), ("StartCooking", "kitchen")}
    with pytest.raises(EventNotAccepted) as refused:
        await engine.send(execution, "Delivered")
    assert {item["event"] for item in refused.value.facts["awaiting"]} == {
        "ConfirmPayment",
        "StartCooking",
    }


async def test_a_loop_of_five_branches_is_joined_and_so_is_one_of_none(engine: Engine) -> None:
    counting = {
        "states": ["work"],
        "actions": [{"name": "work", "type": "map", "value": "{$.input}a"}],
        "transitions": [{"current": "init", "event": "start", "next": "work"}],
    }
    document = {
        "states": [
            {
                "name": "spawn",
                "tasks": [{"name": "branch", "each": "$.input"}],
                "on": {"success": "joined"},
            },
            "joined",
        ],
        "actions": [
            {"name": "branch", "type": "activity", "machine": "counting", "input": "$.item"},
            {"name": "joined", "type": "map", "value": "${$join(spawn.branch.output) & '_done'}"},
        ],
        "transitions": [{"current": "init", "event": "start", "next": "spawn"}],
        "machines": {"counting": counting},
    }
    await engine.upload(document, [])
    assert (await engine.start(["1", "2", "3", "4", "5"])).output == "1a2a3a4a5a_done"
    assert (await engine.start([])).output == "_done"
