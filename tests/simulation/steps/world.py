"""The simulated cluster: one execution, its Kubernetes Jobs and pods, the Job controller, the kubelet, time.

Rules it keeps to, as the real ones do (see docs of the Job controller; measured on 1.35):
- Every change has a new resourceVersion and reaches every operator as an event, in order per kind, at any later time.
- Suspending a Job kills its pod and keeps the Job; a Job fails when its one pod has failed or was deleted, first as
  `FailureTarget`, and `Failed` once the pod has ended; a pod stripped of its finalizer and deleted is replaced.
- A deleted pod ends within its grace period, later or never: when the kubelet's turn comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cairn import names
from cairn.core.status_wire import record_to_wire
from cairn.core.times import format_time
from cairn.errors import AlreadyExists, Conflict, Gone, Refused, Rejected
from simulation import restores, rules
from simulation.server import copied
from simulation.steps import keeping

Body = dict[str, Any]
BEGIN = datetime(2026, 1, 31, 8, tzinfo=UTC)
NAMESPACE, NAME, UID = "default", "sample", "00000000-0000-0000-0000-000000000001"
Program = Callable[["SimPod"], str]


def tells_its_attempt(pod: SimPod) -> str:
    """A program whose outputs are other ones each time."""
    return f'{{"attempt": {pod.attempt}}}'


@dataclass
class SimJob:
    """A Kubernetes Job and what its controller remembers."""

    body: Body
    failed_pods: int = 0
    succeeded: bool = False
    since: datetime | None = None

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])

    @property
    def finished(self) -> bool:
        return "Complete" in self.conditions or "Failed" in self.conditions

    @property
    def conditions(self) -> dict[str, Body]:
        return {c["type"]: c for c in self.body["status"]["conditions"] if c["status"] == "True"}

    def set_condition(self, kind: str, status: bool, reason: str = "") -> bool:
        """Set a condition; whether that changed anything."""
        conditions = self.body["status"]["conditions"]
        value = {"type": kind, "status": "True" if status else "False", "reason": reason}
        known = next((c for c in conditions if c["type"] == kind), None)
        if known == value or (known is None and not status):
            return False
        self.body["status"]["conditions"] = [c for c in conditions if c is not known] + [value]
        return True


@dataclass
class SimPod:
    """A pod."""

    body: Body
    job: str
    job_uid: str
    job_id: str
    attempt: int
    inputs: str = ""  # what its dependencies have handed out

    @property
    def phase(self) -> str:
        return str(self.body["status"]["phase"])

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.body["metadata"]

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])


@dataclass
class Feed:
    """What an operator's watches have yet to bring."""

    executions: list[tuple[Body, bool]] = field(default_factory=list)
    jobs: list[tuple[Body, bool]] = field(default_factory=list)
    pods: list[tuple[Body, bool]] = field(default_factory=list)
    checkpoints: list[tuple[Body, bool]] = field(default_factory=list)


class World:
    """The cluster. Methods raise `rules.Broken` when something happens that never may."""

    def __init__(
        self, spec: Body, *, fails: frozenset[str] = frozenset(), program: Program = tells_its_attempt,
        origins: Sequence[World] = (),
    ) -> None:  # fmt: skip
        self.now: datetime = max((origin.now + timedelta(milliseconds=1) for origin in origins), default=BEGIN)
        self.name, self.uid = NAME, UID
        if origins:
            self.name, self.uid = f"fork-{len(origins)}", f"{UID[:-1]}{len(origins) + 1}"
        self.origins: list[World] = list(origins)  # other executions, whose checkpoints can be seen
        self.program = program
        self.spec = spec
        self.fails = fails  # jobs whose program fails when nothing else is said
        self.generation = 1
        self.status: Body = {}
        self.paused_by = "kubectl"
        self.version = 1
        self.deleted = False
        self.jobs: dict[str, SimJob] = {}
        self.pods: dict[str, SimPod] = {}
        self.results: dict[str, Body] = {}
        self.inputs: set[str] = set()
        self.checkpoints: dict[str, Body] = {}
        self.bad_checkpoints = 0  # how many of the next ones cannot be taken
        self.slow_reads = 0  # how many looks later the next answers come that are read beside the loop
        self.created: set[str] = set()  # names of Kubernetes Jobs, ever
        self.started: list[tuple[str, int]] = []  # containers, by job and attempt
        self.given_up: list[dict[str, int]] = []  # at each rewind, the highest attempt of every job up to there
        self.refusals = 0
        self.rejections = 0
        self.rejected: set[str] = set()  # what is wrong stays wrong, whoever sends it
        self.feeds: list[Feed] = []
        self._serial = itertools.count(1)
        self._execution_version = 1

    # --- Versions and events

    @property
    def execution_version(self) -> str:
        """The execution's resourceVersion."""
        return str(self._execution_version)

    def _touch(self, body: Body) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)

    def _tell_job(self, job: SimJob, *, deleted: bool = False) -> None:
        self._touch(job.body)
        self._tell("jobs", job.body, deleted)

    def _tell_pod(self, pod: SimPod, *, deleted: bool = False) -> None:
        self._touch(pod.body)
        self._tell("pods", pod.body, deleted)

    def _tell(self, kind: str, body: Body, deleted: bool) -> None:
        for feed in self.feeds:
            getattr(feed, kind).append((copied(body), deleted))

    def _tell_execution(self) -> None:
        self.version += 1
        self._execution_version = self.version
        self._tell("executions", self.execution(), False)

    def execution(self) -> Body:
        """The execution as it is now."""
        return {
            "metadata": {
                "namespace": NAMESPACE, "name": self.name, "uid": self.uid, "generation": self.generation,
                "resourceVersion": self.execution_version,
                "managedFields": [{"manager": self.paused_by, "fieldsV1": {"f:spec": {"f:paused": {}}}}],
            },
            "spec": copied(self.spec), "status": copied(self.status),
        }  # fmt: skip

    def edit(self, change: Callable[[Body], None], *, by: str = "kubectl") -> None:
        """Change the spec, as a user does."""
        spec = copied(self.spec)
        change(spec)
        if spec != self.spec:
            self.spec, self.generation, self.paused_by = spec, self.generation + 1, by
            self._tell_execution()

    @property
    def whole_spec(self) -> Body:
        """The spec with the jobs of a fork that names none."""
        return {"jobs": self.origins[0].spec["jobs"]} | self.spec if self.origins else self.spec

    # --- What an operator can ask for

    def write_status(self, version: str, status: Body) -> str:
        """Replace the status on exactly that version."""
        if version != self.execution_version:
            raise Conflict("the execution has changed", status=409)
        restores.check_restore(self.spec, self.status, status, self.held_records, self._live_attempts())
        if not restores.goes_back(self.status, status):
            rules.check_write(self.whole_spec, self._kept(status), status)
            rules.check_decided(self._kept(status), status)
        rules.check_critical(self.whole_spec, self.status, status, self.checkpoints.values())
        rules.check_paused(status, self._settled(), {job.uid for job in self.jobs.values()} | self._busy())
        if restores.goes_back(self.status, status):
            self.given_up.append({r["id"]: rules.last_of(r) for r in status["jobs"]})
        self.status = copied(status)
        self._tell_execution()
        return self.execution_version

    def _kept(self, status: Body) -> Body:
        """The status before: of a fork that begins, with what it has kept."""
        if not restores.begins_fork(self.status, status):
            return self.status
        kept = [r for r in status["jobs"] if r["state"] in rules.ENDED]
        return self.status | {"jobs": kept}

    def held_records(self, origin: rules.Wire) -> dict[str, Body]:
        """The records that a checkpoint holds, by job; of one that is Ready."""
        state = keeping.held(self.checkpoint(origin["checkpointName"]))
        return {id: dict(record_to_wire(record)) for id, record in state.status.jobs.items()}

    def _live_attempts(self) -> set[tuple[str, int]]:
        return {(pod.job_id, pod.attempt) for pod in self.pods.values() if not pod.ended}

    def _settled(self) -> set[tuple[str, int]]:
        """The attempts that are provably not started: their Kubernetes Job is there, suspended, and has no pod."""
        busy = self._busy()
        return {_attempt(j.body) for j in self.jobs.values() if j.body["spec"]["suspend"] and j.uid not in busy}

    def _busy(self) -> set[str]:
        """The UIDs of the Jobs, there or gone, that have a pod which lives."""
        return {pod.job_uid for pod in self.pods.values() if not pod.ended}

    def set_paused(self, version: str, paused: bool, reason: str) -> None:
        """The operator's own write in the spec."""
        if version != self.execution_version:
            raise Conflict("the execution has changed", status=409)

        def change(spec: Body) -> None:
            spec["paused"] = paused
            if reason:
                spec["pause"] = spec.get("pause", {}) | {"reason": reason}

        self.edit(change, by=names.PAUSE_MANAGER)

    def create_job(self, manifest: Body) -> Body:
        """Create a Kubernetes Job."""
        name = manifest["metadata"]["name"]
        rules.check_create(self.status, *_attempt(manifest))
        if self.rejections or name in self.rejected:
            self.rejections = 0
            self.rejected.add(name)
            raise Rejected("invalid", status=422)
        if self.refusals:
            self.refusals -= 1
            raise Refused("exceeded quota", status=403)
        if name in self.jobs:
            raise AlreadyExists("taken", status=409)
        if name in self.created:
            raise rules.Broken(f"invariant 3: a second Kubernetes Job was made for {name}")
        self.created.add(name)
        body = copied(manifest)
        body["metadata"] |= {"uid": f"job-{next(self._serial)}", "creationTimestamp": format_time(self.now)}
        body["status"] = {"conditions": []}
        job = self.jobs[name] = SimJob(body)
        self._tell_job(job)
        return copied(body)

    def get_job(self, name: str) -> Body:
        """A Kubernetes Job as it is."""
        if name not in self.jobs:
            raise Gone("no such Job", status=404)
        return copied(self.jobs[name].body)

    def patch_job(self, name: str, metadata: Body, spec: Body) -> Body:
        """Merge-patch a Kubernetes Job."""
        if name not in self.jobs:
            raise Gone("no such Job", status=404)
        job = self.jobs[name]
        version = metadata.get("resourceVersion", job.body["metadata"]["resourceVersion"])
        if metadata["uid"] != job.uid or version != job.body["metadata"]["resourceVersion"]:
            raise Conflict("another Job, or another version", status=409)
        if spec.get("parallelism") == 0:
            rules.check_stop(self.status, *_attempt(job.body))
        annotations = job.body["metadata"]["annotations"] | metadata["annotations"]
        job.body["metadata"]["annotations"] = {k: v for k, v in annotations.items() if v is not None}
        job.body["spec"] |= spec
        self._tell_job(job)
        return copied(job.body)

    def pods_of(self, name: str) -> list[Body]:
        """The pods of a Kubernetes Job as they are."""
        return [copied(p.body) for p in self.pods.values() if p.job == name]

    def create_result(self, manifest: Body) -> None:
        """Create a JobResult; once there, it never changes."""
        name = manifest["metadata"]["name"]
        if name in self.results:
            raise AlreadyExists("taken", status=409)
        self.results[name] = copied(manifest)

    # --- Checkpoints

    def create_checkpoint(self, manifest: Body) -> Body:
        """Create a Checkpoint object; there may be one already."""
        name = manifest["metadata"]["name"]
        rules.check_checkpoint(self.status, name)
        if name not in self.checkpoints:
            body = copied(manifest)
            uid = f"{self.name}-checkpoint-{next(self._serial)}"
            body["metadata"] |= {"uid": uid, "creationTimestamp": format_time(self.now)}
            self.checkpoints[name] = body
            self._tell_checkpoint(body)
        return copied(self.checkpoints[name])

    def checkpoint(self, name: str) -> Body:
        """A Checkpoint object, of this execution or of one whose checkpoints can be seen."""
        for world in (self, *self.origins):
            if name in world.checkpoints:
                return copied(world.checkpoints[name])
        raise Gone("no such Checkpoint", status=404)

    def settle_checkpoint(self, name: str, version: str, status: Body) -> Body:
        """Write the status of a Checkpoint object, or that it cannot be taken."""
        body = self.checkpoints[name]
        if body["metadata"]["resourceVersion"] != version:
            raise Conflict("the checkpoint has changed", status=409)
        if self.bad_checkpoints:
            self.bad_checkpoints -= 1
            status = {"phase": "Failed", "executionUid": self.uid, "conditions": [
                {"type": "Ready", "status": "False", "reason": "ResultLost", "message": "gone"}]}  # fmt: skip
        body["status"] = copied(status)
        self._tell_checkpoint(body)
        return copied(body)

    def _tell_checkpoint(self, body: Body) -> None:
        self._touch(body)
        self._tell("checkpoints", body, False)

    # --- The Job controller

    def sync(self, job: SimJob) -> bool:
        """One turn of the Job controller for a Job; whether anything changed."""
        if job.finished or "deletionTimestamp" in job.body["metadata"]:
            return False
        before = copied(job.body["status"])
        self._sync(job, [p for p in self.pods.values() if p.job_uid == job.uid])
        pods = [p for p in self.pods.values() if p.job_uid == job.uid]
        live = [p for p in pods if not p.ended]
        job.body["status"]["active"] = sum(not p.deleting for p in live)
        job.body["status"]["terminating"] = sum(p.deleting for p in live)
        if job.body["status"] == before:
            return False
        self._tell_job(job)
        return True

    def _sync(self, job: SimJob, pods: list[SimPod]) -> None:
        live = [p for p in pods if not p.ended]
        spec = job.body["spec"]
        failing = job.conditions.get("FailureTarget")
        deadline = spec.get("activeDeadlineSeconds")
        if deadline and job.since and self.now >= job.since + timedelta(seconds=deadline) and not failing:
            failing = {"reason": "DeadlineExceeded"}
            job.set_condition("FailureTarget", True, "DeadlineExceeded")
        if (job.succeeded or any(p.phase == "Succeeded" for p in pods)) and not live and not failing:
            job.set_condition("Complete", True)
        elif failing or job.failed_pods or any(p.phase == "Failed" or p.deleting for p in pods if not spec["suspend"]):
            reason = failing["reason"] if failing else "BackoffLimitExceeded"
            self._delete_pods(live)
            if not job.set_condition("FailureTarget", True, reason) and not live:
                job.set_condition("Failed", True, reason)
        elif spec["suspend"]:
            self._delete_pods(live)
            job.since = None
            job.set_condition("Suspended", True)
        else:
            job.set_condition("Suspended", False)
            job.since = job.since or self.now
            if not live and spec["parallelism"]:
                self._create_pod(job)

    def _create_pod(self, job: SimJob) -> None:
        serial = next(self._serial)
        labels = job.body["spec"]["template"]["metadata"]["labels"]
        body: Body = {
            "metadata": {
                "name": f"pod-{serial}", "uid": f"pod-{serial}", "creationTimestamp": format_time(self.now),
                "labels": labels | {"batch.kubernetes.io/job-name": job.name},
                "ownerReferences": [{"uid": job.uid, "controller": True}],
            },
            "spec": {"containers": [{"name": "main"}]}, "status": {"phase": "Pending"},
        }  # fmt: skip
        job_id, attempt = _attempt(job.body)
        pod = SimPod(body, job.name, job.uid, job_id, attempt, _inputs(job.body))
        self.pods[pod.uid] = pod
        self._tell_pod(pod)

    def _delete_pods(self, pods: list[SimPod]) -> None:
        for pod in pods:
            self.delete_pod(pod)

    # --- The kubelet, and whoever else touches pods

    def step(self, pod: SimPod, *, succeeds: bool | None = None) -> bool:
        """The next thing that happens to a pod by itself; whether there was one."""
        if pod.deleting:
            if pod.ended:
                return self._remove(pod)
            if pod.phase == "Pending":
                return self._end(pod, "Failed", None)
            return self._end(pod, "Failed", 143) if not succeeds else self._end(pod, "Succeeded", 0)
        if pod.phase == "Pending":
            return self._start(pod)
        if pod.phase == "Running":
            good = pod.job_id not in self.fails if succeeds is None else succeeds
            return self._end(pod, "Succeeded", 0) if good else self._end(pod, "Failed", 1)
        return False

    def _start(self, pod: SimPod) -> bool:
        rules.check_start(self.whole_spec, self.status, pod.job_id, pod.attempt)
        self.started.append((pod.job_id, pod.attempt))
        running = {"running": {"startedAt": format_time(self.now)}}
        pod.body["status"] = {"phase": "Running", "containerStatuses": [{"name": "main", "state": running}]}
        self._tell_pod(pod)
        return True

    def _end(self, pod: SimPod, phase: str, code: int | None) -> bool:
        ended: Body = {"exitCode": code, "finishedAt": format_time(self.now), "startedAt": format_time(self.now),
                       "message": self.program(pod) if code == 0 else "went wrong",
                       "reason": "Error" if code else "Completed"}  # fmt: skip
        statuses = [{"name": "main", "state": {"terminated": ended}}] if code is not None else []
        pod.body["status"] = {"phase": phase, "containerStatuses": statuses}
        self._tell_pod(pod)
        return True

    def _remove(self, pod: SimPod) -> bool:
        self._account(pod)
        del self.pods[pod.uid]
        self._tell_pod(pod, deleted=True)
        return True

    def _account(self, pod: SimPod) -> None:
        """The finalizer keeps a pod until its Job's controller has counted it; not so under a suspended Job."""
        job = self.jobs.get(pod.job)
        if job is not None and job.uid == pod.job_uid and pod.phase == "Succeeded":
            job.succeeded = True
        elif job is not None and job.uid == pod.job_uid and not job.body["spec"]["suspend"]:
            job.failed_pods += 1

    def delete_pod(self, pod: SimPod) -> None:
        """Begin to delete a pod."""
        if not pod.deleting:
            pod.body["metadata"]["deletionTimestamp"] = format_time(self.now)
            self._tell_pod(pod)

    def strip_pod(self, pod: SimPod) -> None:
        """Take a pod's finalizer and force its deletion: its Job's controller makes another one."""
        del self.pods[pod.uid]
        self._tell_pod(pod, deleted=True)

    def evict_pod(self, pod: SimPod) -> None:
        """The node is short of something."""
        if not pod.ended:
            pod.body["status"] = {
                "phase": "Failed", "reason": "Evicted",
                "conditions": [{"type": "DisruptionTarget", "status": "True"}],
            }  # fmt: skip
            self._tell_pod(pod)

    def delete_job(self, job: SimJob, *, orphan: bool = False) -> None:
        """Delete a Kubernetes Job, in the background; its pods follow unless orphaned."""
        del self.jobs[job.name]
        self._tell_job(job, deleted=True)
        for pod in [p for p in self.pods.values() if p.job_uid == job.uid and not orphan]:
            self.delete_pod(pod)

    def recorded(self) -> Iterator[SimJob]:
        """The Kubernetes Jobs whose UID the stored status holds."""
        uids = {r.get("uid") for r in self.status.get("jobs", ())}
        return (job for job in self.jobs.values() if job.uid in uids)


def _attempt(body: Body) -> tuple[str, int]:
    labels = body["metadata"]["labels"]
    return labels[names.LABEL_JOB], int(labels[names.LABEL_ATTEMPT])


def _inputs(body: Body) -> str:
    given = body["spec"]["template"]["spec"]["containers"][0].get("env") or ()
    return next((str(variable["value"]) for variable in given if variable["name"] == "CAIRN_INPUTS"), "")
