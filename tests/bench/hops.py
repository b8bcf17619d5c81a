"""A hop in its parts: from the success of a job's last dependency to the success of the job itself.

Every moment is when this process has seen the change on a watch, so all are of one clock; those of different watches
may differ by how late each of them is. What the operator does between the pod's success and the recorded intent (it
sees the event, waits in its queue, plans, writes) shows no change outside, and is one part here; of it, the write alone
is known as a mean from the operator's own metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import executions, scripts
from bench.quantiles import Spread
from cairn import names
from cairn.adapters.kube.api import Api

Body = dict[str, Any]
Job = tuple[str, str]
"""An execution's name and a job's id."""

INTENT, JOB, POD, SCHEDULED, STARTED, SUCCEEDED = "intent", "Job", "pod", "scheduled", "started", "succeeded"
STEPS = (INTENT, JOB, POD, SCHEDULED, STARTED, SUCCEEDED)
PARTS = {
    INTENT: "pod succeeded → seen → planned → intent written",
    JOB: "intent written → Kubernetes Job created",
    POD: "Kubernetes Job created → pod created",
    SCHEDULED: "pod created → scheduled",
    STARTED: "scheduled → started",
    SUCCEEDED: "started → succeeded",
}
WHOLE = "the whole hop"
OWN = "pod succeeded → Kubernetes Job created"


@dataclass(slots=True)
class Timeline:
    """When each step of each job was first seen, in seconds of one clock."""

    moments: dict[Job, dict[str, float]] = field(default_factory=dict)
    dependencies: dict[Job, tuple[str, ...]] = field(default_factory=dict)

    def note(self, job: Job, step: str, at: float) -> None:
        """A step of a job has been seen."""
        self.moments.setdefault(job, {}).setdefault(step, at)

    def take_in_execution(self, body: Body, at: float) -> None:
        """Its records tell of intents."""
        name = body["metadata"]["name"]
        for record in body.get("status", {}).get("jobs", ()):
            if record.get("attempt"):
                self.note((name, record["id"]), INTENT, at)

    def take_in_job(self, body: Body, at: float) -> None:
        """A Kubernetes Job is there."""
        self.note(_owner(body), JOB, at)

    def take_in_pod(self, body: Body, at: float) -> None:
        """A pod tells how far it has come."""
        job, phase = _owner(body), body.get("status", {}).get("phase")
        self.note(job, POD, at)
        if body["spec"].get("nodeName"):
            self.note(job, SCHEDULED, at)
        if phase in ("Running", "Succeeded"):
            self.note(job, STARTED, at)
        if phase == "Succeeded":
            self.note(job, SUCCEEDED, at)

    def hops(self) -> dict[str, list[float]]:
        """Milliseconds of each part, of each hop that was seen from its begin to its end."""
        found: dict[str, list[float]] = {name: [] for name in (*PARTS.values(), OWN, WHOLE)}
        for job, moments in self.moments.items():
            due = self._due(job)
            if due is None or len(moments) < len(STEPS):
                continue
            before = due
            for step in STEPS:
                found[PARTS[step]].append((moments[step] - before) * 1000)
                before = moments[step]
            found[OWN].append((moments[JOB] - due) * 1000)
            found[WHOLE].append((moments[SUCCEEDED] - due) * 1000)
        return found

    def _due(self, job: Job) -> float | None:
        """When its last dependency was seen to have succeeded."""
        ends = [self.moments.get((job[0], name), {}).get(SUCCEEDED) for name in self.dependencies.get(job, ())]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None


def _owner(body: Body) -> Job:
    labels = body["metadata"]["labels"]
    return labels[names.LABEL_EXECUTION], labels[names.LABEL_JOB]


def dependencies_of(spec: Body) -> dict[str, tuple[str, ...]]:
    """The ids that each job depends on, groups resolved."""
    groups: dict[str, list[str]] = {}
    for job in spec["jobs"]:
        groups.setdefault(f"group:{job.get('group', '')}", []).append(job["id"])
    return {
        job["id"]: tuple(id for name in job.get("dependsOn", ()) for id in groups.get(name, [name]))
        for job in spec["jobs"]
    }


def spreads(hops: Mapping[str, Iterable[float]]) -> dict[str, Spread]:
    """Each part's spread, in milliseconds."""
    found = {name: Spread.of(list(values)) for name, values in hops.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


@asynccontextmanager
async def watching(api: Api, namespace: str, spec: Body, count: int) -> AsyncIterator[Timeline]:
    """See the steps of equal executions `x0` … of a namespace, while the context lasts."""
    timeline = Timeline()
    needed = dependencies_of(spec)
    timeline.dependencies = {(f"x{n}", id): ids for n in range(count) for id, ids in needed.items()}
    ours = {"labelSelector": names.LABEL_EXECUTION_UID}
    watches = [
        asyncio.create_task(_each(api, executions.EXECUTIONS.format(namespace), timeline.take_in_execution, {})),
        asyncio.create_task(_each(api, scripts.JOBS.path.format(namespace), timeline.take_in_job, ours)),
        asyncio.create_task(_each(api, scripts.PODS.path.format(namespace), timeline.take_in_pod, ours)),
    ]
    await asyncio.sleep(0.3)  # the watches stand
    try:
        yield timeline
        await asyncio.sleep(0.3)  # the last events come
    finally:
        for task in watches:
            task.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _each(api: Api, path: str, take_in: Any, query: dict[str, str]) -> None:
    async for body in scripts.watch(api, path, **query):
        take_in(body, time.perf_counter())
