"""Where executions are, by their UIDs. The API server has no index of UIDs: whoever knows one alone must list them all.

Rules:
- A UID never moves, so what was found stays true; whether it still exists, whoever uses it sees.
- What is unknown costs a list of all metadata, at most one at a time, and one a second, which serves all who wait by
  then. So asking for UIDs that do not exist slows down nobody's API server, only whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cachetools import LRUCache

Where = tuple[str, str]  # namespace and name

_REMEMBERED = 16384
_SECONDS_BETWEEN = 1.0


class Whereabouts:
    """Remembers where executions are; `look` tells where all are now."""

    def __init__(
        self, look: Callable[[], Awaitable[Mapping[str, Where]]], *, between: float = _SECONDS_BETWEEN,
        remembered: int = _REMEMBERED,
    ) -> None:  # fmt: skip
        self._look = look
        self._between = between
        self._known: LRUCache[str, Where] = LRUCache(remembered)
        self._coming: asyncio.Task[Mapping[str, Where]] | None = None  # the look that has not begun yet
        self._looking = asyncio.Lock()
        self._next = 0.0  # when the next look may begin, in the time of the loop

    async def find(self, uid: str) -> Where | None:
        """Where it is; None: there is none. Raises the errors of the API."""
        if (known := self._known.get(uid)) is not None:
            return known
        if self._coming is None:
            self._coming = asyncio.create_task(self._all())
            self._coming.add_done_callback(_seen)
        found = (await asyncio.shield(self._coming)).get(uid)
        if found is not None:
            self._known[uid] = found
        return found

    async def _all(self) -> Mapping[str, Where]:
        loop = asyncio.get_running_loop()
        async with self._looking:
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            self._coming = None  # who comes from now on may ask for what this look does not see
            try:
                found = await self._look()
            finally:
                self._next = loop.time() + self._between
        self._known.update(found)
        return found


def _seen(task: asyncio.Task[Mapping[str, Where]]) -> None:
    if not task.cancelled():
        task.exception()  # even if nobody waits any more
