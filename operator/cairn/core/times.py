"""Times as the API writes them: RFC 3339 in UTC, with milliseconds. Aware datetimes only."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str | None) -> datetime | None:
    """The time that `text` names, or None for nothing. Raises ValueError when it names no zone."""
    if not text:
        return None
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"time without a zone: {text}")
    return value


def known_time(text: str) -> datetime:
    """The time that `text` names, where one was written for certain."""
    value = parse_time(text)
    assert value is not None
    return value


def format_time(value: datetime) -> str:
    """`value` in UTC with milliseconds, such as ``2026-01-31T08:00:00.250Z``."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
