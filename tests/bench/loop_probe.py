"""How late the operator's event loop is, as far as that shows outside: the time of its answers to /livez.

The answer needs one turn of the loop and no work, so a stall of the loop delays it by as much as is left of the stall.
It holds as well what this process and the machine add: it is an upper bound of the lag at the moments of the probes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

EVERY = 0.01  # seconds


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
