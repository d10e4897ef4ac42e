"""Executions and their histories in words: what a terminal shows of the API's JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goflow_py.cli.console import plain

SHOWN_CHARACTERS_MAX = 120
OPEN_STATUSES = frozenset({"running", "waiting", "paused"})
STATUS_STYLES = {
    "running": "blue",
    "waiting": "yellow",
    "paused": "magenta",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "dim",
}
OUTCOME_STYLES = {"success": "green", "error": "red", "timeout": "red"}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One state that was entered, and how long it was stayed in."""

    number: int
    state: str
    event: str | None
    action: str | None
    at: str
    seconds: float | None
    """None: it is there still."""


def visits(entries: Iterable[Json], *, ended: bool) -> list[Visit]:
    """Return the path taken, the state that it is in last."""
    found: list[dict[str, Any]] = []
    last = ""
    for entry in entries:
        last = str(entry.get("at", ""))
        if entry.get("type") == "started":
            found.append({"number": 0, "state": "init", "event": None, "action": None, "at": last})
        if entry.get("type") == "transition" and entry.get("entered", True):
            found.append(
                {
                    "number": entry.get("visit", len(found)),
                    "state": str(entry.get("to")),
                    "event": entry.get("event"),
                    "action": entry.get("action"),
                    "at": last,
                }
            )
    ends = [one["at"] for one in found[1:]] + ([last] if ended else [""])
    return [
        Visit(**one, seconds=took(one["at"], end) if end else None)
        for one, end in zip(found, ends, strict=False)
    ]


def took(start: str | None, end: str | None) -> float | None:
    """Return the seconds from one time of the API to another."""
    from goflow_py.domain.durations import timestamp_ms

    if not start or not end:
        return None
    try:
        return (timestamp_ms(end) - timestamp_ms(start)) / 1000
    except ValueError:
        return None


def length(seconds: float | None) -> str:
    """Return a duration for people: ``12 ms``, ``3.4 s``, ``2 m 5 s``, ``3 h 12 m``."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def moment(text: Any, *, date: bool = True) -> str:
    """Return a time of the API for people, in UTC; to the second, or without its date."""
    if not isinstance(text, str) or "T" not in text:
        return ""
    day, _, clock = text.partition("T")
    return f"{day} {clock[:8]}" if date else clock.removesuffix("Z")


def shown(value: Any, characters_max: int = SHOWN_CHARACTERS_MAX) -> str:
    """Return a JSON value on one line, cut at *characters_max*."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = plain(text)
    return text if len(text) <= characters_max else f"{text[: characters_max - 3]}..."


def short(number: str) -> str:
    """Return the part of an id that tells it from others: ids of one moment begin alike."""
    return plain(f"{number[:4]}..{number[-6:]}")


def error_line(error: Any) -> str:
    """Return an error as ``code: message (state)``."""
    if not isinstance(error, Mapping):
        return shown(error)
    where = f" (in {error['state']})" if error.get("state") else ""
    return shown(f"{error.get('code', 'error')}: {error.get('message', '')}{where}", 300)


def is_stuck(execution: Json) -> bool:
    """Tell whether it waits for somebody outside: an event, or a task that must be fetched."""
    tasks = execution.get("tasks") or ()
    outside = any(
        task.get("type") in ("pull", "human") and task.get("status") == "waiting" for task in tasks
    )
    waits = bool(execution.get("awaiting")) or outside
    return execution.get("status") == "paused" or (execution.get("status") == "waiting" and waits)


def is_open(execution: Json) -> bool:
    """Tell whether it has not ended."""
    return execution.get("status") in OPEN_STATUSES


# ---------------------------------------------------------------- history

_COMMON = frozenset({"seq", "at", "type"})
_QUIET = frozenset({None, "", False})


def entry_words(entry: Json) -> str:
    """Return what a history entry says, beside its type."""
    match entry.get("type"):
        case "transition":
            action = f" -> {entry['action']}" if entry.get("action") else ""
            return shown(f"{entry.get('from')} x {entry.get('event')}{action} -> {entry.get('to')}")
        case "attemptStarted" | "attemptAccepted":
            return shown(f"{_attempt(entry)} {entry.get('worker', '')}")
        case "attemptEnded":
            status = entry.get("httpStatus")
            parts = [_attempt(entry), entry.get("worker"), entry.get("outcome"), status]
            ms = entry.get("ms")
            parts.append(None if ms is None else f"{ms} ms")
            parts.append(error_line(entry["error"]) if entry.get("error") else None)
            return shown(" ".join(str(part) for part in parts if part is not None), 300)
        case "control":
            reason = f": {entry['reason']}" if entry.get("reason") else ""
            who = f" by {entry['principal']}" if entry.get("principal") else ""
            return shown(f"{entry.get('verb')}{who}{reason}")
        case "errorRaised":
            return error_line(entry.get("error"))
        case _:
            return shown(" ".join(_fields(entry)))


def _attempt(entry: Json) -> str:
    return f"{entry.get('task')} #{entry.get('attempt')}"


def _fields(entry: Json) -> Iterator[str]:
    for name, value in entry.items():
        empty = value in ({}, []) or (isinstance(value, str | bool | None) and value in _QUIET)
        if name not in _COMMON and not empty:
            yield f"{name}={shown(value, 60)}"
