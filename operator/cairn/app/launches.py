"""Creating the Kubernetes Jobs of recorded launches: some ahead of their pods, the others in turn.

All that may start is recorded by one write, be it hundreds of jobs. Their Kubernetes Jobs are created only as far ahead
of their pods as keeps the Job controller busy. What is not created yet is still held by a pause or a cancel, and
nobody's small execution waits in that controller's queue behind a thousand Kubernetes Jobs of another.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from cairn import names
from cairn.app import metrics
from cairn.app.executions import ExecutionView
from cairn.app.logfields import about
from cairn.app.telling import Telling, about_attempt
from cairn.app.views import Views
from cairn.core.actions import Launch, Manifest
from cairn.core.observed import PASSING_MOST, Refusal
from cairn.errors import AlreadyExists, ApiError, Gone, NotLeading, Refused, Rejected
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

AHEAD = 100  # so many Kubernetes Jobs of one execution may wait for their pod
NOT_COMING = 10.0  # seconds after which none is waited for: a quota, say, keeps it away
REFUSED_AGAIN_FIRST = timedelta(seconds=1)


class Room:
    """Places for the Kubernetes Jobs of one execution that wait for their pod, given in the order of asking."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AHEAD)
        self._taken: dict[str, asyncio.TimerHandle] = {}  # by name of the Kubernetes Job

    @property
    def is_full(self) -> bool:
        """Whether one who asks has to wait."""
        return self._free.locked()

    async def take(self, name: str) -> None:
        """Wait for a place, and take it."""
        await self._free.acquire()
        self._taken[name] = asyncio.get_running_loop().call_later(NOT_COMING, self.leave, name)

    def leave(self, name: str) -> None:
        """Its pod is there, or there is nothing to wait for; its place is the next one's."""
        timer = self._taken.pop(name, None)
        if timer is not None:
            timer.cancel()
            self._free.release()


class Launches:
    """Creates Kubernetes Jobs, each once."""

    def __init__(self, cluster: Cluster, views: Views, clock: Clock, telling: Telling) -> None:
        self._cluster = cluster
        self._views = views
        self._clock = clock
        self._telling = telling
        self._rooms: dict[str, Room] = {}

    def room(self, uid: str) -> Room:
        """That of an execution."""
        return self._rooms.setdefault(uid, Room())

    def pod_seen(self, uid: str, name: str) -> None:
        """A Kubernetes Job has its pod."""
        if (room := self._rooms.get(uid)) is not None:
            room.leave(name)

    def forget(self, uid: str) -> None:
        """The execution is gone. Who still waits for a place gets it in time, and finds that there is nothing to do."""
        self._rooms.pop(uid, None)

    async def launch(self, view: ExecutionView, action: Launch) -> str:
        """Create a Kubernetes Job that has its place, or needs none; what has come of it, in a word for the metrics.

        `left`: nothing was tried, the next look decides. Raises ApiError when the answer says nothing about the Job.
        """
        outcome = ""
        try:
            with about(about_attempt(action)):
                outcome = await self._created(view, action)
                metrics.LAUNCHES.labels(outcome).inc()
            return outcome
        finally:
            if outcome != "created":
                self.pod_seen(view.key.uid, action.name)  # or there will be none

    async def _created(self, view: ExecutionView, action: Launch) -> str:
        seen = self._views.seen(view.key.uid)
        try:
            for manifest in action.inputs:
                await create_once(self._cluster, manifest)
            if not self._awaits_job(view.key.uid, action):
                return "adopted"
            if self._is_outdated(view):
                return "left"
            body = await self._cluster.create(action.manifest)
        except AlreadyExists:
            return await self._adopt(view, action)
        except Rejected as error:
            seen.refused[action.name] = Refusal(names.LAUNCH_REJECTED, error.message, self._clock(), final=True)
            return "rejected"
        except Refused as error:
            seen.refused[action.name] = self._refusal(seen.refused.get(action.name), error)
            return "refused"
        except NotLeading:
            raise  # nothing was tried
        except ApiError:
            metrics.LAUNCHES.labels("failed").inc()
            raise
        logger.debug("Kubernetes Job %s is created", action.name)
        self._views.see_job(body)
        self._telling.created(action, self._clock())
        return "created"

    def _awaits_job(self, uid: str, action: Launch) -> bool:
        """Whether the intent is still open, by what is known by now.

        Else it is settled: its Job was created, and may even be gone with its attempt over, and its name free again.
        """
        job, attempt = about_attempt(action).values()
        view = self._views.execution(uid)
        record = view.execution.status.jobs.get(str(job)) if view else None
        return record is not None and record.running and record.attempt == attempt and not record.uid

    def _is_outdated(self, view: ExecutionView) -> bool:
        """Whether the spec has changed since the look that decided: the next one settles what is open by what it says.

        For a pause or a cancel that comes meanwhile holds for what is not created yet.
        """
        known = self._views.execution(view.key.uid)
        return known is None or known.execution.generation != view.execution.generation

    def _refusal(self, before: Refusal | None, error: Refused) -> Refusal:
        """The refusal with the next try later each time."""
        now = self._clock()
        waited = (before.retry_at - before.since) * 2 if before and before.since else REFUSED_AGAIN_FIRST
        if error.retry_after is not None:
            waited = max(waited, timedelta(seconds=error.retry_after))
        return Refusal(names.LAUNCH_REFUSED, error.message, now + min(waited, PASSING_MOST), since=now)

    async def _adopt(self, view: ExecutionView, action: Launch) -> str:
        """The Job's name is taken: by this very attempt, or (a refusal for good) by somebody else."""
        try:
            body = await self._cluster.get_job(view.key.namespace, action.name)
        except Gone:
            return "failed"
        owners = body["metadata"].get("ownerReferences") or []
        if any(o.get("uid") == view.key.uid for o in owners):
            self._views.see_job(body)
            return "adopted"
        message = f"a Kubernetes Job called {action.name} exists and is not of this execution"
        seen = self._views.seen(view.key.uid)
        seen.refused[action.name] = Refusal(names.NAME_TAKEN, message, self._clock(), final=True)
        return "taken"


async def create_once(cluster: Cluster, manifest: Manifest) -> bool:
    """Create an object whose name says what is in it: if the name is taken, it is there already (False)."""
    try:
        await cluster.create(manifest)
    except AlreadyExists:
        logger.debug("%s %s is there already", manifest["kind"], manifest["metadata"]["name"])
        return False
    return True
