"""The restore plan: what going back to a checkpoint does with every job, and why, before anything is touched.

`plan(saved, target, asked, known)` is a pure function of the checkpoint, the spec that is to be run, what was asked
for, and what is known to have happened since. It tells beforehand what would run again, and later why something did.

Rules:
- A completed job is kept if its own definition, its inputs and its ancestors are unchanged. *Unchanged* is a definition
  as the attempt ran it, or as the checkpoint's spec has it.
- Edits are free for what has not completed. An edit of what has makes it and its descendants run again, so it must be
  named in `rerun`; nothing is ever thrown away because of a slip of the pen.
- What has run and will run again gets its word as `replay` says: `Unsafe` must be named in `rerun`, `Confirm` in
  `confirm`. What may have run since the checkpoint counts as run, unless it is known not to have.
- A failure that a job has handled, or still may, stands. Every other failure is tried again, and what was skipped
  because of one is considered again.
- A job is known by its id: renamed, it is one that was removed and one that was added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cairn import names
from cairn.core import failure, templates
from cairn.core.checkpoint.canonical import canonical, digest_of
from cairn.core.restore.edits import edits
from cairn.core.restore.progress import JobPlan, Problem, RestorePlan, Verdict
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, JobSpec, Replay, Restore
from cairn.core.status import JobRecord, JobState

# Skips that only tell what dependencies came to: with these as they were, the job would be skipped again.
_FOLLOWING = frozenset({names.DEPENDENCY_FAILED, names.DEPENDENCY_SKIPPED, names.NOTHING_FAILED})
_DECIDED = frozenset({names.CONDITION_FALSE, names.SKIPPED_BY_HAND})
_ENDED_BY_THE_RUN = frozenset({names.CANCELLED, names.TIMED_OUT, names.EXECUTION_FAILING})
_LISTED = 5
MAX_PROBLEMS = 500


@dataclass(frozen=True, slots=True)
class Saved:
    """What a plan looks at of a checkpoint."""

    id: str
    digest: str
    taken_at: datetime
    records: Mapping[str, JobRecord]
    jobs: Mapping[str, JobSpec] = field(default_factory=dict)  # as its spec has them; empty where that could not run
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known to have happened to the checkpoint's execution since: its newest records that can be found."""

    records: Mapping[str, JobRecord] = field(default_factory=dict)
    final: bool = False  # whatever is not in there has not run, and will not by itself
    adopt: bool = False  # a rewind: what still runs may go on


def plan(saved: Saved, target: ExecutionSpec, asked: Restore, known: Known, shape: Shape | None = None) -> RestorePlan:
    """What a restore does. With problems it must not be carried out."""
    shape = shape or Shape(target)
    making = _Making(saved, target, shape, asked, known)
    for job in shape.ordered:
        making.decided[job.id] = making.decide(job)
    gone = [making.removed(r) for r in saved.records.values() if r.id not in shape.jobs]
    jobs = (*(making.decided[job.id] for job in target.jobs), *gone)
    making.check_words()
    said = [saved.id, saved.digest, sorted([j.id, j.verdict, j.reason] for j in jobs)]
    return RestorePlan.of(jobs, digest_of(canonical(said)), _bounded(making.problems))


def _bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    """As many as a status has room for; the last one tells how many more there are."""
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    last, more = problems[MAX_PROBLEMS - 1], len(problems) - MAX_PROBLEMS
    return (*problems[: MAX_PROBLEMS - 1], replace(last, message=f"{last.message} (and {more} more problems)"))


class _Making:
    """One plan in the making: jobs are decided in the order of levels, each knowing what its dependencies came to."""

    def __init__(self, saved: Saved, target: ExecutionSpec, shape: Shape, asked: Restore, known: Known) -> None:
        self.saved = saved
        self.target = target
        self.shape = shape
        self.asked = asked
        self.known = known
        self.decided: dict[str, JobPlan] = {}
        self.problems: list[Problem] = []
        self.params_changed = _changed(saved.params, target.params)
        # A job that the checkpoint does not know has not run in it.
        self.records = {job.id: saved.records.get(job.id) or JobRecord(job.id) for job in target.jobs}

    # --- One job

    def decide(self, job: JobSpec) -> JobPlan:
        record = self.saved.records.get(job.id)
        if record is None:
            return self._runs(job, "Added", "not in the checkpoint")
        match record.state:
            case JobState.COMPLETED:
                return self._completed(job, record)
            case JobState.FAILED:
                return self._failed(job, record)
            case JobState.SKIPPED:
                return self._skipped(job, record)
            case JobState.RUNNING:
                return self._running(job, record)
            case JobState.PENDING if record.attempt:
                return self._runs(job, "Waited", f"it waited for another try: {record.reason or 'no reason'}")
            case _:
                return self._runs(job, "NotStarted", "")

    def _completed(self, job: JobSpec, record: JobRecord) -> JobPlan:
        if job.id in self.asked.rerun:
            return self._runs(job, "Named", "named in rerun")
        if found := self._edits(job, record):
            self._problem(
                job.id, "CompletedJobEdited",
                f"it has completed, and {' and '.join(found)} changed since: name it in rerun to run it and what"
                " depends on it again, or take the edit back",
            )  # fmt: skip
            return self._runs(job, "Edited", f"{' and '.join(found)} changed")
        if upset := self._upset(job):
            return self._runs(job, "DependsOnRerun", f"depends on {_listed(upset)}, which runs again")
        if self.params_changed and not self.asked.force:
            self._problem(
                job.id, "ParamsChanged",
                f"it has completed, and could have read {_listed(self.params_changed)} of params from its file: name"
                " it in rerun to run it again, or set force to keep what does not depend on them",
            )  # fmt: skip
        return JobPlan(job.id, Verdict.KEEP, "Completed", seconds=_seconds(record))

    def _failed(self, job: JobSpec, record: JobRecord) -> JobPlan:
        ended = record.reason in _ENDED_BY_THE_RUN
        stands = not ended and job.id not in self.asked.rerun and not self._edits(job, record) and not self._upset(job)
        if stands:
            state = failure.handling(job.id, self.shape.jobs, self.shape.dependents, self.records)
            if state is not failure.Handling.UNHANDLED:
                return JobPlan(job.id, Verdict.KEEP, "FailureHandled", f"its failure is {state}", _seconds(record))
        return self._runs(job, "Failed", f"failed: {record.reason}" + (f": {record.message}" if record.message else ""))

    def _skipped(self, job: JobSpec, record: JobRecord) -> JobPlan:
        named, reason = job.id in self.asked.rerun, record.reason
        stays = not named and not self._edits(job, record) and not self._upset(job)
        if stays and (reason in _FOLLOWING or reason in _DECIDED):
            return JobPlan(job.id, Verdict.SKIP, reason, record.message)
        return self._runs(job, "ConsideredAgain", f"was skipped: {reason}")

    def _running(self, job: JobSpec, record: JobRecord) -> JobPlan:
        live = self.known.records.get(job.id)
        same = live is not None and live.running and live.attempt == record.attempt and record.uid in ("", live.uid)
        if self.known.adopt and same and live is not None and live.stopping is None:
            named = job.id in self.asked.rerun
            if not named and not self._upset(job) and live.definition in ("", job.digest):
                text = f"attempt {record.attempt} still runs and goes on"
                return JobPlan(job.id, Verdict.KEEP, names.STILL_RUNS, text)
        return self._runs(job, "WasRunning", f"attempt {record.attempt} ran when the checkpoint was taken")

    def removed(self, record: JobRecord) -> JobPlan:
        """A job that the target does not have."""
        if record.id not in self.saved.jobs and self.saved.jobs and record.terminal:
            return JobPlan(record.id, Verdict.KEEP, names.REMOVED, "was taken out before the checkpoint was taken")
        if record.state is JobState.COMPLETED and record.id not in self.asked.rerun:
            self._problem(
                record.id, "ResultOrphaned",
                f"it has completed and is not in the jobs any more, so its result would be lost{self._renamed(record)}:"
                " put it back, or name it in rerun to let the result go",
            )  # fmt: skip
        return JobPlan(record.id, Verdict.SKIP, names.REMOVED, "not in the jobs any more")

    def _renamed(self, record: JobRecord) -> str:
        """A guess at what has become of a job that is gone."""
        fresh = (job for job in self.target.jobs if job.id not in self.saved.records)
        twin = next((job.id for job in fresh if record.definition and job.digest == record.definition), "")
        return f" ({twin} runs the same: is it this job renamed? Results are known by the id only)" if twin else ""

    # --- What runs

    def _runs(self, job: JobSpec, reason: str, message: str) -> JobPlan:
        """A job that is run, again if it has run before, with the word that its `replay` asks for."""
        record, live = self.records[job.id], self.known.records.get(job.id)
        before = record.last > 0 or (live is not None and live.last > 0)
        perhaps = not before and not self.known.final and job.id in self.saved.records
        if (before or perhaps) and job.replay is not Replay.SAFE:
            self._ask_for_word(job, before)
        return JobPlan(
            job.id, Verdict.RERUN if before else Verdict.RUN, reason, message[: names.MESSAGE_LIMIT],
            self._lost(record, live) if before else 0,
            job.replay.value if (before or perhaps) and job.replay is not Replay.SAFE else "",
        )  # fmt: skip

    def _ask_for_word(self, job: JobSpec, before: bool) -> None:
        how = "it has run" if before else "it may have run since the checkpoint was taken: what came after is not known"
        if job.replay is Replay.UNSAFE and job.id not in self.asked.rerun:
            self._problem(job.id, "UnsafeRerun", f"replay is Unsafe, and {how}: name it in rerun if it may run")
        if job.replay is Replay.CONFIRM and job.id not in self.asked.confirm:
            self._problem(job.id, "ConfirmationNeeded", f"replay is Confirm, and {how}: name it in confirm to agree")

    def _lost(self, record: JobRecord, live: JobRecord | None) -> int:
        """Seconds of work that are done again: of the latest attempt that is known."""
        latest = live if live is not None and live.attempt >= record.attempt else record
        return _seconds(latest, until=self.saved.taken_at)

    # --- What has changed

    def _edits(self, job: JobSpec, record: JobRecord) -> list[str]:
        """What is another than it was, of a job that has ended."""
        found = edits(self.saved.jobs.get(job.id), job, record.definition)
        if not self.params_changed:
            return found
        if used := sorted(_params_of(job) & set(self.params_changed)):
            found.append(f"the params that it names ({_listed(used)})")
        elif job.when and "params" in job.when:
            found.append("the params that its condition looks at")
        return found

    def _upset(self, job: JobSpec) -> list[str]:
        """The dependencies that do not stand as the checkpoint has them."""
        return [d for d in job.depends_on if self.decided[d].verdict in (Verdict.RERUN, Verdict.RUN)]

    def check_words(self) -> None:
        """Names in `rerun` and `confirm` that are no jobs."""
        there = self.shape.jobs.keys() | self.saved.records.keys()
        for field_, named in (("rerun", self.asked.rerun), ("confirm", self.asked.confirm)):
            for name in sorted(named - there):
                self._problem(name, "UnknownJob", f"named in {field_}, but neither the spec nor the checkpoint has it")

    def _problem(self, job: str, reason: str, message: str) -> None:
        self.problems.append(Problem(job, reason, message))


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The params that differ, compared as they are written: 1, 1.0 and true are three values."""
    every = dict.fromkeys([*old, *new])
    return [k for k in every if (k in old, canonical(old.get(k))) != (k in new, canonical(new.get(k)))]


def _params_of(job: JobSpec) -> set[str]:
    return {r.name for r in templates.references(job.pod_template) if r.kind is templates.Kind.PARAM}


def _seconds(record: JobRecord, until: datetime | None = None) -> int:
    """How long the record's attempt has worked, in whole seconds."""
    end = record.finished_at or (until if record.running else None)
    if record.started_at is None or end is None:
        return 0
    return max(round((end - record.started_at).total_seconds()), 0)


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more
