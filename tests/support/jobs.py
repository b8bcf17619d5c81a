"""Jobs as tests write them: an id, what it comes after, and what a fake node makes of its pod."""

from __future__ import annotations

from typing import Any

from support.kube import Kube, Object, until

HANGS = {"hang": "true"}


def job(name: str, *after: str, fake: Object | None = None, **more: Any) -> Object:
    """A job; `fake` holds annotations for the fake node (tests/cluster/README.md), `more` fields of the job."""
    said = {f"fake.cairn.dev/{key}": value for key, value in (fake or {}).items()}
    template = {"podTemplate": {"metadata": {"annotations": said}}} if said else {}
    return {"id": name, "image": "fake", "dependsOn": list(after)} | template | more


def lasting(name: str, *after: str, duration: str, **more: Any) -> Object:
    """A job whose pod runs for a time, such as `150ms`."""
    return job(name, *after, fake={"duration": duration} | more.pop("fake", {}), **more)


def hanging(name: str, *after: str, **more: Any) -> Object:
    """A job whose pod runs until it is released."""
    return job(name, *after, fake=HANGS, **more)


def release(kube: Kube, execution: str, job_id: str) -> None:
    """Let the hanging pods of a job end, once there is one."""
    until(lambda: kube.pods(execution, job_id), f"{execution}/{job_id} has a pod")
    selector = f"cairn.dev/execution={execution},cairn.dev/job={job_id}"
    kube.kubectl("annotate", "pods", "-l", selector, "--overwrite", "fake.cairn.dev/hang=false")


def condition(execution: Object, kind: str) -> Object:
    """The condition of that type, empty if there is none."""
    conditions = execution.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})
