"""What a batch is: what was asked for, how far it is, and how it is shown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from goflow_py.domain import durations
from goflow_py.domain.execution import Execution
from goflow_py.engine.heads import readable
from goflow_py.ports import BatchRow, Filter, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """What is to be done, and to which: all of a filter, or those that are named."""

    action: str
    """A verb, or ``delete``."""
    project: str | None
    """The caller's; None: all projects."""
    filter: Filter | None = None
    ids: Sequence[str] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    principal: str | None = None

    def as_json(self) -> bytes:
        """Return the request for the store."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, body: bytes) -> "BatchRequest":
        """Return the request that was stored."""
        fields = orjson.loads(body)
        if fields["filter"] is not None:
            fields["filter"] = Filter(**fields["filter"])
        return cls(**fields)


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a batch is."""

    total: int = 0
    done: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    page: list[str] = field(default_factory=list)
    """Whom it works on now."""
    cursor: str | None = None
    """Where the next page begins; None: at the beginning, or nowhere when *is_last*."""
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Whom a batch would be for."""

    total: int
    ids: list[str]


def view(row: BatchRow, progress: Progress) -> dict[str, Any]:
    """Return a batch as the API shows it."""
    request = BatchRequest.from_json(row.body)
    return {
        "id": row.id,
        "project": row.project,
        "action": request.action,
        "status": row.status,
        "reason": request.reason,
        "principal": request.principal,
        "total": progress.total,
        "done": progress.done,
        "changed": progress.changed,
        "skipped": progress.skipped,
        "failed": progress.failed,
        "errors": progress.errors,
        "createdAt": durations.rfc3339(row.created_at),
        "updatedAt": durations.rfc3339(row.updated_at),
    }


def wanted(page: Page, which: Filter) -> list[str]:
    """Return the ids of those that a filter means: a parent's verb reaches its children itself."""
    return [one.id for one in readable(page.items) if not _is_left_to_parent(one, which)]


def _is_left_to_parent(execution: Execution, which: Filter) -> bool:
    if execution.machine is not None:
        return True
    return execution.parent is not None and which.activity is None
