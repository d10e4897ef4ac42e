"""Actions: the kinds of work that a state, or a task, can do."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from goflow_py.domain import durations
from goflow_py.domain.model import Endpoint, Expression, Model, Name, Seconds, Template, Text
from goflow_py.domain.workers import Retry

SCRIPT_CHARACTERS_MAX = 65_536
SCRIPT_SECONDS_MAX = 10.0


class AnyAction(Model):
    """What all actions have."""

    name: Name
    """Its name. A state, or a task, of the same name has it as its work."""
    description: Text | None = None
    """For people."""
    input: Template = None
    """Template of its input; default: the execution's input."""
    output: Template = None
    """Template of its output, over ``$.result``; default: the whole result."""
    timeout: Seconds | None = None
    """Longest time of the work, over all attempts; then the event ``timeout`` is raised."""
    ignore_failure: bool = False
    """Its ``error`` counts as ``success``."""
    undo: Name | None = None
    """The action that compensates it; its input is ``{"input", "output"}`` of this one."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Anything; a worker gets it with the call."""


class CallAction(AnyAction):
    """A call to prioritised HTTP workers; ``async`` ends by its callback."""

    type: Literal["sync", "async"] = "sync"
    """``sync``: the answer is the outcome. ``async``: the callback brings it."""
    raw: bool = False
    """The body is the resolved input alone, so that any HTTP API can be a worker."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    """Default: the worker's, else ``POST``."""
    path: Text | None = None
    """Added to the worker's URL; a template."""
    query: dict[str, Template] | None = None
    """Added to the worker's URL; templates."""
    when_open: Literal["call", "wait", "fail"] = "call"
    """What to do when every circuit is open: call, wait for the probe, or fail at once."""
    heartbeat_timeout: Seconds | None = None
    """Of an accepted ``async`` call: how long it may be silent."""


def _is_dynamic(template: Any) -> bool:
    """Tell whether a template may render to something else than it is."""
    return isinstance(template, str) and "$" in template


class DelayAction(AnyAction):
    """A durable wait for a time."""

    type: Literal["delay"]
    seconds: Template = None
    """How long: a duration, or a template that gives one."""
    until: Template = None
    """Until when (RFC 3339), or a template that gives that."""

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
    """The event that ends it; its name is the outcome, its data the output."""
    events: list[Name] = Field(default_factory=list)
    """The events that end it, where there are several."""

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
    """Its value as text is the event whose row is taken; else that of ``default``."""


class MapAction(AnyAction):
    """A value computed with templates, and variables set."""

    type: Literal["map"]
    value: Template = None
    """Template of its output."""
    set: dict[Name, Template] | None = None
    """Variables and their templates: assigned all at once, against the data before."""


class RetriedAction(AnyAction):
    """Work whose failed attempts are repeated as the action says; it has no worker that could."""

    retry_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Further attempts after the first one that failed."""
    retry: Retry = Retry()
    """Pauses between the attempts."""


class QueuedAction(RetriedAction):
    """Work on a queue, which somebody claims and completes."""

    queue: Name | None = None
    """Default: the action's name."""
    when_failed: Literal["error", "wait"] = "error"
    """``wait``: when it failed for good it stays open, and nothing else stops, until a retry."""


class PullAction(QueuedAction):
    """Work on a queue: workers long-poll, claim, heartbeat, and complete it."""

    type: Literal["pull"]
    queue: Name | None = None
    """The queue that it stands on; default: the action's name."""
    lease: Annotated[Seconds, Field(gt=0)] = 60.0
    """How long a claim holds without a heartbeat."""
    retry_count: Annotated[int, Field(ge=0, le=1_000)] = 3
    """Further attempts after one that failed, or whose lease lapsed."""


class HumanAction(QueuedAction):
    """Work for people: an inbox lists it; one claims and completes it."""

    type: Literal["human"]
    queue: Name | None = None
    """The queue that it stands on; default: the action's name."""
    assigned_to: Text | None = None
    """A person or a role; a template."""
    form: dict[str, Any] | bool | None = None
    """JSON Schema of the output."""
    lease: Annotated[Seconds, Field(gt=0)] | None = None
    """How long a claim holds; default: until it is released."""


class ScriptAction(RetriedAction):
    """JavaScript, in a child process that is killed at its limit (the extra ``js``)."""

    type: Literal["script"]
    script: Annotated[str, Field(max_length=SCRIPT_CHARACTERS_MAX)]
    """JavaScript that sees ``$``; the keys of ``$`` that it adds or changes are the output."""
    timeout: Annotated[Seconds, Field(gt=0, le=SCRIPT_SECONDS_MAX)] | None = None
    """Longest time of one evaluation; default: 0.25 s."""


class ActivityAction(RetriedAction):
    """A child execution: of an activity, or of a machine of this blueprint."""

    type: Literal["activity"]
    activity: Name | None = None
    """The activity whose blueprint the child runs; of the same project."""
    version: Annotated[int, Field(ge=1)] | None = None
    """The blueprint's version; default: the latest when the child starts."""
    machine: Name | None = None
    """The entry of ``machines`` that the child runs."""

    @model_validator(mode="after")
    def _one_kind(self) -> "ActivityAction":
        if (self.activity is None) == (self.machine is None):
            raise ValueError("give either activity or machine")
        if self.machine is not None and self.version is not None:
            raise ValueError("a machine is of this very version: leave out version")
        return self


class EmitAction(RetriedAction):
    """An event for other executions, by id or business key; or a CloudEvent for an endpoint."""

    type: Literal["emit"]
    event: Name
    """Its name; of a CloudEvent its ``type``."""
    data: Template = None
    """Template of what comes with the event; default: the action's input."""
    execution: Text | None = None
    """Id of the execution that gets it; a template."""
    key: Text | None = None
    """Business key of the executions that get it; a template."""
    activity: Name | None = None
    """Narrows ``key``."""
    endpoint: Endpoint | None = None
    """Gets a CloudEvent (1.0, structured JSON)."""

    @model_validator(mode="after")
    def _one_target(self) -> "EmitAction":
        if [self.execution, self.key, self.endpoint].count(None) != 2:
            raise ValueError("give one of execution, key and endpoint")
        return self


class UndoAction(AnyAction):
    """Compensation on demand: runs the ``undo`` of all that succeeded so far, newest first."""

    type: Literal["undo"]


def _action_type(value: Any) -> str:
    kind = value.get("type", "sync") if isinstance(value, dict) else value.type
    return "call" if kind in ("sync", "async") else str(kind)


Action = Annotated[
    Annotated[CallAction, Tag("call")]
    | Annotated[DelayAction, Tag("delay")]
    | Annotated[WaitAction, Tag("wait")]
    | Annotated[SwitchAction, Tag("switch")]
    | Annotated[MapAction, Tag("map")]
    | Annotated[PullAction, Tag("pull")]
    | Annotated[HumanAction, Tag("human")]
    | Annotated[ScriptAction, Tag("script")]
    | Annotated[ActivityAction, Tag("activity")]
    | Annotated[EmitAction, Tag("emit")]
    | Annotated[UndoAction, Tag("undo")],
    Discriminator(
        _action_type,
        custom_error_type="unknown_action_type",
        custom_error_message=(
            "the type is one of sync, async, pull, human, delay, wait, switch, script, map, "
            "activity, emit, undo"
        ),
    ),
]

ACTION_MODELS: tuple[type[AnyAction], ...] = (
    CallAction,
    PullAction,
    HumanAction,
    DelayAction,
    WaitAction,
    SwitchAction,
    ScriptAction,
    MapAction,
    ActivityAction,
    EmitAction,
    UndoAction,
)
