"""The compiled parts of a blueprint: rows, states, actions, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from goflow_py.domain.actions import AnyAction
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
class CompiledState:
    """A state with all that it does by itself."""

    name: str
    work: str | None = None
    """The action that is its own work."""
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
    source: str = "/states"
    """JSON pointer into the blueprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledAction:
    """An action with its templates."""

    model: AnyAction
    input: Template | None = None
    output: Template | None = None
    expression: Expression | None = None
    templates: Mapping[str, Template] = field(default_factory=dict)
    """The type's own: ``seconds``, ``until``, ``value``, ``path``."""
    set: Mapping[str, Template] | None = None
    query: Mapping[str, Template] | None = None

    @property
    def kind(self) -> str:
        """Return the type's name."""
        return str(getattr(self.model, "type", "sync"))


INSTANT = frozenset({"switch", "map"})
"""Actions that run inside the digest, as microsteps."""
CALLS = frozenset({"sync", "async"})
"""Actions that a worker does."""
