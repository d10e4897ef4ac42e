"""Lengths of time, and points in time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.durations import SECONDS_MAX, rfc3339, seconds, timestamp_ms


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (5, 5.0),
        (0.25, 0.25),
        ("5", 5.0),
        ("0.5", 0.5),
        ("5s", 5.0),
        ("500ms", 0.5),
        ("1m30s", 90.0),
        ("1.5m", 90.0),
        ("1m500ms", 60.5),
        ("2h", 7_200.0),
        ("1d", 86_400.0),
        ("1d2h3m4s5ms", 93_784.005),
        (" 2H ", 7_200.0),
        ("PT1M30S", 90.0),
        ("P1D", 86_400.0),
        ("P1W", 604_800.0),
        ("P1DT2H", 93_600.0),
        ("PT0.5S", 0.5),
        (SECONDS_MAX, SECONDS_MAX),
    ],
)
def test_a_length_of_time_is_read(value: float | str, expected: float) -> None:
    assert seconds(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "s", "5x", "5 s", "1s1m", "-5", "-5s", "P", "PT", "P1DT", "P1Y", "P1M", "1e3"),
        *("٣s", "1" * 100, "nan", "inf", True, None, [], -1, -0.5, float("nan"), float("inf")),
        *(SECONDS_MAX + 1, 10**400, "99999999999d", "P4000D"),
    ],
)
def test_what_is_no_length_of_time_is_refused_with_a_sentence(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00.0019999Z", 1),
        ("1970-01-01t01:00:00+01:00", 0),
        ("1969-12-31 23:59:59.5z", -500),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ],
)
def test_a_point_in_time_is_read(text: str, ms: int) -> None:
    assert timestamp_ms(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", None, 5),
        *("2026-01-31T25:00:00Z", "2026-01-31T12:00:00+25:00", "2026-1-31T12:00:00Z"),
        "٢026-01-31T12:00:00Z",
    ],
)
def test_what_is_no_point_in_time_is_refused_with_a_sentence(text: Any) -> None:
    with pytest.raises(ValueError, match="time"):
        timestamp_ms(text)


@given(st.integers(0, 253_402_300_799_999))
def test_a_written_time_is_read_again(ms: int) -> None:
    assert timestamp_ms(rfc3339(ms)) == ms


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_written_as_the_calendar_says(moment: datetime) -> None:
    ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (
        datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    )
    written = moment.replace(microsecond=moment.microsecond // 1_000 * 1_000, tzinfo=None)
    assert rfc3339(ms) == written.isoformat(timespec="milliseconds") + "Z"


def test_milliseconds_are_always_written() -> None:
    assert rfc3339(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
