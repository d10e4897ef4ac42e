"""Rows and states: what happens in (state, event), and what a state does by itself."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag, model_validator

from goflow_py.domain.model import Endpoint, Expression, Model, Name, Seconds, Template, Text

TASKS_MAX = 200
"""Tasks of one state."""


class OnRow(Model):
    """What a state does on an event; the short form of a row."""

    action: str | None = None
    """The work of the next state in this visit; ``continue`` or nothing: the state's own."""
    next: Name | None = None
    """The next state. Only events from outside may leave it out: the state stays."""
    when: Expression | None = None
    """Guard: an expression. Without one the row always fires."""
    set: dict[Name, Template] | None = None
    """Variables and their templates: assigned all at once, against the data before."""
    respond: Template = None
    """What the sender of the event gets back: a template that sees the data after."""
    reenter: bool = False
    """On a self row: leave and enter, instead of staying."""
    delay: Seconds | None = None
    """Waits after entry, before the work or ``start``."""


class Row(OnRow):
    """``current x event [when] -> action, next``."""

    current: str | list[str]
    """The state, a list of states, or ``*``: every state but ``init`` and the final ones."""
    event: Name
    """The event: one of the engine's, a label that a worker chooses, or one from outside."""


class After(Model):
    """A timer of a state."""

    delay: Seconds | str | None = None
    """A duration, or a template that gives one."""
    at: Text | None = None
    """A time (RFC 3339), or a template that gives one."""
    event: Name | None = None
    """The event that it raises; ``timeout`` where neither this nor ``next`` is given."""
    next: Name | None = None
    """The state that it leads to, in place of an event."""

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


class GraphTask(Model):
    """A task of a state's graph: an action that begins when what it needs has ended well."""

    name: Name
    """Its name in this state: ``$.<state>.<name>.output`` is its output. Not ``output``."""
    description: Text | None = None
    """For people."""
    do: str | None = None
    """The action; default: the one of the task's name."""
    needs: list[Name] = Field(
        default_factory=list,
        validation_alias=AliasChoices("needs", "parentTask"),
        serialization_alias="needs",
    )
    """The tasks that have to end well before it begins."""
    when: Expression | None = None
    """False: the task is skipped; what needs it goes on, and the join does not count it."""
    each: Template = None
    """A list: one task an item; the output is the list of theirs, in order."""
    as_: Name = Field(default="item", alias="as")
    """What expressions call the item; ``index`` is its place."""
    concurrency: Annotated[int, Field(ge=1)] | None = None
    """How many items are worked on at once; default: all."""
    ignore_failure: bool | None = None
    """Its ``error`` counts as ``success``; default: what the action says."""
    business_status: Text | None = None
    """The execution's business status from the moment it ends well."""
    assigned_to: Text | None = None
    """Who does it, for ``human`` work; default: what the action says."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Anything; added to the action's for the worker."""


class Subscribe(Model):
    """Actions around a wait: *setup* before it, *teardown* when the state is left."""

    setup: str | None = None
    """The action before the work; its ``error`` is the state's."""
    teardown: str | None = None
    """The action after; it is repeated until it succeeds or is given up, and moves nothing."""


class Notify(Model):
    """Endpoints that get a CloudEvent when the state is entered, failed in, or left."""

    entered: Endpoint | None = None
    """Told when the state is entered; a URL or an alias."""
    failed: Endpoint | None = None
    """Told when the execution fails in the state; a URL or an alias."""
    left: Endpoint | None = None
    """Told when the state is left; a URL or an alias."""


class State(Model):
    """A state as an object; a name alone is the same with nothing but its name."""

    name: Name
    """Its name. A final state of the language may be declared to say more about it."""
    description: Text | None = None
    """For people."""
    do: str | None = None
    """The action that is its own work; default: the action, or the worker, of its name."""
    tasks: Annotated[list[GraphTask], Field(max_length=TASKS_MAX)] | None = None
    """Its work as a graph of tasks, in place of ``do``."""
    join: Literal["all", "any"] | Annotated[int, Field(ge=1)] = "all"
    """How many of its tasks have to succeed."""
    on: dict[Name, On] = Field(default_factory=dict)
    """Rows in short form: event to state, to a row, or to rows."""
    after: list[After] = Field(default_factory=list)
    """Timers: they begin on entry and end when the state is left."""
    timeout: StateTimeout | None = None
    """One more timer: a duration, or an object like those of ``after``."""
    final: Literal["completed", "failed", "cancelled"] | None = None
    """Entering it ends the execution so."""
    output: Template = None
    """Template of the execution's output; of a final state."""
    defer: list[Name] = Field(default_factory=list)
    """Events that are kept until the next change of state."""
    business_status: Text | None = None
    """The execution's business status from its entry on."""
    stage: Text | None = None
    """A word for people: the part of the process that the state belongs to."""
    max_visits: Annotated[int, Field(ge=1)] | None = None
    """How often it may be entered; then the execution is ``failed``, ``max_visits``."""
    subscribe: Subscribe | None = None
    """Actions around its work."""
    notify: Notify | None = None
    """Endpoints that are told of it."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Anything."""
