"""500 jobs in one execution: it completes in order, the object stays small, and a person can still read the Events."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

LEVELS, WIDTH = 10, 50


def test_500_jobs(served: Kube) -> None:
    jobs = [
        {"id": f"l{level}-{n}", "group": f"l{level}", "dependsOn": [f"group:l{level - 1}"] if level else []}
        for level in range(LEVELS)
        for n in range(WIDTH)
    ]
    served.run("x", *jobs)
    done = served.wait("x", "Finished", timeout=240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "500/500")
    assert {(record["state"], record["attempt"]) for record in done["status"]["jobs"]} == {("Completed", 1)}

    whole = json.loads(served.kubectl("get", "dagx", "x", "-o", "json", "--show-managed-fields").stdout)
    size = len(json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode())
    assert size < 400_000, f"{size} bytes"

    end = until(lambda: [e for e in served.events("x") if e["reason"] == "Succeeded"], "the Event of its end")
    assert end[0]["message"] == "500 of 500 jobs completed"
    assert len(served.events("x")) <= 60

    assert_in_order(served.jobs("x"), served.pods("x"))


def assert_in_order(jobs: list[Object], pods: list[Object]) -> None:
    """One Kubernetes Job and one pod a job, and no pod began before the level before had ended (to the second)."""
    assert len(jobs) == len(pods) == LEVELS * WIDTH
    began, ended = defaultdict(list), defaultdict(list)
    for pod in pods:
        level = int(pod["metadata"]["labels"]["cairn.dev/job"].removeprefix("l").split("-")[0])
        began[level].append(pod["metadata"]["creationTimestamp"])
        ended[level].append(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
    for level in range(1, LEVELS):
        assert max(ended[level - 1]) <= min(began[level]), f"level {level}"
