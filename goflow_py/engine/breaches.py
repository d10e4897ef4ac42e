"""What a checker finds."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule that an execution breaks."""

    rule: str
    execution: str
    """Empty: it is the store's as a whole."""
    seq: int | None
    message: str

    def as_json(self) -> dict[str, Any]:
        """Return the breach as the API shows it."""
        return {
            "rule": self.rule,
            "execution": self.execution,
            "seq": self.seq,
            "message": self.message,
        }
