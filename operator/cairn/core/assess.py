"""What has become of one attempt: a pure function from what is recorded and seen to a finding.

Rules (design: "a pod that succeeded is a job that is done", "deleted is not ended"):
- An attempt ends when its pod's phase is terminal or its Kubernetes Job is `Complete` or `Failed`; never on
  `FailureTarget`, on a deletionTimestamp, or because an object is missing from a view.
- A pod that succeeded wins over everything that comes later, a deadline or a stop included.
- A pod that failed while it was being deleted is judged when its Job says why (a deadline is the program's failure, a
  deletion by hand the cluster's); the Job controller always says so in the end.
- A Kubernetes Job that is recorded, or was seen, and that a live read does not find is an infrastructure failure; it is
  never created again.
- That a Job has ended says nothing about a pod that has not been seen: first a live read has to miss that, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cairn import names
from cairn.core import outputs
from cairn.core.observed import KubeJob, KubePod, LogRead, Observed
from cairn.core.outputs import Outputs, OutputsError
from cairn.core.spec import OutputsFrom
from cairn.core.status import JobRecord, Stopping


class EndKind(StrEnum):
    """How an attempt ended, which decides what it costs."""

    SUCCESS = "Success"
    APPLICATION = "Application"  # the program failed: uses up a retry
    INFRASTRUCTURE = "Infrastructure"  # the cluster failed it: counted apart
    STOPPED = "Stopped"  # ended on purpose: costs nothing


@dataclass(frozen=True, slots=True)
class Unlaunched:
    """An intent whose Kubernetes Job has not been seen."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The recorded Kubernetes Job, or its pod, is not in view; only a live read may conclude anything from that."""

    pod: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Created suspended under a pause: provably not started."""

    job: KubeJob


@dataclass(frozen=True, slots=True)
class Alive:
    """Not ended. `reason` says what it waits for, or is empty when its container runs."""

    job: KubeJob | None
    pod: KubePod | None = None
    reason: str = ""
    message: str = ""
    intruder: bool = False  # a second pod has appeared under the Job


@dataclass(frozen=True, slots=True)
class LogWanted:
    """The pod succeeded, but its outputs are in its log, which has not been read yet."""

    pod: KubePod
    message: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over."""

    kind: EndKind
    reason: str = ""
    message: str = ""
    pod: KubePod | None = None
    job: KubeJob | None = None
    outputs: Outputs | None = None


Finding = Unlaunched | Unconfirmed | Held | Alive | LogWanted | Ended


def assess(record: JobRecord, name: str, observed: Observed, *, handout: OutputsFrom, needed: bool) -> Finding:
    """What has become of the running attempt of `record`, whose Kubernetes Job is called `name`.

    `handout` says where the job hands out its outputs; `needed` whether any dependent needs them, which decides what it
    means when a Job is complete and its pod is gone.
    """
    job, pods = observed.jobs.get(name), observed.pods.get(name, ())
    if succeeded := next((p for p in pods if p.phase == "Succeeded"), None):
        return _succeeded(succeeded, job, observed.logs.get(name), handout, needed)
    if job is None:
        return _without_job(record, name, pods, observed)
    if job.held_at is not None and job.suspended and not pods:
        return Held(job)
    if not pods and name not in observed.absent_pods and (job.complete or job.failed or (job.stopped and job.quiet)):
        return Unconfirmed(pod=True)  # its Job is told of by another watch than its pod, which may have succeeded
    if record.stopping is not None:
        return _being_stopped(record, job, pods)
    return _under_job(record, job, pods, needed)


def _succeeded(
    pod: KubePod, job: KubeJob | None, log: LogRead | None, handout: OutputsFrom, needed: bool
) -> Finding:
    if handout is OutputsFrom.TERMINATION:
        try:
            found = outputs.from_termination(pod.termination_message, containers=pod.containers)
        except OutputsError as error:
            return Ended(EndKind.APPLICATION, error.reason, error.message, pod, job)
        return Ended(EndKind.SUCCESS, pod=pod, job=job, outputs=found)
    if log is None:
        return LogWanted(pod)
    if log.unavailable:
        return LogWanted(pod, log.unavailable, log.retry_at)
    if log.gone:
        return _without_outputs(job, needed, "its log, and with it the outputs, is gone", pod)
    if log.error is not None:
        return Ended(EndKind.APPLICATION, log.error.reason, log.error.message, pod, job)
    return Ended(EndKind.SUCCESS, pod=pod, job=job, outputs=log.outputs)


def _without_job(record: JobRecord, name: str, pods: Sequence[KubePod], observed: Observed) -> Finding:
    if not record.uid and not pods and name not in observed.gone:
        return Unlaunched()
    if not record.uid and name not in observed.absent:
        return Unconfirmed()  # there was a Job, as it was seen itself, or a pod shows
    live = next((p for p in pods if not p.ended), None)
    if live is not None:  # orphaned, or not collected yet: it runs on, and may still succeed
        return Alive(None, live, names.JOB_DELETED, "its Kubernetes Job was deleted; the pod still runs")
    if name not in observed.absent:
        return Unconfirmed()
    if name not in observed.absent_pods and not pods:
        return Unconfirmed(pod=True)
    pod = next(iter(pods), None)
    if record.stopping is not None:
        return _stopped(record, None, pod)
    return Ended(EndKind.INFRASTRUCTURE, names.JOB_DELETED, "its Kubernetes Job was deleted", pod)


def _stopped(record: JobRecord, job: KubeJob | None, pod: KubePod | None) -> Ended:
    if record.stopping is Stopping.SECOND_POD:
        text = "a second pod appeared under its Kubernetes Job"
        return Ended(EndKind.INFRASTRUCTURE, names.SECOND_POD, text, pod, job)
    return Ended(EndKind.STOPPED, names.STOPPED, "", pod, job)


def _being_stopped(record: JobRecord, job: KubeJob, pods: Sequence[KubePod]) -> Finding:
    live = next((p for p in pods if not p.ended), None)
    failed = next((p for p in pods if p.phase == "Failed" and not p.deleting), None)
    if live is None and failed is not None and record.stopping is not Stopping.SECOND_POD:
        return _failed_pod(failed, job)
    if live is None and (job.quiet or job.failed or job.complete):
        return _stopped(record, job, next(iter(pods), None))
    return Alive(job, live, names.STOPPING, f"being stopped ({record.stopping})")


def _under_job(record: JobRecord, job: KubeJob, pods: Sequence[KubePod], needed: bool) -> Finding:
    own = [p for p in pods if p.job_uid == job.uid]
    live = [p for p in own if not p.ended]
    if len({p.uid for p in own} | ({record.pod_uid} - {""})) > 1 and live:
        return Alive(job, live[0], names.SECOND_POD, "a second pod appeared under its Kubernetes Job", intruder=True)
    if live:
        return _waiting(job, live[0])
    if own:
        return _failed_pod(own[0], job)
    if job.complete:
        return _without_outputs(job, needed, "its Kubernetes Job is complete, but its pod and the outputs are gone")
    if job.failed:
        return _failed_without_pod(job)
    if job.stopped and job.quiet:  # by a hand, or by an operator that took it for a stray
        return Ended(EndKind.INFRASTRUCTURE, names.SUSPENDED, "its Kubernetes Job was suspended for good", job=job)
    if job.suspended:
        return Alive(job, None, names.SUSPENDED, "its Kubernetes Job is suspended by something other than Cairn")
    return Alive(job, None, names.WAITING, "no pod yet")


def _failed_pod(pod: KubePod, job: KubeJob | None) -> Finding:
    if pod.reason == "DeadlineExceeded":
        return Ended(EndKind.APPLICATION, names.TIMEOUT, pod.message or "ran longer than its timeout", pod, job)
    if pod.deleting:
        return _failed_while_deleted(pod, job)
    if pod.infrastructure:
        reason = pod.reason or ("Disrupted" if pod.disrupted else pod.container_reason)
        return Ended(EndKind.INFRASTRUCTURE, reason, pod.message or "the pod was disrupted", pod, job)
    return Ended(EndKind.APPLICATION, pod.container_reason or pod.reason or names.ERROR, _exit_text(pod), pod, job)


def _failed_while_deleted(pod: KubePod, job: KubeJob | None) -> Finding:
    if pod.infrastructure:
        text = pod.message or "the pod was disrupted"
        return Ended(EndKind.INFRASTRUCTURE, pod.reason or "Disrupted", text, pod, job)
    if job is not None and not job.failing and not job.suspended:
        return Alive(job, pod, names.WAITING, "the pod has ended; its Kubernetes Job has yet to say why")
    if job is not None and job.failing == "DeadlineExceeded":
        return Ended(EndKind.APPLICATION, names.TIMEOUT, "ran longer than its timeout", pod, job)
    return Ended(EndKind.INFRASTRUCTURE, names.POD_DELETED, "its pod was deleted", pod, job)


def _exit_text(pod: KubePod) -> str:
    said = pod.termination_message.strip().splitlines()
    where = f"container {pod.container} " if pod.container and pod.container != names.MAIN_CONTAINER else ""
    if pod.exit_code is None:
        return pod.message or "the pod failed"
    return f"{where}exited with code {pod.exit_code}" + (f": {said[-1].strip()}" if said else "")


def _without_outputs(job: KubeJob | None, needed: bool, text: str, pod: KubePod | None = None) -> Ended:
    if needed:
        return Ended(EndKind.INFRASTRUCTURE, names.RESULT_LOST, text, pod, job)
    return Ended(EndKind.SUCCESS, message=f"{text}; nothing needs them", pod=pod, job=job)


def _failed_without_pod(job: KubeJob) -> Ended:
    if job.failing == "DeadlineExceeded":
        return Ended(EndKind.APPLICATION, names.TIMEOUT, "ran longer than its timeout", job=job)
    if job.failing == "BackoffLimitExceeded":  # its one pod failed or was deleted, and is gone before it was seen
        return Ended(EndKind.INFRASTRUCTURE, names.POD_DELETED, "its pod failed and is gone", job=job)
    text = job.failure_message or "its Kubernetes Job failed without a pod"
    return Ended(EndKind.APPLICATION, names.JOB_FAILED_WITHOUT_POD, text, job=job)


def _waiting(job: KubeJob, pod: KubePod) -> Alive:
    """What a live pod waits for, in the order in which a person would ask."""
    if pod.unreachable or (pod.deleting and pod.disrupted):
        return Alive(job, pod, names.NODE_UNREACHABLE, f"node {pod.node} does not answer; waiting for the pod's end")
    if pod.deleting:
        return Alive(job, pod, names.POD_DELETED, "its pod is being deleted; waiting for its end")
    if pod.phase == "Running" and pod.started_at is not None:
        return Alive(job, pod)
    if pod.unschedulable:
        return Alive(job, pod, names.UNSCHEDULABLE, pod.unschedulable)
    if pod.waiting_reason and pod.waiting_reason not in ("ContainerCreating", "PodInitializing"):
        return Alive(job, pod, pod.waiting_reason, pod.waiting_message)
    return Alive(job, pod, names.WAITING, "its container has not started yet")
