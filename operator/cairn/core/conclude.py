"""From the end of an attempt to the record of its job: completed, failed, or to be tried again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cairn import names
from cairn.core import retry
from cairn.core.assess import Ended, EndKind
from cairn.core.observed import KubeJob, KubePod
from cairn.core.spec import JobSpec
from cairn.core.status import JobRecord, JobState, Stopping

_STOP_REASONS = {Stopping.CANCEL: names.CANCELLED, Stopping.TIMEOUT: names.TIMED_OUT}
_STOP_MESSAGES = {Stopping.CANCEL: "stopped by the cancel", Stopping.TIMEOUT: "stopped: the execution timed out"}


@dataclass(frozen=True, slots=True)
class Concluded:
    """The new record, and what the attempt itself came to (its result is kept under that)."""

    record: JobRecord
    attempt: JobRecord
    said: str = ""  # the whole error message, longer than what the record holds


def with_seen(record: JobRecord, job: KubeJob | None, pod: KubePod | None) -> JobRecord:
    """The record with what can now be seen of its attempt: UIDs, the definition that really runs, the start."""
    uid = record.uid or (job.uid if job else "")
    definition = job.definition if job and job.definition else record.definition
    pod_uid = record.pod_uid or (pod.uid if pod else "")
    started_at = record.started_at or (pod.started_at if pod else None)
    if (uid, definition, pod_uid, started_at) == (record.uid, record.definition, record.pod_uid, record.started_at):
        return record
    return replace(record, uid=uid, definition=definition, pod_uid=pod_uid, started_at=started_at)


def conclude(record: JobRecord, ended: Ended, job: JobSpec, now: datetime, *, last: bool) -> Concluded:
    """The record after its attempt has ended. `last`: the execution ends, so there is no other try."""
    pod = ended.pod
    record = replace(
        with_seen(record, ended.job, pod),
        finished_at=(pod.finished_at if pod else None) or now,
        exit_code=pod.exit_code if pod else None,
    )
    if ended.kind is EndKind.SUCCESS:
        done = replace(record, result=ended.outputs.digest if ended.outputs else "")
        done = done.as_ended(JobState.COMPLETED, "", ended.message, now)
        return Concluded(done, done, ended.message)
    if ended.kind is EndKind.STOPPED:
        return _stopped(record, now)
    return _failed(record, ended, job, now, last=last)


def _stopped(record: JobRecord, now: datetime) -> Concluded:
    why = record.stopping
    if why in _STOP_REASONS:
        failed = record.as_ended(JobState.FAILED, _STOP_REASONS[why], _STOP_MESSAGES[why], now)
        return Concluded(failed, failed, failed.message)
    rewind = why is Stopping.REWIND
    text = "stopped: the execution goes back" if rewind else "stopped by the pause; it runs again after the resume"
    stopped = record.as_ended(JobState.FAILED, names.STOPPED, text, now)
    return Concluded(stopped.as_pending(stopped.reason, stopped.message), stopped, stopped.message)


def _failed(record: JobRecord, ended: Ended, job: JobSpec, now: datetime, *, last: bool) -> Concluded:
    if ended.kind is EndKind.APPLICATION:
        counted = replace(record, failures=record.failures + 1)
        verdict = retry.after_application_failure(job, counted, now)
    else:
        counted = replace(record, disruptions=record.disruptions + 1, reason=ended.reason)
        verdict = retry.after_infrastructure_failure(job, counted, now)
    attempt = counted.as_ended(JobState.FAILED, ended.reason, ended.message, now)
    if verdict.again and not last:
        return Concluded(attempt.as_pending(ended.reason, ended.message, retry_at=verdict.at), attempt, ended.message)
    why_not = f" ({verdict.why_not})" if verdict.why_not else ""
    return Concluded(attempt.with_reason(ended.reason, _fit(ended.message, why_not)), attempt, ended.message)


def _fit(message: str, suffix: str) -> str:
    """`message` cut so that `suffix`, which tells why there is no other try, is not what gets lost."""
    return message[: names.MESSAGE_LIMIT - len(suffix)] + suffix
