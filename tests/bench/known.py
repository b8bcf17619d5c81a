"""Many executions known, some of them running: memory, what rest costs, and how soon a new process serves them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench import counters, executions, scripts, usage
from bench.stage import OPERATOR, Stage
from bench.workloads import annotated, chain
from cairn import names

JOBS = 20


@dataclass(frozen=True, slots=True)
class Rest:
    """What is used while nothing happens."""

    known: int
    seconds: float
    cpu_percent: dict[str, float]
    sent: dict[str, int]
    """Requests of the operator."""
    answered_lists: dict[str, int]
    """Lists that the API server has answered, to everybody."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds from the start of a process."""

    ready: float
    """/readyz says so: the watches have begun."""
    all_known: float
    """Every execution that exists is known."""
    serving: float
    """The Kubernetes Job is there of an execution that was created while no operator ran."""
    nothing_queued: float
    """Everything has been looked at once."""


@dataclass(frozen=True, slots=True)
class Known:
    """All of it."""

    executions: int
    running: int
    jobs: int
    megabytes: float
    """Of the operator, now, and the most that it has had on the way there."""
    peak_megabytes: float
    idle: Rest
    rest: Rest
    restarts: tuple[Restart, ...]
    peak_megabytes_restarted: float


async def measure(stage: Stage, count: int, running: int, *, seconds: float, restarts: int) -> Known:
    """`running` of `count` executions have a job that goes on for ever; the others are paused before their first."""
    idle = await at_rest(stage, 0, seconds)
    namespace = await executions.new_namespace(stage.api)
    waits = chain(JOBS) | {"paused": True, "checkpoint": {"enabled": False}}
    runs = annotated(chain(JOBS), hang="true") | {"checkpoint": {"enabled": False}}
    async with usage.measured({OPERATOR: stage.operator.pid}) as used:
        specs = {f"k{n}": runs if n < running else waits for n in range(count)}
        await executions.create_all(stage.api, namespace, specs)
        await executions.until(lambda: _looked_at(stage, namespace, running), every=2.0)
    megabytes = usage.resident(stage.operator.pid)
    rest = await at_rest(stage, count, seconds)
    again = tuple([await _restart(stage, namespace, count) for _ in range(restarts)])
    return Known(
        count, running, JOBS, round(megabytes, 1), used.peak_megabytes[OPERATOR], idle, rest, again,
        round(usage.peak(stage.operator.pid), 1),
    )  # fmt: skip


async def at_rest(stage: Stage, known: int, seconds: float) -> Rest:
    """Do nothing for so long, and see what that costs."""
    await asyncio.sleep(2)
    answered, sent = await stage.requests()
    pids, begin = stage.pids, time.perf_counter()
    async with usage.measured(pids) as used:
        await asyncio.sleep(seconds)
    took = time.perf_counter() - begin
    answered_after, sent_after = await stage.requests()
    added = counters.increase(answered, answered_after)
    return Rest(
        known, round(took, 1), {name: round(cpu / took * 100, 2) for name, cpu in used.cpu_seconds.items()},
        {name: n for name, n in counters.increase(sent, sent_after).items()},
        {name: n for name, n in added.items() if name.startswith("list ")},
    )  # fmt: skip


async def _looked_at(stage: Stage, namespace: str, running: int) -> bool | None:
    """Asked for so that the answer is small: all of them would be a load of their own."""
    unseen = await stage.api.list_all(executions.EXECUTIONS.format(namespace), fieldSelector="status.phase=")
    begun = await stage.api.list_all(scripts.PODS.path.format(namespace), fieldSelector="status.phase=Running")
    return (not unseen and len(begun) >= running) or None


async def _restart(stage: Stage, namespace: str, count: int) -> Restart:
    stage.operator.stop()
    fresh = await executions.new_namespace(stage.api)
    await executions.create(stage.api, fresh, "x0", chain(1))
    launched = asyncio.create_task(_first_job(stage, fresh))
    await asyncio.sleep(0.3)  # the watch stands
    begin = time.perf_counter()
    stage.operator.spawn()
    moments: dict[str, float] = {}
    while len(moments) < 3:
        await asyncio.sleep(0.02)
        for name in await _told(stage, count):
            moments.setdefault(name, time.perf_counter() - begin)
    serving = await launched - begin
    ready, known, rested = (round(moments[name], 3) for name in ("ready", "known", "rested"))
    return Restart(ready, known, round(serving, 3), rested)


async def _told(stage: Stage, count: int) -> list[str]:
    """How far a process has come, by its readiness page."""
    try:
        async with stage.session.get(f"http://127.0.0.1:{stage.operator.port}/readyz") as answer:
            told = await answer.json()
    except OSError:
        return []
    known = told["executions"] > count
    conditions = {"ready": told["ready"], "known": known, "rested": known and told["ready"] and not told["queued"]}
    return [name for name, holds in conditions.items() if holds]


async def _first_job(stage: Stage, namespace: str) -> float:
    path, ours = scripts.JOBS.path.format(namespace), {"labelSelector": names.LABEL_EXECUTION_UID}
    async for _ in scripts.watch(stage.api, path, **ours):
        return time.perf_counter()
    raise RuntimeError("the watch ended before a job was launched")
