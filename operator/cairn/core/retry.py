"""What a failed attempt costs and whether there is another one.

Application failures use up `retry.limit`. Infrastructure failures (eviction, preemption, a deleted pod, a lost node)
are counted apart and cost no retry, up to a bound of their own. A job whose `replay` is not `Safe` is not tried again
by itself once its container may have run, unless the program itself failed and the user asked for retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cairn import names
from cairn.core.spec import JobSpec, Replay, Retry
from cairn.core.status import JobRecord

INFRASTRUCTURE_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to try again, from when, and why not if not."""

    again: bool
    at: datetime | None = None
    why_not: str = ""


def backoff(retry: Retry, failures: int) -> timedelta:
    """How long to wait after the `failures`-th failure of a kind; doubles by default, bounded by `maxSeconds`."""
    # The exponent is bounded so that an absurd count cannot overflow a float; the result is bounded anyway.
    seconds = retry.backoff_seconds * retry.factor ** min(failures - 1, 64)
    return timedelta(seconds=min(seconds, retry.max_seconds))


def longest_backoff(retry: Retry, record: JobRecord) -> timedelta:
    """How long a job can have to wait for its next try, whatever it failed of."""
    return backoff(retry, max(record.failures, record.disruptions, 1))


def after_application_failure(job: JobSpec, record: JobRecord, now: datetime) -> Verdict:
    """Whether the program gets another try; `record.failures` counts this failure already."""
    limit = job.retry.limit + record.extra_retries
    codes = job.retry.on_exit_codes
    if limit and codes and record.exit_code not in codes:
        return Verdict(False, why_not=f"exit code {record.exit_code} is not in retry.onExitCodes")
    if record.failures > limit:
        return Verdict(False, why_not=f"all {limit} retries are used" if limit else "")
    return Verdict(True, now + backoff(job.retry, record.failures))


def after_infrastructure_failure(job: JobSpec, record: JobRecord, now: datetime) -> Verdict:
    """Whether the cluster gets another try; `record.disruptions` counts this failure already."""
    if job.replay is not Replay.SAFE and record.started_at is not None:
        return Verdict(False, why_not=f"its container had started and replay is {job.replay}")
    if record.reason == names.RESULT_LOST and job.replay is not Replay.SAFE:
        return Verdict(False, why_not=f"it may have had effects and replay is {job.replay}")
    if record.disruptions > INFRASTRUCTURE_LIMIT:
        return Verdict(False, why_not=f"{INFRASTRUCTURE_LIMIT} infrastructure failures are enough")
    return Verdict(True, now + backoff(job.retry, record.disruptions))
