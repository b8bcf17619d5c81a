"""Fake nodes: kwok plays the kubelet, so that thousands of pods cost no container and a job can take no time at all.

What a pod does is said by its annotations; `fake/stages.yaml` says how. kwok 0.8 has no client-side rate limit, so the
`--kube-api-qps` that controller manager and scheduler need has no counterpart here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cluster.kubectl import Kubectl
from cluster.layout import BIN, SOURCES, Layout
from cluster.processes import Part, Processes

PORTS = ["kwok"]
COUNT = 5
_STAGES = SOURCES / "fake" / "stages.yaml"
_MARK = "kwok.x-k8s.io/node"


def manifests(count: int = COUNT) -> list[dict[str, Any]]:
    """The Node objects; five of them carry every test."""
    return [_node(f"fake-{number}") for number in range(count)]


def _node(name: str) -> dict[str, Any]:
    resources = {"cpu": "1000", "memory": "4Ti", "pods": "5000", "ephemeral-storage": "4Ti"}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {_MARK: "fake"}},
        "status": {"allocatable": resources, "capacity": resources},
    }


def part(layout: Layout, kubeconfig: Path, port: int, binaries: Path = BIN) -> Part:
    """The kwok process."""
    # A configuration file replaces kwok's defaults as a whole: what is not named here would be zero, and refused.
    options = {
        "podPlayStageParallelism": 16,
        "nodePlayStageParallelism": 4,
        "nodeLeaseParallelism": 4,
        "podsOnNodeSyncParallelism": 4,
    }
    config = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": options}
    path = layout.root / "kwok.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    flags = {
        "kubeconfig": kubeconfig,
        "config": f"{path},{_STAGES}",
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": f"{_MARK}=fake",
        "node-lease-duration-seconds": 40,
        "cidr": "10.0.0.0/8",
        "node-ip": "127.0.0.1",  # the API server asks the node's kubelet for logs: that must not leave the machine
        "node-name": "kwok",
        "server-address": f"127.0.0.1:{port}",
    }
    argv = (str(binaries / "kwok"), *(f"--{key}={value}" for key, value in flags.items()))
    return Part("kwok", argv, ready=f"http://127.0.0.1:{port}/healthz")


def start(layout: Layout, kubectl: Kubectl, kubeconfig: Path, port: int) -> None:
    """Start kwok and make the nodes it plays."""
    Processes(layout).start(part(layout, kubeconfig, port))
    for node in manifests():
        if not kubectl.works("get", "node", node["metadata"]["name"]):
            # Not `apply`: it leaves the status out, and with it what the node can carry.
            kubectl.run("create", "-f", "-", stdin=yaml.safe_dump(node))
