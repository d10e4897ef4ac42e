"""What every run of the simulation needs: a prepared disk, an end, and a judgement."""

import asyncio
import hashlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import orjson

from goflow_py.engine.catalog import compile_row, group_workers
from goflow_py.engine.checker import Breach
from goflow_py.engine.orchestrator import Orchestrator
from goflow_py.errors import GoFlowError
from goflow_py.fsm.compile import Compiled
from goflow_py.ports import BlueprintRow
from goflow_py.torture import judge_store, judge_tables
from goflow_py.torture.clients import Client
from goflow_py.torture.disk import at_rest
from goflow_py.torture.judge import judge_all
from goflow_py.torture.loop import Stuck
from goflow_py.torture.notes import Notes
from goflow_py.torture.scenarios import ALL
from goflow_py.torture.world import START_MS, Disconnected, World

HEAL_SECONDS = 1_200.0
"""After the faults: what is not over by then is stuck."""
LOOK_SECONDS = 5.0
COMPILED_KEPT_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to."""

    name: str
    """Its seed, or its crash point: what repeats it."""
    executions: int
    entries: int
    operations: int
    faults: Counter[str]
    statuses: Counter[str]
    seconds: float
    """Of virtual time."""
    digest: str
    """Of all that is stored and was answered: the same run has the same one."""
    breaches: list[Breach]
    notes: Notes = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the result without its notes."""
        return {
            "name": self.name,
            "executions": self.executions,
            "entries": self.entries,
            "operations": self.operations,
            "faults": dict(self.faults),
            "statuses": dict(self.statuses),
            "seconds": self.seconds,
            "digest": self.digest,
            "breaches": [breach.as_json() for breach in self.breaches],
        }


def play(world: World, name: str, main: Coroutine[Any, Any, None]) -> Result:
    """Run *main* in *world* to its end, and judge what is left of it."""
    found: list[Breach] = []
    stored = judge_store.Stored(heads={}, records={}, versions={})
    with _errors_of_the_engine(world):
        template().backup(world.disk.db)
        try:
            world.loop.run(main)
            world.notes.ended_at = world.loop.time()
            stored = world.loop.run(_stored(world))
            found = judge_all(world.notes, stored)
            found += world.loop.run(judge_tables.breaches(at_rest(world.disk), stored))
            found += judge_tables.sizes(world.disk.db)
            found += judge_tables.uploads(world.notes, world.disk.db)
        except Stuck as stuck:
            found.append(_breach("S15", str(stuck)))
        found += judge_tables.strangers(world.disk)
        found += [_breach("engine", repr(error)) for error in world.loop.broken]
        found += [_breach("engine", message) for message in world.engine_errors]
        found += [_breach("S15", message) for message in world.complaints]
        seconds = world.loop.time()
        world.loop.close()
    world.disk.db.close()
    return Result(
        name=name,
        executions=len(stored.heads),
        entries=sum(head.seq + 1 for head in stored.heads.values()),
        operations=len(world.notes.operations),
        faults=world.faults,
        statuses=Counter(str(head.status) for head in stored.heads.values()),
        seconds=seconds,
        digest=_digest(stored, world.notes),
        breaches=found,
        notes=world.notes,
    )


async def _stored(world: World) -> judge_store.Stored:
    now = START_MS + round(world.loop.time() * 1000) + world.skew_ms
    store = at_rest(world.disk)
    stored = await judge_store.read(store, now=now, compiled=_compiled)
    # Other versions may be uploaded, other workers are not.
    stored.workers = {
        (project, activity): group_workers(body)
        for project, activity, body in await store.all_workers()
    }
    return stored


def _compiled(row: BlueprintRow) -> Compiled:
    name = (row.activity, row.version, row.digest)
    found = _known.get(name)
    if found is None:
        found = _known[name] = compile_row(row)
        if len(_known) > COMPILED_KEPT_MAX:
            _known.pop(next(iter(_known)))
    return found


_known: dict[tuple[str, int, str], Compiled] = {}
"""What earlier runs of this process compiled."""


@cache
def template() -> sqlite3.Connection:
    """Return a database with every scenario uploaded: made once, by a server of the simulation."""
    world = World(0)

    async def upload() -> None:
        world.boot()
        for document in ALL:
            upload_it = partial(_upload, body=orjson.dumps(document))
            while True:
                try:
                    await world.ask(upload_it)
                except Disconnected:
                    await asyncio.sleep(0.1)  # noqa: TID251  # it starts
                    continue
                break
        assert world.node is not None
        await world.stop(world.node, 0.0)

    world.loop.run(upload())
    world.loop.close()
    return world.disk.db


async def _upload(engine: Orchestrator, body: bytes) -> object:
    return await engine.uploads.upload(body)


async def until_all_is_over(world: World) -> None:
    """Wait until every execution has ended, and every message was read.

    Operators resume what they paused.
    """
    operator = Client(world, 9)
    end = world.loop.time() + HEAL_SECONDS
    while world.loop.time() < end:
        rows = world.disk.db.execute(
            "SELECT id, status FROM executions"
            " WHERE status NOT IN ('completed', 'failed', 'cancelled') OR wake IS NOT NULL"
        ).fetchall()
        [messages] = world.disk.db.execute("SELECT count(*) FROM inbox").fetchone()
        if not rows and not messages:
            return
        for execution, status in rows:
            if status == "paused":
                await operator.resume(execution)
        await asyncio.sleep(LOOK_SECONDS)  # noqa: TID251  # virtual


# ---------------------------------------------------------------- what came of it


@contextmanager
def _errors_of_the_engine(world: World) -> Iterator[None]:
    """Note what the engine logs with a traceback: it must not happen, whatever the fault."""
    logger = logging.getLogger("goflow_py")
    handler = _Collector(world)
    before, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = propagates


class _Collector(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, GoFlowError):
            self._world.engine_errors.append(f"{record.getMessage()}: {error!r}")


def _breach(rule: str, message: str) -> Breach:
    return Breach(rule=rule, execution="", seq=None, message=message)


def _digest(stored: judge_store.Stored, notes: Notes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for execution in sorted(stored.heads):
        digest.update(f"{execution} {stored.heads[execution].hash}\n".encode())
    for said in notes.operations:
        digest.update(f"{said.kind} {said.key} {said.outcome} {said.ended}\n".encode())
    return digest.hexdigest()
