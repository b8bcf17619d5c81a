"""Why a job is where it is: why it runs, waits, was skipped, failed, or ran again, in sentences for a person.

Rules:
- The headline answers the question; what follows says what is behind it, the causes of a cause deeper in.
- Causes are followed: to the failure behind a chain of skips, to what runs or is held behind a chain of waits.
- Nothing recurses, what is listed is bounded, and nothing that a user wrote reaches a terminal unescaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, assert_never

from cairn import names
from cairn.core.ages import age, duration, whole_seconds
from cairn.core.checkpoint.changes import readable
from cairn.core.draft import Execution
from cairn.core.failure import Handling
from cairn.core.gates import SHOWN, Reason, Situation, gates, pause_of, some
from cairn.core.notes import listed
from cairn.core.reasons import said
from cairn.core.restore.progress import Mode, Step, Verdict
from cairn.core.shape import Shape
from cairn.core.status import Acknowledged, JobRecord, JobState
from cairn.errors import NotFound

_HANDLED = {
    Handling.HANDLED: "its failure was handled: a job with runOn: Failure behind it has completed",
    Handling.OPEN: "its failure may still be handled, by a job with runOn: Failure behind it",
    Handling.UNHANDLED: "nothing handles its failure: the execution fails, unless a request mends it",
}
_FOLLOWED = frozenset({names.DEPENDENCY_FAILED, names.DEPENDENCY_SKIPPED})


@dataclass(frozen=True, slots=True)
class Why:
    """The answer."""

    job: str
    state: JobState
    attempt: int
    headline: str
    reasons: tuple[Reason, ...] = ()


def why(execution: Execution, shape: Shape | None, job_id: str, now: datetime) -> Why:
    """Why the job is where it is; `shape` is None where no spec was accepted. Raises NotFound, naming what is alike."""
    at = Situation(execution, shape, now)
    record = at.records.get(job_id)
    if record is None:
        raise NotFound(_unknown(job_id, execution, at.records))
    headline, *behind = _answer(at, record)
    reasons = (*behind, *map(Reason, _history(at, record)))
    return Why(job_id, record.state, record.attempt, headline.text, reasons)


def _unknown(job_id: str, execution: Execution, known: Mapping[str, JobRecord]) -> str:
    alike = get_close_matches(job_id, known, n=3)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"it has {listed(list(known)) or 'no jobs'}"
    return readable(f"execution {execution.identity.name} has no job {job_id}; {hint}")


def _answer(at: Situation, record: JobRecord) -> Iterator[Reason]:
    """The headline, and what is behind it."""
    match record.state:
        case JobState.PENDING:
            return _waits(at, record)
        case JobState.RUNNING:
            return _runs(at, record)
        case JobState.COMPLETED:
            return _completed(record)
        case JobState.FAILED:
            return _failed(at, record)
        case JobState.SKIPPED:
            return _skipped(at, record)
        case _ as never:
            assert_never(never)


# --- What it is ------------------------------------------------------------------------------------------------------


def _waits(at: Situation, record: JobRecord) -> Iterator[Reason]:
    nothing = Reason("nothing keeps it, so it starts when the operator looks next")
    first, *others = [*gates(at, record)] or [nothing]
    yield Reason(f"job {record.id} waits: {first.text}")
    yield from others


def _runs(at: Situation, record: JobRecord) -> Iterator[Reason]:
    begun = f" since {age(record.started_at, at.now)}" if record.started_at else ""
    if record.reason:
        yield Reason(f"job {record.id} is at attempt {record.attempt}{begun}: {_told(record)}")
    else:
        yield Reason(f"job {record.id} runs{begun}, attempt {record.attempt}")
    if record.stopping is not None:
        yield Reason(f"it is ended on purpose ({record.stopping})")
    if record.reason == names.HELD and (pause := pause_of(at)):
        yield Reason(pause)
    if record.id not in at.shape.jobs:
        yield Reason("it is not in spec.jobs any more: this attempt is followed to its end, and there is no other")


def _completed(record: JobRecord) -> Iterator[Reason]:
    if record.reason:
        yield Reason(f"job {record.id} counts as completed: {_told(record)}")
        return
    yield Reason(f"job {record.id} completed at attempt {record.attempt}{_lasted(record)}")
    if record.message:
        yield Reason(record.message)


def _failed(at: Situation, record: JobRecord) -> Iterator[Reason]:
    yield Reason(f"job {record.id} failed at attempt {record.attempt}{_lasted(record)}: {_told(record)}")
    if record.exit_code is not None:
        yield Reason(f"exit code {record.exit_code}")
    yield Reason(_HANDLED[at.failures[record.id]])


def _lasted(record: JobRecord) -> str:
    if record.started_at is None or record.finished_at is None:
        return ""
    return f" after {duration(whole_seconds(record.started_at, record.finished_at))}"


def _told(record: JobRecord) -> str:
    return said(record.reason, record.message) or "no reason is recorded"


# --- Skipped ---------------------------------------------------------------------------------------------------------


def _skipped(at: Situation, record: JobRecord) -> Iterator[Reason]:
    links = list(_chain(at, record))
    roots = [cause for cause, _ in links if not _causes(at, cause)]
    yield Reason(f"job {record.id} was skipped: {some(map(_fate, roots)) or _told(record)}")
    if roots != [cause for cause, _ in links]:  # else the headline has told it all
        yield from (Reason(_fate(cause), depth, cause.id) for cause, depth in links[:SHOWN])
    if len(links) > SHOWN:
        yield Reason(f"and {len(links) - SHOWN} more jobs that failed or were skipped")
    job = at.shape.jobs.get(record.id)
    if record.reason == names.CONDITION_FALSE and job is not None and job.when:
        yield Reason(f"its condition is: {job.when}")
    if record.reason == names.CANCELLED and (cancel := at.status.cancel):
        yield Reason(f"cancelled {age(cancel.at, at.now)} ago: {cancel.reason or 'no reason given'}")


def _causes(at: Situation, record: JobRecord) -> list[JobRecord]:
    """What a job was skipped because of, one step back; nothing for what has a reason of its own."""
    if record.state is not JobState.SKIPPED:
        return []
    if record.reason == names.EXECUTION_FAILING:
        return [at.records[id] for id, state in at.failures.items() if state is Handling.UNHANDLED]
    if record.reason not in _FOLLOWED:
        return []
    return [other for other in at.above(record) if other.state in (JobState.FAILED, JobState.SKIPPED)]


def _chain(at: Situation, record: JobRecord) -> Iterator[tuple[JobRecord, int]]:
    """Every cause, and cause of a cause, once, and how far back it lies."""
    seen = {record.id}
    waiting = [(cause, 0) for cause in reversed(_causes(at, record))]
    while waiting:
        cause, depth = waiting.pop()
        if cause.id not in seen:
            seen.add(cause.id)
            yield cause, depth
            waiting += ((further, depth + 1) for further in reversed(_causes(at, cause)))


def _fate(record: JobRecord) -> str:
    word = "failed" if record.state is JobState.FAILED else "was skipped"
    return f"{record.id} {word}: {_told(record)}"


# --- What came before ------------------------------------------------------------------------------------------------


def _history(at: Situation, record: JobRecord) -> Iterator[str]:
    """Earlier attempts, restores and repairs."""
    yield from _tries(at, record)
    yield from _restores(at, record)
    yield from (_answered(request, at.now) for request in at.status.requests if request.job == record.id)


def _tries(at: Situation, record: JobRecord) -> Iterator[str]:
    job = at.shape.jobs.get(record.id)
    limit = (job.retry.limit if job else 0) + record.extra_retries
    if record.failures:
        yield f"attempts that failed: {record.failures}; {limit} retries are allowed"
    if record.disruptions:
        yield f"attempts that the cluster ended: {record.disruptions}; they cost no retry"


def _restores(at: Situation, record: JobRecord) -> Iterator[str]:
    restored, progress = at.status.restored_from, at.status.restore
    if restored is None:
        return
    what = "the fork from" if restored.mode is Mode.FORK else "the rewind to"
    where = f"{what} checkpoint {restored.origin.name or restored.origin.id}, {age(restored.at, at.now)} ago"
    done = progress is not None and progress.step is Step.DONE and progress.plan
    for plan in done.jobs if done else ():
        if plan.id == record.id and plan.verdict in (Verdict.RERUN, Verdict.SKIP):
            verb = "runs again" if plan.verdict is Verdict.RERUN else "is not run"
            yield f"{verb} since {where} ({plan.reason})" + (f": {plan.message}" if plan.message else "")
    if record.launched_at is not None and record.launched_at < restored.at:
        yield f"{'went on' if record.running else 'kept as it was'} through {where}"
    if record.used > record.attempt:
        yield f"attempt numbers go on after {record.used}, which was given before"


def _answered(request: Acknowledged, now: datetime) -> str:
    by = f" by {request.by}" if request.by else ""
    told = f": {request.message}" if request.message else ""
    return f"request {request.id}{by}, {age(request.at, now)} ago: {request.type}, {request.outcome}{told}"


# --- For people and programs -----------------------------------------------------------------------------------------


def lines(answer: Why) -> list[str]:
    """The answer for a terminal."""
    return [readable(answer.headline), *(f"  {'  ' * r.depth}- {readable(r.text)}" for r in answer.reasons)]


def to_wire(answer: Why) -> dict[str, Any]:
    """The answer as plain JSON; a reason names the job that it is about, if that is another one."""
    return {
        "job": answer.job, "state": answer.state.value.lower(), "attempt": answer.attempt, "headline": answer.headline,
        "reasons": [{"text": r.text, "depth": r.depth} | ({"job": r.job} if r.job else {}) for r in answer.reasons],
    }  # fmt: skip
