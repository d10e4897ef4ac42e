"""Lengths of time and points in time, as people and JSON write them."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Final

SECONDS_MAX: Final = 10 * 365.25 * 86_400
"""Ten years: longer than any wait that is meant, shorter than any overflow."""

_TEXT_LENGTH_MAX = 64
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PARTS = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?!s))?"
    r"(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
_ISO = re.compile(
    r"P(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_ISO_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EXAMPLES = 'write seconds (5), "500ms", "1m30s", "2h", "1d" or ISO 8601 ("PT1M30S")'


def seconds(value: int | float | str) -> float:
    """Read a length of time; raise ``ValueError`` with a sentence that says how to write one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"a duration is a number or a text: {_EXAMPLES}")
    if isinstance(value, str):
        length = _read(value.strip())
        if length is None:
            raise ValueError(f"{value[:_TEXT_LENGTH_MAX]!r} is not a duration: {_EXAMPLES}")
    else:
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{value} is not a duration: {_EXAMPLES}")
        if value < 0:
            raise ValueError(f"a duration of {value} seconds is negative; write 0 or more")
        length = float(min(value, SECONDS_MAX + 1))
    if length > SECONDS_MAX:
        raise ValueError("a duration is longer than 10 years; write a shorter one")
    return length


def timestamp_ms(text: str) -> int:
    """Read an RFC 3339 time as milliseconds since 1970; raise ``ValueError`` otherwise.

    A leap second counts as the second after it; digits below the millisecond are cut off.
    """
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            f"{str(text)[:_TEXT_LENGTH_MAX]!r} is not an RFC 3339 time: "
            'write "2026-01-31T12:00:00Z" with an offset or Z'
        )
    day, minute, second, fraction, offset = found.groups()
    leap = second == "60"
    zone = "+00:00" if offset in "Zz" else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}{zone}")
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time that exists: {error}") from None
    whole = (moment - _EPOCH) // _MILLISECOND + (1_000 if leap else 0)
    return whole + (int((fraction + "00")[:3]) if fraction else 0)


def rfc3339(ms: int) -> str:
    """Write milliseconds since 1970 as RFC 3339 in UTC, with milliseconds and ``Z``."""
    second, rest = divmod(ms, 1_000)
    return f"{_second(second)}.{rest:03d}Z"


# Many times of one second are written together: its long part is worked out once.
@lru_cache(maxsize=1_024)
def _second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def _read(text: str) -> float | None:
    if not text or len(text) > _TEXT_LENGTH_MAX:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    if found := _ISO.fullmatch(text):
        return _total(found, _ISO_SECONDS)
    found = _PARTS.fullmatch(text.lower())
    return _total(found, _UNIT_SECONDS) if found else None


def _total(found: re.Match[str], units: dict[str, float]) -> float | None:
    parts = [float(count) * units[unit] for unit, count in found.groupdict().items() if count]
    return sum(parts) if parts else None
