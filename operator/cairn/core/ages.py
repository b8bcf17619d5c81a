"""How long ago, and how long: times as kubectl writes them, for tables and sentences."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def age(then: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits, such as `5m` or `2h`; what lies ahead is `0s`."""
    seconds = whole_seconds(then, now)
    return next((f"{seconds // unit}{word}" for unit, word in _UNITS if seconds >= unit), "0s")


def duration(seconds: float) -> str:
    """How long, in the two largest units, such as `45s`, `1m35s`, `2h5m` or `3d`; below a second it is `0s`."""
    left = max(0, int(seconds))
    place = next((n for n, (unit, _) in enumerate(_UNITS) if left >= unit), len(_UNITS) - 1)
    told = ""
    for unit, word in _UNITS[place : place + 2]:
        count, left = divmod(left, unit)
        told += f"{count}{word}" if count else ""
    return told or "0s"


def whole_seconds(begin: datetime, end: datetime) -> int:
    """From one time to the other, never less than nothing: clocks differ."""
    return max(0, int((end - begin).total_seconds()))
