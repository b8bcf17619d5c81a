"""What keeps a job that waits, all of it: whoever takes one thing away wants to know that there is another.

The gates are those of `core.launching`, in their order, told from the status alone: nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cairn import names
from cairn.core import pausing
from cairn.core.ages import age, duration, whole_seconds
from cairn.core.draft import Execution
from cairn.core.failure import Blocked, Handling, Readiness, Ready, Skip, handling, readiness
from cairn.core.notes import listed
from cairn.core.reasons import said
from cairn.core.restore.progress import Step
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, FailurePolicy, JobSpec, RunOn, Scheduling
from cairn.core.status import JobRecord, JobState

SHOWN = 12  # jobs that are told one by one
_VIOLATIONS = 5
_NAMED = 3
_OF_NO_ATTEMPT = frozenset({names.ON_HOLD, names.AWAITING_CHECKPOINT})


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence, how deep it lies behind the headline, and which job it is about."""

    text: str
    depth: int = 0
    job: str = ""


class Situation:
    """An execution as it is asked about: a record of every job, and what has become of each failure."""

    def __init__(self, execution: Execution, shape: Shape | None, now: datetime) -> None:
        self.execution = execution
        self.status = execution.status
        self.spec = execution.spec or ExecutionSpec()
        self.shape = shape or Shape(self.spec)
        self.now = now
        self.records = {id: JobRecord(id) for id in self.shape.jobs} | dict(self.status.jobs)
        failed = [record.id for record in self.records.values() if record.state is JobState.FAILED]
        self.failures = {
            id: handling(id, self.shape.jobs, self.shape.dependents, self.records) for id in failed
        }  # fmt: skip

    def above(self, record: JobRecord) -> list[JobRecord]:
        """What the job depends on; nothing for one that was taken out of the spec."""
        job = self.shape.jobs.get(record.id)
        return [self.records[name] for name in job.depends_on] if job else []


def gates(at: Situation, record: JobRecord) -> Iterator[Reason]:
    """Everything that keeps a pending job, the most telling first."""
    yield from _whole_execution(at)
    job = at.shape.jobs.get(record.id)
    if job is None:
        return
    ready = readiness(job, at.records)
    yield from _dependencies(at, record, ready)
    yield from map(Reason, _failures(at, job, ready))
    yield from map(Reason, _ending(at))
    if pause := pause_of(at):
        yield Reason(pause)
    if job.id in at.spec.hold:
        yield Reason(said(names.ON_HOLD))
    yield from map(Reason, _retry(at, record))
    if isinstance(ready, Ready):
        yield from map(Reason, _room(at, job))
    if record.reason == names.AWAITING_CHECKPOINT:
        yield Reason(said(record.reason))


def pause_of(at: Situation) -> str:
    """The pause in a sentence, empty if there is none."""
    pause = at.status.pause
    if pause is None:
        return "spec.paused is set, and the operator has not seen it yet" if at.spec.paused else ""
    told = f"the execution is {pausing.describe(pause)}; by {pause.by}, since {age(pause.since, at.now)}"
    until = pausing.resume_at(pause)
    return told + (f"; resumes in {duration(whole_seconds(at.now, until))}" if until else "")


# --- The whole execution ---------------------------------------------------------------------------------------------


def _whole_execution(at: Situation) -> Iterator[Reason]:
    if at.execution.deleting:
        yield Reason("the execution is being deleted, and nothing more is launched")
    if violations := at.execution.violations:
        yield Reason(f"the spec is not accepted ({len(violations)} violations), and nothing is launched until it is")
        yield from (Reason(str(violation), 1) for violation in violations[:_VIOLATIONS])
    if at.status.finished:
        yield Reason(f"the execution has finished ({at.status.phase}), and what was added since does not run")
    yield from map(Reason, _beginning(at))


def _beginning(at: Situation) -> Iterator[str]:
    progress, asked = at.status.restore, at.spec.restore
    if at.status.started_at is None and asked is not None:
        told = f"{progress.step}: {progress.reason}: {progress.message}" if progress else "it is being read"
        yield f"the fork from {asked.source} has not begun ({told})"
    elif at.status.started_at is None:
        yield "the operator has not begun with the execution"
    elif progress is not None and progress.step is Step.PREPARING:
        yield "a rewind is being prepared, and nothing starts until the state before it is saved"
    elif progress is not None and progress.step is Step.STOPPING:
        yield "a rewind is being carried out, and waits until what is not kept has stopped"


def _ending(at: Situation) -> Iterator[str]:
    if at.status.finished:
        return
    for ends, how in ((at.status.cancel, "being cancelled"), (at.status.timed_out_at, "ending, as it has timed out")):
        if ends is not None:
            yield f"the execution is {how}, and only clean-up (runOn: Done) still starts"


# --- What it depends on ----------------------------------------------------------------------------------------------


def _dependencies(at: Situation, record: JobRecord, ready: Readiness) -> Iterator[Reason]:
    """What it depends on and has not ended; behind what waits itself, what that waits for in the end."""
    if not isinstance(ready, Blocked):
        return
    unfinished = [other for other in at.above(record) if not other.terminal]
    yield Reason(f"it comes after {some(_standing(at, other) for other in unfinished)}")
    behind = [other for other in _frontier(at, unfinished) if other not in unfinished]
    yield from (Reason(f"which in the end comes after {_standing(at, o)}", 1, o.id) for o in behind[:SHOWN])


def _frontier(at: Situation, records: Sequence[JobRecord]) -> list[JobRecord]:
    """Of what is waited for, directly or not, what waits for no other job."""
    seen = {record.id for record in records}
    waiting, found = list(reversed(records)), []
    while waiting:
        record = waiting.pop()
        above = [other for other in at.above(record) if not other.terminal]
        if record.running or not above:
            found.append(record)
            continue
        waiting += (other for other in reversed(above) if other.id not in seen)
        seen.update(other.id for other in above)
    return found


def _standing(at: Situation, record: JobRecord) -> str:
    facts = [record.state.value]
    facts += [f"attempt {record.attempt}"] if record.attempt else []
    facts += [f"since {age(record.started_at, at.now)}"] if record.running and record.started_at else []
    facts += [record.reason] if record.reason else []
    facts += [names.ON_HOLD] if record.id in at.spec.hold and record.reason != names.ON_HOLD else []
    return f"{record.id} ({', '.join(facts)})"


def some(told: Iterable[str]) -> str:
    """The first few, and how many more."""
    every = list(told)
    return "; ".join(every[:_NAMED]) + (f"; and {len(every) - _NAMED} more" if len(every) > _NAMED else "")


# --- The other gates -------------------------------------------------------------------------------------------------


def _failures(at: Situation, job: JobSpec, ready: Readiness) -> Iterator[str]:
    live = [id for id, state in at.failures.items() if state is not Handling.HANDLED]
    policy = at.spec.failure_policy
    if policy is FailurePolicy.STOP and live and job.run_on is RunOn.SUCCESS:
        yield f"{listed(live)} failed, and failurePolicy: Stop lets only jobs with runOn Failure or Done start"
    if policy is FailurePolicy.PAUSE and (awaited := _awaiting_repair(at)):
        yield f"{listed(awaited)} failed, and failurePolicy: Pause waits for somebody to mend that, or to resume"
    if isinstance(ready, Skip):
        yield f"it is to be skipped, as {said(ready.reason, ready.message)}"


def _awaiting_repair(at: Situation) -> list[str]:
    unhandled = [id for id, state in at.failures.items() if state is Handling.UNHANDLED]
    return [id for id in unhandled if at.spec.paused or not at.records[id].paused_for]


def _retry(at: Situation, record: JobRecord) -> Iterator[str]:
    if record.retry_at is not None and record.retry_at > at.now:
        yield f"attempt {record.last + 1} starts in {duration(whole_seconds(at.now, record.retry_at))}"
    if record.attempt and record.reason and record.reason not in _OF_NO_ATTEMPT:
        yield f"attempt {record.attempt} ended: {said(record.reason, record.message)}"


def _room(at: Situation, job: JobSpec) -> Iterator[str]:
    """Levels and parallelism, which matter once the dependencies are done."""
    level = at.shape.levels[job.id]
    if at.spec.scheduling is Scheduling.LEVELS:
        lower = [id for id, its in at.shape.levels.items() if its < level and not at.records[id].terminal]
        if lower:
            yield f"scheduling is Levels, and of the levels below {level} these are not done: {listed(lower)}"
    running = [record.id for record in at.records.values() if record.running]
    if 0 < at.spec.parallelism <= len(running):
        yield f"parallelism is {at.spec.parallelism}, and these are under way: {listed(running)}"
