"""What goes into a store and comes out of it. Times are milliseconds since 1970, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goflow_py.domain.values import value

SHARDS = 256
"""Logical shards; an execution's shard is the last byte of its id."""
BATCH_RECORDS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024


@value
class Name:
    """A name that only one can have: a business key, an idempotency key, an event id."""

    project: str
    kind: str
    """``key`` (scope: activity), ``idem`` (method and path) or ``event`` (the execution)."""
    scope: str
    name: str
    execution: str
    """The id of the execution that has it; empty: ``idem`` on other things, or it is gone."""
    digest: str = ""
    """Of the request body."""
    answer: bytes = b""
    """The stored answer, for a repeat."""
    expires: int | None = None
    """Kept until then and as long as the execution; None: goes with the execution."""


@value
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
    purge_at: int | None = None
    """Due to be purged after this time; None: not ended."""
    body: bytes

    @property
    def shard(self) -> int:
        """Return the shard: the last byte of the id."""
        return int(self.id[-2:], 16)


@value
class RecordRow:
    """One record: what one digest wrote, entries *first_seq* to *seq* as a JSON list."""

    execution: str
    first_seq: int
    seq: int
    at: int
    hash: str
    entries: bytes
    epoch: int = 0


@value
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


@value
class Committed:
    """Written and durable."""


@value
class Fenced:
    """Not written: this node does not own the shard in this epoch any more, or the seq is taken."""


@value
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
