"""What the stored forms of values have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_empty(wire: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what says nothing; false and 0 say something."""
    return {key: value for key, value in wire.items() if value not in (None, "", [], {})}
