"""What goes into a store and comes out of it. Times are milliseconds since 1970, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goflow_py.domain.values import value
from goflow_py.ports.nodes import shard_of

SHARDS = 256
"""Logical shards; an execution's shard is the last byte of its id."""
BATCH_RECORDS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024
PAGE_BYTES_MAX = 16 * 1024 * 1024
"""A page of heads or of a history ends behind the one with which it has so many."""
COMMITS_BYTES_MAX = 1024 * 1024
"""The same for a page of commits: every stream may hold one."""


@value
class Name:
    """A name that only one can have: a business key, an idempotency key, an event id."""

    project: str
    kind: str
    """``key`` (scope: activity), ``idem`` (method and path) or ``event`` (the execution).

    ``answer`` (scope: a node): what another node answers it, or that it waits no more.
    ``drain``: a node that is about to end. ``first key``: a node makes it.
    ``place``, ``seat`` and ``waiting`` (scope: activity): who runs of an activity that bounds how
    many may.
    """
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
    parent: str | None = None
    """The id of the execution that started this one; never changes after the start."""
    body: bytes

    @property
    def shard(self) -> int:
        """Return the shard that its id names."""
        return shard_of(self.id)


@value
class OpenRow:
    """What the columns and the head of an open execution say."""

    place: str
    """Where the page begins that comes behind this row."""
    status: str
    seq: int
    wake: int | None
    body: bytes


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
class CommitRow:
    """A record in the order of commits, and whose it is."""

    n: int
    """Its place in that order: it rises, has gaps, and is never given twice."""
    project: str
    activity: str
    key: str | None
    status: str
    """Of the execution, as of this commit."""
    record: RecordRow


@value
class CommitPage:
    """A part of the order of commits."""

    items: Sequence[CommitRow]
    until: int
    """The number up to which everything was read: the next part begins behind it."""
    forgotten: Mapping[str, int]
    """Of each project the newest deleted record, if its number is behind the part's beginning.

    What was deleted while the part was read is among them.
    """


@value
class QueueRow:
    """An open task that a pull worker or a person can take."""

    execution: str
    task: str
    """With the execution, what makes it one."""
    visit: int
    project: str
    activity: str
    queue: str
    kind: str
    """``pull`` or ``human``."""
    assigned_to: str | None = None
    status: str = "queued"
    """``queued`` or ``claimed``."""
    since: int
    """When it was scheduled: the order of the queue."""
    due: int
    """Not to be taken before: a retry waits until then."""
    claimed_by: str | None = None
    lease_until: int | None = None


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
    queue: Sequence[QueueRow] | None = None
    """All queued work of the execution from now on; None: what there is stays."""
    family: Sequence["Write"] = ()
    """Steps of other executions that stand or fall with this one: of its parent, its children.

    Each of another execution, and without a family of its own.
    """


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


@value
class BatchRow:
    """An operator's action on many executions, and how far it is."""

    id: str
    project: str | None
    """None: all projects."""
    body: bytes
    """What is to be done, to which, by whom and why, as JSON."""
    status: str
    """``running``, ``done`` or ``cancelled``."""
    progress: bytes
    created_at: int
    updated_at: int


@value
class EarlyRow:
    """An event that came before any execution with its business key accepted it."""

    number: int = 0
    """Given by the store; the order of arrival, and never given again."""
    project: str
    activity: str | None
    """None: whichever has the key."""
    key: str
    name: str
    body: bytes
    id: str
    """Of the event; kept once for a project, activity and key."""
    created_at: int
    expires_at: int
    """Kept until then, and shown no more from then on."""


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
class LimitsRow:
    """What a project may have at most; None: there is no limit."""

    project: str
    max_running: int | None = None
    """Executions that have not ended."""
    starts_per_second: float | None = None
    max_open_calls: int | None = None
    """Calls in flight."""
    max_stored_bytes: int | None = None
    """Of executions, blueprints, workers and early events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What a project has."""

    project: str
    running: int
    """Executions that have not ended."""
    stored_bytes: int
    """Of executions, blueprints, workers and early events."""


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
    parent: str | None = None
    """The executions that this one started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which queued work to list; None asks nothing. Oldest first."""

    project: str | None = None
    activity: str | None = None
    queue: str | None = None
    assigned_to: str | None = None
    status: str | None = None
    kind: str | None = None
    execution: str | None = None


@value
class FiguresFilter:
    """Which executions to count, and in which slots of time."""

    project: str | None = None
    activity: str | None = None
    """Asked only together with a project."""
    since: int
    until: int
    """What began, or ended, with since <= time < until is counted."""
    slot_ms: int
    """The first slot begins at *since*."""
    rows: int
    """Executions that are looked at: the newest so many."""


@value
class Slot:
    """What began and what ended in a slot of time; the median and the 95th percentile in ms."""

    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    p50: int | None = None
    """Of what completed, from the start to the end. None: nothing did."""
    p95: int | None = None


@value
class Figures:
    """What became of the newest executions."""

    looked: int
    """Executions that were looked at."""
    oldest: int | None
    """When the first of them began; None: there is none."""
    whole: Slot
    """All slots together."""
    slots: Mapping[int, Slot]
    """Those in which something happened, by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; *next* is the cursor of the following part, None at the end."""

    items: Sequence[Any]
    next: str | None
