"""Heads as the store has them: one that a sick disk changed is told apart, and stops no other."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from goflow_py.domain.execution import Execution, decode, id_of
from goflow_py.errors import Damaged, NotFound
from goflow_py.fsm.compile import Compiled

log = logging.getLogger(__name__)

T = TypeVar("T")
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, Damaged)
"""What reading changed bytes raises."""


def read_head(execution: str, body: bytes) -> Execution:
    """Return the head of *execution*. Raises ``Damaged``."""
    try:
        found = decode(body)
    except UNREADABLE as error:
        raise damaged(execution) from error
    if found.id != execution:
        raise damaged(execution)
    return found


def readable(bodies: Iterable[bytes]) -> list[Execution]:
    """Return those heads that can be read, in order; `goflow verify` names the others."""
    found = []
    for body in bodies:
        try:
            found.append(decode(body))
        except UNREADABLE as error:
            _leave_out(id_of(body), error)
    return found


async def shown(found: Iterable[Execution], show: Callable[[Execution], Awaitable[T]]) -> list[T]:
    """Return what *show* makes of those whose version can be read and fits them, in order."""
    items = []
    for execution in found:
        try:
            items.append(await show(execution))
        except (*UNREADABLE, NotFound) as error:
            _leave_out(execution.id, error)
    return items


def part_of(version: Compiled, execution: Execution) -> Compiled:
    """Return what *execution* runs of its version: all, or a private machine. Raises ``Damaged``.

    A head may be read, and still say what its version does not know.
    """
    machine = execution.machine
    compiled = version if machine is None else version.machines.get(machine)
    if (
        compiled is None
        or execution.state not in compiled.states
        or not all(
            task.name == name and (task.action in compiled.actions or not task.open)
            for name, task in execution.tasks.items()
        )
    ):
        raise damaged(execution.id)
    return compiled


def damaged(execution: str) -> Damaged:
    """Return the answer to whoever asks for a damaged execution."""
    return Damaged(
        f"what is stored of the execution {execution} is damaged: run goflow verify, and restore "
        "a backup",
        execution=execution,
    )


def said(error: Exception) -> str:
    """Return an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _leave_out(execution: str | None, error: Exception) -> None:
    facts = {"execution": execution, "why": said(error)}
    log.error("a damaged execution is left out", extra=facts)
