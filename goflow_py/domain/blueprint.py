"""The blueprint: the definition of an activity; with its states, actions and workers.

The language is described in ``docs/language.md``; the JSON Schema for editors is generated here.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from goflow_py.domain.actions import Action
from goflow_py.domain.model import Model, Name, Seconds, Template, Text
from goflow_py.domain.states import Row, State
from goflow_py.domain.workers import Worker

STATES_MAX = 5_000
ROWS_MAX = 20_000
WORKERS_AN_ACTION_MAX = 50


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


class Machine(Model):
    """A private state machine of a blueprint: it runs as a child execution.

    It sees its own ``input`` and ``data`` and nothing of its parent's; ``output`` is its task's.
    """

    description: Text | None = None
    states: Annotated[list[StateEntry], Field(max_length=STATES_MAX)]
    actions: list[Action] = Field(default_factory=list)
    """Its own; those of the blueprint are there as well."""
    transitions: Annotated[list[Row], Field(max_length=ROWS_MAX)] = Field(default_factory=list)
    input: dict[str, Any] | bool | None = None
    """JSON Schema of its input."""
    output: Template = None
    data: dict[Name, Any] = Field(default_factory=dict)
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    meta: dict[str, Any] = Field(default_factory=dict)


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
    machines: dict[Name, Machine] = Field(default_factory=dict)
    """Private machines, for actions of type ``activity``."""
    meta: dict[str, Any] = Field(default_factory=dict)

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
    """Return the JSON Schema of blueprints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Blueprint.model_json_schema(by_alias=True),
    }
