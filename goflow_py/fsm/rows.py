"""The compiled parts of a blueprint: rows, states, actions, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goflow_py.domain.actions import AnyAction
from goflow_py.domain.states import Notify, Subscribe
from goflow_py.expression import Expression, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRow:
    """``current x event [when] -> action, next``."""

    current: str
    event: str
    next: str | None
    """None: stay."""
    action: str | None
    """None: ``continue``."""
    source: str
    """JSON pointer into the blueprint."""
    when: Expression | None = None
    set: Mapping[str, Template] | None = None
    respond: Template | None = None
    reenter: bool = False
    delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTimer:
    """One ``after`` of a state."""

    name: str
    event: str
    delay: float | Template | None = None
    """Seconds."""
    at: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTask:
    """A task of a state's graph."""

    name: str
    action: str
    needs: tuple[str, ...] = ()
    when: Expression | None = None
    each: Template | None = None
    item: str = "item"
    """What expressions call the item of ``each``."""
    concurrency: int | None = None
    ignore_failure: bool | None = None
    business_status: str | None = None
    assigned_to: Template | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    source: str = "/states"
    """JSON pointer into the blueprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledState:
    """A state with all that it does by itself."""

    name: str
    work: str | None = None
    """The action that is its own work."""
    graph: tuple[CompiledTask, ...] | None = None
    """Its own work as tasks; then there is no other."""
    join: int | None = None
    """How many tasks have to succeed; None: all."""
    subscribe: Subscribe | None = None
    notify: Notify | None = None
    timers: tuple[CompiledTimer, ...] = ()
    final: str | None = None
    output: Template | None = None
    defer: frozenset[str] = frozenset()
    business_status: str | None = None
    stage: str | None = None
    max_visits: int | None = None
    waits: bool = False
    """Without work it waits: it has a row for an outside event, or a timer (R3)."""
    only_always: bool = False
    """Its only way out are ``always`` rows."""
    labels: tuple[str, ...] = ()
    """Outcomes that a worker may choose here."""
    outside: tuple[str, ...] = ()
    """Events that it takes from outside."""
    events: frozenset[str] = frozenset()
    """All events that it has rows for."""
    has_work: bool = False
    """It has work of its own."""
    has_surroundings: bool = False
    """Something is to be done around its work."""
    source: str = "/states"
    """JSON pointer into the blueprint."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the actions that are its own work."""
        if self.graph is not None:
            return tuple(task.action for task in self.graph)
        return () if self.work is None else (self.work,)

    def task(self, name: str) -> CompiledTask | None:
        """Return the task of the graph with that name; of an item (``name[3]``) its task."""
        bare = name.partition("[")[0]
        return next((task for task in self.graph or () if task.name == bare), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledAction:
    """An action with its templates."""

    model: AnyAction
    kind: str
    """The type's name."""
    input: Template | None = None
    output: Template | None = None
    expression: Expression | None = None
    templates: Mapping[str, Template] = field(default_factory=dict)
    """The type's own: ``seconds``, ``until``, ``value``, ``path``."""
    set: Mapping[str, Template] | None = None
    query: Mapping[str, Template] | None = None


INSTANT = frozenset({"switch", "map"})
"""Actions that run inside the digest, as microsteps."""
CALLS = frozenset({"sync", "async"})
"""Actions that a worker is called for."""
LABELLING = frozenset({"sync", "async", "pull", "human"})
"""Actions whose worker chooses the outcome."""
EACH = "each"
"""The kind of a task that stands for one task an item."""
SKIPPED = "skipped"
"""The kind of a task whose ``when`` was false."""
UNKNOWN_AFTER = frozenset(
    {"timeout", "unreachable", "abandoned", "lease_expired", "bad_response", "too_large"}
)
"""Errors after which nobody knows whether the work was done: it is undone like work that was."""
BUSY = frozenset({"sync", "async", "script", "emit"})
"""Actions that the engine itself sees through; the others wait for somebody."""
