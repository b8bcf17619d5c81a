"""Executions of many short jobs, and whether each of their attempts ran once."""

from __future__ import annotations

from collections import Counter

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


def assert_each_attempt_ran_once(kube: Kube, name: str) -> None:
    """One Kubernetes Job per recorded attempt and none besides, one pod per Kubernetes Job that was not stopped."""
    records = kube.get("dagx", name)["status"]["jobs"]
    jobs = kube.jobs(name)
    labels = [j["metadata"]["labels"] for j in jobs]
    attempts = Counter((found["cairn.dev/job"], found["cairn.dev/attempt"]) for found in labels)
    expected = {(r["id"], str(n)) for r in records for n in range(1, r.get("attempt", 0) + 1)}
    assert set(attempts) == expected
    assert set(attempts.values()) == {1}
    pods = Counter(p["metadata"]["labels"]["batch.kubernetes.io/job-name"] for p in kube.pods(name))
    stopped = {j["metadata"]["name"] for j in jobs if j["spec"].get("suspend") and not j["spec"]["parallelism"]}
    ran = {j["metadata"]["name"] for j in jobs} - stopped
    assert {each: pods[each] for each in pods.keys() - stopped} == dict.fromkeys(ran, 1)
