"""How soon to tell of what nothing depends on: that a container runs, or that one job of many is done.

A write of the status costs the API server milliseconds for each hundred jobs in it, and a busy API server more. So that
progress is never what keeps a cluster busy, such a write waits twenty times as long as the last one took; whatever must
be written at once, such as the launch of the next jobs, takes it along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

WRITE_SOONEST = 0.2  # seconds
WRITE_LATEST = 5.0
_WAITS = 20  # times as long as the last write took
_LOOKS = 4  # as many as there are in the time of a write


class Pace:
    """Of each execution, in seconds."""

    def __init__(self) -> None:
        self._took: dict[str, float] = {}

    def write(self, uid: str) -> float:
        """How long a write of the status may wait for more to write."""
        return min(max(self._took.get(uid, 0.0) * _WAITS, WRITE_SOONEST), WRITE_LATEST)

    def look(self, uid: str) -> float:
        """How long a look at what is only to be told of may wait for more to look at."""
        return self.write(uid) / _LOOKS

    @contextmanager
    def timed(self, uid: str) -> Iterator[None]:
        """A write of the status."""
        clock = asyncio.get_running_loop().time
        began = clock()
        yield
        self._took[uid] = clock() - began

    def forget(self, uid: str) -> None:
        """The execution is gone."""
        self._took.pop(uid, None)
