"""A whole operator on a fake cluster, with somebody who plays watches and kubelets: for what it tells of a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from cairn.adapters.clock import system_clock
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.ports import Tracer
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]


class Pipeline:
    """`plays[job]` are the exit codes of its attempts, 0 after those; `says[job]` is what its container hands out."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.cluster = FakeCluster()
        self.operator = Operator(self.cluster, system_clock, Settings(), tracer=tracer)
        self.plays: dict[str, list[int]] = {}
        self.says: dict[str, str] = {}
        self._played: set[str] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The operator works."""
        work = asyncio.create_task(self.operator.run())
        self.operator.begin()
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def submit(self, name: str, *jobs: Body, **spec: Any) -> None:
        """Create an execution, and let the watch bring it."""
        given = [{"image": "busybox"} | job for job in jobs]
        self.operator.see_execution(self.cluster.add_execution(name, {"jobs": given} | spec))

    def status(self, name: str) -> Body:
        """What is stored of an execution."""
        return dict(self.cluster.executions[name].get("status") or {})

    async def until(self, holds: Callable[[], object]) -> None:
        """Play on until something holds."""
        async with asyncio.timeout(30):
            while not holds():
                self._play()
                await asyncio.sleep(0.005)

    async def finish(self, name: str) -> Body:
        """Play on until an execution has ended; its status."""
        await self.until(lambda: self.status(name).get("finishedAt"))
        return self.status(name)

    def _play(self) -> None:
        """Each new Kubernetes Job gets a pod that ends at once."""
        for (kind, name), body in list(self.cluster.objects.items()):
            if kind == "Checkpoint":
                self.operator.see_checkpoint(body)
            if kind == "Job" and name not in self._played and not body["spec"].get("suspend"):
                self._played.add(name)
                self.operator.see_job(body)
                self.operator.see_pod(self._pod(body))

    def _pod(self, body: Body) -> Body:
        meta = body["metadata"]
        job = meta["labels"]["cairn.dev/job"]
        code = self.plays[job].pop(0) if self.plays.get(job) else 0
        ended = {"exitCode": code, "message": self.says.get(job, ""), "reason": "Error" if code else "Completed"}
        return {
            "metadata": {
                "name": f"pod-{meta['name']}", "uid": f"pod-{meta['name']}",
                "labels": meta["labels"] | {"batch.kubernetes.io/job-name": meta["name"]},
                "ownerReferences": [{"uid": meta["uid"], "controller": True}],
            },
            "spec": {"containers": [{"name": "main"}]},
            "status": {
                "phase": "Failed" if code else "Succeeded",
                "containerStatuses": [{"name": "main", "state": {"terminated": ended}}],
            },
        }  # fmt: skip
