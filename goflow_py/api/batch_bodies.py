"""What callers say of a batch, and what they get."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator

from goflow_py.api.answers import Answer, Object
from goflow_py.api.bodies import (
    LABELS_MAX,
    Body,
    GotoBody,
    PatchBody,
    Reason,
    ReasonBody,
    ReplayBody,
    RetryBody,
    SkipBody,
    Text,
    UuidText,
)
from goflow_py.domain.durations import timestamp_ms
from goflow_py.domain.model import Name

BATCH_IDS_MAX = 10_000

Action = Literal[
    "pause", "resume", "cancel", "terminate", "retry", "skip", "goto", "replay", "data", "delete"
]
Statuses = Literal["running", "waiting", "paused", "completed", "failed", "cancelled"]


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("give a time as RFC 3339")
    return timestamp_ms(value)


Moment = Annotated[
    int, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]


class BatchFilter(Body):
    """Which executions; what is left out asks nothing."""

    project: Text | None = None
    activity: Text | None = None
    status: list[Statuses] = Field(default_factory=list, max_length=6)
    state: Text | None = None
    key: Text | None = None
    labels: dict[Name, Text] = Field(default_factory=dict, max_length=LABELS_MAX)
    since: Moment | None = None
    until: Moment | None = None
    q: Text | None = None


class BatchBody(Body):
    """One verb for many executions: all of a filter, or those that are named."""

    action: Action
    filter: BatchFilter | None = None
    ids: Annotated[list[UuidText], Field(min_length=1, max_length=BATCH_IDS_MAX)] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the verb's own call takes, but for its reason; of ``data`` the merge patch."""
    reason: Reason = None
    dry_run: bool = False
    """Change nothing; say which they are."""

    @model_validator(mode="after")
    def _one_choice(self) -> "BatchBody":
        if (self.filter is None) == (self.ids is None):
            raise ValueError("give either filter or ids")
        return self


def _replay(body: ReplayBody) -> dict[str, Any]:
    alone = {} if body.downstream else {"downstream": False, "task": body.task}
    return {"from": body.from_, **alone}


ARGUMENTS: Mapping[str, tuple[type[BaseModel], Callable[[Any], dict[str, Any]]]] = {
    "retry": (RetryBody, lambda body: {"newVisit": body.new_visit}),
    "skip": (SkipBody, lambda body: {"event": body.event, "output": body.output}),
    "goto": (GotoBody, lambda body: {"state": body.state}),
    "replay": (ReplayBody, _replay),
    "data": (PatchBody, lambda body: {"patch": body.root}),
}
"""By action: what its arguments have to be, and what the verb makes of them."""
PLAIN: tuple[type[BaseModel], Callable[[Any], dict[str, Any]]] = (ReasonBody, lambda _: {})


class Batch(Answer):
    """A batch, and how far it is. ``errors`` are the first hundred, also of those skipped."""

    id: str
    project: str | None
    action: str
    status: str
    reason: str | None
    principal: str | None
    total: int
    done: int
    changed: int
    skipped: int
    failed: int
    errors: list[Object]
    created_at: str
    updated_at: str


class Batches(Answer):
    """Batches, newest first."""

    items: list[Batch]
    next: str | None


class Preview(Answer):
    """Whom a batch would be for: how many, and the first hundred."""

    dry_run: bool
    total: int
    ids: list[str]
