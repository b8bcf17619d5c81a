"""The system's clocks: the time of day in the precision that the API stores, and one that only ever goes forward."""

from __future__ import annotations

import time
from datetime import UTC, datetime

# Counts on while the machine sleeps, where there is such a clock: who was away so long must not believe otherwise.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def system_clock() -> datetime:
    """Now, in UTC, cut to whole milliseconds, so that what is stored and read back compares equal."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def steady_clock() -> float:
    """Seconds since some moment; to be compared with its own readings only."""
    return time.clock_gettime(_STEADY)
