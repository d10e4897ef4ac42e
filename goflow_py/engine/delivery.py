"""The message of the inbox that a step carries out: it goes with the step's commit.

So it is applied once: there is no moment in which the step is durable and the message still there.
"""

from contextvars import ContextVar


class Delivery:
    """A message on its way into a step."""

    __slots__ = ("execution", "is_spent", "number")

    def __init__(self, execution: str, number: int) -> None:
        self.execution = execution
        self.number = number
        self.is_spent = False
        """It is deleted with a step, or nothing more may be done with it."""


CARRIED: ContextVar[Delivery | None] = ContextVar("carried", default=None)
"""What the task that asks for a step carries out."""


def carried(result: object) -> Delivery | None:
    """Return the message that goes with a step which came to *result*.

    None: there is none; or the step did nothing of what was asked, and another is to follow.
    """
    found = CARRIED.get()
    return None if found is None or found.is_spent or result is False else found
