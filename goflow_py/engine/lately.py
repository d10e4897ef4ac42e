"""How an endpoint was lately: how long its newest attempts took, and which of them failed."""

from array import array
from dataclasses import dataclass, field

from goflow_py.domain.percentiles import percentile
from goflow_py.domain.values import value
from goflow_py.engine.verdict import Failure, Verdict

ATTEMPTS_KEPT_MAX = 100
"""Of each endpoint, the newest: 400 bytes."""
MS_MAX = 2**31 - 1


@value
class Fault:
    """An attempt that failed."""

    at: int
    code: str
    message: str
    status: int | None


@value
class Figures:
    """The newest attempts in figures; times in milliseconds, None of nothing."""

    attempts: int
    errors: int
    p50: int | None
    p95: int | None


@dataclass(slots=True)
class Lately:
    """Notes attempts: one number for each, written over the oldest one."""

    lengths: "array[int]" = field(default_factory=lambda: array("i"))
    """How long they took, in ms; of one that failed ``-1 - ms``."""
    next: int = 0
    """Where the next one is written."""
    is_up: bool | None = None
    """Whether the newest one was answered as it should; None: there was none yet."""
    seen_at: int | None = None
    """When an answer of any kind came last."""
    fault: Fault | None = None
    """The newest attempt that failed."""

    def note(self, verdict: Verdict, *, at: int, ms: int) -> None:
        """Note an attempt that ended."""
        length = min(ms, MS_MAX)
        self.is_up = not isinstance(verdict, Failure)
        if isinstance(verdict, Failure):
            length = -1 - length
            self.fault = Fault(
                at=at, code=verdict.code, message=verdict.message, status=verdict.status
            )
        if not isinstance(verdict, Failure) or verdict.status is not None:
            self.seen_at = at
        if len(self.lengths) < ATTEMPTS_KEPT_MAX:
            self.lengths.append(length)
        else:
            self.lengths[self.next] = length
            self.next = (self.next + 1) % ATTEMPTS_KEPT_MAX

    def figures(self) -> Figures:
        """Return what the newest attempts come to."""
        ordered = sorted(length if length >= 0 else -1 - length for length in self.lengths)
        return Figures(
            attempts=len(ordered),
            errors=sum(length < 0 for length in self.lengths),
            p50=percentile(ordered, 50),
            p95=percentile(ordered, 95),
        )
