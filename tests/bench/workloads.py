"""The work that Cairn and the scripts without it are given: executions of equal levels of jobs that take no time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Body = dict[str, Any]
JOBS_IMAGE = {"image": "fake"}


@dataclass(frozen=True, slots=True)
class Workload:
    """So many executions at once, each of so many levels of so many jobs, each job on all of the level before."""

    name: str
    title: str
    executions: int
    levels: int
    width: int

    @property
    def jobs(self) -> int:
        """In all."""
        return self.executions * self.levels * self.width

    def spec(self, *, checkpoints: bool) -> Body:
        """One of its executions; with checkpoints, one after each level."""
        saved: Body = {"triggers": ["level-completed"]} if checkpoints else {"enabled": False}
        return fan(self.levels, self.width) | {"checkpoint": saved}


def fan(levels: int, width: int) -> Body:
    """Levels of jobs, each job on all of the level before."""
    jobs = [
        {"id": f"l{level}-{n}", "group": f"l{level}"} | ({"dependsOn": [f"group:l{level - 1}"]} if level else {})
        for level in range(levels)
        for n in range(width)
    ]
    return {"jobDefaults": dict(JOBS_IMAGE), "jobs": jobs}


def chain(length: int) -> Body:
    """A chain of jobs."""
    return fan(length, 1)


def annotated(spec: Body, **annotations: str) -> Body:
    """The same, with annotations that tell the fake nodes what its pods do."""
    told = {f"fake.cairn.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return spec | {"jobDefaults": spec["jobDefaults"] | {"podTemplate": {"metadata": {"annotations": told}}}}


W1 = Workload("W1", "200 independent jobs", 1, 1, 200)
W2 = Workload("W2", "a chain of 20", 1, 20, 1)
W3 = Workload("W3", "10 levels of 20, each on all of the one before", 1, 10, 20)
W4 = Workload("W4", "20 executions at once, 5 levels of 10 each", 20, 5, 10)
WORKLOADS = (W1, W2, W3, W4)
WARMUP = Workload("warm-up", "what is run before anything counts", 2, 2, 5)


def smaller(workload: Workload) -> Workload:
    """A third of its levels or half its width, a quarter of many: for a quick look, at ratios rather than seconds."""
    executions, levels = workload.executions, workload.levels
    if executions > 1:
        executions //= 4
    elif levels > 1:
        levels //= 3
    width = workload.width if workload.levels > 1 else workload.width // 2
    title = f"{executions} x {levels} levels of {width}, a smaller {workload.name}"
    return replace(workload, title=title, executions=executions, levels=levels, width=width)
