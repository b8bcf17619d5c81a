"""A real node whose kubelet goes away under running containers: they run on, and nothing is begun a second time."""

from __future__ import annotations

import signal
import time

import pytest

from cluster import Cluster
from support.kube import Kube, until

pytestmark = pytest.mark.e2e

SECONDS = 6  # that the container runs


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_container_that_ends_while_its_kubelet_is_away_has_run_once(
    real: Kube, real_cluster: Cluster, how: str
) -> None:
    script = f"sleep {SECONDS}; echo '[1]' > /dev/termination-log"
    image = "localhost/cairn-busybox:dev"
    real.run("work", {"id": "a", "image": image, "command": ["sh", "-ec", script]},
             {"id": "b", "image": image, "command": ["cat", "/cairn/inputs/a.json"], "dependsOn": ["a"]})  # fmt: skip
    until(lambda: real.job("work", "a").get("startedAt"), "it runs")
    if how == "killed":
        real_cluster.stop_part("kubelet", kill=True)
    else:
        real_cluster.signal("kubelet", signal.SIGSTOP)
    try:
        time.sleep(SECONDS)  # it ends, and nobody tells
        assert real.job("work", "a")["state"] == "Running"
    finally:
        if how == "killed":
            real_cluster.start_part("kubelet")
        else:
            real_cluster.signal("kubelet", signal.SIGCONT)
    done = real.wait("work", "Succeeded", 120)
    assert [record["attempt"] for record in done["status"]["jobs"]] == [1, 1]
    pods = real.pods("work")
    assert [status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]] == [0, 0]
    assert len(real.jobs("work")) == len(pods) == 2
