"""A real node: containerd, kubelet, kube-proxy and CoreDNS as processes in namespaces of their own.

It is what fake nodes are measured against: images, security contexts, logs, termination messages, services and names
work as on any cluster. Flags that look odd are explained in README.md.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cluster import control_plane, images, namespaces, packages, volumes
from cluster.control_plane import ControlPlane, Plan
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import wait_usable
from cluster.layout import BIN, Layout
from cluster.namespaces import Namespaces, Network, run
from cluster.processes import Part, Processes
from cluster.state import State, free_ports

NAME = "real-0"
_CNI = Path("/usr/lib/cni")
_SOCKET = "/run/containerd/containerd.sock"
_PREPARED_IMAGES = ("pause", "busybox")


def new_state(layout: Layout) -> State:
    """Decide on ports and addresses."""
    if os.geteuid() != 0:
        raise ClusterError("a real node needs root; fake nodes do not")
    packages.ensure(packages.NODE)
    ports = free_ports(control_plane.PORTS)
    return State(layout.name, "real", "local", ports, namespaces.free_block())


def start(layout: Layout, state: State, cluster: Cluster) -> None:
    """Start what does not run yet, and wait until pods can run."""
    packages.ensure(packages.NODE)
    node = _Node(layout, state)
    node.namespaces.start()
    plane = ControlPlane(layout, Plan(state.ports, node.network.machine, node.network.services))
    plane.start()
    for user_object in _name_server_access():
        cluster.kubectl.apply([user_object])
    since = datetime.fromtimestamp(int(time.time()), UTC)
    restarted = node.start(plane)
    wait_usable(cluster.kubectl, 1, since if restarted else None)
    volumes.provide(cluster, NAME)


def clean(layout: Layout) -> None:
    """Remove what the end of the node's processes has not removed."""
    state = State.load(layout)
    if state is not None and state.nodes == "real":
        namespaces.clean(Network(state.block, layout.short))


def load_image(layout: Layout, archive: Path) -> None:
    """Import an image archive into the node's containerd."""
    state = State.load(layout)
    assert state is not None
    _Node(layout, state).load(archive)


class _Node:
    """The parts of one node, and the files they read."""

    def __init__(self, layout: Layout, state: State) -> None:
        self.network = Network(state.block, layout.short)
        self.namespaces = Namespaces(layout, self.network)
        self._layout = layout
        self._processes = Processes(layout)

    def start(self, plane: ControlPlane) -> bool:
        """Start what does not run yet; tells whether the kubelet is a new one."""
        before = self._processes.pid("kubelet")
        self._start_containerd()
        for image in _PREPARED_IMAGES:
            self.load(images.build(image))
        for part in (self._dns(plane), self._kubelet(plane), self._proxy(plane)):
            self._processes.start(part)
        return self._processes.pid("kubelet") != before

    def load(self, archive: Path) -> None:
        """Import an image, unless this very archive was imported before."""
        loaded = self._layout.node / "images" / archive.name
        if not loaded.exists():
            run(*self.namespaces.enter("ctr", "--namespace", "k8s.io", "images", "import", str(archive)))
            loaded.parent.mkdir(parents=True, exist_ok=True)
            loaded.touch()

    def _write(self, name: str, content: str | dict[str, Any]) -> Path:
        path = self._layout.node / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return path

    def _start_containerd(self) -> None:
        self._write("cni/10-cairn.conflist", json.dumps(_cni_config(self.network), indent=1))
        config = self._write("containerd.toml", _containerd_config(self._layout.node / "cni"))
        command = self.namespaces.enter("containerd", "--config", str(config))
        self._processes.start(Part("containerd", command, ready=f"unix:{self.namespaces.path(_SOCKET)}"))

    def _kubelet(self, plane: ControlPlane) -> Part:
        certificate, key = plane.authority.server("kubelet-serving", [self.network.node, NAME])
        resolv = self._write("resolv.conf", f"nameserver {self.network.node}\n")
        config = _kubelet_config(self.network, plane.authority.certificate, certificate, key, resolv)
        flags: dict[str, str | int | Path] = {
            "config": self._write("kubelet.yaml", config),
            "kubeconfig": plane.kubeconfig("kubelet", f"system:node:{NAME}", "system:nodes"),
            "hostname-override": NAME,
            "node-ip": self.network.node,
            "root-dir": "/var/lib/kubelet",
        }
        return self._part("kubelet", flags, f"http://{self.network.node}:10248/healthz")

    def _proxy(self, plane: ControlPlane) -> Part:
        flags: dict[str, str | int | Path] = {
            "kubeconfig": plane.kubeconfig("kube-proxy", "system:kube-proxy"),
            "hostname-override": NAME,
            "proxy-mode": "iptables",
            "cluster-cidr": self.network.pods,
            "healthz-bind-address": f"{self.network.node}:10256",
            # These settings are the whole machine's: leave them as they are.
            "conntrack-max-per-core": 0,
            "conntrack-tcp-timeout-established": 0,
            "conntrack-tcp-timeout-close-wait": 0,
            "oom-score-adj": 0,
        }
        return self._part("kube-proxy", flags, f"http://{self.network.node}:10256/healthz")

    def _dns(self, plane: ControlPlane) -> Part:
        kubeconfig = plane.kubeconfig("coredns", "cairn-test-coredns")
        corefile = self._write("Corefile", _corefile(self.network.node, kubeconfig))
        return self._part("coredns", {"conf": corefile}, f"http://{self.network.node}:8181/ready")

    def _part(self, name: str, flags: dict[str, str | int | Path], ready: str) -> Part:
        command = (str(BIN / name), *(f"--{key}={value}" for key, value in flags.items()))
        return Part(name, self.namespaces.enter(*command), ready=ready)


def _cni_config(network: Network) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "hairpinMode": True,
        # Nothing translates addresses on the way out, because nothing gets out.
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": network.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": "cairn", "plugins": [bridge, ports]}


def _containerd_config(cni: Path) -> str:
    reference = images.load("pause").reference
    return f"""\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{reference}"
# Lowering the score is refused without CAP_SYS_RESOURCE, and runc then dies of it.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{_CNI}"
conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _kubelet_config(network: Network, authority: Path, certificate: Path, key: Path, resolv: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "healthzBindAddress": network.node,
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "clusterDomain": "cluster.local",
        "clusterDNS": [network.node],
        "resolvConf": str(resolv),
        # The machine's control groups are used as they are, be they of version 1, and none is made for pods.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "oomScoreAdj": 0,
        "failSwapOn": False,
        # The disk is shared with everything else on the machine: no pod is to be evicted for what others do.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "maxPods": 200,
    }


def _corefile(address: str, kubeconfig: Path) -> str:
    return f"""\
.:53 {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
    }}
    loadbalance
}}
"""


def _name_server_access() -> list[dict[str, Any]]:
    rbac, name = "rbac.authorization.k8s.io", "cairn-test-coredns"
    watched = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    metadata = {"name": name}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": watched},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": name}],
        },
    ]
