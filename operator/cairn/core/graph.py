"""The shape of a DAG: levels, who depends on whom, and where it is not acyclic after all.

Rules:

1. Nothing recurses: 2,000 jobs in one chain, with 100 dependencies each, must not meet Python's stack.
2. Answers are deterministic and follow the order of the spec, so that they can be compared, hashed and read.
3. Edges point from a job to its dependencies, as the user writes them; a cycle is named along that path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from cairn.core.spec import JobSpec

MAX_CYCLES = 10


def levels(jobs: Sequence[JobSpec]) -> dict[str, int]:
    """The longest distance of every job from a root, in spec order; the jobs must be acyclic."""
    dependencies = {job.id: job.depends_on for job in jobs}
    found: dict[str, int] = {}
    for job_id in TopologicalSorter(dependencies).static_order():
        found[job_id] = max((found[dependency] + 1 for dependency in dependencies[job_id]), default=0)
    return {job.id: found[job.id] for job in jobs}


def dependents(jobs: Sequence[JobSpec]) -> dict[str, tuple[str, ...]]:
    """For every job the jobs that name it in `dependsOn`, in spec order."""
    found: dict[str, list[str]] = {job.id: [] for job in jobs}
    for job in jobs:
        for dependency in job.depends_on:
            found[dependency].append(job.id)
    return {job_id: tuple(names) for job_id, names in found.items()}


def ancestors(job_id: str, jobs: Sequence[JobSpec]) -> frozenset[str]:
    """Everything that the job waits for, directly or not."""
    return reachable([job_id], {job.id: job.depends_on for job in jobs})


def descendants(job_id: str, jobs: Sequence[JobSpec]) -> frozenset[str]:
    """Everything that waits for the job, directly or not."""
    return reachable([job_id], dependents(jobs))


def reachable(starts: Iterable[str], edges: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Every node that a path of at least one edge leads to from one of the starts."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        fresh = [target for target in edges[waiting.pop()] if target not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return frozenset(seen)


def find_cycles(edges: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """Cycles along their path, such as ('a', 'b', 'a'), at least one in every knot, at most the first ten.

    No two of them share a node: cutting each of them open once is what the user has to do first anyway, and listing
    every cycle of a knot takes exponential time. Edges to nodes that are no key of the mapping are left out.
    """
    order = {node: place for place, node in enumerate(edges)}
    left = {node: sorted(order.keys() & targets, key=order.__getitem__) for node, targets in edges.items()}
    cycles: list[tuple[str, ...]] = []
    while len(cycles) < MAX_CYCLES and (cycle := _one_cycle(left)):
        first = min(range(len(cycle)), key=lambda place: order[cycle[place]])
        cycles.append((*cycle[first:], *cycle[:first], cycle[first]))
        left = {node: [t for t in targets if t not in cycle] for node, targets in left.items() if node not in cycle}
    return cycles


def _one_cycle(edges: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The nodes of one cycle along its edges, each once; empty if there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        path: list[str] = error.args[1]  # closed, and each node a dependency of the one after it
        return tuple(reversed(path))[1:]
    return ()
