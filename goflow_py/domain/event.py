"""What can happen to an execution: the inputs of a step, as values."""

from dataclasses import field
from typing import Any

from goflow_py.domain.values import value


@value
class Outside:
    """An event that somebody sent."""

    name: str
    data: Any = None
    id: str | None = None
    """The sender's own; the same one twice is applied once."""
    task: str | None = None
    principal: str | None = None
    roles: frozenset[str] | None = None
    """The sender's; None: not checked."""


@value
class Outcome:
    """The end of a task's work."""

    task: str
    visit: int
    name: str
    """``success``, ``error``, or the label that the worker chose."""
    output: Any = None
    error: dict[str, Any] | None = None


@value
class TimerDue:
    """A timer's time has come."""

    timer: str
    due: int


@value
class Control:
    """An operator's verb."""

    verb: str
    reason: str | None = None
    principal: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


Input = Outside | Outcome | TimerDue | Control
