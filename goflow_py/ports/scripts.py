"""The port to whoever evaluates scripts."""

from typing import Any, Protocol

from goflow_py.domain.values import value


@value
class Done:
    """The script ran to its end."""

    output: dict[str, Any]
    """The keys of ``$`` that it added or changed."""


@value
class Broken:
    """The script failed; it would fail again."""

    message: str


@value
class TimedOut:
    """The script did not end in its time."""


ScriptOutcome = Done | Broken | TimedOut


class Scripts(Protocol):
    """Evaluates JavaScript away from this process's own work."""

    async def run(
        self, script: str, document: dict[str, Any], *, timeout_seconds: float
    ) -> ScriptOutcome:
        """Evaluate *script* with *document* as its ``$``.

        Never raises for a bad script. Raises ``errors.Unavailable`` when it was not begun:
        ``scripts_busy`` asks to come again, everything else is for good.
        """

    async def close(self) -> None:
        """End all processes."""
