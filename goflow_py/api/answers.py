"""What callers get, as models for the documentation: answers are written without them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Json = Any
Object = dict[str, Any]


class Answer(BaseModel):
    """An answer."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True)


class Problem(Answer):
    """RFC 9457; further fields help with the particular problem."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: str
    title: str
    status: int
    detail: str
    code: str


class Execution(Answer):
    """One run of a blueprint version."""

    id: str
    project: str
    activity: str
    version: int
    key: str | None
    labels: dict[str, str]
    status: str
    state: str
    visit: int
    stage: str | None
    business_status: str | None
    revision: int
    input: Json
    data: Object
    output: Json
    error: Object | None
    awaiting: list[Object]
    tasks: list[Object]
    parent: str | None
    children: list[str]
    started_at: str
    updated_at: str
    finished_at: str | None
    deadline: str | None


class Page(Answer):
    """A part of a list; ``next`` continues it."""

    items: list[Object]
    next: str | None


class Executions(Page):
    """Executions, newest first."""

    items: list[Execution]  # type: ignore[assignment]


class Bound(Answer):
    """The longest that an execution can take; ``because`` says why there is none."""

    seconds: float | None
    path: list[str]
    because: str | None = None


class Uploaded(Answer):
    """What an upload came to."""

    project: str
    activity: str
    version: int | None
    hash: str
    findings: list[Object]
    accepts: dict[str, list[str]]
    bound: Bound
    graph: Object | None = None
    """With ``?graph=1``."""


class Findings(Answer):
    """What is known of a version without running it."""

    items: list[Object]
    accepts: dict[str, list[str]]
    bound: Bound


class Graph(Answer):
    """Nodes and edges; of an execution also its path, visits and current state."""

    model_config = ConfigDict(extra="allow")

    project: str
    activity: str
    version: int
    initial: str
    nodes: list[Object]
    edges: list[Object]


class Diff(Answer):
    """What differs between two versions, and what runs on each."""

    project: str
    activity: str
    from_: Annotated[Object, Field(alias="from")]
    to: Object
    same: bool
    states: Object
    actions: Object
    rows: Object
    tasks: Object
    machines: Object
    workers: Object
    fields_: Annotated[list[str], Field(alias="fields")]


class Insights(Answer):
    """What the newest executions of a version did; times in seconds."""

    project: str
    activity: str
    version: int
    since: str | None
    looked: Object
    rows: list[Object]
    never_taken: list[str]
    besides: int
    states: list[Object]
    workers: list[Object]
    machines: Object


class Counts(Answer):
    """What began and ended; percentiles in seconds, of what completed."""

    started: int
    completed: int
    failed: int
    cancelled: int
    p50: float | None
    p95: float | None


class Bucket(Counts):
    """The same, from a time on."""

    at: str


class Stats(Counts):
    """The same, whole and in buckets; which executions were looked at, and what is exact."""

    project: str | None
    activity: str | None
    since: str
    until: str
    bucket: float
    series: list[Bucket]
    looked: Object
    exact: dict[str, bool]


class WorkersPut(Answer):
    """The workers that are in force now; the version is new when the set of names changed."""

    project: str
    activity: str
    version: int
    workers: list[Object]
    findings: list[Object]


class Version(Answer):
    """A version of a blueprint."""

    project: str
    activity: str
    version: int
    hash: str
    created_at: str
    blueprint: Object
    findings: list[Object]


class Items(Answer):
    """A whole list."""

    items: list[Object]


class Attempt(Answer):
    """One attempt of a piece of work; null is what is open, or too far back to be known."""

    task: str
    action: str | None
    kind: str | None
    state: str | None
    visit: int | None
    attempt: int
    worker: str
    priority: int | None
    skipped: list[str] | None
    queued_at: str | None
    due_at: str | None
    started_at: str | None
    queue_ms: int | None
    ended_at: str | None
    deadline: str | None
    task_deadline: str | None
    outcome: str | None
    http_status: int | None
    ms: int | None
    request: Object | None
    response: Object | None
    error: Object | None


class Attempts(Items):
    """The newest attempts, oldest first; ``earlier`` came before them, null if not counted."""

    items: list[Attempt]  # type: ignore[assignment]
    earlier: int | None


class Rows(Items):
    """The rows of a blueprint, and those of its machines by name."""

    machines: Object


class Workers(Answer):
    """The workers of an activity."""

    project: str
    activity: str
    workers: list[Object]


class WorkerHealth(Answer):
    """A worker, and what this server knows of how it is, by its newest attempts."""

    project: str
    activity: str
    action: str
    endpoint: str
    url: str | None
    priority: int
    health: str
    breaker: str
    calls: int
    errors: int
    in_flight: int
    recent_attempts: int
    error_share: float | None
    p50_ms: int | None
    p95_ms: int | None
    last_seen_at: str | None
    last_error: Object | None


class WorkersHealth(Items):
    """All workers."""

    items: list[WorkerHealth]  # type: ignore[assignment]


class Context(Answer):
    """What expressions see."""

    seq: int
    state: str
    visit: int
    context: Object
    tasks: list[Object]
    stage: str | None


class Why(Answer):
    """What an execution waits for, in one sentence and in parts."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    why: str


class Applied(Answer):
    """The event was taken."""

    applied: bool
    respond: Json
    execution: Execution


class Queued(Answer):
    """The node that has the execution did not answer; it does what is asked as soon as it can."""

    queued: bool


class Deferred(Answer):
    """The event is kept for later; or ``queued`` for the node that has the execution."""

    deferred: bool | None = None
    queued: bool | None = None


class Matched(Answer):
    """The executions that took an event; or until when it is stored for one that will."""

    matched: list[Object]
    stored_until: str | None = None


class CallbackTaken(Answer):
    """What became of a callback."""

    applied: bool | None = None
    duplicate: bool | None = None


class Done(Answer):
    """It is done."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class Endpoint(Answer):
    """An alias."""

    alias: str
    url: str


class Key(Answer):
    """An API key; ``key`` is its text, shown once."""

    id: str
    project: str | None
    scopes: list[str]
    roles: list[str]
    description: str
    created_at: str
    expires_at: str | None


class NewKey(Key):
    """A key that was made; ``key`` is shown this once."""

    key: str


class Backup(Answer):
    """Where the copy is."""

    path: str
    bytes: int


class Health(Answer):
    """Whether it is well."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    status: str
