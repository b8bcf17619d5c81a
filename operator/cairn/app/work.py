"""What an operator does while it leads: queues, loop, checkpoints, events, for one term.

Each term has a new one on the views that outlive them all, so that nothing decided or half done in an earlier term is
gone on with: like a process that has just started, it looks at everything there is.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Hashable, Iterable
from typing import Any, TypeVar

from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.elsewhere import Elsewhere
from cairn.app.checkpoints.keeper import Keeper
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.sweeper import Sweeper, roster_for
from cairn.app.checkpoints.views import Lane, lane_of
from cairn.app.events import EventWriter
from cairn.app.executions import ExecutionView, Key, about_execution
from cairn.app.handover import Handover
from cairn.app.queue import WorkQueue
from cairn.app.reconcile import Reconciler
from cairn.app.restores import Restores
from cairn.app.telling import Telling
from cairn.app.together import together
from cairn.app.views import Views
from cairn.config import Settings, home_of
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.observed import KubePod
from cairn.core.restoring import under_way
from cairn.core.status import PausePhase
from cairn.ports import Clock, Cluster, Rows

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

SETTLED_SECONDS = 0.02  # between the first looks at what has settled


def _is_settled(view: ExecutionView) -> bool:
    """Whether only time, or somebody, can bring an execution on: nothing that happened meanwhile does."""
    status = view.execution.status
    rests = status.finished or (status.pause is not None and status.pause.phase is PausePhase.PAUSED)
    owed = status.checkpointing.pending or under_way(status)
    return rests and not owed and status.observed_generation == view.execution.generation


def _is_quiet(lane: Iterable[CheckpointObject], *, stored: bool) -> bool:
    """Whether there is nothing to be done about checkpoints but what time brings. `stored`: each is to have a row."""
    return all(seen.is_settled and (seen.is_stored or not stored) and not seen.deleting for seen in lane)


class Work:
    """Keeps every execution moving, and its checkpoints with it."""

    def __init__(
        self, cluster: Cluster, views: Views, clock: Clock, settings: Settings, rows: Rows | None, telling: Telling
    ) -> None:
        self._settings = settings
        self._views = views
        self._events = EventWriter(cluster, clock)
        self._archive = Archive(cluster)
        self._outbox = Outbox(cluster, views.checkpoints, rows, clock, home_of(settings))
        restores = Restores(cluster, views, rows, self._outbox.tenant, clock, settings)
        self._reconciler = Reconciler(cluster, views, clock, self._events, self._archive, restores, telling)
        self._keeper = Keeper(
            cluster, views, self._archive, self._outbox, clock, self._events, settings.object_state_bytes
        )  # fmt: skip
        self._keeper.look_at = self.look_at
        self._keeper.taken = telling.taken
        self._reconciler.take_checkpoint = self._keeper.request
        self._outbox.changed = self.consider
        self._outbox.gate.opened = self._database_is_back
        self._handover = Handover(cluster, views) if views.selection.partial else None
        if self._handover is not None:
            self._keeper.handover = self._handover
            self._keeper.lifetimes.needed_elsewhere = Elsewhere(cluster, views, settings.namespaces).needs
        roster = roster_for(views.selection, cluster, settings.namespaces)
        self._sweeper = Sweeper(self._outbox, views.checkpoints, rows, settings.sweep_seconds, roster) if rows else None
        self._queue: WorkQueue[Key] = WorkQueue(
            "executions", self._look, workers=settings.workers, about=about_execution
        )  # fmt: skip
        self._reconciler.enqueue = self._queue.add
        self._reconciler.enqueue_after = self._queue.add_after
        self._reconciler.look_at = self.look_at
        self._last_turn = 0.0
        self._draining = asyncio.Event()  # what begins things unasked has ended, or is about to
        self.queues: tuple[WorkQueue[Any], ...] = (self._queue, self._keeper.queue, self._outbox.queue)

    # --- What leads to a look

    def add(self, key: Key) -> None:
        """Look at an execution that was seen: at one that has settled when it is its turn, so that none has to wait.

        A new process reads each spec at its first look, which takes milliseconds.
        """
        view = self._views.execution_as_seen(key.uid)
        self._add_to(self._queue, key, settled=view is not None and _is_settled(view))

    def _add_lane(self, lane: Lane) -> None:
        """Look at checkpoints, likewise."""
        there = self._views.checkpoints.lane(lane)
        self._add_to(self._keeper.queue, lane, settled=_is_quiet(there, stored=self._outbox.configured))

    def _add_to(self, queue: WorkQueue[K], key: K, *, settled: bool) -> None:
        if not settled:
            queue.add(key)
        elif not queue.expects(key):  # else it would take turn after turn from others
            now = asyncio.get_running_loop().time()
            self._last_turn = max(self._last_turn, now) + SETTLED_SECONDS
            queue.add_after(key, self._last_turn - now)

    def look_at(self, uid: str | None) -> None:
        """Look at the execution with that UID, if there is one."""
        if uid is not None and (view := self._views.execution_as_seen(uid)) is not None:
            self.add(view.key)

    def look_soon(self, uid: str) -> None:
        """Look at the execution with that UID within a moment, together with what comes until then."""
        if (view := self._views.execution_as_seen(uid)) is not None:
            self._queue.add_after(view.key, self._reconciler.pace.look(uid))

    def pod_seen(self, pod: KubePod) -> None:
        """A Kubernetes Job has its pod: another one may be created."""
        self._reconciler.pod_seen(pod.execution_uid, pod.job_name)

    def add_everything(self) -> None:
        """Look at everything that is known."""
        for key in self._views.keys():
            self.add(key)
        for lane in self._views.checkpoints.lanes():
            self._add_lane(lane)

    def consider(self, seen: CheckpointObject) -> None:
        """A checkpoint was created or has changed."""
        self._add_lane(lane_of(seen))
        self.look_at(seen.execution_uid)

    def execution_gone(self, key: Key) -> None:
        """An execution was deleted; what is to become of its checkpoints is looked at."""
        self._events.forget(key.uid)
        self._archive.forget(key.uid)
        self._keeper.queue.add(Lane(key.namespace, key.name))

    def checkpoint_gone(self, seen: CheckpointObject) -> None:
        """A Checkpoint was deleted, and let go."""
        self._keeper.gone(seen)
        self._outbox.forget(seen.uid)
        self.look_at(seen.execution_uid)  # which may still wait for it, and have it made again
        if not self._views.checkpoints.any_in(seen.namespace):
            self._outbox.forget_tenant(seen.namespace)  # the namespace may be next

    def execution_moved(self, key: Key) -> None:
        """An execution is another shard's now: its checkpoints go there too."""
        self._events.forget(key.uid)
        self._archive.forget(key.uid)
        self._keeper.queue.add(Lane(key.namespace, key.name))

    def checkpoint_moved(self, seen: CheckpointObject) -> None:
        """A Checkpoint is another shard's now, which carries it over."""
        self._outbox.forget(seen.uid)

    def _database_is_back(self) -> None:
        self._outbox.consider_all()
        if self._sweeper is not None:
            self._sweeper.soon()  # deletes may have been remembered

    async def _look(self, key: Key) -> float | None:
        """Look at an execution; one that is for another shard is only given away."""
        view = self._views.execution(key.uid)
        if self._handover is not None and view is not None and self._handover.concerns(view):
            return await self._handover.give(view)
        return await self._reconciler.reconcile(key)

    # --- A term

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            unasked = (self._resync, self._sweeper.run) if self._sweeper else (self._resync,)
            clocked = (self._until_a_drain(run()) for run in unasked)
            await together(*(queue.run() for queue in self.queues), self._events.run(), *clocked)
        finally:
            for queue in self.queues:
                queue.close()
            await self._reconciler.close()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and let what is under way end, its log tails and Events too, but within that time."""
        self._draining.set()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(queue.drain() for queue in self.queues))
                await self._reconciler.drain()
                await self._events.drain()
        except TimeoutError:
            logger.warning("not all that was under way has ended within %s s; it is decided anew later", seconds)

    async def _until_a_drain(self, work: Coroutine[Any, Any, None]) -> None:
        """What the clock alone asks for; once the work is to end, nobody does."""
        await together(work, self._wait_for_drain(), until=asyncio.FIRST_COMPLETED)

    async def _wait_for_drain(self) -> None:
        await self._draining.wait()

    def queued(self) -> int:
        """How many executions wait for a worker."""
        return self._queue.depth()

    def backlog(self) -> int:
        """How many checkpoints wait for their row; 0 where there is no database."""
        return self._outbox.backlog() if self._outbox.configured else 0

    async def _resync(self) -> None:
        """Look at everything now and then: the net below lost events, spread out so that it is no burst."""
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            for key in self._views.keys():
                self._queue.add_after(key, random.uniform(0, self._settings.resync_seconds / 2))
            for lane in self._views.checkpoints.lanes():
                self._keeper.queue.add_after(lane, random.uniform(0, self._settings.resync_seconds / 2))
