"""How late the operator's event loop is: as far as that shows outside, and as the operator itself observes it.

Outside: the time of its answers to /livez. An answer needs one turn of the loop and no work, so a stall of the loop
delays it by as much as is left of the stall. It holds as well what this process and the machine add: it is an upper
bound of the lag at the moments of the probes.

Inside: a histogram of how much later than it should a task has woken, ten times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bench.counters import Counts

EVERY = 0.01  # seconds
OWN_LAG = "cairn_event_loop_lag_seconds"
LATE = "0.02"
"""The edge, in seconds, past which a probe counts as late."""
_ALL = "+Inf"


@dataclass(frozen=True, slots=True)
class Lag:
    """What the operator has observed of its own loop."""

    probes: int
    late: int
    """Of these, later than `LATE`."""
    most: str
    """The bucket that the latest of them falls into."""

    @property
    def late_percent(self) -> float:
        """The share of the late ones."""
        return 100 * self.late / self.probes if self.probes else 0.0

    @classmethod
    def of(cls, buckets: Iterable[Mapping[str, int]]) -> Lag:
        """Out of what some histograms (upper edge, how many at most so large) have grown by."""
        found: Counts = Counts()
        for each in buckets:
            found.update(each)
        probes = found[_ALL]
        edges = sorted(float(edge) for edge, count in found.items() if count == probes)
        return cls(probes, probes - found[LATE], _told(edges[0]) if edges else "none")


def _told(edge: float) -> str:
    return "over 1 s" if edge == float("inf") else f"up to {edge * 1000:g} ms"


@asynccontextmanager
async def probing(session: aiohttp.ClientSession, port: int) -> AsyncIterator[list[float]]:
    """Milliseconds of answers, one after the other, while the context lasts."""
    taken: list[float] = []
    task = asyncio.create_task(_probe(session, f"http://127.0.0.1:{port}/livez", taken))
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _probe(session: aiohttp.ClientSession, url: str, taken: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        async with session.get(url) as answer:
            await answer.read()
        taken.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(EVERY)
