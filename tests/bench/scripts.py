"""What the same work costs without Cairn: a script that creates the next object when the one before is done."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from cairn.adapters.kube.api import Api

Body = dict[str, Any]

_POD = {
    "restartPolicy": "Never",
    "containers": [{"name": "main", "image": "fake"}],
}


async def watch(api: Api, path: str, **query: str) -> AsyncIterator[Body]:
    """The objects of a watch, as they change."""
    rest = b""
    async for chunk in api.stream(path, watch="1", **query):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)["object"]


def _job(name: str) -> Body:
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": _POD}},
    }  # fmt: skip


def _job_done(body: Body) -> bool:
    return any(c["type"] == "Complete" and c["status"] == "True" for c in body.get("status", {}).get("conditions", []))


def _pod_done(body: Body) -> bool:
    return bool(body.get("status", {}).get("phase") == "Succeeded")


async def _chain(api: Api, path: str, make: Callable[[str], Body], done: Callable[[Body], bool], length: int) -> float:
    """Seconds for a chain: create one, wait until it is done, create the next."""
    begin = time.perf_counter()
    number = 0
    await api.create(path, make("link-0"))
    async for body in watch(api, path):
        if body["metadata"]["name"] == f"link-{number}" and done(body):
            number += 1
            if number == length:
                return time.perf_counter() - begin
            await api.create(path, make(f"link-{number}"))
    raise RuntimeError("the watch ended before the chain")


async def chain_of_jobs(api: Api, namespace: str, length: int) -> float:
    """A chain of bare Kubernetes Jobs, each created when the one before is `Complete`."""
    return await _chain(api, f"/apis/batch/v1/namespaces/{namespace}/jobs", _job, _job_done, length)


async def chain_of_pods(api: Api, namespace: str, length: int) -> float:
    """A chain of bare pods: what API server, scheduler and nodes alone need."""

    def pod(name: str) -> Body:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": _POD}

    return await _chain(api, f"/api/v1/namespaces/{namespace}/pods", pod, _pod_done, length)


async def fan_of_jobs(api: Api, namespace: str, levels: int, width: int) -> float:
    """Levels of bare Kubernetes Jobs, each level created when all of the one before are `Complete`."""
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    begin = time.perf_counter()
    done: set[str] = set()
    level = 0
    for n in range(width):
        await api.create(path, _job(f"l0-{n}"))
    async for body in watch(api, path):
        if _job_done(body):
            done.add(body["metadata"]["name"])
        if len(done) == (level + 1) * width:
            level += 1
            if level == levels:
                return time.perf_counter() - begin
            for n in range(width):
                await api.create(path, _job(f"l{level}-{n}"))
    raise RuntimeError("the watch ended before the work")
