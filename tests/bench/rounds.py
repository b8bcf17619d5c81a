"""One workload, several rounds: in each, every contender runs once, in turn, and all that it used is counted.

A run counts from its first create until everything is at rest again: what Kubernetes and Cairn do after the last job is
done is part of what the work costs, though not of its seconds.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench import counters, executions, scripts, usage
from bench.scripts import Kind, Script
from bench.stage import Stage
from bench.workloads import Workload

CAIRN = "Cairn"
PLAIN = "Cairn without checkpoints"
BARE_JOBS = "bare Kubernetes Jobs"
FULL_JOBS = "bare Jobs, Cairn's manifest"
"""The same script, but for the manifest and its labels: so the API server tells the operator, which does nothing."""
BARE_PODS = "bare pods"
CONTENDERS = (CAIRN, PLAIN, BARE_JOBS, FULL_JOBS, BARE_PODS)


@dataclass(frozen=True, slots=True)
class Run:
    """One contender in one round."""

    contender: str
    round: int
    seconds: float
    load: float
    """The machine's load average of a minute, before it."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_megabytes: dict[str, float] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    """Requests that the API server has answered meanwhile, to everybody, this benchmark included."""
    sent: dict[str, int] = field(default_factory=dict)
    """Requests that the operator has sent meanwhile."""
    lag: dict[str, int] = field(default_factory=dict)
    """How late the operator has seen its loop to be meanwhile; see `loop_probe.Lag`."""


async def play(stage: Stage, work: Workload, count: int) -> list[Run]:
    """All rounds; each begins with another contender, since what comes later meets a fuller cluster."""
    runs = []
    for number in range(count):
        turn = number % len(CONTENDERS)
        for contender in (*CONTENDERS[turn:], *CONTENDERS[:turn]):
            runs.append(await measure(stage, work, contender, number))
            print(f"  {work.name}, round {number + 1}: {contender}: {runs[-1].seconds:.2f} s", flush=True)
    return runs


async def warm_up(stage: Stage, work: Workload) -> None:
    """Every contender runs once, and nothing is measured."""
    for contender in CONTENDERS:
        namespace = await executions.new_namespace(stage.api)
        await contestant(stage, work, contender)(namespace)
        await executions.settled(stage.api, namespace)


async def measure(stage: Stage, work: Workload, contender: str, number: int) -> Run:
    """One run, in a namespace of its own."""
    namespace = await executions.new_namespace(stage.api)
    load = os.getloadavg()[0]
    answered, sent = await stage.requests()
    lag = await stage.own_lag()
    async with usage.measured(stage.pids) as used:
        seconds = await contestant(stage, work, contender)(namespace)
        await executions.settled(stage.api, namespace)
    lag_after = await stage.own_lag()
    answered_after, sent_after = await stage.requests()
    return Run(
        contender, number, round(seconds, 3), round(load, 2), used.cpu_seconds, used.peak_megabytes,
        counters.increase(answered, answered_after), counters.increase(sent, sent_after),
        counters.increase(lag, lag_after),
    )  # fmt: skip


def contestant(stage: Stage, work: Workload, contender: str) -> Callable[[str], Awaitable[float]]:
    """What runs the work in a namespace, and tells the seconds."""

    async def cairn(namespace: str) -> float:
        spec = work.spec(checkpoints=contender == CAIRN)
        return await executions.run_all(stage.api, namespace, spec, work.executions)

    def script(kind: Kind) -> Callable[[str], Awaitable[float]]:
        return lambda namespace: Script(stage.api, kind, namespace, work).run()

    kinds = {BARE_JOBS: scripts.JOBS, FULL_JOBS: scripts.FULL_JOBS, BARE_PODS: scripts.PODS}
    return cairn if contender in (CAIRN, PLAIN) else script(kinds[contender])


def of(runs: Sequence[Run], contender: str) -> list[Run]:
    """The runs of one contender."""
    return [run for run in runs if run.contender == contender]
