"""The operator put together: views that every replica has, and work that one does; what handlers and process talk to.

A standby takes in what the watches bring, so that it can lead at once, and does nothing with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from cairn import names
from cairn.app import metrics
from cairn.app.census import Census
from cairn.app.departures import Departures
from cairn.app.executions import Key
from cairn.app.leadership import Alone, Election
from cairn.app.rollcall import RollCall
from cairn.app.telling import Telling
from cairn.app.views import Views
from cairn.app.work import Work
from cairn.config import Settings
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.observed import KubeJob, KubePod
from cairn.ports import Clock, Cluster, Rows, Tracer

# Everything counts as listed once the watches have brought nothing for a moment, and at the latest so long after the
# first thing. Nobody tells when it really is; a look before that is only dearer (what is not seen is read live), never
# wrong. So nothing that is slow to be listed, such as a namespace that is on its way out, may hold work up.
QUIET_SECONDS = 0.2
LISTING_SECONDS = 2.0


class Operator:
    """Takes in what the watches bring, and while it leads, keeps every execution moving."""

    def __init__(
        self, cluster: Cluster, clock: Clock, settings: Settings, rows: Rows | None = None,
        election: Election | None = None, tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._views = Views(settings.selection)
        self._departures = Departures(cluster, self._views, self) if settings.selection.partial else None
        self._views.checkpoints.gone = self.checkpoint_gone
        self._views.checkpoints.moved = self.checkpoint_moved
        telling = Telling(tracer)
        self._new_work: Callable[[], Work] = lambda: Work(cluster, self._views, clock, settings, rows, telling)
        self._election = election or Alone()
        self._work: Work | None = None  # that of this term
        self.census = Census(self._views, clock, lambda: self._work)
        self._roll_call = RollCall(
            cluster, self._views, self, settings.namespaces, settings.resync_seconds, self._departures
        )  # fmt: skip
        self._listed = asyncio.Event()
        self._draining = False
        self._listing: asyncio.TimerHandle | None = None  # runs out when nothing more is listed
        self._listing_ends = 0.0
        self._beat = 0.0

    # --- What the watches bring. None of it carries meaning: what is new leads to one more look at an execution.

    def see_execution(self, body: Mapping[str, Any]) -> None:
        """Take in an execution that was created or has changed."""
        self._note_event(names.EXECUTIONS)
        if (key := self._views.see_execution(body)) is not None:
            if self._work is not None:
                self._work.add(key)

    def see_job(self, body: Mapping[str, Any]) -> None:
        """Take in a Kubernetes Job that was created or has changed."""
        self._note_event("jobs")
        if (job := self._views.see_job(body)) is not None:
            self._look_soon(job.execution_uid)

    def see_pod(self, body: Mapping[str, Any]) -> None:
        """Take in a pod that was created or has changed."""
        self._note_event("pods")
        if (pod := self._views.see_pod(body)) is not None:
            if self._work is not None:
                self._work.pod_seen(pod)
            at_once = pod.ended and self._views.leads_on(pod)
            (self._look_at if at_once else self._look_soon)(pod.execution_uid)

    def see_checkpoint(self, body: Mapping[str, Any]) -> None:
        """Take in a Checkpoint that was created or has changed."""
        self._note_event(names.CHECKPOINTS)
        if (seen := self._views.checkpoints.see(body)) is not None:
            if self._work is not None:
                self._work.consider(seen)

    def forget_execution(self, body: Mapping[str, Any]) -> None:
        """An execution was deleted, or where there are shards, may be another one's now."""
        self._note_event(names.EXECUTIONS)
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"], meta["uid"])
        (self._departures.execution if self._departures else self.execution_gone)(key)

    def forget_checkpoint(self, body: Mapping[str, Any]) -> None:
        """A Checkpoint was deleted, and let go; likewise."""
        self._note_event(names.CHECKPOINTS)
        forget = self._departures.checkpoint_of if self._departures else self._views.checkpoints.forget
        forget(body["metadata"]["uid"])

    def forget_job(self, body: Mapping[str, Any]) -> None:
        """A Kubernetes Job was deleted."""
        self._note_event("jobs")
        self._look_at(self._views.forget_job(body))

    def forget_pod(self, body: Mapping[str, Any]) -> None:
        """A pod was deleted."""
        self._note_event("pods")
        self._look_at(self._views.forget_pod(body))

    def listed_anew(self) -> None:
        """A watch has listed what there is: what went before that, it never tells."""
        if self.begun:  # else it is the first list, and nothing was known before
            self._roll_call.soon()

    def namespaces(self) -> frozenset[str]:
        """Where there is anything of ours."""
        return self._views.namespaces()

    # --- What is gone, however that became known

    def execution_gone(self, key: Key) -> None:
        """An execution is gone."""
        self._views.forget_execution(key.uid)
        if self._work is not None:
            self._work.execution_gone(key)

    def checkpoint_gone(self, seen: CheckpointObject) -> None:
        """A Checkpoint is gone, and forgotten."""
        if self._views.execution_as_seen(seen.execution_uid) is None:
            self._views.checkpoints.departed(seen.execution_uid, ())  # nobody will ask how it was
        if self._work is not None:
            self._work.checkpoint_gone(seen)

    def job_gone(self, job: KubeJob) -> None:
        """A Kubernetes Job is gone."""
        self._look_at(self._views.lose_job(job))

    def pod_gone(self, pod: KubePod) -> None:
        """A pod is gone."""
        self._look_at(self._views.lose_pod(pod))

    # --- What is another shard's now

    def execution_moved(self, key: Key) -> None:
        """An execution is there, and another operator works on it."""
        self._views.forget_execution(key.uid)
        if self._work is not None:
            self._work.execution_moved(key)

    def checkpoint_moved(self, seen: CheckpointObject) -> None:
        """A Checkpoint likewise, and forgotten."""
        if self._work is not None:
            self._work.checkpoint_moved(seen)

    def _note_event(self, resource: str) -> None:
        metrics.note_event(resource)
        self._begin_soon()

    @property
    def begun(self) -> bool:
        """Whether the work may begin, as far as the watches go."""
        return self._listed.is_set()

    async def has_begun(self) -> None:
        """Wait until it may."""
        await self._listed.wait()

    def begin(self) -> None:
        """Everything that exists has been seen once: the work may begin."""
        self._listed.set()

    def _begin_soon(self) -> None:
        """Begin when the watches have been quiet for a moment."""
        if self.begun:
            return
        now = asyncio.get_running_loop().time()
        if self._listing is None:
            self._listing_ends = now + LISTING_SECONDS
        else:
            self._listing.cancel()
        self._listing = asyncio.get_running_loop().call_at(min(now + QUIET_SECONDS, self._listing_ends), self.begin)

    def _look_at(self, uid: str) -> None:
        if self._work is not None:
            self._work.look_at(uid)

    def _look_soon(self, uid: str) -> None:
        """Look at what is only to be told of."""
        if self._work is not None:
            self._work.look_soon(uid)

    # --- The process

    async def run(self) -> None:
        """Work whenever this replica leads, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._roll_call.run())
            if self._departures is not None:
                group.create_task(self._departures.run())
            group.create_task(self._election.run(self._serve_term))

    async def _serve_term(self) -> None:
        """Work until cancelled, on everything that is known."""
        await self.has_begun()
        if self._draining:
            await asyncio.Event().wait()  # for the end of the process: a term that began now would begin new things
        self._views.forget_findings()
        self._work = self._new_work()
        try:
            self._work.add_everything()
            await self._work.run()
        finally:
            self._work = None

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, no term either; what is under way may end within that time."""
        self._draining = True
        if self._work is not None:
            await self._work.drain(seconds)

    def alive(self) -> bool:
        """Whether the event loop has turned within the last half minute."""
        return asyncio.get_running_loop().time() - self._beat < 30

    def describe(self) -> dict[str, int | str]:
        """Whether it leads, and how much is known and waiting, for the readiness page."""
        return {
            "leader": self._election.leads, "executions": len(self._views.keys()),
            "queued": self._work.queued() if self._work else 0,
            "checkpoints": len(self._views.checkpoints), "unstored": self.backlog(),
        } | ({"shard": self._views.selection.shard} if self._views.selection.partial else {})  # fmt: skip

    def backlog(self) -> int:
        """How many checkpoints wait for their row; 0 where there is no database, and on a standby."""
        return self._work.backlog() if self._work else 0

    async def beat(self) -> None:
        """Show that the loop turns, from the very start, until cancelled."""
        while True:
            self._beat = asyncio.get_running_loop().time()
            await asyncio.sleep(5)
