"""Medians and percentiles, by nearest rank: each is a value that was measured, never one in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values of one kind are spread, in their own unit."""

    count: int
    median: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Of no values there is none."""
        if not values:
            return None
        found = (quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0))
        return cls(len(values), *(round(value, 4) for value in found))
