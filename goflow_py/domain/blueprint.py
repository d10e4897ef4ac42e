"""The documents that users write: frozen pydantic models, document and value at once.

The language is described in ``docs/language.md``; the JSON Schema for editors is generated here.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic.alias_generators import to_camel

from goflow_py.domain import durations
from goflow_py.domain.names import NAME_PATTERN

STATES_MAX = 5_000
ROWS_MAX = 20_000
WORKERS_AN_ACTION_MAX = 50
ENDPOINT_CHARACTERS_MAX = 2_048

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def _seconds(value: Any) -> Any:
    return durations.seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=315_360_000)]
"""A duration: seconds as a number, ``"5s"``, ``"1m30s"`` or ISO 8601; at most ten years."""

Text = Annotated[str, StringConstraints(max_length=16_384)]
Expression = Text
Template = Any


class Model(BaseModel):
    """A document: camelCase fields, nothing unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True
    )


# ---------------------------------------------------------------- rows and states


class OnRow(Model):
    """What a state does on an event; the short form of a row."""

    action: str | None = None
    next: Name | None = None
    when: Expression | None = None
    set: dict[Name, Template] | None = None
    respond: Template = None
    reenter: bool = False
    delay: Seconds | None = None


class Row(OnRow):
    """``current x event [when] -> action, next``."""

    current: str | list[str]
    event: Name


class After(Model):
    """A timer of a state."""

    delay: Seconds | str | None = None
    """A duration, or a template that gives one."""
    at: Text | None = None
    """A time (RFC 3339), or a template that gives one."""
    event: Name | None = None
    next: Name | None = None

    @model_validator(mode="after")
    def _one_time_one_target(self) -> "After":
        if (self.delay is None) == (self.at is None):
            raise ValueError("give either delay or at")
        if self.event is not None and self.next is not None:
            raise ValueError("give either event or next, not both")
        return self


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "name"
    return "rows" if isinstance(value, list) else "object"


On = Annotated[
    Annotated[Name, Tag("name")]
    | Annotated[OnRow, Tag("object")]
    | Annotated[list[OnRow], Tag("rows")],
    Discriminator(_kind),
]


def _timeout_kind(value: Any) -> str:
    return "object" if isinstance(value, (dict, After)) else "seconds"


StateTimeout = Annotated[
    Annotated[Seconds, Tag("seconds")] | Annotated[After, Tag("object")],
    Discriminator(_timeout_kind),
]


class State(Model):
    """A state as an object; a name alone is the same with nothing but its name."""

    name: Name
    description: Text | None = None
    do: str | None = None
    on: dict[Name, On] = Field(default_factory=dict)
    after: list[After] = Field(default_factory=list)
    timeout: StateTimeout | None = None
    final: Literal["completed", "failed", "cancelled"] | None = None
    output: Template = None
    defer: list[Name] = Field(default_factory=list)
    business_status: Text | None = None
    stage: Text | None = None
    max_visits: Annotated[int, Field(ge=1)] | None = None
    meta: dict[str, Any] = Field(default_factory=dict)


# ---------------------------------------------------------------- actions


class AnyAction(Model):
    """What all actions have."""

    name: Name
    description: Text | None = None
    input: Template = None
    """Default: the execution's input."""
    output: Template = None
    """Over ``$.result``; default: the whole result."""
    timeout: Seconds | None = None
    """Total, over all attempts."""
    ignore_failure: bool = False
    meta: dict[str, Any] = Field(default_factory=dict)


class CallAction(AnyAction):
    """A call to prioritised HTTP workers; ``async`` ends by its callback."""

    type: Literal["sync", "async"] = "sync"
    raw: bool = False
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: Text | None = None
    query: dict[str, Template] | None = None
    when_open: Literal["call", "wait", "fail"] = "call"
    heartbeat_timeout: Seconds | None = None


def _is_dynamic(template: Any) -> bool:
    """Tell whether a template may render to something else than it is."""
    return isinstance(template, str) and "$" in template


class DelayAction(AnyAction):
    """A durable wait for a time."""

    type: Literal["delay"]
    seconds: Template = None
    until: Template = None

    @model_validator(mode="after")
    def _one_time(self) -> "DelayAction":
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give either seconds or until")
        if self.seconds is not None and not _is_dynamic(self.seconds):
            durations.seconds(self.seconds)
        if self.until is not None and not _is_dynamic(self.until):
            durations.timestamp_ms(self.until)
        return self


class WaitAction(AnyAction):
    """A durable wait for an event from outside."""

    type: Literal["wait"]
    event: Name | None = None
    events: list[Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _some_event(self) -> "WaitAction":
        if not self.event and not self.events:
            raise ValueError("give the event, or the events, that are awaited")
        return self

    @property
    def awaited(self) -> tuple[str, ...]:
        """Return the names of the events that end the wait."""
        first = (self.event,) if self.event else ()
        return first + tuple(name for name in self.events if name != self.event)


class SwitchAction(AnyAction):
    """A branch: the value of the expression, as text, is the outcome."""

    type: Literal["switch"]
    expression: Expression


class MapAction(AnyAction):
    """A value computed with templates, and variables set."""

    type: Literal["map"]
    value: Template = None
    set: dict[Name, Template] | None = None


def _action_type(value: Any) -> str:
    kind = value.get("type", "sync") if isinstance(value, dict) else value.type
    return "call" if kind in ("sync", "async") else str(kind)


Action = Annotated[
    Annotated[CallAction, Tag("call")]
    | Annotated[DelayAction, Tag("delay")]
    | Annotated[WaitAction, Tag("wait")]
    | Annotated[SwitchAction, Tag("switch")]
    | Annotated[MapAction, Tag("map")],
    Discriminator(
        _action_type,
        custom_error_type="unknown_action_type",
        custom_error_message="the type is one of sync, async, delay, wait, switch, map",
    ),
]


# ---------------------------------------------------------------- workers


class Retry(Model):
    """How long to wait between the attempts of one worker."""

    interval: Seconds | None = None
    backoff_rate: Annotated[float, Field(ge=1, le=100)] = 2.0
    max_interval: Seconds | None = None
    jitter: Literal["full", "none"] = "full"
    max_elapsed: Seconds | None = None
    """No further attempt begins when this long has passed since the task was scheduled."""


class Worker(Model):
    """An HTTP endpoint that does an action."""

    name: Name
    worker_endpoint: Annotated[str, Field(min_length=1, max_length=ENDPOINT_CHARACTERS_MAX)]
    retry_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    response_timeout: Annotated[Seconds, Field(gt=0)] = 30.0
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    retry: Retry = Retry()
    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    rate_limit: Annotated[float, Field(gt=0)] | None = None
    """Calls a second."""
    signing_secret: Text | None = None
    auth: Text | None = None
    """The value of the ``Authorization`` header; usually with ``${secret:NAME}``."""


class WorkersDocument(Model):
    """The workers of an activity, as a document of its own."""

    project: Name
    activity: Name
    workers: list[Worker]


# ---------------------------------------------------------------- the blueprint


class EventDeclaration(Model):
    """An event that comes from outside."""

    schema_: dict[str, Any] | bool | None = Field(default=None, alias="schema")
    role: Name | None = None
    description: Text | None = None


def _state_kind(value: Any) -> str:
    return "name" if isinstance(value, str) else "object"


StateEntry = Annotated[
    Annotated[Name, Tag("name")] | Annotated[State, Tag("object")], Discriminator(_state_kind)
]


class Blueprint(Model):
    """A finite state machine: the definition of an activity."""

    project: Name
    activity: Name
    description: Text | None = None
    states: Annotated[list[StateEntry], Field(max_length=STATES_MAX)]
    actions: list[Action] = Field(default_factory=list)
    transitions: Annotated[list[Row], Field(max_length=ROWS_MAX)] = Field(default_factory=list)
    workers: list[Worker] | None = None
    input: dict[str, Any] | bool | None = None
    """JSON Schema of the execution's input."""
    output: Template = None
    data: dict[Name, Any] = Field(default_factory=dict)
    events: dict[Name, EventDeclaration] | None = None
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    key: Text | None = None
    retain: Seconds | None = None
    meta: dict[str, Any] = Field(default_factory=dict)

    def state_objects(self) -> Iterator[State]:
        """Yield every declared state as an object."""
        for entry in self.states:
            yield State(name=entry) if isinstance(entry, str) else entry


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of blueprints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Blueprint.model_json_schema(by_alias=True),
    }
