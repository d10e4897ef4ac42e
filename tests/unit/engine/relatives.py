"""Short words for the tests of families, errands and undoing."""

import asyncio
from typing import Any

import orjson
import pytest

from goflow_py.domain.execution import Execution
from goflow_py.ports import Filter
from tests.unit.engine.conftest import Engine
from tests.unit.engine.test_families import machine

INSTANT = {**machine("m"), "actions": [{"name": "m", "type": "map", "value": 1}]}
"""A machine that ends in the step in which it is born."""
CALLING = {**machine("call"), "actions": [{"name": "call"}]}
UNDOING = {
    **machine(
        {"name": "call", "on": {"success": "wait"}}, {"name": "wait", "on": {"go_on": "done"}}
    ),
    "actions": [{"name": "call", "undo": "uncall"}, {"name": "uncall"}],
}
"""A machine that waits after work that is undone when it is cancelled."""


def workers(*names: str, **fields: Any) -> list[dict[str, Any]]:
    """Return a worker for each of *names*, at an endpoint of that name."""
    return [{"name": name, "workerEndpoint": name, **fields} for name in names]


def family(
    *states: dict[str, Any], action: dict[str, Any], machines: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a blueprint that begins in the first of *states*; *action* is of type `activity`."""
    return {
        **machine(*states),
        "actions": [{"type": "activity", **action}],
        **({} if machines is None else {"machines": machines}),
    }


async def child_of(engine: Engine, execution: Execution, task: str = "a") -> Execution:
    """Return the child of the open task *task*."""
    children = (await engine.read(execution)).children()
    [child] = [id_ for id_, known in children.items() if known.name == task]
    return await engine.it.owner.memory.read(child)


async def listed(engine: Engine, **which: Any) -> list[dict[str, Any]]:
    """Return the heads in the store, as they are written there."""
    page = await engine.it.store.list(Filter(**which), limit=100, cursor=None)
    return [orjson.loads(body) for body in page.items]


def hold(monkeypatch: pytest.MonkeyPatch, owner: object, method: str) -> asyncio.Event:
    """Let no call of an async method begin until the event that is returned is set."""
    gate = asyncio.Event()
    go_on = getattr(owner, method)

    async def held(*arguments: Any) -> Any:
        await gate.wait()
        return await go_on(*arguments)

    monkeypatch.setattr(owner, method, held)
    return gate


def pass_unnoticed(engine: Engine, seconds: float) -> None:
    """Let time pass as on a busy machine: what became due was not looked at yet."""
    engine.clock._seconds += seconds
