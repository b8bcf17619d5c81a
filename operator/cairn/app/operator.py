"""The operator put together: views, queue, loop, events; what the handlers and the process talk to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from cairn.app.events import EventWriter
from cairn.app.queue import WorkQueue
from cairn.app.reconcile import Reconciler
from cairn.app.views import Key, Views
from cairn.config import Settings
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

# How long a first look waits for everything to be listed. A look before that is only dearer (what is not seen is read
# live), never wrong; so nothing that holds Kopf's handlers back, such as a new namespace's watches, may hold work up.
LISTING_SECONDS = 2.0


class Operator:
    """Takes in what the watches bring, and keeps every execution moving."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: Settings) -> None:
        self._settings = settings
        self._views = Views()
        self._events = EventWriter(cluster, clock)
        self._reconciler = Reconciler(cluster, self._views, clock, self._events)
        self._queue: WorkQueue[Key] = WorkQueue(self._reconciler.reconcile, workers=settings.workers)
        self._reconciler.enqueue = self._queue.add
        self._listed = asyncio.Event()
        self._beat = 0.0

    # --- What the watches bring. None of it carries meaning: what is new leads to one more look at an execution.

    def see_execution(self, body: Mapping[str, Any]) -> None:
        """Take in an execution that was created or has changed."""
        if (key := self._views.see_execution(body)) is not None:
            self._queue.add(key)
            if not self.begun:
                asyncio.get_running_loop().call_later(LISTING_SECONDS, self.begin)

    def see_job(self, body: Mapping[str, Any]) -> None:
        """Take in a Kubernetes Job that was created or has changed."""
        self._look_at(self._views.see_job(body))

    def see_pod(self, body: Mapping[str, Any]) -> None:
        """Take in a pod that was created or has changed."""
        self._look_at(self._views.see_pod(body))

    def forget_execution(self, body: Mapping[str, Any]) -> None:
        """An execution was deleted."""
        self._views.forget_execution(body["metadata"]["uid"])
        self._events.forget(body["metadata"]["uid"])

    def forget_job(self, body: Mapping[str, Any]) -> None:
        """A Kubernetes Job was deleted."""
        self._look_at(self._views.forget_job(body))

    def forget_pod(self, body: Mapping[str, Any]) -> None:
        """A pod was deleted."""
        self._look_at(self._views.forget_pod(body))

    @property
    def begun(self) -> bool:
        """Whether the work has begun."""
        return self._listed.is_set()

    def begin(self) -> None:
        """Everything that exists has been seen once: the work may begin."""
        self._listed.set()

    def _look_at(self, uid: str | None) -> None:
        if uid is not None and (view := self._views.execution(uid)) is not None:
            self._queue.add(view.key)

    # --- The process

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work())
                group.create_task(self._events.run())
                group.create_task(self._resync())
                group.create_task(self._heartbeat())
        finally:
            await self._reconciler.close()

    def alive(self) -> bool:
        """Whether the event loop has turned within the last half minute."""
        return asyncio.get_running_loop().time() - self._beat < 30

    def describe(self) -> dict[str, int]:
        """How much is known and waiting, for the readiness page."""
        return {"executions": len(self._views.keys()), "queued": self._queue.depth()}

    async def _work(self) -> None:
        await self._listed.wait()
        await self._queue.run()

    async def _heartbeat(self) -> None:
        while True:
            self._beat = asyncio.get_running_loop().time()
            await asyncio.sleep(5)

    async def _resync(self) -> None:
        """Look at everything now and then: the net below lost events, spread out so that it is no burst."""
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            for key in self._views.keys():
                self._queue.add_after(key, random.uniform(0, self._settings.resync_seconds / 2))
