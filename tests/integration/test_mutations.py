"""A share of `make mutations`: objects mutated from their schemas, each answer compared with a fresh object's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import Cluster
from mutations.runs import lanes, run, tasks
from mutations.tally import Outcome
from support.kube import Kube
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

SEED, MOST = 8, 12  # of each kind


@pytest.fixture
def operator(solo: Kube) -> Iterator[OperatorProcess]:
    """An operator of its own, so that it can be told whether it lived on."""
    there = OperatorProcess(solo.kubeconfig, solo.kubeconfig.parent / f"{solo.namespace}.log", solo.namespace)
    yield there.start()
    there.stop()


def test_mutated_objects_are_answered_like_fresh_ones_and_stop_no_other(
    fake_cluster: Cluster, solo: Kube, operator: OperatorProcess
) -> None:
    tallies = run(lanes(fake_cluster.kubeconfig, [solo.namespace] * 2, operator), tasks(SEED, MOST))
    findings = [finding for tally in tallies.values() for finding in tally.findings]
    assert not findings, "\n\n".join(findings)
    for kind, tally in tallies.items():
        assert tally.outcomes[Outcome.REFUSED] and tally.outcomes[Outcome.ACCEPTED], (kind, tally.outcomes)
        assert tally.total >= MOST * 0.8, (kind, tally.total)
