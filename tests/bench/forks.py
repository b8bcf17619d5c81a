"""How soon a fork begins to work: from the apply to its first Kubernetes Job, beside the same execution from scratch.

The checkpoint holds n jobs, of which all but two have completed, each with outputs. The fork keeps those, and launches
the one that had failed. From scratch, the same spec launches its first job.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench import scripts
from bench.figures import Figure
from cairn.adapters.kube.api import Api

Body = dict[str, Any]

SIZES = (100, 1000)
_EXECUTIONS = "/apis/cairn.dev/v1alpha1/namespaces/{}/dagexecutions"
_JOBS = "/apis/batch/v1/namespaces/{}/jobs"


def work(jobs: int, *, broken: bool) -> Body:
    """So many jobs: roots with outputs, one job on ten of them, which may fail, and one after that."""
    roots = [{"id": f"root-{n}", "group": "needed" if n < 10 else "others"} for n in range(jobs - 2)]
    told = {"fake.cairn.dev/exit-code": "1"} if broken else {"fake.cairn.dev/exit-code": "0"}
    gate = {"id": "gate", "dependsOn": ["group:needed"], "podTemplate": {"metadata": {"annotations": told}}}
    message = {"fake.cairn.dev/message": '{"rows": 1797, "path": "store/part"}'}
    return {
        "failurePolicy": "Continue",
        "jobDefaults": {"image": "fake", "podTemplate": {"metadata": {"annotations": message}}},
        "jobs": [*roots, gate, {"id": "end", "dependsOn": ["gate"]}],
    }


async def _saved(api: Api, path: str, name: str) -> None:
    """Wait until the execution has failed and its last checkpoint is taken."""
    while True:
        status = (await api.get(f"{path}/{name}")).get("status", {})
        if status.get("finishedAt") and not status["checkpointing"].get("pending"):
            assert status["phase"] == "Failed", status["phase"]
            return
        await asyncio.sleep(0.2)


async def _at_rest(api: Api, namespace: str) -> None:
    """Wait until Kubernetes has nothing more to do in a namespace: every Kubernetes Job has ended, or is gone."""
    while True:
        jobs = await api.list_all(_JOBS.format(namespace))
        if all(job.get("status", {}).get("conditions") for job in jobs):
            return
        await asyncio.sleep(1)


async def _first_launch(api: Api, namespace: str, name: str, spec: Body) -> float:
    """Seconds from the create of an execution until its first Kubernetes Job is there."""
    path = _JOBS.format(namespace)

    async def first() -> float:
        async for _ in scripts.watch(api, path, labelSelector=f"cairn.dev/execution={name}"):
            return time.perf_counter()
        raise RuntimeError("the watch ended before a job was launched")

    watching = asyncio.create_task(first())
    await asyncio.sleep(0.3)  # the watch stands
    begin = time.perf_counter()
    await _create(api, namespace, name, spec)
    return await watching - begin


async def _create(api: Api, namespace: str, name: str, spec: Body) -> None:
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}, "spec": spec}
    await api.create(_EXECUTIONS.format(namespace), body)


async def _remove(api: Api, namespace: str, name: str) -> None:
    """Delete an execution, and wait until all that it owned is gone."""
    path = f"{_EXECUTIONS.format(namespace)}/{name}"
    await api.delete(path, uid=(await api.get(path))["metadata"]["uid"])
    while await api.list_all(_JOBS.format(namespace)):
        await asyncio.sleep(1)


async def measure(api: Api, new_namespace: Callable[[Api], Awaitable[str]], *, quick: bool) -> list[Figure]:
    """`fork-100` and `fork-1000`."""
    found: list[Figure] = []
    for jobs in SIZES:
        namespace = await new_namespace(api)
        await _create(api, namespace, "original", work(jobs, broken=True))
        await _saved(api, _EXECUTIONS.format(namespace), "original")
        await _at_rest(api, namespace)
        forks, scratch = [], []
        for number in range(2 if quick else 5):
            spec = work(jobs, broken=False)
            asked = spec | {"restoreFrom": {"latestOf": "original"}}
            forks.append(await _first_launch(api, namespace, f"fork-{number}", asked))
            fresh = await new_namespace(api)
            scratch.append(await _first_launch(api, fresh, "scratch", spec))
            await _remove(api, fresh, "scratch")
            print(f"  {jobs} jobs, round {number + 1}: fork {forks[-1]:.3f} s, scratch {scratch[-1]:.3f} s", flush=True)
            await _at_rest(api, namespace)
            await asyncio.sleep(2)
        note = "from apply to the first launch; baseline: the same from scratch"
        found.append(
            Figure.beside(f"fork-{jobs}", statistics.median(forks), "s", statistics.median(scratch), note)
        )  # fmt: skip
    return found
