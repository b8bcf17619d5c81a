"""What the stored forms of values have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# What reading a stored form raises that Cairn has not written: the API server lets more through than Cairn writes.
UNREADABLE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def without_empty(wire: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what says nothing; false and 0 say something."""
    return {key: value for key, value in wire.items() if value not in (None, "", [], {})}


def broken_part(wire: Mapping[str, Any], read: Callable[[Mapping[str, Any]], object]) -> str:
    """Which part of a status cannot be read, and why; parts are read one by one."""
    for key, part in wire.items():
        try:
            read({key: part})
        except UNREADABLE as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            return f"status.{key}: {why}"
    return "status: its parts do not go together"
