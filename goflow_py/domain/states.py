"""Rows and states: what happens in (state, event), and what a state does by itself."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag, model_validator

from goflow_py.domain.model import Endpoint, Expression, Model, Name, Seconds, Template, Text

TASKS_MAX = 200
"""Tasks of one state."""


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


class GraphTask(Model):
    """A task of a state's graph: an action that begins when what it needs has ended well."""

    name: Name
    description: Text | None = None
    do: str | None = None
    """The action; default: the one of the task's name."""
    needs: list[Name] = Field(
        default_factory=list,
        validation_alias=AliasChoices("needs", "parentTask"),
        serialization_alias="needs",
    )
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
    assigned_to: Text | None = None
    """Who does it, for ``human`` work; default: what the action says."""
    meta: dict[str, Any] = Field(default_factory=dict)


class Subscribe(Model):
    """Actions around a wait: *setup* before it, *teardown* when the state is left."""

    setup: str | None = None
    teardown: str | None = None


class Notify(Model):
    """Endpoints that get a CloudEvent when the state is entered, failed in, or left."""

    entered: Endpoint | None = None
    failed: Endpoint | None = None
    left: Endpoint | None = None


class State(Model):
    """A state as an object; a name alone is the same with nothing but its name."""

    name: Name
    description: Text | None = None
    do: str | None = None
    tasks: Annotated[list[GraphTask], Field(max_length=TASKS_MAX)] | None = None
    """Its work as a graph of tasks, in place of ``do``."""
    join: Literal["all", "any"] | Annotated[int, Field(ge=1)] = "all"
    """How many of its tasks have to succeed."""
    on: dict[Name, On] = Field(default_factory=dict)
    after: list[After] = Field(default_factory=list)
    timeout: StateTimeout | None = None
    final: Literal["completed", "failed", "cancelled"] | None = None
    output: Template = None
    defer: list[Name] = Field(default_factory=list)
    business_status: Text | None = None
    stage: Text | None = None
    max_visits: Annotated[int, Field(ge=1)] | None = None
    subscribe: Subscribe | None = None
    notify: Notify | None = None
    meta: dict[str, Any] = Field(default_factory=dict)
