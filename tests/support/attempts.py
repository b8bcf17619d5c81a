"""Executions of many short jobs, and whether each of their attempts ran once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from support.jobs import lasting
from support.kube import Kube, Object


def layered(levels: int, width: int) -> list[Object]:
    """Levels of short jobs, each on all of the level before."""
    return [
        lasting(f"l{level}-{n}", *([f"group:l{level - 1}"] if level else []), duration="150ms", group=f"l{level}")
        for level in range(levels)
        for n in range(width)
    ]


def attempts(body: Object) -> dict[str, int]:
    """How many attempts of each job are recorded."""
    return {r["id"]: r["attempt"] for r in body["status"]["jobs"] if r.get("attempt")}


def assert_each_attempt_ran_once(kube: Kube, name: str, *, stopped: Collection[tuple[str, str]] = ()) -> None:
    """One Kubernetes Job per recorded attempt and none besides, one pod per Kubernetes Job.

    `stopped`: attempts (job, number) that were stopped for good, and whose pods went with that.
    """
    records = kube.get("dagx", name)["status"]["jobs"]
    listed = kube.jobs(name)
    jobs = {_attempt(found): found for found in listed}
    assert len(jobs) == len(listed)
    assert set(jobs) == {(r["id"], str(n)) for r in records for n in range(1, r.get("attempt", 0) + 1)}
    assert [jobs[each]["spec"]["suspend"] for each in stopped] == [True] * len(stopped)
    pods = Counter(_attempt(found) for found in kube.pods(name))
    assert {each: pods[each] for each in pods.keys() - set(stopped)} == dict.fromkeys(jobs.keys() - set(stopped), 1)


def _attempt(found: Object) -> tuple[str, str]:
    labels = found["metadata"]["labels"]
    return labels["cairn.dev/job"], labels["cairn.dev/attempt"]
