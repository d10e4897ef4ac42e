"""What others do with the same database: small and honest, the same sizes, no engine at all.

    python -m benchmarks.textbook row_lock|one_statement|job_table URL

``row_lock``: a transaction a transition, five round trips. ``one_statement``: the same in one.
``job_table``: transitions are jobs that workers take with SKIP LOCKED, and complete with the next
one; both are one statement each, which is better than most do it. An execution is a start and
three transitions, each durable before the next.
"""

import asyncio
import itertools
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import asyncpg
import uvloop

from benchmarks.driven import Commits, Work, keep, serve

HASH = "0" * 32
BODIES = [Random(number).randbytes(1_059) for number in range(4)]
ENTRIES = [Random(number).randbytes(775) for number in range(4)]
"""Of each transition, as large as goflow's: the head that it changes, and the record it adds."""
STATES = ("balance", "product", "voucher", "done")
SESSIONS = 16
"""More make all of these slower: it was tried."""
CLAIM_MS = 30_000
LOOK_SECONDS = 0.002
LOOKS = 20
"""In vain, one after the other: then there is nothing left."""

SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS executions (
      id TEXT COLLATE "C" PRIMARY KEY, project TEXT NOT NULL, activity TEXT NOT NULL,
      version BIGINT NOT NULL, status TEXT NOT NULL, state TEXT NOT NULL, seq BIGINT NOT NULL,
      started_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, body BYTEA NOT NULL)
    WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)
    """,
    "CREATE INDEX IF NOT EXISTS executions_list ON executions (project, activity, started_at)",
    "CREATE INDEX IF NOT EXISTS executions_live ON executions (id) WHERE status = 'running'",
    """
    CREATE TABLE IF NOT EXISTS history (
      execution TEXT COLLATE "C" NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL,
      hash TEXT NOT NULL, entries BYTEA NOT NULL, PRIMARY KEY (execution, seq))
    """,
    """
    CREATE TABLE IF NOT EXISTS jobs (
      id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, execution TEXT COLLATE "C" NOT NULL,
      step BIGINT NOT NULL, claimed_until BIGINT NOT NULL)
    WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01)
    """,
)
INSERT = """
INSERT INTO executions (id, project, activity, version, status, state, seq, started_at, updated_at,
  body) VALUES ($1, 'bench', 'three', 1, 'running', $2, 0, $3, $3, $4)
"""
UPDATE = """
UPDATE executions SET status = $2, state = $3, seq = $4, updated_at = $5, body = $6
WHERE id = $1
"""
RECORD = "INSERT INTO history (execution, seq, at, hash, entries) VALUES ($1, $2, $3, $4, $5)"
START_WHOLE = """
WITH born AS (
  INSERT INTO executions (id, project, activity, version, status, state, seq, started_at,
    updated_at, body) VALUES ($1, 'bench', 'three', 1, 'running', $2, 0, $3, $3, $4))
INSERT INTO history (execution, seq, at, hash, entries) VALUES ($1, 0, $3, $5, $6)
"""
STEP_WHOLE = """
WITH old AS (SELECT id FROM executions WHERE id = $1 AND seq = $4 - 1 FOR UPDATE),
stepped AS (
  UPDATE executions SET status = $2, state = $3, seq = $4, updated_at = $5, body = $6
  WHERE id = $1 AND EXISTS (SELECT 1 FROM old))
INSERT INTO history (execution, seq, at, hash, entries)
SELECT id, $4, $5, $7, $8 FROM old
"""
START_JOB = """
WITH born AS (
  INSERT INTO executions (id, project, activity, version, status, state, seq, started_at,
    updated_at, body) VALUES ($1, 'bench', 'three', 1, 'running', $2, 0, $3, $3, $4)),
recorded AS (
  INSERT INTO history (execution, seq, at, hash, entries) VALUES ($1, 0, $3, $5, $6))
INSERT INTO jobs (execution, step, claimed_until) VALUES ($1, 1, 0)
"""
CLAIM = """
UPDATE jobs SET claimed_until = $1
WHERE id = (
  SELECT id FROM jobs WHERE claimed_until < $2 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id, execution, step
"""
COMPLETE = """
WITH gone AS (DELETE FROM jobs WHERE id = $9 RETURNING 1),
stepped AS (
  UPDATE executions SET status = $2, state = $3, seq = $4, updated_at = $5, body = $6
  WHERE id = $1 AND EXISTS (SELECT 1 FROM gone)),
recorded AS (
  INSERT INTO history (execution, seq, at, hash, entries)
  SELECT $1, $4, $5, $7, $8 FROM gone)
INSERT INTO jobs (execution, step, claimed_until)
SELECT $1, $4 + 1, 0 FROM gone WHERE $2 = 'running'
"""


class Textbook:
    """One node of such a program."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.commits = Commits()

    async def by_row_lock(self) -> None:
        """Run an execution, a transaction a transition."""
        id_ = new_id()
        await self._timed(lambda session: _start_locked(session, id_))
        for seq in range(1, len(STATES)):
            await self._timed(partial(_step_locked, id_=id_, seq=seq))

    async def by_one_statement(self) -> None:
        """Run an execution, a statement a transition."""
        id_ = new_id()
        given = (id_, STATES[0], now_ms(), BODIES[0], HASH, ENTRIES[0])
        await self._timed(lambda session: session.execute(START_WHOLE, *given))
        for seq in range(1, len(STATES)):
            await self._timed(partial(_step_whole, id_=id_, seq=seq))

    async def by_jobs(self, work: Work) -> dict[str, Any]:
        """Keep so many going: who does the last job of one, on whichever node, starts the next."""
        ends = time.monotonic() + work.seconds
        done = in_time = 0

        async def worker() -> None:
            nonlocal done, in_time
            idle = 0
            while idle < LOOKS:
                is_over = await self._do_job()
                idle = idle + 1 if is_over is None else 0
                if is_over:
                    now = time.monotonic()
                    done, in_time = done + 1, in_time + (now < ends)
                    if now < ends:
                        await self._start_job()
                elif is_over is None:
                    await asyncio.sleep(LOOK_SECONDS)

        await asyncio.gather(*(self._start_job() for _ in range(work.in_flight)))
        await asyncio.gather(*(worker() for _ in range(SESSIONS)))
        return {"done": done, "rate": in_time / work.seconds, "errors": 0}

    async def _start_job(self) -> None:
        given = (new_id(), STATES[0], now_ms(), BODIES[0], HASH, ENTRIES[0])
        await self._timed(lambda session: session.execute(START_JOB, *given))

    async def _do_job(self) -> bool | None:
        """Take a job and do it; return whether it was the last of its execution, None: no job."""
        async with self.pool.acquire() as session:
            now, began = now_ms(), time.monotonic()
            row = await session.fetchrow(CLAIM, now + CLAIM_MS, now)
            if row is None:
                return None
            job, id_, seq = row
            await session.execute(COMPLETE, *_step(id_, seq), job)
            self.commits.add(began)
        return bool(seq == len(STATES) - 1)

    async def _timed(self, work: Callable[[asyncpg.Connection], Awaitable[object]]) -> None:
        async with self.pool.acquire() as session:
            began = time.monotonic()
            await work(session)
            self.commits.add(began)


async def _start_locked(session: asyncpg.Connection, id_: str) -> None:
    async with session.transaction():
        at = now_ms()
        await session.execute(INSERT, id_, STATES[0], at, BODIES[0])
        await session.execute(RECORD, id_, 0, at, HASH, ENTRIES[0])


async def _step_locked(session: asyncpg.Connection, id_: str, seq: int) -> None:
    async with session.transaction():
        await session.fetchrow("SELECT seq, body FROM executions WHERE id = $1 FOR UPDATE", id_)
        _, status, state, _, at, body, _, entries = _step(id_, seq)
        await session.execute(UPDATE, id_, status, state, seq, at, body)
        await session.execute(RECORD, id_, seq, at, HASH, entries)


async def _step_whole(session: asyncpg.Connection, id_: str, seq: int) -> None:
    await session.execute(STEP_WHOLE, *_step(id_, seq))


def _step(id_: str, seq: int) -> tuple[str, str, str, int, int, bytes, str, bytes]:
    status = "completed" if seq == len(STATES) - 1 else "running"
    return id_, status, STATES[seq], seq, now_ms(), BODIES[seq], HASH, ENTRIES[seq]


_numbers = itertools.count()


def new_id() -> str:
    """Return an id that goes up with the time, as goflow's do."""
    return f"{now_ms():012x}-{next(_numbers) % 65_536:04x}-{uuid.uuid4().hex[:16]}"


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


async def main(mode: str, url: str) -> None:
    session = await asyncpg.connect(url)
    for statement in SCHEMA:
        await session.execute(statement)
    await session.close()
    async with asyncpg.create_pool(url, min_size=SESSIONS, max_size=SESSIONS) as pool:
        node = Textbook(pool)
        work: dict[str, Callable[[Work], Awaitable[dict[str, Any]]]] = {
            "row_lock": partial(keep, node.by_row_lock),
            "one_statement": partial(keep, node.by_one_statement),
            "job_table": node.by_jobs,
        }
        await serve(mode, work[mode], node.commits)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
