"""Cairn as the demo installs it: with Helm, into its cluster, with the bundled database."""

from __future__ import annotations

from pathlib import Path

from cluster import Cluster, binaries, images, providers
from cluster.layout import BIN, Layout
from cluster.processes import Part, Processes
from cluster.state import free_ports
from demo.screens import Screen
from demo.shell import Shell

NAMESPACE = "cairn-system"
IMAGES = ("cairn", "cairn-postgres", "python")
_HERE = f"--namespace {NAMESPACE}"
_DATABASE = "cairn-database"
_FORWARD = "forward"  # the part of the cluster that lets programs of this machine reach the API


class Installation:
    """The release `cairn` in the demo's cluster."""

    def __init__(self, screen: Screen, shell: Shell, cluster: Cluster) -> None:
        self._screen = screen
        self._shell = shell
        self._cluster = cluster

    def install(self) -> None:
        """Install it, or bring what an earlier demo has left up to date; on return it is ready."""
        shell = self._shell
        if not shell.read(f"kubectl get namespace {NAMESPACE} --ignore-not-found"):
            shell.run(f"kubectl create namespace {NAMESPACE}")
        # The API server refuses pods that are not restricted from here on, Cairn's own and those of its jobs.
        enforce = "pod-security.kubernetes.io/enforce=restricted --overwrite"
        shell.run(f"kubectl label namespace {NAMESPACE} default {enforce}")
        if shell.read(f"kubectl get statefulset {_DATABASE} {_HERE} --ignore-not-found"):
            self.start_database()  # an interrupted demo may have left it stopped
        values = "--values tests/demo/values.yaml"
        shell.run(f"helm upgrade --install cairn charts/cairn {_HERE} {values} --wait --timeout 5m")
        shell.run(f"kubectl get pods {_HERE}")

    def test(self) -> None:
        """Ask it whether all is well."""
        self._shell.run(f"helm test cairn {_HERE} --logs")

    def forward(self) -> str:
        """Let programs of this machine reach the API, also after the demo; its address."""
        port = free_ports([_FORWARD])[_FORWARD]
        told = ("port-forward", f"--namespace={NAMESPACE}", "service/cairn-api", f"{port}:8443")
        self._screen.command(f"kubectl {' '.join(told)} &")
        command = (str(self._cluster.bin / "kubectl"), f"--kubeconfig={self._cluster.kubeconfig}", *told)
        address = f"http://127.0.0.1:{port}"
        processes = Processes(Layout.of(self._cluster.name))
        processes.stop(_FORWARD)
        processes.start(Part(_FORWARD, command, f"{address}/readyz"))
        return address

    def stop_database(self) -> None:
        """Leave the database without a pod."""
        self._shell.run(f"kubectl scale statefulset {_DATABASE} {_HERE} --replicas=0")
        self._shell.run(f"kubectl wait pod/{_DATABASE}-0 {_HERE} --for=delete --timeout=60s")

    def start_database(self) -> None:
        """Give it its pod again, on the same volume."""
        self._shell.run(f"kubectl scale statefulset {_DATABASE} {_HERE} --replicas=1")
        self._shell.run(f"kubectl rollout status statefulset/{_DATABASE} {_HERE} --timeout=120s")

    def sql(self, query: str, options: str = "") -> str:
        """The command that asks the database."""
        inside = f"psql --host=/tmp --username=postgres {options}".rstrip()
        return f'kubectl exec {_HERE} {_DATABASE}-0 --container postgres -- {inside} cairn --command "{query}"'

    def log(self) -> str:
        """The end of the operator's log."""
        operator = "--selector app.kubernetes.io/component=operator"
        return self._shell.read(f"kubectl logs {_HERE} {operator} --prefix --tail 20")


def load_images(cluster: Cluster) -> None:
    """Build the images that are needed, unless they are current, and load them into the cluster's node."""
    for name in IMAGES:
        providers.load_image(cluster, images.build(name))


def with_helm(cluster: Cluster) -> Path:
    """A folder in which Helm has the name that people call it by."""
    binaries.build("helm4")
    folder = Layout.of(cluster.name).root / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    helm = folder / "helm"
    helm.unlink(missing_ok=True)
    helm.symlink_to(BIN / "helm4")
    return folder
