"""What a caller can get wrong, or find closed, as one tree.

::

    GoFlowError
    |-- MalformedRequest      400  the request cannot be read
    |-- Unauthenticated       401  no key, or one that is not known
    |-- Forbidden             403  the key has no right to this
    |-- NotFound              404  no such thing (also: in another project)
    |-- Conflict              409  not in this state
    |   `-- EventNotAccepted       with the events that are awaited now
    |-- Gone                  410  it was here, and has ended
    |-- PreconditionFailed    412  If-Match named another revision
    |-- TooLarge              413
    |-- UnsupportedMedia      415
    |-- Invalid               422  it can be read, and is wrong
    |   |-- InvalidBlueprint       with all findings at once
    |   `-- ExpressionFailed       a guard, template or expression
    |-- TooManyRequests       429
    |-- Unavailable           503  try again later (store full, draining, queue full)
    |   |-- Moved                  another node owns it
    |   `-- Queued           202  and is to do it
    |-- Damaged               500  what is stored of an execution cannot be read
    `-- StartRefused               the server cannot start; the command line prints one line

A dead worker is none of these: it is an outcome, and outcomes are values (``ports.Reply``).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GoFlowError(Exception):
    """Base of all: ``code`` is stable, ``status`` the HTTP answer, ``facts`` what helps the caller.

    The message is one sentence that says what is wrong and what to do.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, code: str | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = code or self.code
        self.facts: Mapping[str, Any] = facts


class MalformedRequest(GoFlowError):
    """The request cannot be read."""

    code, status, title = "malformed", 400, "Malformed request"


class Unauthenticated(GoFlowError):
    """No key came with the request, or one that is not known."""

    code, status, title = "unauthenticated", 401, "Unauthenticated"


class Forbidden(GoFlowError):
    """The key has no right to this."""

    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(GoFlowError):
    """There is no such thing, or it belongs to another project."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(GoFlowError):
    """The thing is not in a state in which this can be done."""

    code, status, title = "conflict", 409, "Conflict"


class EventNotAccepted(Conflict):
    """The execution does not accept this event now; ``awaiting`` lists those that it does."""

    code = "event_not_accepted"

    def __init__(self, detail: str, *, awaiting: Sequence[Mapping[str, Any]], state: str) -> None:
        super().__init__(detail, awaiting=list(awaiting), state=state)


class Gone(GoFlowError):
    """It was here, and has ended."""

    code, status, title = "gone", 410, "Gone"


class PreconditionFailed(GoFlowError):
    """``If-Match`` named another revision."""

    code, status, title = "precondition_failed", 412, "Precondition failed"


class TooLarge(GoFlowError):
    """A body is over its limit."""

    code, status, title = "too_large", 413, "Too large"


class UnsupportedMedia(GoFlowError):
    """The body's media type is not one that this call reads."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"


class Invalid(GoFlowError):
    """The request can be read, and is wrong."""

    code, status, title = "invalid", 422, "Invalid"


class InvalidBlueprint(Invalid):
    """A blueprint has errors; ``findings`` are all of them, warnings included."""

    code = "invalid_blueprint"

    def __init__(self, detail: str, *, findings: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(detail, findings=list(findings))


class ExpressionFailed(Invalid):
    """A guard, a template or an expression could not be evaluated."""

    code = "expression"


class TooManyRequests(GoFlowError):
    """The caller is over its rate."""

    code, status, title = "too_many_requests", 429, "Too many requests"


class Unavailable(GoFlowError):
    """Try again later; ``retryAfter`` says in how many seconds."""

    code, status, title = "unavailable", 503, "Unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(detail, code=code, retryAfter=retry_after)


class Moved(Unavailable):
    """Another node owns the execution, or nobody just now; nothing was done."""

    code = "moved"

    def __init__(self, execution: str) -> None:
        super().__init__(f"another node goes on with the execution {execution}; try again")
        self.execution = execution


class Queued(Unavailable):
    """It is stored for the node that owns the execution, and is done as soon as that is there."""

    code = "queued"


class Damaged(GoFlowError):
    """What is stored of an execution cannot be read: the disk changed it."""

    code, title = "damaged", "Damaged"


class StartRefused(GoFlowError):
    """The server cannot start; its message is the one line that the user sees."""

    code, title = "start_refused", "Cannot start"
