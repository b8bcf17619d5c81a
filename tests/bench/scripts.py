"""What the same work costs without Cairn: a script that creates the next level when the one before is done.

It is as fast as a script can be: creates run side by side, one watch tells of everything, nothing is polled.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.workloads import Workload, fan
from cairn.adapters.kube.api import Api
from cairn.core.manifests import Identity, inputs, kubernetes_job
from cairn.core.parse import parse
from cairn.core.status import JobRecord, JobState
from cairn.errors import Unavailable

Body = dict[str, Any]

CREATES_AT_ONCE = 32  # as many as Cairn has under way
WATCH_SECONDS = 1800.0

_POD = {
    "restartPolicy": "Never",
    "containers": [{"name": "main", "image": "fake"}],
}


async def watch(api: Api, path: str, **query: str) -> AsyncIterator[Body]:
    """The objects of a watch, as they change; what is there already comes first."""
    async for event in events(api, path, **query):
        yield event["object"]


async def watch_on(api: Api, path: str, **query: str) -> AsyncIterator[Body]:
    """The same, for ever: a watch that ends is opened anew, and begins with what is there."""
    while True:
        with suppress(Unavailable):
            async for body in watch(api, path, **query):
                yield body


async def events(api: Api, path: str, **query: str) -> AsyncIterator[Body]:
    """The events of a watch: `type` and `object`. Raises Unavailable where the API server ends it with an error."""
    rest = b""
    async for chunk in api.stream(path, WATCH_SECONDS, watch="1", **query):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise Unavailable(event["object"].get("message", "the watch has failed"))
            yield event


@dataclass(frozen=True, slots=True)
class Kind:
    """What the script makes for each job."""

    path: str
    make: Callable[[str], Body]
    done: Callable[[Body], bool]


def _job(name: str) -> Body:
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": _POD}},
    }  # fmt: skip


def _pod(name: str) -> Body:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": _POD}


def _job_done(body: Body) -> bool:
    return any(c["type"] == "Complete" and c["status"] == "True" for c in body.get("status", {}).get("conditions", []))


def _pod_done(body: Body) -> bool:
    return bool(body.get("status", {}).get("phase") == "Succeeded")


@cache
def _as_made_by_cairn() -> Body:
    """What Cairn sends for a job of these workloads, but for the owner: there is none."""
    spec = parse(fan(1, 1))
    identity, [job] = Identity("", "x", "00000000-0000-0000-0000-000000000000"), spec.jobs
    record = JobRecord(job.id, JobState.RUNNING, attempt=1, definition=job.digest)
    made = kubernetes_job(identity, job, record, inputs(identity, {}, {}), job.pod_template)
    del made["metadata"]["namespace"], made["metadata"]["ownerReferences"]
    return made


def _full_job(name: str) -> Body:
    made = _as_made_by_cairn()
    return made | {"metadata": made["metadata"] | {"name": name}}


JOBS = Kind("/apis/batch/v1/namespaces/{}/jobs", _job, _job_done)
FULL_JOBS = Kind("/apis/batch/v1/namespaces/{}/jobs", _full_job, _job_done)
PODS = Kind("/api/v1/namespaces/{}/pods", _pod, _pod_done)


class Script:
    """One run of a workload in a namespace. Names are `x<execution>-<level>-<number>`."""

    def __init__(self, api: Api, kind: Kind, namespace: str, work: Workload) -> None:
        self._api = api
        self._kind = kind
        self._path = kind.path.format(namespace)
        self._work = work
        self._room = asyncio.Semaphore(CREATES_AT_ONCE)
        self._done: set[str] = set()
        self._left = Counter({(x, level): work.width for x in range(work.executions) for level in range(work.levels)})

    async def run(self) -> float:
        """Seconds from the first create until the last is seen done."""
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as creating:
            for execution in range(self._work.executions):
                self._create(creating, execution, 0)
            async for body in watch_on(self._api, self._path):
                if not self._take_in(creating, body):
                    break
        return time.perf_counter() - begin

    def _take_in(self, creating: asyncio.TaskGroup, body: Body) -> bool:
        """Whether there is still something to wait for."""
        name = body["metadata"]["name"]
        if name in self._done or not self._kind.done(body):
            return True
        self._done.add(name)
        execution, level = (int(part) for part in name[1:].split("-")[:2])
        self._left[execution, level] -= 1
        if not self._left[execution, level] and level + 1 < self._work.levels:
            self._create(creating, execution, level + 1)
        return len(self._done) < self._work.jobs

    def _create(self, creating: asyncio.TaskGroup, execution: int, level: int) -> None:
        for number in range(self._work.width):
            creating.create_task(self._create_one(f"x{execution}-{level}-{number}"))

    async def _create_one(self, name: str) -> None:
        async with self._room:
            await self._api.create(self._path, self._kind.make(name))
