"""Tasks side by side that really end.

`asyncio.TaskGroup` cancels each task once. A cancel is lost where `asyncio.wait_for` gets what it waits for at that
very moment (up to Python 3.11), and psycopg's pool waits by it: a task that goes on after that would keep its group,
and so a replica whose term is over, waiting for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

AGAIN = 0.5  # seconds after which what still runs is cancelled once more


async def together(*work: Coroutine[Any, Any, None], until: str = asyncio.FIRST_EXCEPTION) -> None:
    """Run all of it until it has ended, some of it raises, or this is cancelled: then nothing of it runs any more.

    `until` is what `asyncio.wait` calls `return_when`.
    """
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=until)
    finally:
        await ended(tasks)
    for task in done:
        task.result()


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended, however often this is told to hurry meanwhile."""
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait(running, timeout=AGAIN)
