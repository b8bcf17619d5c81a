"""Looking things up for plans: what a view does not show, and what lies in objects that are not watched.

Whatever is found is noted in the views; the look at the execution that follows decides what it means.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from cairn.app.complaints import Complaints
from cairn.app.executions import Borrowed, ExecutionView, origin_of
from cairn.app.logs import read_outputs
from cairn.app.restores import Restores
from cairn.app.views import Views
from cairn.core.actions import Explain, FetchCheckpoint, FetchJobs, FetchPacks, FetchResult, LookUp, ReadLog
from cairn.core.observed import Explanation, LogRead
from cairn.core.outputs import Outputs, OutputsError
from cairn.core.restore import packs
from cairn.core.restore.source import Found
from cairn.errors import ApiError, Gone, Rejected, Unreadable
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

LOG_AGAIN = timedelta(seconds=2)


class Finder:
    """Looks things up."""

    def __init__(self, cluster: Cluster, views: Views, clock: Clock, restores: Restores) -> None:
        self._cluster = cluster
        self._views = views
        self._clock = clock
        self._restores = restores
        self._complaints = Complaints(cluster)

    async def look_up(self, view: ExecutionView, action: LookUp) -> float:
        """Read a Kubernetes Job, or its pods, live; there is reason to look again at once."""
        key = view.key
        if action.pods:
            pods = await self._cluster.list_pods(key.namespace, action.name)
            for pod in pods:
                self._views.see_pod(pod)
            if not pods:
                self._views.note_absent(key.uid, action.name, self._clock(), pods=True)
            return 0.0
        try:
            self._views.see_job(await self._cluster.get_job(key.namespace, action.name))
        except Gone:
            self._views.note_absent(key.uid, action.name, self._clock(), pods=False)
        return 0.0

    async def explain(self, view: ExecutionView, action: Explain) -> None:
        """Find out why something waits."""
        reason, message = await self._complaints.about(view.key.namespace, action.uid)
        self._views.seen(view.key.uid).explained[action.uid] = Explanation(reason, message, self._clock())

    async def read_log(self, view: ExecutionView, action: ReadLog) -> None:
        """Read outputs from a log."""
        logs = self._views.seen(view.key.uid).logs
        try:
            logs[action.name] = LogRead(outputs=await read_outputs(self._cluster, view.key.namespace, action.pod))
        except OutputsError as error:
            logs[action.name] = LogRead(error=error)
        except (Gone, Rejected):
            logs[action.name] = LogRead(gone=True)
        except ApiError as error:
            again = self._clock() + LOG_AGAIN
            logs[action.name] = LogRead(unavailable=f"its log cannot be read: {error}", retry_at=again)

    async def fetch_result(self, view: ExecutionView, action: FetchResult) -> None:
        """Read the outputs of an attempt from its JobResult."""
        try:
            spec = (await self._cluster.get_result(view.key.namespace, action.name)).get("spec") or {}
        except Gone:
            spec = {}
        found = Outputs(spec.get("outputs", ""))
        if found.digest == action.digest:
            self._views.outputs.put(found)
        else:
            self._views.seen(view.key.uid).lost.add(action.digest)

    async def fetch_packs(self, view: ExecutionView, action: FetchPacks) -> None:
        """Take in everything that a fork has kept: what is wanted now is rarely all that will be."""
        found: set[str] = set()
        for name in action.names:
            try:
                body = await self._cluster.get_result(view.key.namespace, name)
                attempts = packs.read_results(body)
            except (Gone, Unreadable) as error:
                logger.error("%s: %s with kept results cannot be read: %s", view.key, name, error)
                continue
            for _, attempt in attempts:
                if attempt.outputs is not None:
                    self._views.outputs.put(attempt.outputs)
                    found.add(attempt.outputs.digest)
        self._views.seen(view.key.uid).lost.update(action.digests - found)

    async def fetch_jobs(self, view: ExecutionView, action: FetchJobs) -> None:
        """Read the jobs of a fork from the object that holds them."""
        try:
            configs = packs.read_configs(await self._cluster.get_result(view.key.namespace, action.name))
        except (Gone, Unreadable) as error:
            logger.error("%s: %s with its jobs cannot be read: %s", view.key, action.name, error)
            configs = None
        if configs is None:
            self._views.seen(view.key.uid).lost.add(action.name)
        else:
            self._views.borrow(view.key.uid, Borrowed(action.name, configs))

    async def fetch_checkpoint(self, view: ExecutionView, action: FetchCheckpoint) -> None:
        """Find the checkpoint that a restore asks for; a fork without jobs takes them from it."""
        found = await self._restores.find(view, action.asked)
        self._views.seen(view.key.uid).restore = found
        if isinstance(found, Found) and view.execution.borrows_jobs and view.execution.status.started_at is None:
            self._views.borrow(view.key.uid, Borrowed(origin_of(view.asks), packs.configs_of(found.spec)))
