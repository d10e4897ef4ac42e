"""What a worker echoes is not kept: the secrets of a call are taken out of all that came back.

Promised is the exact text, in the usual spellings of JSON. Other encodings of a secret (base64,
percent signs, hexadecimal) are not looked for, nor is a part of one.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from goflow_py.domain.workers import Worker
from goflow_py.engine.verdict import Acceptance, Definite, Failure, Success, Verdict
from goflow_py.expression.secrets import SECRET
from goflow_py.ports import Answered, Reply, Unreachable

REDACTED = "[secret]"
SECRET_CHARACTERS_MIN = 8
"""Shorter secrets are not looked for: they would match by accident."""

Secret = Callable[[str], str | None]


def secrets_of(worker: Worker, secret: Secret) -> list[str]:
    """Return the values of the secrets that a worker's document refers to."""
    texts = [worker.worker_endpoint, worker.auth, worker.signing_secret, *worker.headers.values()]
    names = dict.fromkeys(name for text in texts if text for name in SECRET.findall(text))
    return [value for name in names if (value := secret(name)) is not None]


def without(reply: Reply, secrets: Iterable[str]) -> Reply:
    """Return *reply* without *secrets*."""
    values = _long(secrets)
    if not values:
        return reply
    if isinstance(reply, Unreachable):
        return replace(reply, message=_text(reply.message, _spelled(values)))
    body = reply.body
    # Twice: JSON may stand in a text of JSON.
    for form in _long(twice for once in _spelled(values) for twice in _spelled([once])):
        body = body.replace(form.encode(), REDACTED.encode())
    # A header's bytes come as Latin-1, whatever they were.
    wire = _long(form for value in values for form in (value, value.encode().decode("latin-1")))
    headers = {name: _text(text, wire) for name, text in reply.headers.items()}
    return Answered(status=reply.status, headers=headers, body=body)


def verdict_without(verdict: Verdict, secrets: Iterable[str]) -> Verdict:
    """Return *verdict* without *secrets*: JSON has unusual spellings too, all are read by now."""
    values = _spelled(_long(secrets))
    if not values:
        return verdict
    match verdict:
        case Success():
            label, output = _text(verdict.label, values), _value(verdict.output, values)
            return Success(output=output, label=label)
        case Definite():
            details = None if verdict.details is None else _value(dict(verdict.details), values)
            return replace(
                verdict,
                code=_text(verdict.code, values),
                message=_text(verdict.message, values),
                details=details,
            )
        case Failure():
            return replace(
                verdict, code=_text(verdict.code, values), message=_text(verdict.message, values)
            )
        case Acceptance():
            return verdict


def _long(values: Iterable[str]) -> list[str]:
    """Return what is looked for, the longest first: one secret may be a part of another."""
    found = {value for value in values if len(value) >= SECRET_CHARACTERS_MIN}
    return sorted(found, key=lambda value: (-len(value), value))


def _spelled(values: Iterable[str]) -> list[str]:
    """Return how texts usually stand in JSON, and in messages of programs, without the quotes."""
    found: set[str] = set()
    for value in values:
        plain, ascii_only = json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]
        slashed = (text.replace("/", "\\/") for text in (plain, ascii_only))
        found |= {value, plain, ascii_only, *slashed, repr(value)[1:-1]}
    return _long(found)


def _text(text: str, values: Sequence[str]) -> str:
    for value in values:
        text = text.replace(value, REDACTED)
    return text


def _value(value: Any, values: Sequence[str]) -> Any:
    """Return a copy of JSON with its texts, and the names of its fields, redacted."""
    found: list[Any] = [None]
    waiting: list[tuple[Any, Any, Any]] = [(found, 0, value)]
    while waiting:
        holder, place, item = waiting.pop()
        if isinstance(item, str):
            item = _text(item, values)
        elif isinstance(item, list):
            copy: Any = [None] * len(item)
            waiting += [(copy, number, part) for number, part in enumerate(item)]
            item = copy
        elif isinstance(item, dict):
            copy = {_text(name, values): None for name in item}
            waiting += [(copy, _text(name, values), part) for name, part in item.items()]
            item = copy
        holder[place] = item
    return found[0]
