"""What the engine hands to whoever changes an execution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from goflow_py.domain.execution import Execution
from goflow_py.engine.stand_ins import Workers
from goflow_py.fsm.compile import Compiled
from goflow_py.fsm.draft import Draft
from goflow_py.fsm.events import Kin
from goflow_py.ports import Name

T = TypeVar("T")


@dataclass(slots=True)
class Step:
    """One step of one execution in the making."""

    compiled: Compiled
    draft: Draft
    workers: Workers
    kin: Kin | None = None
    """Its machine children, where the step may pass an event on to them."""


Act = Callable[[Step], T]
"""Changes the draft of a step. It must not do anything else: it may be asked again."""
Result = Callable[[Step], None]
"""Takes what came of a call into a draft."""
Names = Callable[[T, Execution], Sequence[Name]]
"""Gives the names to be taken with a step."""
