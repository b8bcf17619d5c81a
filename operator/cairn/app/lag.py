"""How late the event loop is: all that the operator does waits for it, so a call that blocks shows here first."""

from __future__ import annotations

import asyncio

from cairn.app import metrics

EVERY = 0.1  # seconds: rare enough to cost an idle operator next to nothing


async def observe_lag(every: float = EVERY) -> None:
    """Sleep, and observe how much later than that the loop has come back to it, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        metrics.LOOP_LAG.observe(max(loop.time() - due, 0.0))
