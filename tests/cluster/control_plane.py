"""etcd, API server, controller manager and scheduler as plain processes: all that the fake and the real node share.

The flags that are not obvious are explained where they stand; README.md says which of them cost an hour to find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster.layout import BIN, Layout
from cluster.pki import Authority, Client
from cluster.processes import Part, Processes

PORTS = ["etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
_QPS, _BURST = 500, 1000


@dataclass(frozen=True)
class Plan:
    """Where the control plane listens, and which addresses it gives out."""

    ports: Mapping[str, int]
    address: str
    """The API server's own: loopback for fake nodes; one that pods can reach for a real one."""
    services: str
    """The range of service addresses; its first is the API server's."""

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.ports['kube-apiserver']}"

    @property
    def first_service(self) -> str:
        return self.services.rpartition(".")[0] + ".1"

    @property
    def is_loopback(self) -> bool:
        return self.address.startswith("127.")


class ControlPlane:
    """The control plane of one cluster."""

    def __init__(self, layout: Layout, plan: Plan, binaries: Path = BIN) -> None:
        self._layout = layout
        self._plan = plan
        self._bin = binaries
        self._processes = Processes(layout)
        self.authority = Authority(layout.pki)

    def start(self) -> None:
        """Start what does not run yet, and wait until all of it is ready."""
        self.authority.create()
        self.kubeconfig("admin", "cairn-test-admin", "system:masters", self._layout.kubeconfig)
        builders: list[Callable[[], Part]] = [self._etcd, self._apiserver, self._controller_manager, self._scheduler]
        for builder in builders:
            self._processes.start(builder())

    def kubeconfig(self, name: str, user: str, group: str = "", path: Path | None = None) -> Path:
        """The kubeconfig of one client of the API server."""
        path = path or self._layout.root / "kubeconfigs" / name
        if not path.exists():
            self.authority.kubeconfig(Client(name, user, group), self._plan.server, path)
        return path

    def _argv(self, name: str, flags: Mapping[str, str | int | Path]) -> tuple[str, ...]:
        return (str(self._bin / name), *(f"--{key}={value}" for key, value in flags.items()))

    def _etcd(self) -> Part:
        client = f"http://127.0.0.1:{self._plan.ports['etcd']}"
        peer = f"http://127.0.0.1:{self._plan.ports['etcd-peer']}"
        flags: dict[str, str | int | Path] = {
            "name": "default",
            "data-dir": self._layout.root / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            # A killed etcd keeps its data, since the page cache outlives it; only a crash of the machine would not.
            "unsafe-no-fsync": "true",
            "quota-backend-bytes": 4 << 30,
            "log-level": "warn",
        }
        return Part("etcd", self._argv("etcd", flags), ready=f"{client}/readyz")

    def _apiserver(self) -> Part:
        plan = self._plan
        signer = self.authority.service_account_key
        flags: dict[str, str | int | Path] = {
            "etcd-servers": f"http://127.0.0.1:{plan.ports['etcd']}",
            "bind-address": plan.address,
            "secure-port": plan.ports["kube-apiserver"],
            **self._apiserver_certificates(),
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "service-cluster-ip-range": plan.services,
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": signer,
            "service-account-signing-key-file": signer,
            "kubelet-preferred-address-types": "InternalIP",
            "allow-privileged": "true",
            # Tests with a thousand jobs are to measure the operator, not the fairness of the API server.
            "max-requests-inflight": 1200,
            "max-mutating-requests-inflight": 600,
            # Otherwise a polite stop waits up to a minute for the watches of everybody else to end.
            "shutdown-watch-termination-grace-period": "2s",
        }
        if plan.is_loopback:
            # The service `kubernetes` cannot point to a loopback address, and no fake pod looks for it.
            flags["endpoint-reconciler-type"] = "none"
        else:
            flags["advertise-address"] = plan.address
        return Part("kube-apiserver", self._argv("kube-apiserver", flags), ready=f"{plan.server}/readyz")

    def _apiserver_certificates(self) -> dict[str, Path]:
        addresses = [self._plan.address, self._plan.first_service, "127.0.0.1", "localhost"]
        addresses += ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        certificate, key = self.authority.server("kube-apiserver", addresses)
        kubelet_client = Client("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        kubelet_certificate, kubelet_key = self.authority.client(kubelet_client)
        return {
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": self.authority.certificate,
            "kubelet-certificate-authority": self.authority.certificate,
            "kubelet-client-certificate": kubelet_certificate,
            "kubelet-client-key": kubelet_key,
        }

    def _controller_manager(self) -> Part:
        port = self._plan.ports["kube-controller-manager"]
        user = "system:kube-controller-manager"
        flags: dict[str, str | int | Path] = {
            "kubeconfig": self.kubeconfig("kube-controller-manager", user),
            "bind-address": "127.0.0.1",
            "secure-port": port,
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self.authority.service_account_key,
            "root-ca-file": self.authority.certificate,
            # Otherwise client throttling is what a test measures.
            "kube-api-qps": _QPS,
            "kube-api-burst": _BURST,
            "concurrent-job-syncs": 20,
            "concurrent-gc-syncs": 40,
        }
        argv = self._argv("kube-controller-manager", flags)
        return Part("kube-controller-manager", argv, ready=f"https://127.0.0.1:{port}/healthz")

    def _scheduler(self) -> Part:
        port = self._plan.ports["kube-scheduler"]
        client = {
            "kubeconfig": str(self.kubeconfig("kube-scheduler", "system:kube-scheduler")),
            "qps": _QPS,
            "burst": _BURST,
        }
        config = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": client,
            "leaderElection": {"leaderElect": False},
        }
        path = self._layout.root / "kube-scheduler.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        flags: dict[str, str | int | Path] = {"config": path, "bind-address": "127.0.0.1", "secure-port": port}
        argv = self._argv("kube-scheduler", flags)
        return Part("kube-scheduler", argv, ready=f"https://127.0.0.1:{port}/healthz")
