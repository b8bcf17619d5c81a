"""Builders for tests: a job, a spec, an execution, Kubernetes objects as they are seen; values are what is usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cairn import names
from cairn.core.actions import Plan
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.naming import attempt_name
from cairn.core.observed import KubeJob, KubePod, Observed
from cairn.core.planner import plan
from cairn.core.spec import ExecutionSpec, JobSpec
from cairn.core.status import JobRecord, JobState, Phase, Status

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=1)
IDENTITY = Identity("default", "sample", "uid-of-sample")
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}


def after(seconds: float) -> datetime:
    """So many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def job(name: str, *depends_on: str, **fields: Any) -> JobSpec:
    """A job; its digest is its id unless said."""
    given: dict[str, Any] = {"pod_template": TEMPLATE, "digest": name} | fields
    return JobSpec(name, given.pop("index", 0), depends_on, **given)


def spec(*jobs: JobSpec, **fields: Any) -> ExecutionSpec:
    """An accepted spec; without checkpoints unless said."""
    fields = {"checkpoint": CheckpointSettings(enabled=False)} | fields
    return ExecutionSpec(tuple(replace(j, index=place) for place, j in enumerate(jobs)), **fields)


def execution(given: ExecutionSpec | None, *records: JobRecord, generation: int = 1, **fields: Any) -> Execution:
    """An execution that has started, with these records; `status` fields start with `status_`."""
    status = {name.removeprefix("status_"): fields.pop(name) for name in list(fields) if name.startswith("status_")}
    begun: dict[str, Any] = {
        "phase": Phase.RUNNING, "reason": names.WORKING, "started_at": EARLIER, "observed_generation": generation,
    }  # fmt: skip
    jobs = {r.id: r for r in records}
    return Execution(IDENTITY, generation, Status(jobs=jobs, **begun | status), given, **fields)


# --- Records ---------------------------------------------------------------------------------------------------------


def running(name: str, attempt: int = 1, **fields: Any) -> JobRecord:
    """An attempt under way whose Kubernetes Job has been seen."""
    given: dict[str, Any] = {
        "reason": names.WAITING, "launched_at": EARLIER, "uid": f"job-{name}", "definition": name,
    } | fields  # fmt: skip
    return JobRecord(name, JobState.RUNNING, attempt, **given)


def intended(name: str, attempt: int = 1, **fields: Any) -> JobRecord:
    """An attempt that is recorded, and nothing more."""
    return running(name, attempt, **{"uid": "", "reason": names.LAUNCHING} | fields)


def ended(name: str, state: JobState = JobState.COMPLETED, attempt: int = 1, **fields: Any) -> JobRecord:
    """A job that is done."""
    return JobRecord(name, state, attempt, **{"launched_at": EARLIER, "finished_at": EARLIER} | fields)


def failed(name: str, **fields: Any) -> JobRecord:
    """A job that has failed."""
    given: dict[str, Any] = {"reason": names.ERROR, "message": "exited with code 1", "failures": 1}
    return ended(name, JobState.FAILED, **given | fields)


def skipped(name: str, reason: str = names.DEPENDENCY_FAILED) -> JobRecord:
    """A job that was not run."""
    return ended(name, JobState.SKIPPED, 0, reason=reason)


# --- What is seen ----------------------------------------------------------------------------------------------------


def name_of(job_id: str, attempt: int = 1) -> str:
    """The name of an attempt's Kubernetes Job."""
    return attempt_name(IDENTITY.name, IDENTITY.uid, job_id, attempt)


def kube_job(job_id: str, attempt: int = 1, **fields: Any) -> KubeJob:
    """The Kubernetes Job of an attempt."""
    given: dict[str, Any] = {
        "uid": f"job-{job_id}", "resource_version": "7", "owner_uid": IDENTITY.uid, "execution_uid": IDENTITY.uid,
        "job": job_id, "attempt": attempt, "definition": job_id, "created_at": EARLIER,
    } | fields  # fmt: skip
    return KubeJob(name_of(job_id, attempt), **given)


def kube_pod(job_id: str, attempt: int = 1, **fields: Any) -> KubePod:
    """A running pod of an attempt."""
    given: dict[str, Any] = {
        "name": f"pod-{job_id}", "uid": f"pod-{job_id}", "job_uid": f"job-{job_id}", "execution_uid": IDENTITY.uid,
        "phase": "Running", "created_at": EARLIER, "started_at": EARLIER, "container": "main",
    } | fields  # fmt: skip
    return KubePod(job_name=name_of(job_id, attempt), **given)


def succeeded(job_id: str, said: str = "", **fields: Any) -> KubePod:
    """A pod that has succeeded."""
    done: dict[str, Any] = {"phase": "Succeeded", "exit_code": 0, "finished_at": NOW, "termination_message": said}
    return kube_pod(job_id, **done | fields)


def crashed(job_id: str, code: int = 1, **fields: Any) -> KubePod:
    """A pod whose program has failed."""
    done: dict[str, Any] = {"phase": "Failed", "exit_code": code, "finished_at": NOW, "container_reason": "Error"}
    return kube_pod(job_id, **done | fields)


def observed(*things: KubeJob | KubePod, **fields: Any) -> Observed:
    """What is seen of the cluster."""
    jobs = {t.name: t for t in things if isinstance(t, KubeJob)}
    pods: dict[str, tuple[KubePod, ...]] = {}
    for thing in things:
        if isinstance(thing, KubePod):
            pods[thing.job_name] = (*pods.get(thing.job_name, ()), thing)
    return Observed(jobs=jobs, pods=pods, **fields)


# --- What comes of it ------------------------------------------------------------------------------------------------


def planned(given: Execution, *things: KubeJob | KubePod, now: datetime = NOW, **fields: Any) -> Plan:
    """The plan for an execution, given what is seen."""
    return plan(given, observed(*things, **fields), now=now)


def states(made: Plan) -> dict[str, str]:
    """The state of every job after a plan."""
    return {r.id: r.state.value for r in made.status.jobs.values()}


def actions(made: Plan) -> list[str]:
    """What a plan does once its status is stored, by kind and sorted."""
    return sorted(type(action).__name__ for action in made.after)
