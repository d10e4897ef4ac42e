"""What a worker's reply means (section 8 of the language): pure."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from goflow_py.domain import documents
from goflow_py.domain.names import ENGINE_EVENTS, ERROR, NAME, SUCCESS
from goflow_py.domain.values import value
from goflow_py.errors import GoFlowError
from goflow_py.fsm.rows import CALLS
from goflow_py.ports import Answered, Reply, Unreachable

RETRIED_STATUSES = frozenset({408, 425, 429})
MESSAGE_CHARACTERS_MAX = 500


@value
class Success:
    """The work is done; *label* is the outcome that the worker chose."""

    output: Any
    label: str = SUCCESS


@value
class Acceptance:
    """An ``async`` worker took it; the callback brings the outcome."""


@value
class Failure:
    """The attempt failed; *again* tells whether the same worker may be tried again."""

    code: str
    message: str
    status: int | None = None
    again: bool = True
    retry_after: float | None = None


@value
class Definite:
    """The worker said no: ``error`` at once, no other worker is asked."""

    code: str
    message: str
    status: int | None = None
    details: Mapping[str, Any] | None = None


Verdict = Success | Acceptance | Failure | Definite


def judge(reply: Reply, *, kind: str, raw: bool, now_ms: int) -> Verdict:
    """Return what *reply* means for an action of type *kind* (``sync`` or ``async``)."""
    if isinstance(reply, Unreachable):
        again = reply.code in ("timeout", "unreachable")
        return Failure(code=reply.code, message=reply.message, status=reply.status, again=again)
    return _judge_answer(reply, kind=kind, raw=raw, now_ms=now_ms)


def _judge_answer(reply: Answered, *, kind: str, raw: bool, now_ms: int) -> Verdict:
    status = reply.status
    if 200 <= status < 300:
        if kind not in CALLS:  # who gets an event need not answer anything
            return Success(output=None)
        return Acceptance() if kind == "async" else _judge_success(reply, raw=raw)
    if status >= 500 or status in RETRIED_STATUSES:
        return Failure(
            code="server_error" if status >= 500 else "refused",
            message=f"the worker answered {status}",
            status=status,
            retry_after=_retry_after(reply.headers.get("retry-after"), now_ms),
        )
    if status >= 400:
        return _refusal(reply)
    return Failure(
        code="bad_response",
        message=f"the worker answered {status}; redirects are not followed",
        status=status,
        again=False,
    )


def _judge_success(reply: Answered, *, raw: bool) -> Verdict:
    label = reply.headers.get("goflow-event", SUCCESS)
    try:
        output = None if reply.status == 204 else _body(reply)
    except (GoFlowError, ValueError) as error:
        detail = error.detail if isinstance(error, GoFlowError) else str(error)
        return Failure(code="bad_response", message=detail, status=reply.status, again=False)
    if not raw and isinstance(output, dict) and isinstance(output.get("event"), str):
        if output.keys() <= {"event", "output"}:
            label, output = output["event"], output.get("output")
    return labelled(label, output, status=reply.status)


def labelled(label: str, output: Any, *, status: int | None = None) -> Verdict:
    """Return the verdict of work that ended well with an outcome of the worker's choice."""
    if label == ERROR:
        details = output if isinstance(output, dict) else {}
        return Definite(
            code=str(details.get("code") or ERROR)[:64],
            message=str(details.get("message") or "the worker chose 'error'")[
                :MESSAGE_CHARACTERS_MAX
            ],
            status=status,
            details={"output": output},
        )
    if label != SUCCESS and (label in ENGINE_EVENTS or not NAME.match(label)):
        message = (
            f"the worker chose the outcome {label[:64]!r}, which is not one that it may choose"
        )
        return Failure(code="bad_response", message=message, status=status, again=False)
    return Success(output=output, label=label)


def _body(reply: Answered) -> Any:
    """Return the body as JSON, or as text where it is declared to be text."""
    if not reply.body:
        return None
    if reply.headers.get("content-type", "").lstrip()[:5].lower() == "text/":
        try:
            text = reply.body.decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {error.start} of the text is not UTF-8") from None
        if "\x00" in text:
            raise ValueError("the text holds the character NUL")
        return text
    return documents.loads(reply.body, limit_bytes=len(reply.body))


def _refusal(reply: Answered) -> Definite:
    """Return a definite no; a problem+json names its own code."""
    problem: Any = None
    try:
        problem = _body(reply)
    except (GoFlowError, ValueError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code, detail = problem.get("code"), problem.get("detail") or problem.get("message")
    return Definite(
        code=code if isinstance(code, str) and 0 < len(code) <= 64 else "refused",
        message=str(detail or problem.get("title") or f"the worker answered {reply.status}")[
            :MESSAGE_CHARACTERS_MAX
        ],
        status=reply.status,
    )


def _retry_after(value: str | None, now_ms: int) -> float | None:
    """Return seconds, of either form of the header (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.strip().isdigit():  # int() refuses what Latin-1 calls digits
        return float(min(int(value.strip()[:9]), 86_400))
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ms / 1000)
    except (ValueError, TypeError, OverflowError):
        return None
