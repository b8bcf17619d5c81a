"""The local provider: a cluster out of processes on this machine, with fake nodes or a real one.

Rules: `start` leads to the same running cluster from wherever it begins (nothing there, half started, partly crashed,
healthy); `stop` removes whatever it finds, without needing to know how far a start had come.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster import binaries, control_plane, fake_nodes, real_node
from cluster.control_plane import ControlPlane, Plan
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import wait_usable
from cluster.layout import BIN, CLUSTERS, Layout, locked
from cluster.processes import Processes
from cluster.state import Nodes, State, free_ports

PROVIDER = "local"
_FAKE_SERVICES = "10.96.0.0/16"


def start(name: str, nodes: Nodes) -> Cluster:
    """Bring the cluster up, or reuse it."""
    layout = Layout.of(name)
    binaries.build(nodes)
    with locked(f"cluster-{name}"):
        state = State.load(layout) or _new_state(layout, nodes)
        if state.nodes != nodes:
            raise ClusterError(f"cluster {name} has {state.nodes} nodes; stop it first, or give another --name")
        cluster = handle(layout, state)
        if nodes == "fake":
            _start_fake(layout, state, cluster)
        else:
            real_node.start(layout, state, cluster)
    return cluster


def handle(layout: Layout, state: State) -> Cluster:
    """The handle of a cluster that is written down."""
    return Cluster(layout.name, state.nodes, PROVIDER, layout.kubeconfig, layout.logs, BIN)


def find(name: str) -> Cluster | None:
    """The cluster of that name, running or not."""
    layout = Layout.of(name)
    state = State.load(layout)
    return None if state is None else handle(layout, state)


def names() -> list[str]:
    """The clusters that have left anything in the build directory, even without a readable state."""
    if not CLUSTERS.is_dir():
        return []
    return sorted(path.name for path in CLUSTERS.iterdir() if path.is_dir())


def stop(name: str) -> None:
    """Stop everything that was started under that name and remove its traces, but for the logs."""
    layout = Layout.of(name)
    with locked(f"cluster-{name}"):
        if not layout.root.exists():
            return
        # The data is thrown away in a moment: no reason to be polite.
        Processes(layout).stop_all()
        real_node.clean(layout)
        _keep_logs(layout)
        shutil.rmtree(layout.root)


def _new_state(layout: Layout, nodes: Nodes) -> State:
    if nodes == "fake":
        ports = free_ports([*control_plane.PORTS, *fake_nodes.PORTS])
        state = State(layout.name, nodes, PROVIDER, ports)
    else:
        state = real_node.new_state(layout)
    state.save(layout)
    return state


def _start_fake(layout: Layout, state: State, cluster: Cluster) -> None:
    plane = ControlPlane(layout, Plan(state.ports, "127.0.0.1", _FAKE_SERVICES))
    plane.start()
    kubeconfig = plane.kubeconfig("kwok", "kwok", "system:masters")
    fake_nodes.start(layout, cluster.kubectl, kubeconfig, state.ports["kwok"])
    wait_usable(cluster.kubectl, fake_nodes.COUNT)


def _keep_logs(layout: Layout) -> None:
    if layout.logs.is_dir():
        shutil.rmtree(layout.kept_logs, ignore_errors=True)
        layout.kept_logs.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(layout.logs, layout.kept_logs)


def status(name: str) -> dict[str, str]:
    """Each part, and whether it runs and answers."""
    processes = Processes(Layout.of(name))
    found = {}
    for part in processes.names():
        pid = processes.pid(part)
        found[part] = "stopped" if pid is None else f"pid {pid}, {'ready' if processes.is_ready(part) else 'not ready'}"
    return found


def load_image(name: str, archive: Path) -> None:
    """Bring an image archive onto the cluster's real node."""
    real_node.load_image(Layout.of(name), archive)
