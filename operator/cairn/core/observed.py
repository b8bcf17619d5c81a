"""What the cluster shows of an execution's attempts: compact views of Kubernetes Jobs and pods, and looked-up facts.

A view holds only what a decision needs, so that thousands fit in memory and a test can write one down. Views may be
old: a decision never concludes anything from *not seeing* an object unless `Observed.absent` confirms it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cairn import names
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.outputs import Outputs, OutputsError
from cairn.core.restore.progress import Fork
from cairn.core.restore.source import Found, NotFound
from cairn.core.times import parse_time

# Reasons with which the kubelet or a controller fails a pod for the node's sake, not for the program's.
_INFRASTRUCTURE_POD_REASONS = frozenset(
    {"Evicted", "NodeLost", "NodeShutdown", "Terminated", "Shutdown", "Preempting", "NodeAffinity", "OutOfcpu",
     "OutOfmemory", "OutOfpods", "OutOfephemeral-storage", "UnexpectedAdmissionError", "Preempted"}
)  # fmt: skip
_INFRASTRUCTURE_CONTAINER_REASONS = frozenset({"ContainerStatusUnknown"})


@dataclass(frozen=True, slots=True)
class KubeJob:
    """A Kubernetes Job of ours."""

    name: str
    uid: str
    resource_version: str
    owner_uid: str
    execution_uid: str = ""
    job: str = ""
    attempt: int = 0
    definition: str = ""
    created_at: datetime | None = None
    suspended: bool = False
    parallelism: int = 1
    held_at: int | None = None  # the execution's generation at which Cairn created or kept it suspended under a pause
    suspended_condition: bool = False
    complete: bool = False
    failed: bool = False
    failing: str = ""  # reason of the FailureTarget or Failed condition
    failure_message: str = ""
    active: int = 0
    terminating: int = 0
    deleting: bool = False

    @property
    def ended(self) -> bool:
        """Whether its controller is done with it."""
        return self.complete or self.failed

    @property
    def stopped(self) -> bool:
        """Suspended by Cairn for good: whoever un-suspends it starts no pod."""
        return self.suspended and not self.parallelism

    @property
    def quiet(self) -> bool:
        """Suspended, and its controller says that none of its pods runs or terminates."""
        return self.suspended and self.suspended_condition and not self.active and not self.terminating


@dataclass(frozen=True, slots=True)
class KubePod:
    """A pod of one of our Kubernetes Jobs; the container fields are those of the container that counts (`_telling`)."""

    name: str
    uid: str
    job_name: str
    job_uid: str
    execution_uid: str = ""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    created_at: datetime | None = None
    deleting: bool = False
    disrupted: bool = False
    node: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    termination_message: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    unschedulable: str = ""
    unreachable: bool = False
    containers: int = 1
    resource_version: str = field(default="0", compare=False)  # it grows with changes that no decision looks at, too

    @property
    def ended(self) -> bool:
        """Whether the pod's phase is terminal: the only sign that its containers have ended."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def infrastructure(self) -> bool:
        """Whether this pod failed for the cluster's sake: eviction, preemption, a lost node."""
        return (
            self.disrupted
            or self.reason in _INFRASTRUCTURE_POD_REASONS
            or self.container_reason in _INFRASTRUCTURE_CONTAINER_REASONS
        )


PASSING_MOST = timedelta(seconds=30)  # what is said to pass is tried again within this time


@dataclass(frozen=True, slots=True)
class Refusal:
    """A create that was answered with a refusal: wait and try again (`retry_at`), or never (`final`)."""

    reason: str
    message: str
    retry_at: datetime
    final: bool = False
    since: datetime | None = None  # when it was refused


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an object waits, as the newest warning Event about it says; empty where there is none."""

    reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LogRead:
    """What came of reading a job's outputs from its log; `gone`: it can be read no more."""

    outputs: Outputs | None = None
    error: OutputsError | None = None
    gone: bool = False
    unavailable: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything the planner may look at besides spec and status. Keys are names of Kubernetes Jobs unless said."""

    jobs: Mapping[str, KubeJob] = field(default_factory=dict)
    pods: Mapping[str, tuple[KubePod, ...]] = field(default_factory=dict)
    gone: Set[str] = frozenset()  # Kubernetes Jobs that were there
    absent: frozenset[str] = frozenset()  # Kubernetes Jobs that a live read, just now, did not find
    absent_pods: frozenset[str] = frozenset()  # Kubernetes Jobs without a pod, by a live list just now
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    launching: Set[str] = frozenset()  # Kubernetes Jobs that are being created, or will be when it is their turn
    explained: Mapping[str, Explanation] = field(default_factory=dict)  # by UID of the Job or pod
    logs: Mapping[str, LogRead] = field(default_factory=dict)
    outputs: Mapping[str, Outputs] = field(default_factory=dict)  # by digest
    lost: frozenset[str] = frozenset()  # digests of results, and names of objects with jobs, that are gone or damaged
    checkpoints: Mapping[str, CheckpointObject] = field(default_factory=dict)  # of this execution, by name
    departed: Mapping[str, CheckpointObject] = field(default_factory=dict)  # decided, settled, and deleted since
    restore: Found | NotFound | None = None  # the checkpoint that a restore asks for, once it was looked for
    forks: tuple[Fork, ...] = ()  # executions that were forked from this one


def _owner_uid(meta: Mapping[str, Any]) -> str:
    return next((o["uid"] for o in meta.get("ownerReferences") or () if o.get("controller")), "")


def _attempt(labels: Mapping[str, str]) -> int:
    text = labels.get(names.LABEL_ATTEMPT, "")
    return int(text) if text.isdecimal() else 0


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {c["type"]: c for c in status.get("conditions") or () if c.get("status") == "True"}


def kube_job(body: Mapping[str, Any]) -> KubeJob:
    """The view of a `batch/v1` Job."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    true = _conditions(status)
    failing = true.get("Failed") or true.get("FailureTarget") or {}
    held = annotations.get(names.ANNOTATION_HELD, "")
    return KubeJob(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        owner_uid=_owner_uid(meta),
        execution_uid=labels.get(names.LABEL_EXECUTION_UID, ""),
        job=labels.get(names.LABEL_JOB, ""),
        attempt=_attempt(labels),
        definition=annotations.get(names.ANNOTATION_DEFINITION, ""),
        created_at=parse_time(meta.get("creationTimestamp")),
        suspended=bool(spec.get("suspend")),
        parallelism=spec.get("parallelism", 1),
        held_at=int(held) if held.isdecimal() else None,
        suspended_condition="Suspended" in true,
        complete="Complete" in true,
        failed="Failed" in true,
        failing=failing.get("reason", ""),
        failure_message=failing.get("message", ""),
        # Counts matter only while suspended; left out otherwise, they do not make a look at the execution necessary.
        active=(status.get("active") or 0) if spec.get("suspend") else 0,
        terminating=(status.get("terminating") or 0) if spec.get("suspend") else 0,
        deleting="deletionTimestamp" in meta,
    )


def _exit_code(status: Mapping[str, Any]) -> int:
    return ((status.get("state") or {}).get("terminated") or {}).get("exitCode") or 0


def _telling(statuses: list[Mapping[str, Any]], initial: list[Mapping[str, Any]], spec: Mapping[str, Any], *,
             failed: bool) -> Mapping[str, Any]:  # fmt: skip
    """The status of the container that counts: `main`, or the first; unless it is another one that failed the pod.

    A sidecar (an init container that is always restarted) fails no pod: it is killed once the others have ended.
    """
    first = (spec.get("containers") or [{}])[0].get("name")
    by_name = {s.get("name"): s for s in statuses}
    main: Mapping[str, Any] = by_name.get(names.MAIN_CONTAINER) or by_name.get(first) or {}
    if not failed or _exit_code(main):
        return main
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    return next((s for s in initial + statuses if _exit_code(s) and s.get("name") not in sidecars), main)


def _waiting(statuses: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The most telling reason for which a container waits: the plain start-up ones come last."""
    waits = [s["state"]["waiting"] for s in statuses if (s.get("state") or {}).get("waiting")]
    telling = [w for w in waits if w.get("reason") not in (None, "ContainerCreating", "PodInitializing")]
    return next(iter(telling or waits), {})


def kube_pod(body: Mapping[str, Any]) -> KubePod:
    """The view of a pod of one of our Kubernetes Jobs."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels = meta.get("labels") or {}
    statuses = list(status.get("containerStatuses") or ())
    initial = list(status.get("initContainerStatuses") or ())
    telling = _telling(statuses, initial, spec, failed=status.get("phase") == "Failed")
    state = telling.get("state") or {}
    ended = state.get("terminated") or {}
    waiting = _waiting(initial + statuses)
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    disruption = conditions.get("DisruptionTarget", {})
    return KubePod(
        name=meta["name"],
        uid=meta["uid"],
        job_name=labels.get("batch.kubernetes.io/job-name") or labels.get("job-name", ""),
        job_uid=_owner_uid(meta),
        resource_version=meta.get("resourceVersion", "0"),
        execution_uid=labels.get(names.LABEL_EXECUTION_UID, ""),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        created_at=parse_time(meta.get("creationTimestamp")),
        deleting="deletionTimestamp" in meta,
        disrupted=disruption.get("status") == "True",
        node=spec.get("nodeName", ""),
        started_at=parse_time(ended.get("startedAt") or (state.get("running") or {}).get("startedAt")),
        finished_at=parse_time(ended.get("finishedAt")),
        container=telling.get("name", ""),
        exit_code=ended.get("exitCode"),
        container_reason=ended.get("reason", ""),
        termination_message=ended.get("message", ""),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        unreachable=ready.get("reason") == "NodeNotReady" or status.get("reason") == "NodeLost",
        containers=max(len(spec.get("containers") or ()) + len(spec.get("initContainers") or ()), 1),
    )
