"""Executions as the benchmarks make them and wait for them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from bench import scripts
from cairn.adapters.kube.api import Api
from cairn.errors import Refused, Unavailable

Body = dict[str, Any]
T = TypeVar("T")

EXECUTIONS = "/apis/cairn.dev/v1alpha1/namespaces/{}/dagexecutions"
CHECKPOINTS = "/apis/cairn.dev/v1alpha1/namespaces/{}/checkpoints"
AT_ONCE = 32  # creates under way
_serial = itertools.count()


async def new_namespace(api: Api) -> str:
    """A namespace for one measurement, ready for pods."""
    name = f"bench-{os.getpid()}-{next(_serial)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    for _ in range(600):
        accounts = await api.get(f"/api/v1/namespaces/{name}/serviceaccounts")
        if accounts["items"]:
            return name
        await asyncio.sleep(0.05)
    raise RuntimeError("no service account appeared")


async def watchable(api: Api) -> None:
    """Wait until Cairn's kinds can be watched: for a moment after they were made, the API server refuses that."""
    for path in (EXECUTIONS, CHECKPOINTS):
        await until(lambda path=path: _is_watchable(api, path.format("default")), 60)  # type: ignore[misc]


async def _is_watchable(api: Api, path: str) -> bool | None:
    try:
        async for _ in scripts.watch(api, path, timeoutSeconds="1"):
            pass
    except Refused:
        return None
    return True


async def create(api: Api, namespace: str, name: str, spec: Body, **labels: str) -> Body:
    """Create an execution."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "spec": spec,
            "metadata": {"name": name, "labels": labels}}  # fmt: skip
    return await api.create(EXECUTIONS.format(namespace), body)


async def create_all(api: Api, namespace: str, specs: dict[str, Body], **labels: str) -> None:
    """Create many, side by side."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, spec: Body) -> None:
        async with room:
            await create(api, namespace, name, spec, **labels)

    await asyncio.gather(*(one(name, spec) for name, spec in specs.items()))


async def succeeded(api: Api, namespace: str, count: int) -> None:
    """Wait until so many executions of a namespace have succeeded; the watch tells of nothing else."""
    names: set[str] = set()
    async for body in scripts.watch_on(api, EXECUTIONS.format(namespace), fieldSelector="status.phase=Succeeded"):
        names.add(body["metadata"]["name"])
        if len(names) == count:
            return


async def run_all(api: Api, namespace: str, spec: Body, count: int) -> float:
    """Seconds from the first create of equal executions until the last is seen to have succeeded."""
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(succeeded(api, namespace, count))
        group.create_task(create_all(api, namespace, {f"x{n}": spec for n in range(count)}))
    return time.perf_counter() - begin


async def run_execution(api: Api, spec: Body) -> tuple[float, Body]:
    """Seconds from the create of one in a namespace of its own until it is seen to have succeeded, and the object."""
    namespace = await new_namespace(api)
    seconds = await run_all(api, namespace, spec, 1)
    return seconds, await api.get(f"{EXECUTIONS.format(namespace)}/x0")


def size_of(body: Body) -> int:
    """Bytes of an object as the API server sends it."""
    return len(json.dumps(body, separators=(",", ":")).encode())


async def settled(api: Api, namespace: str, running: int = 0) -> None:
    """Wait until a namespace is at rest: all Kubernetes Jobs, but for so many, have ended, and no checkpoint is due."""

    async def at_rest() -> bool | None:
        jobs = await api.list_all(scripts.JOBS.path.format(namespace))
        executions = await api.list_all(EXECUTIONS.format(namespace))
        pending = any(body.get("status", {}).get("checkpointing", {}).get("pending") for body in executions)
        open_jobs = sum(not job.get("status", {}).get("conditions") for job in jobs)
        return (not pending and open_jobs <= running) or None

    await until(at_rest)
    await asyncio.sleep(1)  # what follows the last write is part of the work


async def until(ask: Callable[[], Awaitable[T | None]], seconds: float = 600, every: float = 0.5) -> T:
    """The first answer that is not None. Where the API server is too busy to answer, it is asked again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(Unavailable):
            if (found := await ask()) is not None:
                return found
        await asyncio.sleep(every)
    raise RuntimeError(f"it did not come to that in {seconds:.0f} s")
