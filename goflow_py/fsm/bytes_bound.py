"""How many bytes an execution and its steps may have: what is over a limit is never written.

The head is written whole by every step, so its size is the price of each. A failure or a cancel may
be larger: it closes what is open, which notes once more what may have to be undone.
"""

from goflow_py.domain.execution import Execution, Status

EXECUTION_BYTES_MAX = 16 * 1024 * 1024
"""The head of an execution as it is stored: input, variables, outputs, open work, kept events."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
"""What one input adds to a history."""
STEP_BYTES_MAX = 128 * 1024 * 1024
"""All that one step writes, with parents and children."""
KEPT_EVENTS_BYTES_MAX = 8 * 1024 * 1024
"""Data of the events that one execution keeps for later."""
ENDING_FACTOR = 4
"""A failure or a cancel may have so many times as much: it always fits."""


class Oversize(Exception):
    """A step is over a limit, and was not taken. *execution* is the one that grew too large."""

    def __init__(self, execution: str, what: str, most: int) -> None:
        super().__init__(what)
        self.execution = execution
        self.message = (
            f"{what} would have more than {most} bytes; keep large data elsewhere, and pass on "
            "where it is"
        )


def check_head(execution: Execution, size: int) -> None:
    """Raise ``Oversize`` for a head of *size* bytes."""
    if size > EXECUTION_BYTES_MAX and size > EXECUTION_BYTES_MAX * _factor(execution):
        raise Oversize(execution.id, "the execution", EXECUTION_BYTES_MAX)


def check_record(execution: Execution, size: int) -> None:
    """Raise ``Oversize`` for a record of *size* bytes."""
    if size > RECORD_BYTES_MAX * _factor(execution):
        raise Oversize(execution.id, "what one input adds to the history", RECORD_BYTES_MAX)


def check_step(execution: str, size: int, *, ends: bool) -> None:
    """Raise ``Oversize`` for a step of *size* bytes that *execution* takes.

    One that *ends* somebody for good may have any size: it ends what became too large.
    """
    if size > STEP_BYTES_MAX and not ends:
        raise Oversize(execution, "this step", STEP_BYTES_MAX)


def is_ending(execution: Execution) -> bool:
    """Tell whether it failed or was cancelled, or is about to be."""
    return execution.unwinding or execution.status in (Status.FAILED, Status.CANCELLED)


def _factor(execution: Execution) -> int:
    return ENDING_FACTOR if is_ending(execution) else 1
