"""What can be computed once for an accepted spec."""

from __future__ import annotations

from cairn.core import graph
from cairn.core.spec import ExecutionSpec, JobSpec


class Shape:
    """The jobs of a spec by id, their levels, their dependents, the order of launches."""

    def __init__(self, spec: ExecutionSpec) -> None:
        self.jobs: dict[str, JobSpec] = {job.id: job for job in spec.jobs}
        self.levels = graph.levels(spec.jobs)
        self.dependents = graph.dependents(spec.jobs)
        self.ordered = sorted(spec.jobs, key=lambda job: self.levels[job.id])  # stable: spec order within a level
