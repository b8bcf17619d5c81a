"""The rights that the chart gives the operator are enough: with no others it does everything here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from support import chart
from support.checkpoints import Rows, stored
from support.jobs import hanging, job, release
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer
from support.service import applied
from support.users import User, kubeconfig_for

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

Start = Callable[..., OperatorProcess]


@pytest.fixture
def limited(solo: Kube, fake_cluster: Cluster, tmp_path: Path) -> Iterator[Kube]:
    """The same namespace, for an account that has the rights of an operator which the chart installs there."""
    name = f"limited-{solo.namespace}"
    release = chart.rendered(
        {"fullnameOverride": name, "watch": {"namespaces": [solo.namespace]}}, namespace=solo.namespace
    )  # fmt: skip
    with applied(solo, chart.rights(release, "operator")):
        account = User.new(solo, f"{name}-operator")
        account.can(solo, "watch", "namespaces", "--all-namespaces")
        account.can(solo, "create", "events")
        yield Kube(solo.binary, kubeconfig_for(fake_cluster, account.token(), tmp_path), solo.namespace)


def test_the_rights_of_the_chart_are_enough(
    limited: Kube, solo: Kube, start_operator: Start, rows: Rows, postgres: PostgresServer
) -> None:
    operator = start_operator(
        limited, DATABASE_URL=rows.url, CAIRN_HOME_NAMESPACE=solo.namespace, CAIRN_SWEEP_SECONDS="2",
        CAIRN_LEADER_ELECTION="true", CAIRN_LEASE_SECONDS="4", CAIRN_LEASE_NAME=f"limited-{solo.namespace}-operator",
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
