"""How far an execution has come, and how long it will still take, judged by what its jobs took before.

Rules:
- A duration is the median of completed attempts of the same job in earlier runs. For a job without one, the median of
  its group, then that of all jobs of this run, stands in; where nothing is known, nothing is said.
- Time left is how long it takes to work off what is left with the room there is: dependencies, levels, delays of
  retries and `parallelism` count. Without a limit that is the longest path.
- A forecast supposes that all goes well: what runs only after a failure is left out until something has failed.
- While paused, the time left counts from the resume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import pairwise
from statistics import median

from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, JobSpec, RunOn, Scheduling
from cairn.core.status import JobRecord, JobState, Status


@dataclass(frozen=True, slots=True)
class Estimates:
    """What jobs took in earlier runs: the median of each, in seconds."""

    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How far it has come, and how long it will still take."""

    done: int  # jobs that have ended
    total: int
    fraction: float  # of the work, from 0 to 1; of the jobs, where no duration is known
    left: timedelta | None  # None: nothing is known
    known: int = 0  # of the jobs that are left, those whose own duration was measured before


def learn(earlier: Iterable[Status]) -> Estimates:
    """What the jobs of earlier runs took; attempts that another run handed on are counted once, where they ran."""
    found: dict[str, list[float]] = {}
    for status in earlier:
        for record in status.jobs.values():
            took = _took(record)
            if took is not None and not _was_handed_on(record, status):
                found.setdefault(record.id, []).append(took)
    return Estimates({job_id: median(times) for job_id, times in found.items()})


def time_left(spec: ExecutionSpec, shape: Shape, status: Status, estimates: Estimates, now: datetime) -> Forecast:
    """How far the execution has come, and how long it will still take if all goes well."""
    records = {job.id: status.jobs.get(job.id) or JobRecord(job.id) for job in spec.jobs}
    done = sum(record.terminal for record in records.values())
    if status.finished or done == len(records):
        return Forecast(done, len(records), 1.0, timedelta())
    expected = _expected(spec, records, estimates)
    fraction = _fraction(records, expected, now)
    if not expected:
        return Forecast(done, len(records), fraction, None)
    awaited = _awaited(spec, records)
    remaining = {job.id: _remaining(records[job.id], expected[job.id], now) for job in awaited}
    seconds = _work_off(spec, shape, awaited, remaining, frozenset(i for i, r in records.items() if r.running))
    known = sum(job.id in estimates.seconds for job in awaited)
    return Forecast(done, len(records), fraction, timedelta(seconds=round(seconds)), known)


# --- What is known ---------------------------------------------------------------------------------------------------


def _took(record: JobRecord) -> float | None:
    if record.state is not JobState.COMPLETED or record.started_at is None or record.finished_at is None:
        return None
    return max((record.finished_at - record.started_at).total_seconds(), 0.0)


def _was_handed_on(record: JobRecord, status: Status) -> bool:
    restored = status.restored_from
    return restored is not None and record.launched_at is not None and record.launched_at < restored.at


def _expected(spec: ExecutionSpec, records: Mapping[str, JobRecord], estimates: Estimates) -> dict[str, float]:
    """The seconds that each job takes as far as one can tell; empty where nothing is known at all."""
    here = {record.id: took for record in records.values() if (took := _took(record)) is not None}
    measured = {job.id: estimates.seconds.get(job.id, here.get(job.id)) for job in spec.jobs}
    everything = [seconds for seconds in measured.values() if seconds is not None]
    if not everything:
        return {}
    of_group: dict[str | None, list[float]] = {}
    for job in spec.jobs:
        seconds = measured[job.id]
        if job.group and seconds is not None:
            of_group.setdefault(job.group, []).append(seconds)
    usual = {group: median(times) for group, times in of_group.items()}
    otherwise = median(here.values()) if here else median(everything)
    return {
        job.id: seconds if (seconds := measured[job.id]) is not None else usual.get(job.group, otherwise)
        for job in spec.jobs
    }


# --- How far ---------------------------------------------------------------------------------------------------------


def _fraction(records: Mapping[str, JobRecord], expected: Mapping[str, float], now: datetime) -> float:
    """The share of the work that is done; one second is the least that a job counts."""
    work = {name: max(expected.get(name, 1.0), 1.0) for name in records}
    done = sum(work[name] * _share(record, work[name], now, bool(expected)) for name, record in records.items())
    return done / sum(work.values())


def _share(record: JobRecord, seconds: float, now: datetime, known: bool) -> float:
    if record.terminal:
        return 1.0
    if not known or not record.running:
        return 0.0
    return min(_elapsed(record, now) / seconds, 0.95)  # it is not done before it is


def _elapsed(record: JobRecord, now: datetime) -> float:
    return max((now - record.started_at).total_seconds(), 0.0) if record.started_at else 0.0


# --- How long --------------------------------------------------------------------------------------------------------


def _awaited(spec: ExecutionSpec, records: Mapping[str, JobRecord]) -> list[JobSpec]:
    """The jobs that will still take time."""
    failed = any(record.state is JobState.FAILED for record in records.values())
    return [
        job for job in spec.jobs
        if records[job.id].running
        or (records[job.id].state is JobState.PENDING and (failed or job.run_on is not RunOn.FAILURE))
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Remaining:
    seconds: float
    delay: float = 0.0  # before it may start


def _remaining(record: JobRecord, expected: float, now: datetime) -> _Remaining:
    if record.running:
        return _Remaining(max(expected - _elapsed(record, now), 0.0))
    return _Remaining(expected, max((record.retry_at - now).total_seconds(), 0.0) if record.retry_at else 0.0)


def _work_off(
    spec: ExecutionSpec, shape: Shape, awaited: list[JobSpec], remaining: Mapping[str, _Remaining],
    running: frozenset[str],
) -> float:  # fmt: skip
    """The seconds until the last of them has ended, started in the order in which the operator starts them.

    What waits for nothing more is taken up as soon as a place is free; one that is delayed occupies its place a little
    early, which makes no difference worth the trouble.
    """
    waits, blocks = _waits(spec, shape, awaited)
    order = {job.id: (shape.levels[job.id], job.index) for job in awaited}
    ready = [(order[id], id) for id in order if not waits[id] and id not in running]
    heapify(ready)
    under_way = [(remaining[id].seconds, id) for id in order if id in running]
    heapify(under_way)
    room = spec.parallelism or len(awaited)
    clock = 0.0
    while ready or under_way:
        while ready and len(under_way) < room:
            _, id = heappop(ready)
            heappush(under_way, (clock + remaining[id].delay + remaining[id].seconds, id))
        clock, ended = heappop(under_way)
        for id in blocks[ended]:
            waits[id] -= 1
            if not waits[id] and id not in running:
                heappush(ready, (order[id], id))
    return clock


def _waits(
    spec: ExecutionSpec, shape: Shape, awaited: list[JobSpec]
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """How many each job still waits for, and which wait for it: in `Levels`, each one for all of the level before."""
    ids = {job.id for job in awaited}
    blocks = {id: [d for d in shape.dependents[id] if d in ids] for id in ids}
    if spec.scheduling is Scheduling.LEVELS:
        blocks = _level_blocks(shape, awaited)
    waits = dict.fromkeys(ids, 0)
    for names in blocks.values():
        for name in names:
            waits[name] += 1
    return waits, blocks


def _level_blocks(shape: Shape, awaited: list[JobSpec]) -> dict[str, list[str]]:
    levels: dict[int, list[str]] = {}
    for job in awaited:
        levels.setdefault(shape.levels[job.id], []).append(job.id)
    ordered = [levels[level] for level in sorted(levels)]
    blocks: dict[str, list[str]] = {job.id: [] for job in awaited}
    for before, after in pairwise(ordered):
        blocks |= dict.fromkeys(before, after)
    return blocks
