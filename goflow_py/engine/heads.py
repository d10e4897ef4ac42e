"""Heads as the store has them: one that a sick disk changed is told apart, and stops no other."""

import logging
from collections.abc import Iterable

from goflow_py.domain.execution import Execution, decode, id_of
from goflow_py.errors import Damaged

log = logging.getLogger(__name__)

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
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
        except UNREADABLE:
            log.exception("a damaged execution is left out", extra={"execution": id_of(body)})
    return found


def damaged(execution: str) -> Damaged:
    """Return the answer to whoever asks for a damaged execution."""
    return Damaged(
        f"what is stored of the execution {execution} is damaged: run goflow verify, and restore "
        "a backup",
        execution=execution,
    )
