"""Times as the API writes them: RFC 3339 in UTC, with milliseconds. Aware datetimes only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_LAST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)


def parse_time(text: str | None) -> datetime | None:
    """The time that `text` names, or None for nothing. Raises ValueError when it names no zone, or no year of UTC."""
    if not text:
        return None
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"time without a zone: {text}")
    return in_utc(value)


def known_time(text: str) -> datetime:
    """The time that `text` names, where one must be. Raises ValueError as `parse_time` does."""
    value = parse_time(text)
    if value is None:
        raise ValueError("no time")
    return value


def in_utc(value: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError where that is before the year 1 or after 9999."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"time beyond the years of UTC: {value.isoformat()}") from None


def later(value: datetime, **by: float) -> datetime:
    """So much later (as `timedelta` takes it), or the last moment there is: nobody waits for what comes after."""
    try:
        return value + timedelta(**by)
    except OverflowError:
        return _LAST


def format_time(value: datetime) -> str:
    """`value` in UTC with milliseconds, such as ``2026-01-31T08:00:00.250Z``."""
    in_zone = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_zone.isoformat(timespec="milliseconds")[:-6] + "Z"
