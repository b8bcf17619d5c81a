"""Answers that go on for long: they end when the process is to stop, and close what they read from.

Rules:
- What goes wrong in the first moment is told as a problem; after that an answer has begun, and can only be broken off.
- Reading is a task of its own: whoever goes away cancels it, and that closes the watch or the log behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

_FIRST_SECONDS = 1.0
IDLE_SECONDS = 15.0

Chunk = asyncio.Future[bytes | None]


async def streamed(
    source: AsyncGenerator[bytes, None], closing: asyncio.Event, *, idle: bytes = b"", seconds: float = IDLE_SECONDS
) -> AsyncIterator[bytes]:
    """What the source yields, until it ends or `closing` is set; `idle` after so many seconds of silence.

    Raises what the source raises in its first moment; it need not have yielded anything by then.
    """
    first = _next(source)
    try:
        await asyncio.wait({first}, timeout=_FIRST_SECONDS)
    except asyncio.CancelledError:
        first.cancel()
        raise
    if first.done():
        first.result()
    return _rest(first, source, closing, idle, seconds)


async def _rest(
    following: Chunk, source: AsyncGenerator[bytes, None], closing: asyncio.Event, idle: bytes, seconds: float
) -> AsyncIterator[bytes]:
    end = asyncio.ensure_future(closing.wait())
    try:
        while not end.done():
            both: set[asyncio.Future[Any]] = {following, end}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                if (chunk := following.result()) is None:
                    return
                following = _next(source)
                yield chunk
            elif idle and not end.done():
                yield idle
    finally:
        end.cancel()
        following.cancel()


def _next(source: AsyncGenerator[bytes, None]) -> Chunk:
    return asyncio.ensure_future(anext(source, None))
