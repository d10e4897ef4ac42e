"""G4: an attempt is committed before its first byte goes out; one that a crash cut is made again.

At large: tests/faults/test_syscalls.py (kill -9 before a connect), tests/e2e/test_kills.py,
tests/unit/engine/test_recovery.py, tests/torture/test_simulation.py (rules S8 and S21).
"""

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from goflow_py.ports import Verdict, Write
from goflow_py.store.memory import MemoryStore
from tests.guarantees.conftest import Reply, Worker, calls
from tests.harness import until


class Slow(MemoryStore):
    """A store whose commits end when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        await self.gate.wait()
        return await super().commit(writes)


async def test_while_a_commit_is_under_way_nothing_is_sent(make_engine: Any) -> None:
    engine = make_engine(Slow())
    await engine.it.start()
    rows = [{"current": "init", "event": "start", "next": "pay"}]
    worker = {"name": "pay", "workerEndpoint": "w"}
    await engine.upload({"states": ["pay"], "transitions": rows}, [worker])
    starting = asyncio.ensure_future(engine.start())
    await engine.advance(5)
    assert (starting.done(), engine.calls()) == (False, [])
    engine.store.gate.set()
    await engine.advance(0)
    assert len(engine.calls()) == 1
    assert (await engine.read(await starting)).status == "completed"
    await engine.verify()
    await engine.it.stop()


@pytest.mark.e2e
def test_a_worker_that_is_called_finds_its_attempt_in_the_file(house: Any, worker: Worker) -> None:
    shop = house()
    found: list[bool] = []

    def look(call: dict[str, Any]) -> Reply:
        with contextlib.closing(sqlite3.connect(f"file:{shop.data}?mode=ro", uri=True)) as file:
            rows = file.execute(
                "SELECT entries FROM history WHERE execution = ?", (call["executionId"],)
            ).fetchall()
        entries = [entry for (row,) in rows for entry in json.loads(row)]
        begun = [(e["seq"], e["attempt"]) for e in entries if e["type"] == "attemptStarted"]
        found.append((int(call["headers"]["Goflow-Fence"]), call["attempt"]) in begun)
        return (500, None) if call["attempt"] == 1 else (200, None)

    worker.play = look
    shop.server.client.post(
        "/v1/blueprints", json=calls("pay", worker.action("pay", retryCount=1))
    ).raise_for_status()
    for order in [shop.server.start("shop/pay")["id"] for _ in range(3)]:
        assert shop.server.end_of(order)["status"] == "completed"
    assert found == [True] * 6


@pytest.mark.e2e
def test_a_call_that_a_crash_cut_is_abandoned_costs_nothing_and_is_made_again(
    house: Any, worker: Worker
) -> None:
    shop, held = house(), threading.Event()
    worker.play = lambda call: (200, held.wait(30)) if call["attempt"] == 1 else (200, "again")
    shop.server.client.post(
        "/v1/blueprints", json=calls("pay", worker.action("pay", retryCount=0))
    ).raise_for_status()
    order = shop.server.start("shop/pay")["id"]
    until(lambda: worker.calls, "the worker is called")
    shop.again()
    ended = shop.server.end_of(order)
    held.set()
    assert (ended["status"], ended["output"]) == ("completed", "again")
    outcomes = [e["outcome"] for e in shop.server.history(order) if e["type"] == "attemptEnded"]
    assert outcomes == ["abandoned", "success"]
    assert shop.is_sound()
