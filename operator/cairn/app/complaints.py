"""Why things wait, as the warnings about them say: read for a whole namespace at once, and not too often.

The API server has no index of Events, and reads all of a namespace's to find those about one object. A thousand jobs
that wait a little longer than usual, since the cluster is busy, would keep it busy with a thousand such reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cairn.ports import Cluster

EVERY = 5.0  # seconds between the reads of one namespace; who asks meanwhile is told by the next one

Told = Mapping[str, tuple[str, str]]  # reason and message, by the UID of what they are about


class Complaints:
    """The newest warning Event about anything."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._read_at: dict[str, float] = {}
        self._next: dict[str, asyncio.Task[Told]] = {}  # by namespace: the read that has not begun yet

    async def about(self, namespace: str, uid: str) -> tuple[str, str]:
        """Reason and message, empty if there is none. Raises the errors of the API, all that wait the same one."""
        if namespace not in self._next:
            self._next[namespace] = asyncio.create_task(self._read(namespace))
        return (await self._next[namespace]).get(uid, ("", ""))

    async def _read(self, namespace: str) -> Told:
        try:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(self._read_at.get(namespace, clock() - EVERY) + EVERY - clock())
            self._read_at[namespace] = clock()
        finally:
            del self._next[namespace]  # who asks from now on may ask about what comes later
        return await self._cluster.newest_warnings(namespace)
