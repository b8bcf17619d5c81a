"""Times as the API writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cairn.core.times import format_time, known_time, later, parse_time
from simulation.build import NOW, after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("2026-01-31T08:00:00Z", NOW),
        ("2026-01-31T09:30:00.250+01:30", after(0.25)),
        ("2026-01-31T08:00:00.123456789Z", after(0.123456)),
    ],
    ids=["nothing", "empty", "UTC", "another zone", "more digits than there are"],
)
def test_parse(text: str | None, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_a_time_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="time without a zone: 2026-01-31T08:00:00"):
        parse_time("2026-01-31T08:00:00")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOW, "2026-01-31T08:00:00.000Z"),
        (after(0.0129), "2026-01-31T08:00:00.012Z"),
        (NOW.astimezone(timezone(timedelta(hours=-8))), "2026-01-31T08:00:00.000Z"),
        (datetime(987, 1, 2, tzinfo=NOW.tzinfo), "0987-01-02T00:00:00.000Z"),
    ],
    ids=["milliseconds, always", "cut, not rounded", "in UTC", "four digits of year"],
)
def test_format(value: datetime, expected: str) -> None:
    assert format_time(value) == expected


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z"])
def test_a_time_beyond_the_years_of_utc_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="year"):
        parse_time(text)


def test_where_a_time_must_be_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="no time"):
        known_time("")


def test_no_time_is_later_than_the_last() -> None:
    assert later(NOW, seconds=1.5) == after(1.5)
    last = later(NOW, seconds=1e12)
    assert last == later(last, seconds=1) == later(NOW, milliseconds=float(2**63))
    assert format_time(last) == "9999-12-31T23:59:59.999Z"
