"""Times as the API writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cairn.core.times import format_time, parse_time
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
