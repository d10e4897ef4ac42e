"""Real histories of all kinds, made by the engine, and ways to break them so that it shows."""

import asyncio
import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import orjson

from goflow_py.domain.execution import Execution, decode, encode
from goflow_py.engine.callbacks import CallbackBody
from goflow_py.engine.requests import StartRequest
from goflow_py.errors import GoFlowError
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import chain
from goflow_py.fsm.fold import fold, status_of
from goflow_py.ports import RecordRow
from goflow_py.testing import FakeClock, answer
from goflow_py.torture.judge_store import Stored, read
from tests.unit.engine.conftest import Engine
from tests.unit.engine.relatives import child_of
from tests.unit.engine.test_families import START, WAITS, machine, parent

QUICK = {"interval": 1, "jitter": "none"}
Entries = list[list[dict[str, Any]]]
Change = Callable[[Entries], None]


@dataclasses.dataclass(kw_only=True)
class History:
    """An execution as a store has it."""

    head: Execution
    rows: list[RecordRow]
    compiled: Compiled

    @property
    def entries(self) -> Entries:
        return [orjson.loads(row.entries) for row in self.rows]

    def changed(self, change: Change, *, refold: bool = True, rechain: bool = True) -> "History":
        """Return it with its entries changed; the hashes, and the head, fit them again."""
        entries = self.entries
        change(entries)
        return self.written(entries, refold=refold, rechain=rechain)

    def written(self, entries: Entries, *, refold: bool = True, rechain: bool = True) -> "History":
        rows, before = [], ""
        known = {row.first_seq: row for row in self.rows}
        for record in [record for record in entries if record]:
            text = orjson.dumps(record)
            old = known.get(record[0]["seq"], self.rows[-1])
            before = chain(before, text) if rechain else old.hash
            rows.append(
                dataclasses.replace(
                    old,
                    first_seq=record[0]["seq"],
                    seq=record[-1]["seq"],
                    at=record[-1]["at"],
                    entries=text,
                    hash=before,
                )
            )
        head = folded(self.head, entries) if refold else copy.deepcopy(self.head)
        head.hash = before
        return History(head=head, rows=rows, compiled=self.compiled)

    def with_head(self, **fields: Any) -> "History":
        head = decode(encode(self.head))
        for name, value in fields.items():
            setattr(head, name, value)
        return History(head=head, rows=self.rows, compiled=self.compiled)


def folded(head: Execution, entries: Entries) -> Execution:
    """Return what *entries* lead to."""
    blank = Execution(
        id=head.id, project=head.project, activity=head.activity, version=head.version
    )
    found = fold(blank, [entry for record in entries for entry in record])
    found.status = status_of(found)
    return found


def entry(entries: Entries, kind: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return the entry of that type, the *number*-th that has these fields."""
    found = [
        one
        for record in entries
        for one in record
        if one["type"] == kind and all(one.get(name) == value for name, value in fields.items())
    ]
    return found[number]


def drop(entries: Entries, kind: str, number: int = 0, **fields: Any) -> None:
    """Take an entry out, and close the gap."""
    gone = entry(entries, kind, number, **fields)["seq"]
    for record in entries:
        record[:] = [one for one in record if one["seq"] != gone]
        for one in record:
            for name in ("seq", "deferred"):
                if one.get(name, -1) > gone:
                    one[name] -= 1


def append(entries: Entries, kind: str, **fields: Any) -> None:
    """Add an entry in a record of its own."""
    last = entries[-1][-1]
    entries.append([{"seq": last["seq"] + 1, "at": last["at"], "type": kind, **fields}])


# ---------------------------------------------------------------- the engine's own


CALLS = {
    "activity": "calls",
    "timeout": 90_000,
    "states": [
        {"name": "call", "on": {"success": "wait", "error": "wait"}},
        {
            "name": "wait",
            "defer": ["later"],
            "after": [{"delay": 600, "event": "nudge"}],
            "on": {"go": {"next": "last", "set": {"got": "$.event.data"}}, "nudge": "last"},
        },
        {"name": "last", "notify": {"entered": "http://told"}, "on": {"later": "done"}},
    ],
    "transitions": [{"current": "init", "event": "start", "next": "call"}],
}
CALL_WORKERS = [
    {"name": "call", "workerEndpoint": "first", "retryCount": 1, "retry": QUICK},
    {"name": "call", "workerEndpoint": "second", "priority": 2, "retry": QUICK},
]


def one(kind: str, **action: Any) -> dict[str, Any]:
    """Return a blueprint of one action, named as its type."""
    return {
        "activity": kind,
        **machine({"name": "work", "do": "work", "on": {"success": "done", "error": "failed"}}),
        "actions": [{"name": "work", "type": kind, **action}],
    }


class Maker:
    """Plays every scenario in one engine; ``names`` says which execution is which."""

    def __init__(self) -> None:
        self.engine = Engine(FakeClock())
        self.names: dict[str, str] = {}

    async def make(self) -> Stored:
        engine = self.engine
        await engine.it.start()
        engine.transport.script = self._answer
        try:
            for play in (self._calls, self._events, self._verbs, self._queues):
                await play()
            await self._families()
            await self._callbacks()
            await self._rest()
            stored = await read(engine.store, now=engine.clock.now_ms())
        finally:
            self.tables = copy.deepcopy(engine.store._all)
            await engine.it.stop()
        return stored

    def _answer(self, request: Any, body: Any) -> Any:
        if request.url.endswith("/first"):
            return answer(status=500)
        if request.url.endswith("/broken"):
            return answer({"error": {"code": "no"}}, status=422)
        return answer({}, status=202) if body.get("callbackUrl") else answer({"ok": True})

    async def start(self, name: str, activity: str, value: Any = None, **fields: Any) -> Execution:
        request = StartRequest(input=value, **fields)
        begun = await self.engine.it.executions.start("p", activity, request)
        self.names[name] = begun.execution.id
        return begun.execution

    async def _calls(self) -> None:
        engine = self.engine
        await engine.upload(CALLS, CALL_WORKERS)
        await self.start("open", "calls", {"n": 1}, key="K-1")
        done = await self.start("completed", "calls", {"n": 2}, key="K-2")
        timed = await self.start("timed", "calls", {"n": 3})
        await engine.advance(10)
        await engine.send(done, "go", 7, id="go-1")
        await engine.send(done, "later", id="later-1")
        await engine.advance(700)
        await engine.send(timed, "later", id="later-2")
        await engine.advance(10)

    async def _events(self) -> None:
        engine = self.engine
        held = await self.start("held", "calls")
        await engine.advance(10)
        await engine.send(held, "later", id="later-3")
        await engine.control(held, "pause")
        await engine.send(held, "go", 1, id="go-3")
        await engine.control(held, "resume")
        await engine.advance(10)

    async def _verbs(self) -> None:
        engine = self.engine
        workers = [{"name": "work", "workerEndpoint": "broken"}]
        await engine.upload({**one("sync"), "activity": "fails"}, workers)
        failed = await self.start("failed", "fails")
        await engine.advance(1)
        await engine.control(failed, "goto", state="work")
        await engine.advance(1)
        cancelled = await self.start("cancelled", "calls")
        await engine.advance(10)
        await engine.control(cancelled, "cancel")

    async def _queues(self) -> None:
        engine = self.engine
        await engine.upload(one("pull", queue="depot", lease=60), [])
        await engine.upload(one("human", queue="desk"), [])
        await self.start("claimed", "pull")
        await self.start("asked", "human")
        claimed = await engine.it.polls.poll(["depot"], max_tasks=1, wait_seconds=0, worker="w")
        assert len(claimed) == 1

    async def _families(self) -> None:
        engine = self.engine
        document = parent({"a": WAITS}, [{"name": "a"}], activity="family")
        await engine.upload(document, [])
        waiting = await self.start("parent", "family")
        self.names["child"] = (await child_of(engine, waiting)).id
        over = await self.start("old parent", "family")
        self.names["old child"] = (await child_of(engine, over)).id
        await engine.send(over, "go_on", 5)

    async def _callbacks(self) -> None:
        engine = self.engine
        document = one("async", heartbeatTimeout=30, timeout=9_000)
        workers = [{"name": "work", "workerEndpoint": "later", "retryCount": 3, "retry": QUICK}]
        await engine.upload({**document, "activity": "async"}, workers)
        late = await self.start("late", "async")
        await engine.advance(1)
        token = engine.transport.bodies[-1]["callbackUrl"].rsplit("/", 1)[1]
        await engine.advance(40)
        try:
            await engine.it.callbacks.complete(token, CallbackBody(output=1))
            raise AssertionError("the callback was too late")
        except GoFlowError:
            pass
        assert (await engine.read(late)).tasks["work"].attempts == 2
        token = engine.transport.bodies[-1]["callbackUrl"].rsplit("/", 1)[1]
        await engine.it.callbacks.complete(token, CallbackBody(output=2))
        await self.start("accepted", "async")
        await engine.advance(1)

    async def _rest(self) -> None:
        engine = self.engine
        await engine.upload(one("delay", seconds=3_600), [])
        await self.start("delayed", "delay")
        graph = {
            "activity": "graph",
            "states": [
                {
                    "name": "work",
                    "tasks": [{"name": "one"}, {"name": "two"}, {"name": "both", "needs": ["one"]}],
                    "on": {"success": "done"},
                }
            ],
            "transitions": [START],
        }
        names = ("one", "two", "both")
        await engine.upload(graph, [{"name": name, "workerEndpoint": name} for name in names])
        await self.start("graph", "graph", {"n": 9})
        await engine.advance(10)


@dataclasses.dataclass(kw_only=True)
class Made:
    """What ``Maker`` made."""

    stored: Stored
    names: dict[str, str]
    engine: Engine
    tables: Any

    def history(self, name: str) -> History:
        return self.of(self.names[name])

    def of(self, execution: str) -> History:
        head = self.stored.heads[execution]
        compiled = self.stored.compiled(head)
        assert compiled is not None
        return History(head=head, rows=self.stored.records[execution], compiled=compiled)


def made() -> Made:
    """Play every scenario."""
    maker = Maker()
    stored = asyncio.run(maker.make())
    return Made(stored=stored, names=maker.names, engine=maker.engine, tables=maker.tables)


__all__ = ["History", "Made", "append", "drop", "entry", "folded", "made"]
