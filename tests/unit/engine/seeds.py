"""Short words for what the tests of older systems do with the engine."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from goflow_py.domain.execution import Execution
from goflow_py.engine.offers import Claimed
from goflow_py.engine.swm import EventName, SwmEvent
from goflow_py.engine.verdict import Success
from goflow_py.importers import import_definition
from tests.unit.engine.conftest import Engine

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
PATIENCE_SECONDS = 20.0
"""For a script's process on a loaded machine."""


def begins(first: str, *rows: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """Return a document that begins in the state *first*, with (current, event, next) as *rows*."""
    transitions = [{"current": "init", "event": "start", "next": first}]
    transitions += [{"current": a, "event": event, "next": b} for a, event, b in rows]
    return {"transitions": transitions, **more}


def graph(*tasks: dict[str, Any], **state: Any) -> dict[str, Any]:
    """Return the state `work` with *tasks*."""
    return {"name": "work", "tasks": list(tasks), "on": {"success": "done"}, **state}


def pull(*names: str, **fields: Any) -> list[dict[str, Any]]:
    """Return an action on a queue for each of *names*."""
    return [{"name": name, "type": "pull", **fields} for name in names]


def wait(*events: str) -> list[dict[str, Any]]:
    """Return an action that waits for each of *events*."""
    return [{"name": f"wait_{event}", "type": "wait", "event": event} for event in events]


async def import_(engine: Engine, format_: str, document: Any) -> None:
    """Upload a definition of another system as p/a."""
    imported = import_definition(format_, document, project="p", activity="a")
    assert [one for one in imported.findings if one.severity == "error"] == []
    await engine.it.uploads.upload(orjson.dumps(imported.blueprint))


async def poll(engine: Engine, *queues: str, most: int = 10) -> list[Claimed]:
    """Claim what is on the queues now."""
    return await engine.it.polls.poll(queues, max_tasks=most, wait_seconds=0, worker="w")


async def one(engine: Engine, queue: str) -> Claimed:
    """Claim the only task on *queue*."""
    [claimed] = await poll(engine, queue)
    return claimed


async def complete(engine: Engine, claimed: Claimed, output: Any = None) -> str:
    """End what was claimed well."""
    return await engine.it.claims.end(claimed.id, claimed.token, Success(output=output))


async def do(engine: Engine, queue: str, output: Any = None) -> Any:
    """Claim the only task on *queue*, complete it, and return the input that it had."""
    claimed = await one(engine, queue)
    await complete(engine, claimed, output)
    return claimed.payload["input"]


def open_tasks(execution: Execution) -> list[str]:
    """Return the names of what is open, in order."""
    return [task.name for task in execution.open_tasks()]


async def noted(engine: Engine, execution: Execution, type_: str, field: str = "task") -> list[Any]:
    """Return *field* of all history entries of a type."""
    return [e[field] for e in await engine.entries(execution) if e["type"] == type_]


async def rest(engine: Engine, execution: Execution) -> Execution:
    """Return the execution when no script runs any more: scripts are processes, in real time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (now := await engine.read(execution)).status == "running":
            await engine.advance(0)
    return now


# ---------------------------------------------------------------- Serverless Workflow Manager


async def pizzeria(engine: Engine) -> Execution:
    """Import the pizza workflow of that system, and order."""
    document = orjson.loads((SEEDS / "swm-deliver-pizza.json").read_bytes())
    imported = import_definition("swm", document, project=None, activity=None)
    await engine.it.uploads.upload(orjson.dumps(imported.blueprint))
    return await say(engine, "StartWorkflow")


async def say(
    engine: Engine, name: EventName, stage: str = "", task: str = "", ref: str = "ORDER-001"
) -> Execution:
    """Send one of that system's events."""
    event = SwmEvent(
        name=name, business_ref_no=ref, component_name="ITALIAN", stage_name=stage, task_name=task
    )
    return (await engine.it.swm.send(event)).execution
