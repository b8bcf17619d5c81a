"""What one stored status tells beyond the one before it, in numbers: attempts that ended, retries, starts, hops.

A hop is only measured where nothing but Cairn and the API server lay between: where the launch is decided in the very
plan that learns of the last dependency's end. What starts later has waited for something else since: a hold, a pause, a
place, a checkpoint, a refusal to pass, a repair. Times of containers come in whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairn.core.actions import Launch
from cairn.core.draft import Draft
from cairn.core.spec import JobSpec
from cairn.core.status import JobRecord, JobState, Phase, Status

APPLICATION = "application"
INFRASTRUCTURE = "infrastructure"
STOPPED = "Stopped"  # on purpose, to run again


@dataclass(frozen=True, slots=True)
class Change:
    """One job's record before and after."""

    before: JobRecord
    after: JobRecord

    @property
    def launched(self) -> bool:
        """Whether a new attempt was recorded."""
        return self.after.running and self.after.attempt > self.before.attempt

    @property
    def ended(self) -> bool:
        """Whether an attempt was under way, and is not any more."""
        return self.before.running and not (self.after.running and self.after.attempt == self.before.attempt)

    @property
    def outcome(self) -> str:
        """The state that an attempt which has ended came to; one that is followed by another may have been stopped."""
        if self.after.terminal:
            return self.after.state.value
        return STOPPED if self._cause is None else JobState.FAILED.value

    @property
    def reason(self) -> str:
        """Why an attempt has ended so, as far as its own record still tells."""
        return self.after.reason if self.after.attempt == self.before.attempt else ""

    @property
    def retry(self) -> str | None:
        """What had failed, if an attempt has ended and another one follows; one stopped on purpose has not failed."""
        return self._cause if self.ended and not self.after.terminal else None

    @property
    def _cause(self) -> str | None:
        if self.after.failures > self.before.failures:
            return APPLICATION
        return INFRASTRUCTURE if self.after.disruptions > self.before.disruptions else None

    @property
    def start(self) -> float | None:
        """Seconds from the recorded launch to the start of the container, when that has become known."""
        after, before = self.after, self.before
        known = before.started_at is not None and before.attempt == after.attempt
        if known or after.started_at is None or after.launched_at is None:
            return None
        return max((after.started_at - after.launched_at).total_seconds(), 0.0)


def changes(old: Status, new: Status) -> list[Change]:
    """The jobs whose record has changed. After a restore: what it did itself; what it took over has not happened."""
    if new.restored_from != old.restored_from:
        return [*_stopped(old, new), *_launched(old, new)]
    pairs = ((old.jobs.get(r.id) or JobRecord(r.id), r) for r in new.jobs.values())
    return [Change(before, after) for before, after in pairs if before is not after and before != after]


def _stopped(old: Status, new: Status) -> list[Change]:
    """The attempts that a restore has stopped."""
    running = (record for record in old.jobs.values() if record.running)
    ended = (record for record in running if Change(record, new.jobs.get(record.id) or JobRecord(record.id)).ended)
    return [Change(record, record.as_pending(STOPPED, "")) for record in ended]


def _launched(old: Status, new: Status) -> list[Change]:
    """The attempts that began with it; they follow nothing that was under way here."""
    before = {id: record.last for id, record in old.jobs.items()}
    return [Change(JobRecord(r.id), r) for r in new.jobs.values() if r.running and r.attempt > before.get(r.id, 0)]


def ending(old: Status, new: Status) -> Phase | None:
    """The phase that the execution has come to its end with, if it has."""
    return new.phase if new.finished and not old.finished else None


def due(draft: Draft, job: JobSpec) -> datetime | None:
    """Since when nothing but Cairn kept a job from starting: the end of its last dependency, where that is news."""
    before = draft.execution.status.jobs
    if draft.restored or all(name in before and before[name].terminal for name in job.depends_on):
        return None
    return max((end for name in job.depends_on if (end := draft.records[name].finished_at)), default=None)


def hop(launch: Launch, now: datetime) -> float | None:
    """Seconds from when a launch was due until now, where its Kubernetes Job has just been created."""
    return max((now - launch.due).total_seconds(), 0.0) if launch.due else None
