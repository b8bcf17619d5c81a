"""Frees the views of what is gone: a watch that was broken brings what there is, never what went meanwhile.

Rules:
- Every replica does it, now and then, and soon after a watch had to list anew; a standby too: its views are what it
  would lead by.
- A list is the truth at its version: what was seen at that version or before and is not in it is gone. Nothing else is.
- Where there are shards, what a list lacks may only have moved to another: for executions and checkpoints a live read
  decides.
- What is found gone is forgotten as if its delete had been seen, so that what follows from a delete follows.
- A namespace that is watched by its name is listed whether or not there is anything in it: where the rights in it are
  missing, as when it was made anew, Kopf's watches only log that, and this is counted.
- Only names and versions are read, and no Kubernetes Job or pod that has ended: it changes nothing, and goes with its
  execution. One that has ended unseen is taken for gone; before anything is decided on that, it is read live.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from cairn import names
from cairn.app import metrics
from cairn.app.departures import Departures
from cairn.app.executions import Key
from cairn.app.views import Views
from cairn.core.observed import KubeJob, KubePod
from cairn.core.sharding import plain_names
from cairn.errors import ApiError
from cairn.ports import Cluster, Roll

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds after which a watch that works has told of what was so when a list was read
_AGAIN = 30.0  # until the next try, where a list could not be read


class Heir(Protocol):
    """Who sees to what follows from a delete."""

    def execution_gone(self, key: Key) -> None:
        """An execution is gone."""
        ...

    def job_gone(self, job: KubeJob) -> None:
        """A Kubernetes Job is gone."""
        ...

    def pod_gone(self, pod: KubePod) -> None:
        """A pod is gone."""
        ...


class RollCall:
    """Compares the views with what there is."""

    def __init__(
        self, cluster: Cluster, views: Views, heir: Heir, watched: Sequence[str], seconds: float,
        departures: Departures | None = None,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._views = views
        self._watched = watched  # namespaces, or patterns of such; none: all
        self._seconds = seconds
        self._wanted = asyncio.Event()
        self._kinds: Mapping[str, tuple[Callable[[Roll, str], list[Any]], Callable[[Any], None]]] = {
            names.EXECUTIONS: (
                views.missing_executions, departures.execution if departures else heir.execution_gone
            ),
            names.CHECKPOINTS: (
                views.checkpoints.missing,
                departures.checkpoint if departures else lambda seen: views.checkpoints.forget(seen.uid),
            ),
            "jobs": (views.missing_jobs, heir.job_gone),
            "pods": (views.missing_pods, heir.pod_gone),
        }

    async def run(self) -> None:
        """Do it now and then, until cancelled; not all replicas at once."""
        wait = self._seconds * random.uniform(0.5, 1)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), wait)
            self._wanted.clear()
            wait = self._seconds if await self._tried() else min(self._seconds, _AGAIN)

    def soon(self) -> None:
        """Do it next: something may have gone unseen."""
        self._wanted.set()

    async def _tried(self) -> bool:
        try:
            return await self.call()
        except Exception:  # a net below the watches must not end the process
            logger.exception("a roll call has ended early")
            return False

    async def call(self) -> bool:
        """Do it once; whether everything could be listed."""
        done = True
        for namespace in self._listed():
            try:
                rolls = {resource: await self._cluster.call_roll(resource, namespace) for resource in self._kinds}
            except ApiError as error:
                logger.info("what is gone unseen is not known: %s", error, extra={"namespace": namespace})
                done = False
                continue
            await asyncio.sleep(PATIENCE)
            for resource, roll in rolls.items():
                self._strike(resource, roll, namespace)
        self._views.forget_orphans()
        return done

    def _listed(self) -> Sequence[str]:
        return sorted(self._views.namespaces() | plain_names(self._watched)) if self._watched else ("",)

    def _strike(self, resource: str, roll: Roll, namespace: str) -> None:
        missing, forget = self._kinds[resource]
        gone = missing(roll, namespace)
        for one in gone:
            forget(one)
        if gone:
            metrics.UNSEEN_DELETES.labels(resource).inc(len(gone))
            logger.warning("%d %s were gone, and no watch had told of it", len(gone), resource)
