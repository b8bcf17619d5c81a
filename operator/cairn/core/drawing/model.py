"""What is drawn of an execution, whatever the form: jobs with what a person wants to know of each, and what joins them.

Rules:
- Everything is in spec order, so that two drawings of one state are equal. Jobs that were taken out of the spec after
  they had started come last, joined to nothing.
- Where many jobs wait for the same many jobs (a group, say), the edges run through one junction: 1,000 jobs after a
  group of 1,000 are 2,000 lines, not a million.
- A file is enough: without a status no job has a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cairn import names
from cairn.core.ages import duration, whole_seconds
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, JobSpec, Replay, RunOn
from cairn.core.status import JobRecord, JobState, PausePhase, Phase, Status


class Flag(StrEnum):
    """What a job is besides its state, as it is written on it."""

    HELD = "held"
    CRITICAL = "critical"
    UNSAFE = "unsafe"
    CONFIRM = "confirm"
    CONDITIONAL = "when"
    ON_FAILURE = "on failure"
    ON_DONE = "on done"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Node:
    """One job as it is drawn."""

    id: str
    level: int
    state: JobState | None = None
    attempt: int = 0
    seconds: int | None = None  # of the latest attempt, while its job runs or once it has ended
    reason: str = ""
    flags: tuple[Flag, ...] = ()
    depends_on: tuple[str, ...] = ()
    group: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """Reason, duration and attempt, in words, as far as there is something to tell."""
        lasted = duration(self.seconds) if self.seconds is not None else ""
        tried = f"attempt {self.attempt}" if self.attempt > 1 else ""
        return tuple(filter(None, (self.reason, lasted, tried)))


@dataclass(frozen=True, slots=True)
class Edge:
    """One job waits for another."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Junction:
    """Each of the targets waits for each of the sources."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    group: str = ""  # where the sources are all jobs of one


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that is drawn."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]  # those that run through no junction
    junctions: tuple[Junction, ...] = ()
    phase: Phase | None = None
    pause: PausePhase | None = None

    @property
    def counts(self) -> Mapping[JobState, int]:
        """How many jobs are in each state, in the order of `JobState`, those that there are none of left out."""
        found = Counter(node.state for node in self.nodes)
        return {state: found[state] for state in JobState if found[state]}

    @property
    def levels(self) -> tuple[tuple[Node, ...], ...]:
        """The jobs, level by level."""
        found: list[list[Node]] = [[] for _ in range(max((node.level for node in self.nodes), default=-1) + 1)]
        for node in self.nodes:
            found[node.level].append(node)
        return tuple(map(tuple, found))


def draw(
    spec: ExecutionSpec, shape: Shape, status: Status | None = None, now: datetime | None = None, *, name: str = ""
) -> Drawing:
    """What is drawn of an execution; `now` ends the durations of what runs, which are left out without it."""
    records = dict(status.jobs) if status else {}
    groups = _groups(spec)
    nodes = [_node(job, spec, shape, records.pop(job.id, None), status, now) for job in spec.jobs]
    nodes += (_told(Node(id, 0, flags=(Flag.REMOVED,)), record, now) for id, record in records.items())
    edges, junctions = _joined(spec.jobs, groups)
    phase, pause = (status.phase, status.pause) if status else (None, None)
    return Drawing(name, tuple(nodes), edges, junctions, phase, pause.phase if pause else None)


# --- Jobs ------------------------------------------------------------------------------------------------------------


def _node(
    job: JobSpec, spec: ExecutionSpec, shape: Shape, record: JobRecord | None, status: Status | None,
    now: datetime | None,
) -> Node:  # fmt: skip
    plain = Node(
        job.id, shape.levels[job.id], flags=tuple(_flags(job, spec, record)), depends_on=job.depends_on,
        group=job.group or "",
    )  # fmt: skip
    return plain if status is None else _told(plain, record or JobRecord(job.id), now)


def _told(node: Node, record: JobRecord, now: datetime | None) -> Node:
    """The job with what is recorded of it."""
    return replace(
        node, state=record.state, attempt=record.attempt, seconds=_seconds(record, now), reason=_reason(record)
    )  # fmt: skip


def _reason(record: JobRecord) -> str:
    """Why it is in its state, where that is not what one expects; an own word for each is in `core.why`."""
    usual = record.running and record.started_at is not None and record.reason == names.WAITING
    return "" if usual else record.reason


def _seconds(record: JobRecord, now: datetime | None) -> int | None:
    if record.started_at is None or record.state is JobState.PENDING:
        return None
    end = now if record.running else record.finished_at
    return whole_seconds(record.started_at, end) if end else None


def _flags(job: JobSpec, spec: ExecutionSpec, record: JobRecord | None) -> Iterator[Flag]:
    started = record is not None and record.terminal
    told = {
        Flag.HELD: (job.id in spec.hold and not started) or (record is not None and record.reason == names.HELD),
        Flag.CRITICAL: job.id in spec.checkpoint.critical_job_ids,
        Flag.UNSAFE: job.replay is Replay.UNSAFE,
        Flag.CONFIRM: job.replay is Replay.CONFIRM,
        Flag.CONDITIONAL: job.when is not None,
        Flag.ON_FAILURE: job.run_on is RunOn.FAILURE,
        Flag.ON_DONE: job.run_on is RunOn.DONE,
    }
    return (flag for flag, holds in told.items() if holds)


# --- What joins them -------------------------------------------------------------------------------------------------


def _groups(spec: ExecutionSpec) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for job in spec.jobs:
        if job.group:
            found.setdefault(job.group, []).append(job.id)
    return {group: tuple(ids) for group, ids in found.items()}


def _joined(
    jobs: Iterable[JobSpec], groups: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[Edge, ...], tuple[Junction, ...]]:
    """Edges and junctions. A job waits for whole groups, and for the rest of its dependencies; equal parts are one."""
    of_group = {ids: group for group, ids in groups.items()}
    waiting: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        for part in _parts(job, groups):
            waiting.setdefault(part, []).append(job.id)
    edges: list[Edge] = []
    junctions: list[Junction] = []
    for sources, targets in waiting.items():
        if _is_worth_it(len(sources), len(targets)):
            junctions.append(Junction(sources, tuple(targets), of_group.get(sources, "")))
        else:
            edges += (Edge(source, target) for target in targets for source in sources)
    return tuple(edges), tuple(junctions)


def _parts(job: JobSpec, groups: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    left = dict.fromkeys(job.depends_on)
    for ids in groups.values():
        if len(ids) <= len(left) and all(id in left for id in ids):
            yield ids
            for id in ids:
                del left[id]
    if left:
        yield tuple(left)


def _is_worth_it(sources: int, targets: int) -> bool:
    """Whether a junction saves more than half of the lines."""
    return sources * targets > 2 * (sources + targets)
