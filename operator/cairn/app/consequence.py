"""Whether the end of a pod may let something else happen, so that its execution is looked at without delay.

Most ends of a wide DAG do not: what comes next waits for others too. A look costs a plan over all jobs of the
execution, so those few that lead on are told from the many that are only to be recorded. In doubt it may.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairn.app.executions import ExecutionView
from cairn.core.naming import attempt_name
from cairn.core.observed import KubeJob, KubePod
from cairn.core.spec import Scheduling

Pods = Mapping[str, Mapping[str, KubePod]]  # by name of their Kubernetes Job, then by UID


def leads_on(view: ExecutionView, jobs: Mapping[str, KubeJob], pods: Pods, pod: KubePod) -> bool:
    """Whether it is a failure, or the last thing that something waited for; an end that frees a place is such, too."""
    spec, shape, job = view.execution.spec, view.shape, jobs.get(pod.job_name)
    if spec is None or shape is None or job is None or pod.phase != "Succeeded":
        return True
    if spec.parallelism or spec.paused or spec.scheduling is Scheduling.LEVELS:
        return True
    dependents = shape.dependents.get(job.job, ())
    return any(all(_is_done(view, pods, above) for above in shape.jobs[name].depends_on) for name in dependents)


def _is_done(view: ExecutionView, pods: Pods, job: str) -> bool:
    record, identity = view.execution.status.jobs.get(job), view.execution.identity
    if record is None:
        return False
    name = attempt_name(identity.name, identity.uid, job, record.attempt)
    return record.terminal or any(pod.phase == "Succeeded" for pod in pods.get(name, {}).values())
