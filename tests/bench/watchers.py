"""What other clients that watch change: dashboards, `kubectl get -w`, programs that wait for their execution.

Whoever watches is told of every status that is stored, by the API server alone; the operator does not know of it. The
watchers here read what they are sent and look at none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import executions, usage
from bench.stage import OPERATOR, SCRIPT, Stage
from bench.workloads import Workload, chain
from cairn.adapters.kube.api import Api, connect
from cairn.errors import Unavailable

COUNTS = (0, 10, 50, 200)
WORK = Workload("watchers", "5 levels of 20", 1, 5, 20)
API_SERVER = "kube-apiserver"
WATCH_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The same work, with so many other clients that watch."""

    watchers: int
    jobs: int
    seconds: float
    megabytes: float
    """That all of them were sent."""
    cpu_seconds: dict[str, float]


@dataclass(slots=True)
class Told:
    """What has come on the watches."""

    begun: int = 0
    size: int = 0


async def measure(stage: Stage, counts: Sequence[int] = COUNTS, work: Workload = WORK) -> list[Watched]:
    """One point for each count."""
    points = []
    for count in counts:
        points.append(await _point(stage, count, work))
        point = points[-1]
        cpu = point.cpu_seconds[API_SERVER]
        print(f"  {count} watchers: {point.seconds:.2f} s, API server {cpu:.2f} s of CPU", flush=True)
    return points


async def _point(stage: Stage, count: int, work: Workload) -> Watched:
    namespace = await executions.new_namespace(stage.api)
    await executions.create(stage.api, namespace, "there", chain(1) | {"paused": True})
    pids = {OPERATOR: stage.operator.pid, API_SERVER: stage.cluster.pids[API_SERVER], SCRIPT: stage.pids[SCRIPT]}
    async with watching(stage, namespace, count) as told:
        size = told.size
        async with usage.measured(pids) as used:
            spec = work.spec(checkpoints=True)
            seconds = await executions.run_all(stage.api, namespace, spec, work.executions)
            await executions.settled(stage.api, namespace)
        return Watched(
            count, work.jobs, round(seconds, 3), round((told.size - size) / 1e6, 2), dict(used.cpu_seconds)
        )  # fmt: skip


@asynccontextmanager
async def watching(stage: Stage, namespace: str, count: int) -> AsyncIterator[Told]:
    """So many watches of a namespace's executions, each on its own connection; all have shown what is there."""
    api, told = await connect(str(stage.cluster.kubeconfig), connections=None), Told()
    path = executions.EXECUTIONS.format(namespace)
    tasks = [asyncio.create_task(_watch(api, path, told)) for _ in range(count)]

    async def all_begun() -> bool | None:
        return told.begun == count or None

    try:
        await executions.until(all_begun, 60, every=0.05)
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.close()


async def _watch(api: Api, path: str, told: Told) -> None:
    begun = False
    while True:
        try:
            async for chunk in api.stream(path, WATCH_SECONDS, watch="1"):
                told.begun += not begun
                told.size += len(chunk)
                begun = True
        except Unavailable:
            continue  # it begins anew, with what is there
