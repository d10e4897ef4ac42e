"""What a sick disk changed stops itself alone: lists, polls, starts and the watchman go on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goflow_py.domain.execution import decode, encode
from goflow_py.engine.offers import read_task_id
from goflow_py.engine.requests import StartRequest
from goflow_py.errors import Damaged
from goflow_py.ports import Filter, TaskFilter
from goflow_py.store.memory import MemoryStore
from goflow_py.store.tables import Tables
from goflow_py.testing import FakeClock
from tests.unit.engine.conftest import Engine

TWO_TURNS = 140
CALL = {
    "states": [{"name": "a", "tasks": [{"name": "call"}, {"name": "ask"}]}],
    "actions": [{"name": "call", "type": "sync"}, {"name": "ask", "type": "pull", "queue": "q"}],
    "transitions": [{"current": "init", "event": "start", "next": "a"}],
}
WORKER = [{"name": "call", "workerEndpoint": "w"}]

Damage = Callable[[Tables, str], None]


def head_is_rotten(tables: Tables, execution: str) -> None:
    stored = tables.executions[execution]
    stored.head = replace(stored.head, body=stored.head.body.replace(b'"status"', b'"st\xf5tus"'))


def action_is_unknown(tables: Tables, execution: str) -> None:
    stored = tables.executions[execution]
    head = decode(stored.head.body)
    head.tasks["ask"].action = "asq"
    stored.head = replace(stored.head, body=encode(head))


def version_is_rotten(tables: Tables, execution: str) -> None:
    [row] = tables.blueprints["p", "a"].values()
    tables.blueprints["p", "a"][row.version] = replace(row, body=row.body[:-1])


def version_has_changed(tables: Tables, execution: str) -> None:
    [row] = tables.blueprints["p", "a"].values()
    changed = row.body.replace(b'"queue":"q"', b'"queue":"p"')
    tables.blueprints["p", "a"][row.version] = replace(row, body=changed)


def workers_are_rotten(tables: Tables, execution: str) -> None:
    tables.workers["p", "a"] = tables.workers["p", "a"][:-1]


async def restarted(clock: FakeClock, damage: Damage) -> tuple[Engine, str, str]:
    """Return an engine on a store with two open executions, and both; the first is damaged."""
    store = MemoryStore()
    engine = Engine(clock, store)
    await engine.it.start()
    engine.transport.script = lambda *_: None
    started = []
    for activity in ("a", "b"):
        await engine.upload({**CALL, "activity": activity}, WORKER)
        begun = await engine.it.executions.start("p", activity, StartRequest())
        started.append(begun.execution.id)
    tables: Any = store._tables
    await engine.it.stop()
    damage(tables, started[0])
    engine = Engine(clock, MemoryStore(tables))
    engine.transport.script = lambda *_: None
    await engine.it.start()
    return engine, started[0], started[1]


@pytest.mark.parametrize(
    "damage", [head_is_rotten, action_is_unknown, version_is_rotten, version_has_changed]
)
async def test_a_damaged_execution_or_version_stops_no_other(
    clock: FakeClock, damage: Damage
) -> None:
    engine, sick, well = await restarted(clock, damage)
    it = engine.it
    await engine.advance(TWO_TURNS)
    listed = await it.tracking.page(Filter(), limit=10, cursor=None)
    assert [one["id"] for one in listed.items] == [well]
    inbox = await it.claims.inbox(TaskFilter(), limit=10, cursor=None)
    assert [one["executionId"] for one in inbox.items] == [well]
    claimed = await it.polls.poll(["q"], max_tasks=5, wait_seconds=0, worker="w")
    assert [read_task_id(one.id).execution for one in claimed] == [well]
    assert [body["executionId"] for body in engine.transport.bodies] == [well]
    with pytest.raises(Damaged):
        await it.tracking.view(await it.tracking.get(sick))
    assert it.watchman.findings == {"row": 1}
    assert it.supervisor.failures == {}
    assert list(it.owner.apart.left_alone) == [sick], "it was not ended for that"
    await it.stop()


async def test_damaged_workers_stop_their_activity_alone(clock: FakeClock) -> None:
    engine, sick, _ = await restarted(clock, workers_are_rotten)
    with pytest.raises(Damaged, match="the workers of p/a"):
        await engine.it.executions.start("p", "a", StartRequest())
    await engine.it.executions.start("p", "b", StartRequest())
    await engine.advance(TWO_TURNS)
    assert list(engine.it.owner.apart.left_alone) == [sick]
    assert engine.it.supervisor.failures == {}
    await engine.it.stop()
