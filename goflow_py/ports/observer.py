"""The port to metrics."""

from typing import Protocol


class Observer(Protocol):
    """Is told what was committed, for metrics; must be quick and must not raise."""

    def started(self, project: str, activity: str) -> None:
        """An execution began."""

    def ended(self, project: str, activity: str, status: str, seconds: float) -> None:
        """An execution ended after *seconds*."""

    def attempt(self, action: str, outcome: str, seconds: float) -> None:
        """A call to a worker ended after *seconds*."""
