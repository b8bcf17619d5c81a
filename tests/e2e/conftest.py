"""A namespace on the real node, served by an operator of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from conftest import cluster_of_run, namespace_in
from support.kube import Kube
from support.operator_process import OperatorProcess

LOGS = Path(__file__).resolve().parents[2] / "build" / "logs"


@pytest.fixture(scope="package")
def real_cluster() -> Iterator[Cluster]:
    """A control plane with one real node, gone before other tests need the processor."""
    yield from cluster_of_run("real")


@pytest.fixture(scope="package")
def _real_operator(real_cluster: Cluster) -> Iterator[OperatorProcess]:
    operator = OperatorProcess(real_cluster.kubeconfig, LOGS / "e2e-operator.log", f"test-{os.getpid()}-*")
    yield operator.start()
    operator.stop()


@pytest.fixture
def real(real_cluster: Cluster, _real_operator: OperatorProcess) -> Iterator[Kube]:
    """A namespace on the real node, under the restricted Pod Security Standard, served by the run's operator."""
    for kube in namespace_in(real_cluster, "test"):
        kube.kubectl("label", "namespace", kube.namespace, "pod-security.kubernetes.io/enforce=restricted")
        yield kube


@pytest.fixture
def real_solo(real_cluster: Cluster) -> Iterator[Kube]:
    """A namespace on the real node for a test that starts and kills operators of its own."""
    yield from namespace_in(real_cluster, "solo")
