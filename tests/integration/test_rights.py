"""The rights that docs/operations.md lists are enough: an operator with no others does everything here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from cluster import Cluster
from support.checkpoints import Rows, stored
from support.jobs import hanging, job, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., OperatorProcess]


def documented(kind: str) -> Object:
    """The role of that kind which the page shows."""
    written = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(rf"^```yaml\n([^`]*?kind: {kind}\n.*?)^```$", written, re.MULTILINE | re.DOTALL)
    assert block is not None
    role: Object = yaml.safe_load(block[1])
    return role


@pytest.fixture
def limited(solo: Kube, fake_cluster: Cluster, tmp_path: Path) -> Iterator[Kube]:
    """The same namespace, for an account that has the documented rights."""
    role, own = documented("ClusterRole"), documented("Role")
    role["metadata"]["name"] = name = f"limited-{solo.namespace}"
    solo.kubectl("create", "serviceaccount", "limited")
    solo.apply(role, own)
    solo.kubectl("create", "rolebinding", "limited", f"--role={own['metadata']['name']}",
                 f"--serviceaccount={solo.namespace}:limited")  # fmt: skip
    solo.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}",
                 f"--serviceaccount={solo.namespace}:limited")  # fmt: skip
    config = yaml.safe_load(fake_cluster.kubeconfig.read_text())
    token = solo.kubectl("create", "token", "limited").stdout.strip()
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    yield Kube(solo.binary, tmp_path / "kubeconfig", solo.namespace)
    solo.kubectl("delete", "clusterrolebinding", name)
    solo.kubectl("delete", "clusterrole", name)


def test_the_documented_rights_are_enough(
    limited: Kube, solo: Kube, start_operator: Start, rows: Rows, postgres: PostgresServer
) -> None:
    operator = start_operator(
        limited, DATABASE_URL=rows.url, CAIRN_HOME_NAMESPACE=solo.namespace, CAIRN_SWEEP_SECONDS="2",
        CAIRN_LEADER_ELECTION="true", CAIRN_LEASE_SECONDS="4",
    )  # fmt: skip
    solo.run("work", job("a", fake={"message": '{"n": 1}'}), hanging("b", "a"), job("c", "b"), params={"p": 1},
             checkpoint={"retentionCount": 3, "criticalJobIds": ["c"],
                         "triggers": ["level-completed", "before-critical"]})  # fmt: skip
    until(lambda: solo.job("work", "b").get("startedAt"), "b runs")
    solo.patch("dagx", "work", {"spec": {"paused": True, "pause": {"mode": "Stop"}}})
    solo.wait("work", "Paused")
    operator.kill()
    operator.start()  # attempts are read from their results
    solo.patch("dagx", "work", {"spec": {"paused": False}})
    until(lambda: solo.wait_job("work", "b", attempt=2).get("startedAt"), "b runs again")
    release(solo, "work", "b")
    solo.wait("work", "Succeeded")
    last = stored(solo, 3)[-1]
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": "again"}}
    source = {"checkpointName": last["metadata"]["name"], "rerun": ["c"]}
    solo.apply(body | {"spec": {"restoreFrom": source, "paused": True, "checkpoint": {"enabled": False}}})
    solo.wait("again", "Restored")
    operator.kill()
    operator.start()  # jobs and results are read from what the fork has taken over
    solo.patch("dagx", "again", {"spec": {"paused": False}})
    solo.wait("again", "Succeeded")
    rewind = {"checkpointName": last["metadata"]["name"], "requestId": "r1", "rerun": ["c"]}
    solo.patch("dagx", "work", {"spec": {"restoreFrom": rewind}})
    solo.wait("work", "Restored")
    solo.wait("work", "Succeeded")
    solo.saved("work")
    first, *_ = stored(solo, 3)
    postgres.stop()
    try:
        solo.kubectl("delete", "ckpt", first["metadata"]["name"], "--timeout=30s")
    finally:
        postgres.start()
    until(lambda: len(rows.all()) == 2, "the row goes")
    assert " 403" not in operator.log.read_text() and "forbidden" not in operator.log.read_text().lower()
