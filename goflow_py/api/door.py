"""What all handlers share: the engine, who may enter, and the limits."""

from dataclasses import dataclass

from goflow_py.api.auth import Access
from goflow_py.api.guard import BODY_TIMEOUT_SECONDS, Guard
from goflow_py.api.metrics import Metrics
from goflow_py.clock import Clock
from goflow_py.domain.documents import BODY_LIMIT_BYTES
from goflow_py.domain.execution import Execution
from goflow_py.engine.orchestrator import Orchestrator
from goflow_py.errors import Unavailable

WAIT_SECONDS_MAX = 60.0
WAITS_MAX = 1_000
DRAIN_RETRY_AFTER_SECONDS = 5


@dataclass(kw_only=True)
class Door:
    """The server as its handlers see it."""

    orchestrator: Orchestrator
    access: Access
    guard: Guard
    metrics: Metrics
    clock: Clock
    body_bytes_max: int = BODY_LIMIT_BYTES
    body_timeout_seconds: float = BODY_TIMEOUT_SECONDS
    backup_dir: str | None = None
    draining: bool = False
    _waits: int = 0

    def drain(self) -> None:
        """Take no new work from now on, and begin no calls."""
        self.draining = True
        self.orchestrator.owner.draining = True
        self.orchestrator.polls.end()
        self.orchestrator.streams.end()

    def refuse_when_draining(self) -> None:
        """Raise ``Unavailable`` while the server drains."""
        if self.draining:
            raise Unavailable(
                "the server is about to end and takes no new work; ask again",
                code="draining",
                retry_after=DRAIN_RETRY_AFTER_SECONDS,
            )

    async def wait_end(self, execution: str, seconds: float) -> Execution:
        """Return the execution when it has ended, after *seconds*, or when the server closes."""
        if self._waits >= WAITS_MAX:
            raise Unavailable("too many callers wait for an end already", code="too_many_waits")
        memory = self.orchestrator.owner.memory
        self._waits += 1
        try:
            return await memory.wait_end(execution, min(seconds, WAIT_SECONDS_MAX))
        finally:
            self._waits -= 1
