"""What the engine needs from outside: a store, a transport. Adapters implement these.

The docstrings are the contract; ``tests/contract`` holds every adapter to it.
Times are milliseconds since 1970, UTC, given by the caller; durations are seconds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SHARDS = 256
"""Logical shards; an execution's shard is the last byte of its id."""
BATCH_RECORDS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024


# ---------------------------------------------------------------- transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a worker, complete: what goes over the wire."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float
    """Of the whole call: DNS, connect, send, headers, body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The worker answered, with any status; the body is whole and within its limit."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """There is no whole answer."""

    code: str
    """``timeout``, ``unreachable``, ``too_large``, ``bad_response`` or ``forbidden_target``."""
    message: str
    status: int | None = None
    """When headers had come before it broke."""


Reply = Answered | Unreachable


class Transport(Protocol):
    """Carries calls to workers. Never raises for a bad worker; cancellation passes through."""

    async def send(self, request: Request) -> Reply:
        """Make one call, once: no retry, no redirect; end within its timeout plus 100 ms."""

    async def close(self) -> None:
        """Close all connections."""


# ---------------------------------------------------------------- observer


class Observer(Protocol):
    """Is told what was committed, for metrics; must be quick and must not raise."""

    def started(self, project: str, activity: str) -> None:
        """An execution began."""

    def ended(self, project: str, activity: str, status: str, seconds: float) -> None:
        """An execution ended after *seconds*."""

    def attempt(self, action: str, outcome: str, seconds: float) -> None:
        """A call to a worker ended after *seconds*."""


# ---------------------------------------------------------------- store


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name that only one can have: a business key, an idempotency key, an event id."""

    project: str
    kind: str
    """``key`` (scope: activity), ``idem`` (method and path) or ``event`` (the execution)."""
    scope: str
    name: str
    execution: str
    """The id of the execution that has it; may be empty for ``idem`` on other things."""
    digest: str = ""
    """Of the request body."""
    answer: bytes = b""
    """The stored answer, for a repeat."""
    expires: int | None = None
    """Swept after this time; None: with the execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRow:
    """An execution's row: the columns that lists and wake-ups need, and the whole head as bytes."""

    id: str
    project: str
    activity: str
    version: int
    status: str
    state: str
    key: str | None
    labels: Mapping[str, str]
    seq: int
    wake: int | None
    started_at: int
    updated_at: int
    finished_at: int | None
    body: bytes

    @property
    def shard(self) -> int:
        """Return the shard: the last byte of the id."""
        return int(self.id[-2:], 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One record: what one digest wrote, entries *first_seq* to *seq* as a JSON list."""

    execution: str
    first_seq: int
    seq: int
    at: int
    hash: str
    entries: bytes
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """All that one step of one execution writes; whole or not at all."""

    head: HeadRow
    epoch: int
    """As captured when the execution was adopted, not at commit."""
    records: Sequence[RecordRow]
    start: bool = False
    """A new execution: refused alone when its id or one of its names is taken."""
    names: Sequence[Name] = ()
    """To be taken. A step that is no start and loses a name is refused alone, too."""
    freed: Sequence[Name] = ()
    inbox: Sequence[int] = ()
    """Inbox rows that this step applied; deleted with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """Written and durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """Not written: this node does not own the shard in this epoch any more, or the seq is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Not written: *name* belongs to another already (``kind`` ``id``: the id itself exists)."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisonous:
    """Not written: the store cannot hold this one; the others of its batch were written."""

    message: str


Verdict = Committed | Fenced | Taken | Poisonous


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something for an execution, delivered by any node and applied by its owner."""

    execution: str
    kind: str
    dedupe: str
    body: bytes
    at: int
    number: int = 0
    """Given by the store; the order of delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintRow:
    """An immutable version of a blueprint."""

    project: str
    activity: str
    version: int
    digest: str
    body: bytes
    """The normalised blueprint, as JSON."""
    findings: bytes
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A blueprint, a workers document, or both, to be stored in one transaction."""

    project: str
    activity: str
    digest: str | None = None
    """None: only the workers change."""
    body: bytes = b""
    findings: bytes = b"[]"
    workers: bytes | None = None
    """None: the workers stay as they are."""
    at: int = 0
    name: Name | None = None
    """An idempotency key to be taken with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key; only the hash of its secret is kept."""

    id: str
    hash: str
    project: str | None
    """None: all projects."""
    scopes: Sequence[str]
    roles: Sequence[str]
    description: str
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions to list; None asks nothing. Newest first."""

    project: str | None = None
    activity: str | None = None
    status: Sequence[str] = ()
    state: str | None = None
    key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    """On the start, since <= started < until."""
    text: str | None = None
    """Part of an id or a business key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; *next* is the cursor of the following part, None at the end."""

    items: Sequence[Any]
    next: str | None


class Store(Protocol):
    """Durable memory. One transaction a method; a return means that it is on disk.

    Raises ``errors.Unavailable`` when nothing can be written now (disk full, busy); nothing of
    the call is then in the store. ``errors.StartRefused`` from ``open`` only.
    """

    async def open(self, *, node: str, now: int, ttl_ms: int) -> None:
        """Migrate, register the node's incarnation; refuse a newer schema or a second server."""

    async def close(self) -> None:
        """Release the shards, and every file and thread. Safe to call twice."""

    # ownership
    async def heartbeat(self, *, now: int) -> bool:
        """Renew the lease; False means dead for ever: an expired lease is never renewed."""

    async def claim(self, *, limit: int, now: int) -> dict[int, int]:
        """Own up to *limit* free or expired shards: ``{shard: epoch}``, each epoch one higher."""

    async def release(self, shards: Sequence[int]) -> None:
        """Give shards up; the next owner gets a higher epoch."""

    # executions
    async def commit(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write all, in order, in one transaction, and make it durable; one verdict a write.

        The only write path of an execution. A write whose (shard, epoch) this node does not own,
        or whose ``first_seq`` is not the stored seq + 1, is ``Fenced``; one that loses a name is
        ``Taken``; neither leaves anything. ``key`` names freed in a batch can be taken in the next.
        """

    async def head(self, execution: str) -> bytes | None:
        """Return the head's body; None when there is none. Sees every commit that returned."""

    async def heads(self, executions: Sequence[str]) -> list[bytes | None]:
        """Return several heads, in the order asked."""

    async def history(self, execution: str, *, after: int, limit: int) -> list[RecordRow]:
        """Return the records that end behind seq *after*, oldest first, at most *limit*."""

    async def live(self, shards: Sequence[int], *, after: str, limit: int) -> list[bytes]:
        """Return the heads with status ``running`` and an id above *after*, by id."""

    async def due(self, shards: Sequence[int], *, until: int, limit: int) -> list[tuple[int, str]]:
        """Return (wake, id) of executions that wake at or before *until*, earliest first."""

    async def counts(self, project: str, activity: str) -> dict[int, dict[str, int]]:
        """Return ``{version: {status: count}}``."""

    async def delete(self, execution: str) -> bool:
        """Remove an execution, its history and its names; False when there is none."""

    # inbox
    async def deliver(self, messages: Sequence[Message]) -> list[bool]:
        """Add to the inbox; False for one whose (execution, kind, dedupe) is there already."""

    async def drain(self, shards: Sequence[int], *, limit: int) -> list[Message]:
        """Return inbox messages of these shards, oldest first; ``commit`` deletes them."""

    def hints(self) -> AsyncIterator[None]:
        """Yield when the inbox may have something; polling is the truth."""

    # names
    async def name(self, project: str, kind: str, scope: str, name: str) -> Name | None:
        """Return who has a name."""

    async def put_name(self, name: Name) -> Name | None:
        """Take a name that belongs to no execution; the one who has it already, else None."""

    async def sweep(self, *, before: int, limit: int) -> int:
        """Delete expired names; return how many."""

    # blueprints
    async def upload(self, upload: Upload) -> BlueprintRow | Taken:
        """Store a new version, unless the latest one has the same digest; replace the workers."""

    async def blueprint(
        self, project: str, activity: str, version: int | None
    ) -> BlueprintRow | None:
        """Return a version; None asks for the latest."""

    async def blueprints(self, *, project: str | None, limit: int, cursor: str | None) -> Page:
        """Return the latest version of each blueprint, by name."""

    async def versions(self, project: str, activity: str) -> list[BlueprintRow]:
        """Return all versions, newest first."""

    async def delete_version(self, project: str, activity: str, version: int) -> bool:
        """Remove a version that no execution is pinned to (Conflict); False when there is none."""

    async def workers(self, project: str, activity: str) -> bytes | None:
        """Return the workers document."""

    async def all_workers(self) -> list[tuple[str, str, bytes]]:
        """Return every (project, activity, workers document)."""

    # settings
    async def put_endpoint(self, alias: str, url: str) -> None:
        """Point an alias to a URL."""

    async def delete_endpoint(self, alias: str) -> bool:
        """Forget an alias; False when there is none."""

    async def endpoints(self) -> dict[str, str]:
        """Return every alias."""

    async def put_key(self, key: KeyRow) -> None:
        """Store an API key."""

    async def delete_key(self, key: str) -> bool:
        """Revoke an API key; False when there is none."""

    async def keys(self) -> list[KeyRow]:
        """Return all API keys."""

    # operations
    async def ping(self) -> None:
        """Write and sync something, or raise ``Unavailable``."""

    async def stats(self) -> Mapping[str, Any]:
        """Return sizes and counts for operators: executions by status, bytes, schema version."""

    async def backup(self, path: str) -> None:
        """Write a consistent copy of everything to a new file while work goes on."""

    # Last, because below it ``list`` no longer means the type.
    async def list(self, which: Filter, *, limit: int, cursor: str | None) -> Page:
        """Return head bodies, newest first, stable under inserts.

        Raises ``MalformedRequest`` for a cursor that is none.
        """
