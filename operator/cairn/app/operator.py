"""The operator put together: views, queue, loop, events; what the handlers and the process talk to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from cairn import names
from cairn.app import metrics
from cairn.app.census import Census
from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.keeper import Keeper
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.sweeper import Sweeper
from cairn.app.checkpoints.views import Lane
from cairn.app.events import EventWriter
from cairn.app.executions import Key, about_execution
from cairn.app.queue import WorkQueue
from cairn.app.reconcile import Reconciler
from cairn.app.restores import Restores
from cairn.app.telling import Telling
from cairn.app.views import Views
from cairn.config import Settings, home_of
from cairn.ports import Clock, Cluster, Rows, Tracer

logger = logging.getLogger(__name__)

# How long a first look waits for everything to be listed. A look before that is only dearer (what is not seen is read
# live), never wrong; so nothing that holds Kopf's handlers back, such as a new namespace's watches, may hold work up.
LISTING_SECONDS = 2.0


class Operator:
    """Takes in what the watches bring, and keeps every execution moving."""

    def __init__(
        self, cluster: Cluster, clock: Clock, settings: Settings, rows: Rows | None = None, *,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._settings = settings
        self._views = Views()
        self._events = EventWriter(cluster, clock)
        self._archive = Archive(cluster)
        self._outbox = Outbox(cluster, self._views.checkpoints, rows, clock, home_of(settings))
        restores = Restores(cluster, self._views, rows, self._outbox.tenant, clock, settings)
        telling = Telling(tracer)
        self._reconciler = Reconciler(cluster, self._views, clock, self._events, self._archive, restores, telling)
        self._keeper = Keeper(
            cluster, self._views, self._archive, self._outbox, clock, self._events, settings.object_state_bytes
        )  # fmt: skip
        self._keeper.look_at = self._look_at
        self._keeper.taken = telling.taken
        self._reconciler.take_checkpoint = self._keeper.request
        self._outbox.gate.opened = self._database_is_back
        self._sweeper = Sweeper(self._outbox, self._views.checkpoints, rows, settings.sweep_seconds) if rows else None
        self._queue: WorkQueue[Key] = WorkQueue(
            "executions", self._reconciler.reconcile, workers=settings.workers, about=about_execution
        )  # fmt: skip
        self._reconciler.enqueue = self._queue.add
        self._reconciler.look_at = self._look_at
        queues = (self._queue, self._keeper.queue, self._outbox.queue)
        self.census = Census(self._views, clock, lambda: queues, self.backlog)
        self._listed = asyncio.Event()
        self._beat = 0.0

    # --- What the watches bring. None of it carries meaning: what is new leads to one more look at an execution.

    def see_execution(self, body: Mapping[str, Any]) -> None:
        """Take in an execution that was created or has changed."""
        self._note_event(names.EXECUTIONS)
        if (key := self._views.see_execution(body)) is not None:
            self._queue.add(key)
            self._begin_later()

    def see_job(self, body: Mapping[str, Any]) -> None:
        """Take in a Kubernetes Job that was created or has changed."""
        self._note_event("jobs")
        self._look_at(self._views.see_job(body))

    def see_pod(self, body: Mapping[str, Any]) -> None:
        """Take in a pod that was created or has changed."""
        self._note_event("pods")
        self._look_at(self._views.see_pod(body))

    def see_checkpoint(self, body: Mapping[str, Any]) -> None:
        """Take in a Checkpoint that was created or has changed."""
        self._note_event(names.CHECKPOINTS)
        if (seen := self._views.checkpoints.see(body)) is not None:
            self._keeper.consider(seen)
            self._look_at(seen.execution_uid)
            self._begin_later()

    def forget_execution(self, body: Mapping[str, Any]) -> None:
        """An execution was deleted; what is to become of its checkpoints is looked at."""
        self._note_event(names.EXECUTIONS)
        meta = body["metadata"]
        self._views.forget_execution(meta["uid"])
        self._events.forget(meta["uid"])
        self._archive.forget(meta["uid"])
        self._keeper.queue.add(Lane(meta["namespace"], meta["name"]))

    def forget_checkpoint(self, body: Mapping[str, Any]) -> None:
        """A Checkpoint was deleted, and let go."""
        self._note_event(names.CHECKPOINTS)
        seen = self._views.checkpoints.forget(body["metadata"]["uid"])
        if seen is None:
            return
        self._keeper.gone(seen)
        self._outbox.forget(seen.uid)
        if not self._views.checkpoints.any_in(seen.namespace):
            self._outbox.forget_tenant(seen.namespace)  # the namespace may be next

    def forget_job(self, body: Mapping[str, Any]) -> None:
        """A Kubernetes Job was deleted."""
        self._note_event("jobs")
        self._look_at(self._views.forget_job(body))

    def forget_pod(self, body: Mapping[str, Any]) -> None:
        """A pod was deleted."""
        self._note_event("pods")
        self._look_at(self._views.forget_pod(body))

    def _note_event(self, resource: str) -> None:
        metrics.WATCH_EVENTS.labels(resource).inc()
        metrics.WATCH_LAST.labels(resource).set(self._clock().timestamp())

    @property
    def begun(self) -> bool:
        """Whether the work has begun."""
        return self._listed.is_set()

    def begin(self) -> None:
        """Everything that exists has been seen once: the work may begin."""
        self._listed.set()

    def _database_is_back(self) -> None:
        self._outbox.consider_all()
        if self._sweeper is not None:
            self._sweeper.soon()  # deletes may have been remembered

    def _begin_later(self) -> None:
        if not self.begun:
            asyncio.get_running_loop().call_later(LISTING_SECONDS, self.begin)

    def _look_at(self, uid: str | None) -> None:
        if uid is not None and (view := self._views.execution(uid)) is not None:
            self._queue.add(view.key)

    # --- The process

    async def run(self) -> None:
        """Work until cancelled."""
        metrics.LEADER.set(1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work(self._queue))
                group.create_task(self._work(self._keeper.queue))
                group.create_task(self._work(self._outbox.queue))
                if self._sweeper is not None:
                    group.create_task(self._sweep(self._sweeper))
                group.create_task(self._events.run())
                group.create_task(self._resync())
                group.create_task(self._heartbeat())
        finally:
            metrics.LEADER.set(0)
            await self._reconciler.close()

    def alive(self) -> bool:
        """Whether the event loop has turned within the last half minute."""
        return asyncio.get_running_loop().time() - self._beat < 30

    def describe(self) -> dict[str, int]:
        """How much is known and waiting, for the readiness page."""
        return {
            "executions": len(self._views.keys()), "queued": self._queue.depth(),
            "checkpoints": len(self._views.checkpoints), "unstored": self.backlog(),
        }  # fmt: skip

    def backlog(self) -> int:
        """How many checkpoints wait for their row; 0 where there is no database."""
        return self._outbox.backlog() if self._outbox.configured else 0

    async def _work(self, queue: WorkQueue[Any]) -> None:
        await self._listed.wait()
        await queue.run()

    async def _sweep(self, sweeper: Sweeper) -> None:
        await self._listed.wait()
        await sweeper.run()

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
            for lane in self._views.checkpoints.lanes():
                self._keeper.queue.add_after(lane, random.uniform(0, self._settings.resync_seconds / 2))
