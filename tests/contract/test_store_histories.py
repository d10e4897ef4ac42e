"""The same story on every store: the same histories and the same answers, to the entry."""

import asyncio
import inspect
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import orjson

from goflow_py.domain.event import Control, Outside
from goflow_py.engine.auditor import verify
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.requests import Repeat, StartRequest
from goflow_py.engine.verdict import Success
from goflow_py.errors import GoFlowError
from goflow_py.ports import Reply, Request, Store, TaskFilter
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.sqlite import SqliteStore
from goflow_py.testing import FakeClock, answer
from goflow_py.torture.judge_store import read
from goflow_py.torture.scenarios import ACTIVITIES, ALL, PROJECT, QUEUES, input_of
from tests.unit.engine.conftest import Engine

ROUNDS = 45
"""Seconds of the story; the longest wait of a blueprint is shorter."""
QUIET_TURNS = 4
"""What a call returned may lead to the next one only some turns later."""


class Watched:
    """A store that says how many of its calls are under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **given: Any) -> Any:
            self.calls += 1
            try:
                return await found(*args, **given)
            finally:
                self.calls -= 1

        return call


class StoryClock(FakeClock):
    """Lets no time pass while the store works."""

    def __init__(self) -> None:
        super().__init__()
        self.store: Watched | None = None

    async def _turns(self) -> None:
        quiet = 0
        while quiet < QUIET_TURNS:
            await super()._turns()
            quiet += 1
            if self.store is not None and self.store.calls:
                await asyncio.sleep(0.0002)  # a thread, or a server, is at work
                quiet = 0


class Story:
    """Starts every blueprint, and does to the executions what users do."""

    def __init__(self, store: Store) -> None:
        self.clock = StoryClock()
        self.clock.store = watched = Watched(store)
        self.engine = Engine(self.clock, watched)  # type: ignore[arg-type]
        self.engine.transport.script = self._answer
        self.ids: list[str] = []
        self.answers: list[Any] = []
        self._tokens: list[str] = []
        self._claimed = 0

    def _answer(self, _: Request, body: dict[str, Any]) -> Reply:
        if body.get("callbackUrl"):
            self._tokens.append(body["callbackUrl"].rsplit("/", 1)[-1])
            return answer(status=202)
        action, attempt = body.get("action"), body.get("attempt")  # of a notification: none
        if action in ("second", "one") and attempt == 1:
            return answer({"error": "not yet"}, status=500)
        if action == "hotel":
            return answer({"error": "no room"}, status=422)
        return answer({"n": attempt, "task": body.get("task")})

    async def tell(self) -> None:
        it = self.engine.it
        await it.start()
        for document in ALL:
            await it.uploads.upload(orjson.dumps(document))
        for round_ in range(ROUNDS):
            if round_ < 3:
                await self._start_all(round_)
            await self._act(round_)
            await self.clock.advance(1.0)
        report = await verify(self.engine.store)
        assert report.breaches == []

    async def _start_all(self, round_: int) -> None:
        for place, activity in enumerate(ACTIVITIES):
            number = 10 * round_ + place
            repeat = Repeat(key=f"start-{number}", scope=f"POST {activity}", digest="d")
            request = StartRequest(
                input=input_of(number), key=f"key-{number}", labels={"n": "x"}, repeat=repeat
            )
            for _ in range(2 if round_ == 1 else 1):
                begun = await self._do(self._start(activity, request))
                if begun is not None and begun not in self.ids:
                    self.ids.append(begun)

    async def _start(self, activity: str, request: StartRequest) -> str:
        started = await self.engine.it.executions.start(PROJECT, activity, request)
        return started.execution.id

    async def _act(self, round_: int) -> None:
        it = self.engine.it
        for token in self._tokens[:1] if round_ % 2 else ():
            self._tokens.remove(token)
            for _ in range(2):  # the second is told that it is one
                await self._do(it.callbacks.complete(token, CallbackBody(output={"n": 1})))
        if round_ in (1, 4, 12, 20):
            for place, execution in enumerate(self.ids):
                event = Outside(name=("go", "stop")[place % 4 == 3], id=f"{round_}", data={"n": 1})
                await self._do(it.executions.send(execution, event))
                await self._do(it.executions.send(execution, event))
        if round_ in (2, 6):
            verb = "pause" if round_ == 2 else "resume"
            for execution in self.ids[::3]:
                await self._do(it.executions.control(execution, Control(verb=verb)))
        if round_ == 1:
            await self._do(it.executions.control(self.ids[-1], Control(verb="cancel")))
        await self._take(round_)

    async def _take(self, round_: int) -> None:
        """Take work off the queues; every third claim is forgotten, and lapses."""
        it = self.engine.it
        for claimed in await it.polls.poll(
            [QUEUES[0]], max_tasks=1, wait_seconds=0, worker="packer"
        ):
            await self._end(claimed)
        page = await it.claims.inbox(
            TaskFilter(queue=QUEUES[1], status="queued"), limit=1, cursor=None
        )
        if page.items and round_ % 2:
            claimed = await self._do(it.claims.claim(page.items[0]["id"], "clerk"))
            if claimed is not None:
                await self._end(claimed)

    async def _end(self, claimed: Any) -> None:
        self._claimed += 1
        if self._claimed % 3:
            await self._do(
                self.engine.it.claims.end(claimed.id, claimed.token, Success(output={"by": "me"}))
            )

    async def _do(self, work: Awaitable[Any]) -> Any:
        """Do what a client asks, at once; keep what it is told."""
        asked = asyncio.ensure_future(work)
        await self.clock.advance(0.0)
        try:
            found = await asked
        except GoFlowError as refusal:
            self.answers.append((refusal.status, refusal.reason, str(refusal)))
            return None
        self.answers.append(found if isinstance(found, str) else type(found).__name__)
        return found

    async def read(self) -> tuple[list[str], list[Any]]:
        """Return the ids of all executions, oldest first, and their histories."""
        stored = await read(self.engine.store)
        ids = list(reversed(stored.heads))
        histories = []
        for execution in ids:
            entries = [
                one for row in stored.records[execution] for one in orjson.loads(row.entries)
            ]
            histories.append([{**entry, "traceparent": None} for entry in entries])
        return ids, histories


async def told(store: Store) -> Any:
    """Tell the story on a store; return what came of it, with ids by their order."""
    story = Story(store)
    try:
        await story.tell()
        ids, histories = await story.read()
    finally:
        await story.engine.it.stop()
    text = orjson.dumps([story.answers, histories]).decode()
    for number, execution in enumerate(ids):
        text = text.replace(execution, f"execution-{number}")
    return orjson.loads(text)


async def test_a_file_has_the_histories_that_memory_has(tmp_path: Path) -> None:
    expected = await told(MemoryStore())
    ends = {entry["status"] for history in expected[1] for entry in history if "status" in entry}
    assert ends == {"completed", "failed", "cancelled"}
    assert await told(SqliteStore(tmp_path / "goflow.db")) == expected


async def test_a_database_has_the_histories_that_memory_has(database: str) -> None:
    expected = await told(MemoryStore())
    assert await told(PostgresStore(database, has_own_time=False)) == expected
