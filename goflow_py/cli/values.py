"""What users type, as values: JSON where it is JSON, text where it is not; files and times."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from goflow_py.errors import MalformedRequest, TooLarge

FILE_BYTES_MAX = 67_108_864
DOCUMENT_SUFFIXES = (".json", ".yaml", ".yml")


def read(name: str) -> bytes:
    """Return what is in a file; ``-`` is standard input. Raises ``BadParameter``."""
    if name == "-":
        content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise typer.BadParameter(f"{name} cannot be read: {reason}") from None
    if len(content) > FILE_BYTES_MAX:
        raise typer.BadParameter(f"{name} is larger than {FILE_BYTES_MAX} bytes")
    return content


def documents_of(names: Iterable[str]) -> list[str]:
    """Return the files, with a folder's blueprints in its place (scripts of mocks are none)."""
    found: list[str] = []
    for name in names:
        if name != "-" and Path(name).is_dir():
            inside = sorted(p for p in Path(name).iterdir() if p.suffix in DOCUMENT_SUFFIXES)
            found += [str(path) for path in inside if not path.name.endswith(".mock.json")]
        else:
            found.append(name)
    if not found:
        raise typer.BadParameter("there is no *.json, *.yaml or *.yml in the folder")
    return found


def json_of(text: str, what: str) -> Any:
    """Return the JSON of an option: in place, of ``@FILE`` or ``-``. Raises ``BadParameter``."""
    from goflow_py.domain.documents import loads

    source = read(text.removeprefix("@")) if text == "-" or text.startswith("@") else text
    try:
        return loads(source, limit_bytes=FILE_BYTES_MAX)
    except (MalformedRequest, TooLarge) as error:
        raise typer.BadParameter(error.detail, param_hint=what) from None


def value_of(text: str) -> Any:
    """Return the JSON value that *text* is, or else the text itself."""
    from goflow_py.domain.documents import loads

    try:
        return loads(text, limit_bytes=FILE_BYTES_MAX)
    except (MalformedRequest, TooLarge):
        return text


def input_of(whole: str | None, parts: Iterable[str]) -> Any:
    """Return an input: all of ``--input``, and over it the parts, ``k=v`` or ``@FILE``."""
    value = {} if whole is None else json_of(whole, "--input")
    for part in parts:
        if part.startswith("@"):
            more = json_of(part, "-i")
            if not isinstance(more, dict):
                raise typer.BadParameter(f"{part[1:]} holds no JSON object", param_hint="-i")
        else:
            name, text = pair(part, "-i")
            more = {name: value_of(text)}
        if not isinstance(value, dict):
            raise typer.BadParameter("-i adds to an object, and --input is none", param_hint="-i")
        value = {**value, **more}
    return value


def pairs(texts: Iterable[str], what: str) -> dict[str, str]:
    """Return ``k=v`` texts as a mapping. Raises ``BadParameter``."""
    return dict(pair(text, what) for text in texts)


def pair(text: str, what: str) -> tuple[str, str]:
    """Return the sides of ``k=v``. Raises ``BadParameter``."""
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise typer.BadParameter(f"write NAME=VALUE, not '{text[:80]}'", param_hint=what)
    return name, value


def seconds_of(text: str, what: str) -> float:
    """Return a duration (``90``, ``1m30s``, ``PT1M30S``) in seconds. Raises ``BadParameter``."""
    from goflow_py.domain.durations import seconds

    try:
        return seconds(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=what) from None


def time_of(text: str, what: str, *, now_ms: int, sign: int) -> str:
    """Return a time: RFC 3339 as it is, a duration before (*sign* -1) or after now."""
    from goflow_py.domain.durations import rfc3339, timestamp_ms

    try:
        return rfc3339(timestamp_ms(text))
    except ValueError:
        return rfc3339(now_ms + sign * round(seconds_of(text, what) * 1000))


def activity_of(text: str) -> tuple[str, str]:
    """Return the names in ``PROJECT/ACTIVITY``. Raises ``BadParameter``."""
    project, _, activity = text.partition("/")
    if not project or not activity or "/" in activity:
        raise typer.BadParameter(f"write PROJECT/ACTIVITY, not '{text[:80]}'")
    return project, activity
