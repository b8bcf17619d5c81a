"""The kind provider: command lines only, so that they can be tested without a Docker engine.

The node image is not named: kind's own default belongs to its release. Fake nodes are played by the same kwok as with
the local provider, pointed at kind's API server.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from cluster import binaries, fake_nodes
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import wait_usable
from cluster.layout import BIN, Layout, locked
from cluster.processes import Processes
from cluster.state import Nodes, State, free_ports

PROVIDER = "kind"


def kind_name(name: str) -> str:
    """What the cluster is called in kind: other people's clusters live there too."""
    return f"cairn-{name}"


def config() -> dict[str, Any]:
    """kind's configuration: one node, and controllers that are not throttled by their own clients."""
    rates = {"kube-api-qps": "500", "kube-api-burst": "1000"}
    patch = {
        "kind": "ClusterConfiguration",
        "controllerManager": {"extraArgs": rates},
        "scheduler": {"extraArgs": rates},
        "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane"}],
        "kubeadmConfigPatches": [yaml.safe_dump(patch, sort_keys=False)],
    }


def create_command(name: str, config_file: Path, kubeconfig: Path) -> list[str]:
    """Create a cluster; the kubeconfig goes to a file of its own, the user's stays as it is."""
    files = ["--config", str(config_file), "--kubeconfig", str(kubeconfig)]
    return ["kind", "create", "cluster", "--name", kind_name(name), *files, "--wait", "120s"]


def kubeconfig_command(name: str, kubeconfig: Path) -> list[str]:
    """Write the kubeconfig of an existing cluster."""
    return ["kind", "export", "kubeconfig", "--name", kind_name(name), "--kubeconfig", str(kubeconfig)]


def load_command(name: str, archive: Path) -> list[str]:
    """Bring an image archive onto the cluster's node."""
    return ["kind", "load", "image-archive", str(archive), "--name", kind_name(name)]


def delete_command(name: str, kubeconfig: Path) -> list[str]:
    """Delete the cluster, and nothing from the user's kubeconfig."""
    return ["kind", "delete", "cluster", "--name", kind_name(name), "--kubeconfig", str(kubeconfig)]


def list_command() -> list[str]:
    """List kind's clusters, one name a line."""
    return ["kind", "get", "clusters"]


def start(name: str, nodes: Nodes) -> Cluster:
    """Create the cluster, or reuse it."""
    layout = Layout.of(name)
    for tool in ("kind", "kubectl", "kwok") if nodes == "fake" else ("kind", "kubectl"):
        binaries.build(tool)
    with locked(f"cluster-{name}"):
        state = State.load(layout) or State(name, nodes, PROVIDER, free_ports(fake_nodes.PORTS))
        state.save(layout)
        if kind_name(name) in _run(list_command()).splitlines():
            _run(kubeconfig_command(name, layout.kubeconfig))
        else:
            config_file = layout.root / "kind.yaml"
            config_file.write_text(yaml.safe_dump(config(), sort_keys=False))
            _run(create_command(name, config_file, layout.kubeconfig))
        cluster = handle(layout, state)
        if nodes == "fake":
            fake_nodes.start(layout, cluster.kubectl, layout.kubeconfig, state.ports["kwok"])
        wait_usable(cluster.kubectl, 1 + (fake_nodes.COUNT if nodes == "fake" else 0))
    return cluster


def handle(layout: Layout, state: State) -> Cluster:
    """The handle of a cluster that is written down."""
    return Cluster(layout.name, state.nodes, PROVIDER, layout.kubeconfig, layout.logs, BIN)


def stop(name: str) -> None:
    """Delete the cluster that `start` created under that name."""
    layout = Layout.of(name)
    with locked(f"cluster-{name}"):
        Processes(layout).stop("kwok", kill=True)
        _run(delete_command(name, layout.kubeconfig))
        shutil.rmtree(layout.root)


def load_image(name: str, archive: Path) -> None:
    """Bring an image archive onto the cluster's node."""
    _run(load_command(name, archive))


def _run(command: list[str]) -> str:
    """Run the kind that was built here, at the version that is pinned here."""
    result = subprocess.run([str(BIN / command[0]), *command[1:]], text=True, capture_output=True, check=False)
    if result.returncode:
        raise ClusterError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout
