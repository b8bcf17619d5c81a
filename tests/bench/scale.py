"""How Cairn grows: with the jobs of one execution, and with executions that run at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench import executions, usage
from bench.counters import total
from bench.stage import OPERATOR, Stage
from bench.workloads import Workload

SIZES = (10, 50, 100, 500, 1000, 2000)
"""Jobs of one execution: ten levels, or so many that a job has at most 100 dependencies."""
CROWDS = (1, 10, 50, 200)
"""Executions at once, of five levels of two jobs."""


@dataclass(frozen=True, slots=True)
class Point:
    """One size."""

    executions: int
    jobs: int
    """Of each."""
    seconds: float
    object_bytes: int
    """The whole of one of them at its end, and its status alone."""
    status_bytes: int
    looks: int
    """How often the operator has looked at an execution, and how many milliseconds a look took in the mean."""
    look_ms: float
    operator_cpu_seconds: float
    operator_peak_megabytes: float


def of_size(jobs: int) -> Workload:
    """One execution of so many jobs."""
    levels = 10 if jobs <= 1000 else jobs // 100
    return Workload(f"jobs-{jobs}", f"{levels} levels of {jobs // levels}", 1, levels, jobs // levels)


def of_crowd(count: int) -> Workload:
    """So many executions at once."""
    return Workload(f"executions-{count}", f"{count} executions of 5 levels of 2", count, 5, 2)


async def measure(stage: Stage, works: Sequence[Workload]) -> list[Point]:
    """One point for each."""
    points = []
    for work in works:
        points.append(await _point(stage, work))
        print(f"  {work.title}: {points[-1].seconds:.2f} s, status {points[-1].status_bytes} bytes", flush=True)
    return points


async def _point(stage: Stage, work: Workload) -> Point:
    namespace = await executions.new_namespace(stage.api)
    looks, queue = "cairn_reconcile_duration_seconds", {"queue": "executions"}
    before = total(await stage.operator_metrics(), looks, queue)
    async with usage.measured({OPERATOR: stage.operator.pid}) as used:
        spec = work.spec(checkpoints=True)
        seconds = await executions.run_all(stage.api, namespace, spec, work.executions)
        await executions.settled(stage.api, namespace)
    taken = total(await stage.operator_metrics(), looks, queue).since(before)
    body = await stage.api.get(f"{executions.EXECUTIONS.format(namespace)}/x0")
    return Point(
        work.executions, work.levels * work.width, round(seconds, 3), executions.size_of(body),
        executions.size_of(body["status"]), int(taken.observed), round((taken.mean or 0) * 1000, 3),
        used.cpu_seconds[OPERATOR], used.peak_megabytes[OPERATOR],
    )  # fmt: skip
