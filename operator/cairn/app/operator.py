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


class Operator:
    """Takes in what the watches bring, and keeps every execution moving."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: Settings) -> None:
        self._settings = settings
        self._views = Views()
        self._events = EventWriter(cluster, clock)
        self._reconciler = Reconciler(cluster, self._views, clock, self._events)
        self._queue: WorkQueue[Key] = WorkQueue(self._reconciler.reconcile, workers=settings.workers)
        self._reconciler.enqueue = self._queue.add
        self._beat = 0.0

    # --- What the watches bring. None of it carries meaning: each leads to one more look at an execution.

    def see_execution(self, body: Mapping[str, Any]) -> None:
        """Take in an execution."""
        self._views.see_execution(body)

    def see_job(self, body: Mapping[str, Any]) -> None:
        """Take in a Kubernetes Job."""
        self._views.see_job(body)

    def see_pod(self, body: Mapping[str, Any]) -> None:
        """Take in a pod."""
        self._views.see_pod(body)

    def execution_changed(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """An execution was created, changed or deleted."""
        meta = body["metadata"]
        if deleted:
            self._views.forget_execution(meta["uid"])
            self._events.forget(meta["uid"])
        else:
            self._queue.add(Key(meta["namespace"], meta["name"], meta["uid"]))

    def job_changed(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """A Kubernetes Job was created, changed or deleted."""
        job = self._views.forget_job(body) if deleted else self._views.see_job(body)
        self._look_at(job.execution_uid)

    def pod_changed(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """A pod was created, changed or deleted."""
        pod = self._views.forget_pod(body) if deleted else self._views.see_pod(body)
        self._look_at(pod.execution_uid)

    def _look_at(self, uid: str) -> None:
        if (view := self._views.execution(uid)) is not None:
            self._queue.add(view.key)

    # --- The process

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._queue.run())
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
