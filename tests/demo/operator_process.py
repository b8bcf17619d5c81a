"""The operator, run from outside the cluster as one more of its parts: found, restarted and stopped like these."""

from __future__ import annotations

import sys

from cluster import Cluster
from cluster.layout import CHECKOUT, Layout
from cluster.processes import Part, Processes
from cluster.state import free_ports

_NAME = "operator"


class OperatorProcess:
    """The operator of one cluster, in a process group of its own; its pid and log lie with the cluster's."""

    def __init__(self, cluster: str) -> None:
        self._processes = Processes(Layout.of(cluster))

    @property
    def pid(self) -> int | None:
        """The pid, while it runs."""
        return self._processes.pid(_NAME)

    @property
    def log(self) -> str:
        """Where its log lies, as seen from the checkout."""
        return str(self._processes.log(_NAME).relative_to(CHECKOUT))

    def start(self, cluster: Cluster, database_url: str) -> None:
        """Start it, in place of one that an earlier demo has left, and wait until it watches the cluster."""
        self.stop()
        port = free_ports([_NAME])[_NAME]
        settings = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "DATABASE_URL": database_url,
            "CAIRN_SWEEP_SECONDS": "5",
            "CAIRN_LOG_FORMAT": "json",
            "CAIRN_HEALTH_PORT": str(port),
        }
        command = (sys.executable, "-m", "cairn", "operator")
        self._processes.start(Part(_NAME, command, f"http://127.0.0.1:{port}/readyz", settings))

    def stop(self) -> None:
        """Stop it, if it runs."""
        self._processes.stop(_NAME)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        path = self._processes.log(_NAME)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
