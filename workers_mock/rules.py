"""One rule: how the mock answers a call. Read once, with its answer encoded, then only played."""

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

DELAY_SECONDS_MAX = 86_400.0
TIMES_MAX = 1_000_000_000
HEARTBEATS_MAX = 1_000_000
HEARTBEAT_SECONDS_MIN = 0.001

# They frame the message: a rule that sets them would break the connection, not the answer.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_BODILESS = frozenset({204, 205, 304})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class BadScript(ValueError):
    """The script is wrong; the message is one sentence that says where and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeats:
    """Signs of life before a callback: *count* of them, one *every* so many seconds."""

    every: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """An outcome that is sent to the call's ``callbackUrl`` after *after* seconds."""

    after: float
    payload: bytes
    heartbeats: Heartbeats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to answer."""

    status: int = 200
    payload: bytes = b""
    headers: Mapping[str, str]
    delay: float = 0.0
    drop: bool = False
    callback: Callback | None = None
    times: int = 1


def encode(value: Any) -> bytes:
    """Return *value* as JSON text; ``ValueError`` when a number in it is not finite."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def loads(text: str | bytes, *, unique: bool = False) -> Any:
    """Return the JSON value of *text*; ``ValueError`` for all that is not plain JSON in UTF-8.

    With *unique* also for an object that has a key twice.
    """
    try:
        plain = text if isinstance(text, str) else text.decode()
        pairs = _unique if unique else None
        return json.loads(plain, parse_constant=_not_json, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {show(twice)} is there twice")
    return value


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


RULE_FIELDS = ("status", "body", "event", "delay", "drop", "callback", "headers", "times")


def read_rule(value: Any, where: str) -> Rule:
    """Return the rule that *value* describes; raise ``BadScript`` naming *where* it is wrong."""
    fields = _object(value, where, RULE_FIELDS)
    callback = _callback(fields["callback"], where) if "callback" in fields else None
    default = 200 if callback is None else 202
    status = whole(fields.get("status", default), 200, 599, f"{where}: status")
    payload = _payload(fields, status, where)
    return Rule(
        status=status,
        payload=payload,
        headers=_headers(fields.get("headers", {}), payload, where),
        delay=_seconds(fields.get("delay", 0), f"{where}: delay"),
        drop=_truth(fields.get("drop", False), f"{where}: drop"),
        callback=callback,
        times=whole(fields.get("times", 1), 1, TIMES_MAX, f"{where}: times"),
    )


def _payload(fields: Mapping[str, Any], status: int, where: str) -> bytes:
    if "event" in fields:
        event = fields["event"]
        if not isinstance(event, str) or not event:
            raise BadScript(f"{where}: event is a name, not {show(event)}")
        answer = {"event": event}
        if "body" in fields:
            answer["output"] = fields["body"]
        return _encoded(answer, status, where)
    return _encoded(fields["body"], status, where) if "body" in fields else b""


def _encoded(value: Any, status: int, where: str) -> bytes:
    if status in _BODILESS:
        raise BadScript(f"{where}: an answer of status {status} has no body; leave it out")
    try:
        return encode(value)
    except ValueError:
        raise BadScript(f"{where}: body has a number that JSON cannot hold") from None


def _callback(value: Any, where: str) -> Callback:
    where = f"{where}: callback"
    fields = _object(value, where, ("after", "body", "heartbeats"))
    try:
        payload = encode(fields.get("body", {}))
    except ValueError:
        raise BadScript(f"{where}: body has a number that JSON cannot hold") from None
    beats = fields.get("heartbeats")
    return Callback(
        after=_seconds(fields.get("after", 0), f"{where}: after"),
        payload=payload,
        heartbeats=None if beats is None else _heartbeats(beats, f"{where}: heartbeats"),
    )


def _heartbeats(value: Any, where: str) -> Heartbeats:
    fields = _object(value, where, ("every", "count"))
    if len(fields) < 2:
        raise BadScript(f"{where}: both every and count are needed")
    every = _seconds(fields["every"], f"{where}: every")
    if every < HEARTBEAT_SECONDS_MIN:
        raise BadScript(f"{where}: every is at least {HEARTBEAT_SECONDS_MIN} seconds")
    return Heartbeats(
        every=every, count=whole(fields["count"], 0, HEARTBEATS_MAX, f"{where}: count")
    )


def _headers(value: Any, payload: bytes, where: str) -> dict[str, str]:
    where = f"{where}: headers"
    if not isinstance(value, dict):
        raise BadScript(f"{where} is an object of texts, not {show(value)}")
    for name, text in value.items():
        if not _TOKEN.match(name):
            raise BadScript(f"{where}: {show(name)} is not a header name")
        if name.lower() in _FRAMING:
            raise BadScript(f"{where}: {name} is set by the mock itself")
        if not isinstance(text, str) or _UNPRINTABLE.search(text):
            raise BadScript(f"{where}: {name} is a text of one line, not {show(text)}")
    named = {name.lower() for name in value}
    default = {"Content-Type": "application/json"} if payload else {}
    return dict(value) if "content-type" in named else {**default, **value}


# ---------------------------------------------------------------- plain values


def known(fields: Iterable[str], allowed: Iterable[str], where: str) -> None:
    """Raise for the first of *fields* that is not one of *allowed*, naming the nearest."""
    allowed = tuple(allowed)
    for name in fields:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(allowed)}"
            raise BadScript(f"{where}: unknown field {show(name)}; {hint}")


def whole(value: Any, least: int, most: int, where: str) -> int:
    """Return *value* when it is a whole number from *least* to *most*."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadScript(f"{where} is a whole number from {least} to {most}, not {show(value)}")
    return value


def _object(value: Any, where: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadScript(f"{where} is an object, not {show(value)}")
    known(value, allowed, where)
    return value


def _seconds(value: Any, where: str) -> float:
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not 0 <= value <= DELAY_SECONDS_MAX or math.isnan(value):
        most = f"{DELAY_SECONDS_MAX:g}"
        raise BadScript(f"{where} is a number of seconds from 0 to {most}, not {show(value)}")
    return float(value)


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadScript(f"{where} is true or false, not {show(value)}")
    return value


def show(value: Any) -> str:
    """Return *value* as JSON on one line, cut when it is long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
