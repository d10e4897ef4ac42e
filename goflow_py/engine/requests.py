"""What callers may ask of executions, and what they get, as values."""

import hashlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from goflow_py.domain.execution import Execution
from goflow_py.domain.values import value
from goflow_py.errors import Invalid, PreconditionFailed
from goflow_py.ports import Name

IDEMPOTENCY_SECONDS = 86_400
"""A key on something that is no execution is kept this long; on an execution, as long as that."""


@value
class Repeat:
    """An ``Idempotency-Key``: what makes a repeated request the same one."""

    key: str
    scope: str
    """Method and path."""
    digest: str
    """Of the body."""

    def check(self, before: Name) -> None:
        """Raise ``Invalid`` when the key was used with another body."""
        if before.digest != self.digest:
            raise Invalid(
                "this Idempotency-Key was used with another body; use a new key for a new request",
                code="idempotency_key_reused",
            )


@value
class StartRequest:
    """What a caller may say when it starts an execution."""

    input: Any = None
    key: str | None = None
    id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    delay_seconds: float = 0.0
    traceparent: str | None = None
    repeat: Repeat | None = None


@value
class Started:
    """An execution that runs; *created* is False when it existed, *replayed* for a repeat."""

    execution: Execution
    created: bool
    replayed: bool = False


@value
class Sent:
    """What became of an event."""

    execution: Execution
    applied: bool
    respond: Any = None
    replayed: bool = False


@value
class Match:
    """``If-Match``: the revision, or the visit, that the caller has seen."""

    revision: int | None = None
    visit: int | None = None

    def check(self, execution: Execution) -> None:
        """Raise ``PreconditionFailed`` when the execution has moved on."""
        moved = (self.revision is not None and self.revision != execution.seq) or (
            self.visit is not None and self.visit != execution.visit
        )
        if moved:
            raise PreconditionFailed(
                f"the execution is at revision {execution.seq} in visit {execution.visit} now; "
                "read it again and decide anew",
                revision=execution.seq,
                visit=execution.visit,
            )


def digest_of(body: bytes) -> str:
    """Return the digest of a request body."""
    return hashlib.sha256(body).hexdigest()
