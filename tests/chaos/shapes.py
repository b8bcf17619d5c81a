"""Executions of random shapes, and what each must come to if nobody asks for anything else."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from support.jobs import job
from support.kube import Object

_FAILS = 0.25  # share of executions with a job that always fails


@dataclass(frozen=True)
class Shape:
    """What is asked for, and the jobs in it that always fail, each with the retries it has."""

    spec: Object
    failing: dict[str, int]

    @property
    def expected(self) -> str:
        """The phase that it ends in by itself."""
        return "Failed" if self.failing else "Succeeded"


def draw(random: Random) -> Shape:
    """Some levels of some jobs, each on some of the level before."""
    levels = [[f"l{level}-{n}" for n in range(random.randint(1, 4))] for level in range(random.randint(1, 4))]
    failing: dict[str, int] = {}
    if random.random() < _FAILS:
        failing[random.choice(random.choice(levels))] = random.randint(0, 2)
    jobs = [_job(random, name, above, failing) for above, level in zip([[], *levels], levels, strict=False)
            for name in level]  # fmt: skip
    if random.random() < 0.4:
        jobs.append(job("cleanup", *levels[-1], runOn="Done"))
    return Shape({"jobs": jobs, "checkpoint": _checkpoint(random)} | _manner(random), failing)


def _job(random: Random, name: str, above: list[str], failing: dict[str, int]) -> Object:
    fake = {"duration": f"{int(random.choice([100, 500, 2000, 6000]) * random.uniform(0.5, 1.5))}ms"}
    more: dict[str, Any] = {"retry": {"limit": random.randint(0, 2), "backoffSeconds": random.choice([0.1, 1, 5])}}
    if name in failing:
        fake["exit-code"] = "3"
        more["retry"]["limit"] = failing[name]
    elif random.random() < 0.5:
        fake["message"] = f'{{"rows": {random.randint(0, 99)}, "text": "{"x" * random.randint(0, 2000)}"}}'
    return job(name, *random.sample(above, random.randint(min(1, len(above)), len(above))), fake=fake, **more)


def _manner(random: Random) -> Object:
    return {
        "scheduling": random.choice(["Dependencies", "Levels"]), "parallelism": random.choice([0, 0, 1, 3]),
        "failurePolicy": random.choice(["Stop", "Continue", "Pause"]),
    }  # fmt: skip


def _checkpoint(random: Random) -> Object:
    triggers = random.sample(["manual", "time-based", "job-completed", "level-completed"], random.randint(1, 4))
    return {"triggers": triggers, "timeIntervalMs": 5000, "retentionCount": random.choice([3, 10, 100])}
