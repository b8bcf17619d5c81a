"""What Cairn takes up: memory of the operator, and growth of the database. For docs/production.md."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg

from bench.figures import Figure
from bench.usage import resident
from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import Api
from cairn.app.census import Census
from cairn.app.views import Views
from cairn.core.status import Phase, Status
from cairn.core.status_wire import to_wire
from simulation.build import running

Body = dict[str, Any]
T = TypeVar("T")
EXECUTIONS = "/apis/cairn.dev/v1alpha1/namespaces/{}/dagexecutions"
JOBS = 20
SIZES = ((5, 10), (10, 10), (10, 50))  # levels, and jobs of each
_AT_ONCE = 50
_RELATIONS = """
    SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


async def measure_memory(api: Api, pid: int, namespace: str, *, quick: bool) -> list[Figure]:
    """Megabytes more for each 1,000 executions of 20 jobs: those that wait, and those that have run."""
    waiting, run = (100, 10) if quick else (1000, 100)
    idle = resident(pid)
    figures = [Figure("memory-idle", idle, "MB", note="nothing to do")]
    await _create(api, namespace, "waits", waiting, paused=True)
    await _until(lambda: _all(api, namespace, "waits", waiting, "observedGeneration"))
    before = resident(pid)
    note = f"{JOBS} jobs each, paused; {waiting} measured, {before:.0f} MB in all"
    figures.append(Figure("memory-1000-waiting", (before - idle) * 1000 / waiting, "MB", note=note))
    await _create(api, namespace, "ran", run, paused=False)
    await _until(lambda: _all(api, namespace, "ran", run, "finishedAt"))
    after = resident(pid)
    note = f"{JOBS} jobs each, run, with their Kubernetes Jobs and pods; {run} measured, {after:.0f} MB in all"
    figures.append(Figure("memory-1000-finished", (after - before) * 1000 / run, "MB", note=note))
    return figures


def measure_scrape(*, quick: bool) -> list[Figure]:
    """Milliseconds of the event loop that one reading of the gauges takes, the first time and from then on."""
    count, views = 100 if quick else 1000, Views()
    status = to_wire(Status(phase=Phase.RUNNING, jobs={f"j{n}": running(f"j{n}") for n in range(count)}))
    for number in range(count):
        meta = {"namespace": "n", "name": f"e{number}", "uid": f"u{number}", "generation": 1, "resourceVersion": "1"}
        views.see_execution({"metadata": meta, "spec": {"jobs": [{"id": "j0", "image": "x"}]}, "status": status})
    census, figures = Census(views, system_clock, lambda: None), []
    for name in ("scrape-first", "scrape-next"):
        began = time.perf_counter()
        list(census.collect())
        note = f"{count} executions of {count} jobs"
        figures.append(Figure(name, (time.perf_counter() - began) * 1000, "ms", note=note))
    return figures


async def measure_growth(run: Callable[[Body], Awaitable[object]], url: str) -> list[Figure]:
    """Kilobytes that the tables and their indexes grow by for a checkpoint, of executions of several sizes."""
    figures = []
    for levels, width in SIZES:
        before = await _database(url)
        await run(_saved(levels, width))
        rows, size = await _stored(url, before[0] + levels)
        note = f"{levels * width} jobs with outputs of 100 bytes, {rows - before[0]} checkpoints; indexes counted"
        kilobytes = (size - before[1]) / 1000 / (rows - before[0])
        figures.append(Figure(f"row-{levels * width}", kilobytes, "kB", note=note))
    return figures


def _saved(levels: int, width: int) -> Body:
    """Jobs in levels, saved after each."""
    outputs = {"fake.cairn.dev/message": '{"text": "%s"}' % ("x" * 86)}
    jobs = [
        {"id": f"l{level}-{n}", "group": f"l{level}"} | ({"dependsOn": [f"group:l{level - 1}"]} if level else {})
        for level in range(levels) for n in range(width)
    ]  # fmt: skip
    defaults = {"image": "fake", "podTemplate": {"metadata": {"annotations": outputs}}}
    return {"jobDefaults": defaults, "jobs": jobs, "checkpoint": {"triggers": ["level-completed"]}}


async def _stored(url: str, count: int) -> tuple[int, int]:
    async def enough() -> tuple[int, int] | None:
        found = await _database(url)
        return found if found[0] >= count else None

    return await _until(enough)


async def _database(url: str) -> tuple[int, int]:
    """How many checkpoints there are, and how many bytes all tables take up."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute("SELECT count(*) FROM workflow_checkpoints")).fetchone()
        size = await (await connection.execute(_RELATIONS)).fetchone()
        assert rows is not None and size is not None
        return int(rows[0]), int(size[0])


async def _create(api: Api, namespace: str, prefix: str, count: int, *, paused: bool) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)
    jobs = [{"id": f"j{n}"} | ({"dependsOn": [f"j{n - 1}"]} if n else {}) for n in range(JOBS)]
    spec = {"paused": paused, "jobDefaults": {"image": "fake"}, "jobs": jobs, "checkpoint": {"enabled": False}}

    async def create(number: int) -> None:
        meta = {"name": f"{prefix}-{number}", "labels": {"bench": prefix}}
        body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": meta, "spec": spec}
        async with gate:
            await api.create(EXECUTIONS.format(namespace), body)

    await asyncio.gather(*map(create, range(count)))


async def _all(api: Api, namespace: str, prefix: str, count: int, field: str) -> bool | None:
    found = await api.list_all(EXECUTIONS.format(namespace), labelSelector=f"bench={prefix}")
    return sum(field in body.get("status", {}) for body in found) == count or None


async def _until(ask: Callable[[], Awaitable[T | None]]) -> T:
    for _ in range(1200):
        if (found := await ask()) is not None:
            await asyncio.sleep(1)  # what follows the last write is part of what is measured
            return found
        await asyncio.sleep(0.5)
    raise RuntimeError("it did not come to that in ten minutes")
