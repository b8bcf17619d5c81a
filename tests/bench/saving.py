"""Checkpoints of a large execution while others run: from the create of the object until it is seen to be Ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench import counters, executions, scripts
from bench.loop_probe import probing
from bench.stage import Stage
from bench.workloads import Workload, fan

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Saves:
    """Milliseconds."""

    jobs: int
    taken: list[float]
    loop: list[float]
    """Answers to /livez meanwhile."""
    lag: dict[str, int]
    """How late the operator has seen its loop to be meanwhile; see `loop_probe.Lag`."""


@asynccontextmanager
async def under_load(stage: Stage, work: Workload) -> AsyncIterator[None]:
    """Executions of a workload, one crowd after the other, while the context lasts."""

    async def crowds() -> None:
        while True:
            namespace = await executions.new_namespace(stage.api)
            await executions.run_all(stage.api, namespace, work.spec(checkpoints=True), work.executions)

    task = asyncio.create_task(crowds())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def measure(stage: Stage, work: Workload, jobs: int, count: int) -> Saves:
    """So many manual checkpoints of one execution of so many jobs, of which all but one are done."""
    namespace = await executions.new_namespace(stage.api)
    await executions.create(stage.api, namespace, "large", _nearly_done(jobs))
    await executions.until(lambda: _has_come_far(stage, namespace, jobs - 1))
    await executions.settled(stage.api, namespace, running=1)
    ready: dict[str, asyncio.Future[float]] = {}
    watching = asyncio.create_task(_watch(stage, namespace, ready))
    taken: list[float] = []
    async with under_load(stage, work), probing(stage.session, stage.operator.port) as answers:
        await asyncio.sleep(2)
        before = await stage.own_lag()
        for number in range(count):
            taken.append(await _take(stage, namespace, f"c{number}", ready))
        lag = counters.increase(before, await stage.own_lag())
    print(f"  {count} checkpoints of {jobs} jobs, the longest {max(taken):.0f} ms", flush=True)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return Saves(jobs, taken, answers, lag)


def _nearly_done(jobs: int) -> Body:
    """Levels of jobs, and one more that runs for ever, so that there is something to save."""
    hangs = {"metadata": {"annotations": {"fake.cairn.dev/hang": "true"}}}
    spec = fan(10, jobs // 10)
    spec["jobs"][-1] |= {"podTemplate": hangs}
    return spec | {"checkpoint": {"triggers": ["manual"], "retentionCount": 1000}}


async def _has_come_far(stage: Stage, namespace: str, done: int) -> bool | None:
    body = await stage.api.get(f"{executions.EXECUTIONS.format(namespace)}/large")
    return body.get("status", {}).get("counts", {}).get("completed") == done or None


async def _watch(stage: Stage, namespace: str, ready: dict[str, asyncio.Future[float]]) -> None:
    path = executions.CHECKPOINTS.format(namespace)
    async for body in scripts.watch_on(stage.api, path, fieldSelector="status.phase=Ready"):
        told = ready.get(body["metadata"]["name"])
        if told is not None and not told.done():
            told.set_result(time.perf_counter())


async def _take(stage: Stage, namespace: str, name: str, ready: dict[str, asyncio.Future[float]]) -> float:
    ready[name] = asyncio.get_running_loop().create_future()
    begin = time.perf_counter()
    await stage.api.create(executions.CHECKPOINTS.format(namespace), {
        "apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name},
        "spec": {"executionRef": {"name": "large"}},
    })  # fmt: skip
    return (await asyncio.wait_for(ready[name], 120) - begin) * 1000
