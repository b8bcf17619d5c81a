"""The operator and the REST API, run from outside the cluster as more of its parts, and handled like these."""

from __future__ import annotations

import sys

from cluster import Cluster
from cluster.layout import CHECKOUT, Layout
from cluster.processes import Part, Processes
from cluster.state import free_ports


class Program:
    """A verb of `cairn` that serves a cluster, in a process group of its own; pid and log lie with the cluster's."""

    def __init__(self, cluster: str, verb: str, port: str, **settings: str) -> None:
        self._processes = Processes(Layout.of(cluster))
        self._verb = verb
        self._port = port  # the setting that names its port
        self._settings = settings

    @property
    def pid(self) -> int | None:
        """The pid, while it runs."""
        return self._processes.pid(self._verb)

    @property
    def log(self) -> str:
        """Where its log lies, as seen from the checkout."""
        return str(self._processes.log(self._verb).relative_to(CHECKOUT))

    def start(self, cluster: Cluster, database_url: str) -> str:
        """Start it, in place of one that an earlier demo has left, and wait until it is ready; its address."""
        self.stop()
        address = f"http://127.0.0.1:{free_ports([self._verb])[self._verb]}"
        settings = {
            "KUBECONFIG": str(cluster.kubeconfig), "DATABASE_URL": database_url, "CAIRN_LOG_FORMAT": "json",
            self._port: address.rpartition(":")[2],
        }  # fmt: skip
        command = (sys.executable, "-m", "cairn", self._verb)
        self._processes.start(Part(self._verb, command, f"{address}/readyz", settings | self._settings))
        return address

    def stop(self) -> None:
        """Stop it, if it runs."""
        self._processes.stop(self._verb)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        path = self._processes.log(self._verb)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def operator(cluster: str) -> Program:
    """The operator of a cluster."""
    return Program(cluster, "operator", "CAIRN_HEALTH_PORT", CAIRN_SWEEP_SECONDS="5")


def api(cluster: str) -> Program:
    """The REST API of a cluster."""
    return Program(cluster, "api", "CAIRN_API_PORT")
