"""Callers that go away during a commit: what was committed is carried out all the same."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import CALLING, hold, workers
from tests.unit.engine.seeds import pull
from tests.unit.engine.test_families import machine, parent


class Leaving:
    """A caller that is cancelled while its write is on the way to the disk."""

    def __init__(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, call: Coroutine[Any, Any, Any]
    ) -> None:
        self._engine = engine
        self._disk = hold(monkeypatch, engine.store, "commit")
        self._call = asyncio.create_task(call)

    async def leave(self) -> None:
        await self._engine.advance(0)
        self._call.cancel()
        await self._engine.advance(0)

    async def commit(self) -> None:
        self._disk.set()
        await asyncio.gather(self._call, return_exceptions=True)
        await self._engine.advance(30)
        assert self._call.cancelled()


async def test_a_poll_is_told_of_work_whose_committer_was_cancelled(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload({**machine({"name": "q", "do": "q"}), "actions": pull("q")}, [])
    poll = asyncio.create_task(
        engine.it.polls.poll(["q"], max_tasks=1, wait_seconds=60, worker="w")
    )
    await engine.advance(0.1)
    caller = Leaving(engine, monkeypatch, engine.start())
    await caller.leave()
    await caller.commit()
    assert poll.done()
    [claimed] = await poll
    assert claimed.payload["action"] == "q"


async def test_whoever_waits_for_an_end_is_told_though_its_committer_was_cancelled(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.upload(machine({"name": "w", "on": {"go": "done"}}), [])
    execution = await engine.start()
    waiter = asyncio.create_task(engine.it.owner.memory.wait_end(execution.id, 60))
    await engine.advance(0)
    caller = Leaving(engine, monkeypatch, engine.send(execution, "go"))
    await caller.leave()
    await caller.commit()
    assert waiter.done()
    assert (await engine.read(execution)).status == "completed"


@pytest.mark.parametrize("answers_first", [False, True])
async def test_a_childs_result_is_not_lost_when_the_step_before_it_lost_its_caller(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, answers_first: bool
) -> None:
    document = parent({"a": CALLING}, [{"name": "a"}])
    document["states"][0]["on"]["ping"] = {"set": {"n": 1}}
    await engine.upload(document, workers("call"))
    answers = hold(monkeypatch, engine.transport, "send")
    execution = await engine.start()
    await engine.advance(0)
    caller = Leaving(engine, monkeypatch, engine.send(execution, "ping"))
    await caller.leave()
    if answers_first:
        answers.set()
        await engine.advance(0)
    await caller.commit()
    answers.set()
    await engine.advance(200)
    found = await engine.read(execution)
    assert (found.state, found.data) == ("after", {"n": 1})
    assert len(engine.calls()) == 1
