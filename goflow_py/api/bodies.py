"""What callers send: strict pydantic models, which are the documentation too."""

import re
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from goflow_py.api.auth import SCOPES, Scope
from goflow_py.domain.durations import seconds, timestamp_ms
from goflow_py.domain.execution import Status
from goflow_py.domain.model import Name, Seconds
from goflow_py.domain.workers import Worker
from goflow_py.engine.statistics import BUCKET_SECONDS_MAX, BUCKET_SECONDS_MIN

T = TypeVar("T")

_DIGITS = re.compile(r"\d{1,15}\Z", re.ASCII)
LABELS_MAX = 64
TTL_SECONDS_MAX = 7 * 86_400


class Body(BaseModel):
    """A body: exactly these fields, of exactly these types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, defer_build=True
    )


class Root(RootModel[T], Generic[T]):
    """A body that is one value."""

    model_config = ConfigDict(defer_build=True)


Key = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Reason = Annotated[str, StringConstraints(max_length=1_000)] | None
UuidText = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        to_lower=True,
    ),
]
Duration = Annotated[
    Seconds,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 315_360_000},
                {"type": "string", "pattern": r"^\d{1,6}(ms|s|m|h)$"},
            ],
            "description": 'Seconds, "5s", "1m30s" or ISO 8601.',
        }
    ),
]


# ---------------------------------------------------------------- executions


class StartBody(Body):
    """What an execution starts with; everything may be left out."""

    input: Any = None
    key: Key | None = None
    """Business key: only one execution of the activity runs with it."""
    id: UuidText | None = None
    labels: Annotated[
        dict[Name, Annotated[str, StringConstraints(max_length=255)]],
        # Not a shared {}: pydantic would make a deep copy of it for each body.
        Field(max_length=LABELS_MAX, default_factory=dict, json_schema_extra={"default": {}}),
    ]
    version: Annotated[int, Field(ge=1, le=2**53)] | None = None
    delay: Duration = 0.0


TaskPath = Annotated[
    str, StringConstraints(max_length=1_000, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/\[\]-]*$")
]
"""A task as ``awaiting`` names it: ``pay``, ``quote[2]``, ``outer/inner``."""


class EventBody(Body):
    """An event for one execution."""

    name: Name
    data: Any = None
    id: Key | None = None
    """The sender's own: the same one twice is applied once."""
    task: TaskPath | None = None


class KeyedEventBody(Body):
    """An event for whoever has the business key."""

    name: Name
    data: Any = None
    key: Key
    project: Name | None = None
    activity: Name | None = None
    ttl: Annotated[Duration, Field(gt=0, le=TTL_SECONDS_MAX)] | None = None
    """How long it is stored when nobody accepts it now."""


class ReasonBody(Body):
    """Why an operator does it; shown in the history."""

    reason: Reason = None


class RetryBody(ReasonBody):
    """How to go on after a failure."""

    new_visit: bool = False


class SkipBody(ReasonBody):
    """What the skipped work is taken to have said."""

    output: Any = None
    event: Name | None = None


class GotoBody(ReasonBody):
    """Where to go."""

    state: Name


class ReplayBody(ReasonBody):
    """Which visited state to go back to, or to do again alone."""

    from_: Annotated[Name, Field(alias="from")]
    downstream: bool = True
    """False: only its work is done again, and nothing moves."""
    task: Name | None = None
    """Which of its tasks, where it has several and nothing moves."""


class ForkBody(ReasonBody):
    """From where a new execution goes on."""

    at: Annotated[int, Field(ge=0, le=2**53)]
    """A seq of the history: the fork begins as of the end of the record that holds it."""
    data: dict[str, Any] | None = None
    """A JSON merge patch (RFC 7396) of the variables."""


class PatchBody(Root[dict[str, Any]]):
    """A JSON merge patch (RFC 7396) of the execution's variables."""


class CallbackBody(Body):
    """How the work of an async worker ended."""

    event: Name | None = None
    output: Any = None
    error: Any = None
    retry: bool = False


class HeartbeatBody(BaseModel):
    """Whatever a worker sends to say that it is alive."""

    model_config = ConfigDict(extra="allow", defer_build=True)


# ---------------------------------------------------------------- the rest


class WorkersBody(Body):
    """The workers of an activity; the path says which one."""

    project: Name | None = None
    activity: Name | None = None
    workers: list[Worker]


class EndpointBody(Body):
    """Where an alias points to."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_048)]


class KeyBody(Body):
    """A key that is to be made."""

    project: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
    roles: Annotated[list[Name], Field(max_length=100)] = []
    description: Annotated[str, StringConstraints(max_length=1_000)] = ""
    expires_in: Duration | None = None


class BackupBody(Body):
    """What the copy is to be called; by default after the time."""

    name: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")] | None
    ) = None


# ---------------------------------------------------------------- queries


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.match(value):
        raise ValueError("give a whole number")
    return value


def _commas(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _wait(value: Any) -> Any:
    return seconds(value) if isinstance(value, str) else value


def _time(value: Any) -> Any:
    return timestamp_ms(value) if isinstance(value, str) else value


def _flag(value: Any) -> Any:
    if value not in ("0", "1", "true", "false", False, True):
        raise ValueError("give 1 or 0")
    return value in ("1", "true", True)


class Query(BaseModel):
    """Query parameters: texts that stand for more."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True
    )


Whole = Annotated[int, BeforeValidator(_digits)]
Limit = Annotated[Whole, Field(ge=1, le=500)]
Cursor = Annotated[str, StringConstraints(max_length=512)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Moment = Annotated[
    int, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Wait = Annotated[
    float,
    BeforeValidator(_wait),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,4}s?$", "examples": ["30s"]}),
]
Text = Annotated[str, StringConstraints(max_length=255)]
Statuses = Annotated[
    tuple[Status, ...],
    BeforeValidator(_commas),
    WithJsonSchema({"type": "array", "items": {"enum": [str(one) for one in Status]}}),
]


class UploadQuery(Query):
    """How to take a blueprint."""

    dry_run: Flag = False
    strict: Flag = False
    graph: Flag = False
    """Also answer the graph that a screen draws."""
    format: str = "goflow"
    """``goflow``, or the system whose definition it is."""
    project: Name | None = None
    """For formats that have no such name."""
    activity: Name | None = None


class PageQuery(Query):
    """Which part of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class BlueprintsQuery(PageQuery):
    """Which blueprints."""

    project: Text | None = None


class VersionQuery(Query):
    """Which version; the latest if none."""

    version: Annotated[Whole, Field(ge=1)] | None = None


class InsightsQuery(VersionQuery):
    """Of which version, and of executions that began since when."""

    since: Moment | None = None


class StatsQuery(Query):
    """What to count, since when, in buckets of which length; the last 24 hours if none."""

    project: Text | None = None
    activity: Text | None = None
    since: Moment | None = None
    bucket: Annotated[Duration, Field(ge=BUCKET_SECONDS_MIN, le=BUCKET_SECONDS_MAX)] | None = None


GraphFormat = Literal["json", "mermaid", "dot"]


class GraphQuery(VersionQuery):
    """Which version, and how it is written."""

    format: GraphFormat = "json"


class ExecutionGraphQuery(Query):
    """How the graph is written."""

    format: GraphFormat = "json"


class DiffQuery(Query):
    """Which two versions; the latest and the one before it if none."""

    from_: Annotated[Annotated[Whole, Field(ge=1)] | None, Field(alias="from")] = None
    to: Annotated[Whole, Field(ge=1)] | None = None


class ExecutionsQuery(PageQuery):
    """Which executions."""

    project: Text | None = None
    activity: Text | None = None
    status: Statuses = ()
    state: Text | None = None
    key: Text | None = None
    since: Moment | None = None
    until: Moment | None = None
    q: Text | None = None
    labels: Annotated[dict[str, Text], Field(alias="label.")] = {}


class StreamQuery(Query):
    """Whose entries."""

    project: Text | None = None
    activity: Text | None = None
    status: Statuses = ()
    """Of the execution, once the entry was committed."""
    key: Text | None = None


class ExecutionQuery(Query):
    """How to look at an execution."""

    wait: Wait = 0.0
    view: Literal["goflow", "swm"] = "goflow"
    """``swm``: as an instance of the Serverless Workflow Manager."""


class HistoryQuery(Query):
    """Which part of a history."""

    after: Annotated[Whole, Field(ge=0)] | None = None
    before: Annotated[Whole, Field(ge=0)] | None = None
    """Newest first; not with ``after``."""
    limit: Limit = 50


class ContextQuery(Query):
    """At which seq; now if none."""

    at: Annotated[Whole, Field(ge=0)] | None = None


class WorkersQuery(Query):
    """Whose workers."""

    project: Text | None = None


class VerifyQuery(Query):
    """What to verify; everything if none."""

    execution: Text | None = None
