"""What the engine has to be told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from goflow_py.engine.backoff import RetryDefaults
from goflow_py.engine.slots import CALLS_IN_FLIGHT_MAX
from goflow_py.ports import LimitsRow


class Silent:
    """An observer that keeps nothing."""

    def started(self, project: str, activity: str) -> None:
        """Ignore it."""

    def ended(self, project: str, activity: str, status: str, seconds: float) -> None:
        """Ignore it."""

    def attempt(self, action: str, outcome: str, seconds: float) -> None:
        """Ignore it."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What the engine has to be told; times in seconds."""

    token_key: bytes
    """Signs callback tokens: the same for every start of this data."""
    public_url: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    fallback_url: str | None = None
    """Where aliases that nothing resolves point to: the mock workers."""
    retry: RetryDefaults = field(default_factory=RetryDefaults)
    calls_in_flight_max: int = CALLS_IN_FLIGHT_MAX
    limits: LimitsRow | None = None
    """Of every project that has none of its own."""
    checks_roles: bool = False
    """Callers have keys: then events that executions send have no role at all."""
    lease_seconds: float = 10.0
    is_alone: bool = True
    """No other node can be on this store: nobody looks for one."""
    retention_seconds: float = 30 * 86_400.0
    """How long ended executions stay whose blueprint has no ``retain``."""
    secret: Callable[[str], str | None] = lambda _: None
