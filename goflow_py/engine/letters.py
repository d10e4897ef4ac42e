"""What one node writes to another: requests and answers as JSON, and back."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from goflow_py.domain.event import Control, Outside
from goflow_py.domain.execution import Execution, decode, encode
from goflow_py.domain.values import value
from goflow_py.engine.requests import Match, Repeat, Sent, Started, StartRequest
from goflow_py.engine.tokens import Address
from goflow_py.engine.verdict import Definite, Failure, Success, Verdict

T = TypeVar("T")

Json = dict[str, Any]

_VERDICTS: dict[str, Callable[..., Verdict]] = {
    kind.__name__: kind for kind in (Success, Failure, Definite)
}


@value
class Letter:
    """A request that another node is to carry out."""

    asker: str
    """The node that asks."""
    number: str
    """Of the question, among those of the asker."""
    what: Json
    queues: bool = False
    """When nobody answers, whoever asks is told that it is still to be done."""


def dumps(what: object) -> bytes:
    """Return a letter, or an answer, as bytes."""
    return orjson.dumps(what, default=_plain)


def read_letter(body: bytes) -> Letter:
    """Return the letter of a message; what a newer release adds to letters does not matter.

    Raises ``ValueError``, ``KeyError``, ``TypeError``.
    """
    found = orjson.loads(body)
    return Letter(
        asker=found["asker"],
        number=found["number"],
        what=found["what"],
        queues=found.get("queues", False),
    )


def _plain(what: object) -> object:
    if isinstance(what, frozenset):
        return sorted(what)
    raise TypeError(f"{type(what).__name__} is no part of a letter")


# ---------------------------------------------------------------- requests


def event_of(what: Json) -> Outside:
    """Return the event of a letter."""
    roles = what["roles"]
    return Outside(**{**what, "roles": None if roles is None else frozenset(roles)})


def control_of(what: Json) -> Control:
    """Return the verb of a letter."""
    return Control(**what)


def match_of(what: Json | None) -> Match | None:
    """Return the ``If-Match`` of a letter."""
    return None if what is None else Match(**what)


def repeat_of(what: Json | None) -> Repeat | None:
    """Return the ``Idempotency-Key`` of a letter."""
    return None if what is None else Repeat(**what)


def start_of(what: Json) -> StartRequest:
    """Return the start of a letter."""
    return StartRequest(**{**what, "repeat": repeat_of(what["repeat"])})


def address_of(what: Json) -> Address:
    """Return the attempt of a letter."""
    return Address(**what)


def with_verdict(verdict: Verdict) -> Json:
    """Return a verdict as a part of a letter."""
    return {"kind": type(verdict).__name__, "is": verdict}


def verdict_of(what: Json) -> Verdict:
    """Return the verdict of a letter."""
    return _VERDICTS[what["kind"]](**what["is"])


# ---------------------------------------------------------------- answers


def with_head(execution: Execution, **more: Any) -> Json:
    """Return an answer that shows an execution."""
    return {"head": orjson.Fragment(encode(execution)), **more}


def head_of(answer: Json) -> Execution:
    """Return the execution of an answer."""
    return decode(orjson.dumps(answer.pop("head")))


def with_sent(sent: Sent) -> Json:
    """Return what became of an event as an answer."""
    return with_head(
        sent.execution, applied=sent.applied, respond=sent.respond, replayed=sent.replayed
    )


def sent_of(answer: Json) -> Sent:
    """Return what became of an event."""
    known = {name: answer[name] for name in ("applied", "respond", "replayed")}
    return Sent(execution=head_of(answer), **known)


def with_started(started: Started) -> Json:
    """Return what became of a start as an answer."""
    return with_head(started.execution, created=started.created, replayed=started.replayed)


def started_of(answer: Json) -> Started:
    """Return what became of a start."""
    known = {name: answer[name] for name in ("created", "replayed")}
    return Started(execution=head_of(answer), **known)
