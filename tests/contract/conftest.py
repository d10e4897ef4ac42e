"""Every store behind one fixture, and what the contract's tests build their cases from."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goflow_py.ports import (
    BatchRow,
    EarlyRow,
    HeadRow,
    Message,
    Name,
    QueueRow,
    RecordRow,
    Store,
    Upload,
    Write,
)
from goflow_py.store.memory import MemoryStore
from goflow_py.store.postgres import PostgresStore
from goflow_py.store.sqlite import SqliteStore

NOW = 1_800_000_000_000
TTL_MS = 10_000


class Cell:
    """One store's memory, and the servers that come and go on it."""

    def __init__(self, kind: str, store: Store) -> None:
        self.kind = kind
        self.now = NOW
        self._store = store
        self._opened = 0

    async def open(self) -> Store:
        """Start a server, after the one before was closed; its node's name is new."""
        self._opened += 1
        await self._store.open(node=f"node-{self._opened}", now=self.now, ttl_ms=TTL_MS)
        return self._store

    async def close(self) -> None:
        await self._store.close()


class Make:
    """Builds values with everything that a test does not care for filled in."""

    now = NOW

    def id(self, number: int, shard: int = 0) -> str:
        return f"01900000-0000-7000-8000-{number:010x}{shard:02x}"

    def name(self, name: str, execution: str = "", **fields: Any) -> Name:
        given = {"project": "default", "kind": "idem", "scope": "s", "execution": execution}
        return Name(name=name, **{**given, **fields})

    def head(self, id: str, **fields: Any) -> HeadRow:
        given: dict[str, Any] = {
            "project": "default", "activity": "order", "version": 1, "status": "running",
            "state": "init", "key": None, "labels": {}, "seq": 0, "wake": None,
            "started_at": NOW, "updated_at": NOW, "finished_at": None,
        }  # fmt: skip
        given.update(fields)
        given.setdefault("body", f"{id} at {given['seq']}".encode())
        return HeadRow(id=id, **given)

    def record(self, id: str, first_seq: int, seq: int) -> RecordRow:
        entries = f"[{first_seq},{seq}]".encode()
        return RecordRow(
            execution=id, first_seq=first_seq, seq=seq, at=NOW, hash=f"h{seq}", entries=entries
        )

    def start(
        self,
        id: str,
        epoch: int = 1,
        *,
        names: Sequence[Name] = (),
        write: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Write:
        head = self.head(id, **fields)
        records = [self.record(id, 0, head.seq)]
        return Write(
            head=head, epoch=epoch, records=records, start=True, names=names, **(write or {})
        )

    def step(
        self,
        id: str,
        first_seq: int,
        seq: int | None = None,
        *,
        epoch: int = 1,
        write: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Write:
        last = first_seq if seq is None else seq
        head = self.head(id, seq=last, **fields)
        records = [self.record(id, first_seq, last)]
        return Write(head=head, epoch=epoch, records=records, **(write or {}))

    def message(self, execution: str, dedupe: str, **fields: Any) -> Message:
        given: dict[str, Any] = {"kind": "event", "body": b"{}", "at": NOW}
        return Message(execution=execution, dedupe=dedupe, **{**given, **fields})

    def task(self, execution: str, task: str = "pay", **fields: Any) -> QueueRow:
        given: dict[str, Any] = {
            "visit": 1, "project": "default", "activity": "order", "queue": "q", "kind": "pull",
            "since": NOW, "due": NOW,
        }  # fmt: skip
        return QueueRow(execution=execution, task=task, **{**given, **fields})

    def batch(self, id: str, at: int = NOW, **fields: Any) -> BatchRow:
        given: dict[str, Any] = {
            "project": "default", "body": b"{}", "status": "running", "progress": b"{}",
            "created_at": at, "updated_at": at,
        }  # fmt: skip
        return BatchRow(id=id, **{**given, **fields})

    def early(self, id: str, key: str = "k", **fields: Any) -> EarlyRow:
        given: dict[str, Any] = {
            "project": "default", "activity": "order", "name": "paid", "body": b"{}",
            "created_at": NOW, "expires_at": NOW + 100,
        }  # fmt: skip
        return EarlyRow(id=id, key=key, **{**given, **fields})

    def upload(self, digest: str | None, activity: str = "order", **fields: Any) -> Upload:
        given: dict[str, Any] = {"project": "default", "body": f"{digest}".encode(), "at": NOW}
        return Upload(activity=activity, digest=digest, **{**given, **fields})

    def expiring(self, name: Name, at: int) -> Name:
        return replace(name, expires=at)


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def cell(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cell]:
    async with contextlib.AsyncExitStack() as stack:
        store: Store
        match request.param:
            case "memory":
                store = MemoryStore()
            case "sqlite":
                store = SqliteStore(tmp_path / "data" / "goflow.db")
            case _:
                server = request.getfixturevalue("postgres")
                url = await stack.enter_async_context(server.fresh())
                # The contract's leases are by the times that it gives.
                store = PostgresStore(url, has_own_time=False)
        cell = Cell(request.param, store)
        yield cell
        await cell.close()


@pytest.fixture
async def idle(cell: Cell) -> Store:
    """A store whose node owns nothing yet."""
    return await cell.open()


@pytest.fixture
async def store(idle: Store) -> Store:
    """A store whose node owns every shard, each in epoch 1."""
    await idle.claim(limit=256, now=NOW)
    return idle


@pytest.fixture
def reopened(cell: Cell) -> Callable[[], Awaitable[Store]]:
    """End the server and start the next one, which owns nothing yet."""

    async def reopen() -> Store:
        await cell.close()
        return await cell.open()

    return reopen
