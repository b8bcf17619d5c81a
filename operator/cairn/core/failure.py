"""What a failed job does to the rest: handled failures, the `Stop` gate, skips.

Rules:
- A failure is *handled* when a job with `runOn: Failure` downstream of it has completed; *open* while such a job
  runs or can still start; *unhandled* otherwise. Downstream reaches through jobs skipped because of the failure.
- `Stop`: while a failure is open or unhandled, only `runOn: Failure | Done` jobs start. Once it is unhandled,
  whatever has not started is skipped, so that clean-up jobs find their dependencies terminal.
- A job with `runOn: Success` is skipped as soon as one dependency failed or was skipped; `Failure` and `Done` wait
  until all of theirs are terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from cairn import names
from cairn.core.spec import JobSpec, RunOn
from cairn.core.status import JobRecord, JobState

Records = Mapping[str, JobRecord]


class Handling(StrEnum):
    """What has become of a failure."""

    HANDLED = "handled"
    OPEN = "open"
    UNHANDLED = "unhandled"


def handling(failed: str, jobs: Mapping[str, JobSpec], dependents: Mapping[str, tuple[str, ...]],
             records: Records) -> Handling:  # fmt: skip
    """Whether the failure of the job `failed` is handled, may yet be, or will not be."""
    passed, handlers, todo = {failed}, set(), [failed]
    while todo:
        for name in dependents.get(todo.pop(), ()):
            if jobs[name].run_on is RunOn.FAILURE:
                handlers.add(name)
            elif jobs[name].run_on is RunOn.SUCCESS and name not in passed and _passes_on(records[name]):
                passed.add(name)
                todo.append(name)
    if any(records[name].state is JobState.COMPLETED for name in handlers):
        return Handling.HANDLED
    may_act = any(_may_still_act(jobs[name], records, passed) for name in handlers)
    return Handling.OPEN if may_act else Handling.UNHANDLED


def _may_still_act(job: JobSpec, records: Records, passed: Set[str]) -> bool:
    """Whether a handler runs or will: `passed` holds the jobs that the failure skips, or is about to."""
    record = records[job.id]
    if record.running:
        return True
    return record.state is JobState.PENDING and all(
        records[d].terminal or records[d].running or d in passed for d in job.depends_on
    )


def _passes_on(record: JobRecord) -> bool:
    """Whether what lies behind this job counts as downstream of the failure before it."""
    return record.state is JobState.PENDING or _skipped_by_failure(record)


def _skipped_by_failure(record: JobRecord) -> bool:
    return record.state is JobState.SKIPPED and record.reason == names.DEPENDENCY_FAILED


@dataclass(frozen=True, slots=True)
class Ready:
    """Its dependencies have come to what it wants."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not yet."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Never, and why."""

    reason: str
    message: str


Readiness = Ready | Blocked | Skip


def readiness(job: JobSpec, records: Records, *, clean: bool = False) -> Readiness:
    """Whether the dependencies of a pending job let it start. `clean`: no record at all is failed or skipped."""
    if clean and not all(records[name].terminal for name in job.depends_on):
        return Blocked()  # most jobs of a large execution, most of the time: the first dependency tells
    above = [records[name] for name in job.depends_on]
    failed = [r.id for r in above if r.state is JobState.FAILED or _skipped_by_failure(r)]
    skipped = [r.id for r in above if r.state is JobState.SKIPPED and not _skipped_by_failure(r)]
    if job.run_on is RunOn.SUCCESS:
        if failed:
            return Skip(names.DEPENDENCY_FAILED, f"not run because of {_named(failed)}, which failed or was not run")
        if skipped:
            return Skip(names.DEPENDENCY_SKIPPED, f"not run because {_named(skipped)} was skipped")
    if not all(r.terminal for r in above):
        return Blocked()
    if job.run_on is RunOn.FAILURE and not failed:
        return Skip(names.NOTHING_FAILED, "runs only when a dependency has failed; none did")
    return Ready()


def _named(ids: Iterable[str]) -> str:
    listed = list(ids)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
