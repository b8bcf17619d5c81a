"""An execution as it changes: one watch after the other, for as long as somebody looks.

Rules:
- Every watch ends some time, and the API server may be away for a while: the next one begins with how things stand, so
  nothing final is missed. What came and went between two watches is not told.
- It is one and the same execution: another one of its name is none of this one's changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cairn.errors import Gone, NotFound, Unavailable
from cairn.ports import Body, Desk

_BETWEEN = 0.2  # seconds from the end of a watch to the next
_AWAY = (0.5, 1, 2, 4, 8, 8, 8, 8)  # seconds before each try in a row to reach an API server that is away


async def versions(desk: Desk, namespace: str, name: str) -> AsyncGenerator[Body, None]:
    """The execution as it is and whenever it has changed, until it is deleted.

    Raises NotFound if there is none, Unavailable if the API server stays away, and its other errors.
    """
    uid = version = ""
    failures = 0
    while True:
        try:
            async with aclosing(desk.watch_execution(namespace, name)) as watched:
                async for body in watched:
                    meta, failures = body["metadata"], 0
                    if uid not in ("", meta["uid"]):
                        return
                    if meta["resourceVersion"] != version:
                        uid, version = meta["uid"], meta["resourceVersion"]
                        yield body
            await asyncio.sleep(_BETWEEN)
        except Gone:
            if not uid:
                raise NotFound(f"there is no execution {name} in namespace {namespace}") from None
            return
        except Unavailable:
            if failures == len(_AWAY):
                raise
            await asyncio.sleep(_AWAY[failures])
            failures += 1
