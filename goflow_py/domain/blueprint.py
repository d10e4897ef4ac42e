"""The blueprint: the definition of an activity; with its states, actions and workers.

The language is described in ``docs/language.md``; the JSON Schema for editors is generated here.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from goflow_py.domain.actions import Action
from goflow_py.domain.json_schema import schema_of
from goflow_py.domain.model import Model, Name, Seconds, Template, Text
from goflow_py.domain.states import Row, State
from goflow_py.domain.workers import Worker

STATES_MAX = 5_000
ROWS_MAX = 20_000
WORKERS_AN_ACTION_MAX = 50
MACHINES_MAX = 200
CONCURRENT_MAX = 100_000


class EventDeclaration(Model):
    """An event that comes from outside."""

    schema_: dict[str, Any] | bool | None = Field(default=None, alias="schema")
    """JSON Schema of its data."""
    role: Name | None = None
    """The role that a sender's key must have."""
    description: Text | None = None
    """For people."""


def _state_kind(value: Any) -> str:
    return "name" if isinstance(value, str) else "object"


StateEntry = Annotated[
    Annotated[Name, Tag("name")] | Annotated[State, Tag("object")], Discriminator(_state_kind)
]


class Machine(Model):
    """A private state machine of a blueprint: it runs as a child execution.

    It sees its own ``input`` and ``data`` and nothing of its parent's; ``output`` is its task's.
    """

    description: Text | None = None
    """For people."""
    states: Annotated[list[StateEntry], Field(max_length=STATES_MAX)]
    """Its states."""
    actions: list[Action] = Field(default_factory=list)
    """Its own; those of the blueprint are there as well."""
    transitions: Annotated[list[Row], Field(max_length=ROWS_MAX)] = Field(default_factory=list)
    """Its rows."""
    input: dict[str, Any] | bool | None = None
    """JSON Schema of its input."""
    output: Template = None
    """Template of its output; default: the newest output of a state."""
    data: dict[Name, Any] = Field(default_factory=dict)
    """Its variables and their first values."""
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    """Its longest life; then it fails, code ``execution_timeout``."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Anything."""


class Blueprint(Model):
    """A finite state machine: the definition of an activity."""

    project: Name
    """With ``activity`` its name. Projects are isolated from one another."""
    activity: Name
    """With ``project`` its name."""
    description: Text | None = None
    """For people."""
    states: Annotated[list[StateEntry], Field(max_length=STATES_MAX)]
    """Names, or objects. ``init``, ``done``, ``failed`` and ``cancelled`` need no entry."""
    actions: list[Action] = Field(default_factory=list)
    """The work that states and tasks can do."""
    transitions: Annotated[list[Row], Field(max_length=ROWS_MAX)] = Field(default_factory=list)
    """The rows; the first whose guard is true wins."""
    workers: list[Worker] | None = None
    """Who does the actions; also as a document of its own."""
    input: dict[str, Any] | bool | None = None
    """JSON Schema of the execution's input."""
    output: Template = None
    """Template of the execution's output; default: the newest output of a state."""
    data: dict[Name, Any] = Field(default_factory=dict)
    """Variables and their first values."""
    events: dict[Name, EventDeclaration] | None = None
    """Events from outside. Without it every name is taken from outside and from workers."""
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    """Longest life of an execution; then it is ``failed``, ``execution_timeout``."""
    key: Text | None = None
    """Template of the business key, over ``input`` and ``data``."""
    max_concurrent: Annotated[int, Field(ge=1, le=CONCURRENT_MAX)] | None = None
    """At most so many executions are begun at a time; the others wait, oldest first."""
    retain: Seconds | None = None
    """How long an ended execution is kept; default: the server's ``retention_days``."""
    machines: Annotated[dict[Name, Machine], Field(max_length=MACHINES_MAX)] = Field(
        default_factory=dict
    )
    """Private machines, for actions of type ``activity``."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Anything."""

    def state_objects(self) -> Iterator[State]:
        """Yield every declared state as an object."""
        for entry in self.states:
            yield State(name=entry) if isinstance(entry, str) else entry

    def state_names(self) -> Iterator[str]:
        """Yield the name of every declared state."""
        for entry in self.states:
            yield entry if isinstance(entry, str) else entry.name

    def written_states(self) -> Iterator[tuple[int, State]]:
        """Yield the states that are objects, with their places: only those have more than names."""
        for place, entry in enumerate(self.states):
            if not isinstance(entry, str):
                yield place, entry


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of blueprints, for editors."""
    return schema_of(Blueprint, title="A goflow blueprint")
