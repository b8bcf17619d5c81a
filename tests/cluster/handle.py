"""What tests hold in their hands: a started cluster, whoever provides it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.layout import Layout
from cluster.processes import Processes
from cluster.state import Nodes


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Single parts can be stopped and started where the provider is `local`."""

    name: str
    nodes: Nodes
    provider: str
    kubeconfig: Path
    logs: Path
    bin: Path

    @property
    def kubectl(self) -> Kubectl:
        """kubectl for this cluster."""
        own = self.bin / "kubectl"
        cache = Layout.of(self.name).root / "kubectl-cache"
        return Kubectl(own if own.exists() else "kubectl", self.kubeconfig, cache)

    @property
    def pids(self) -> dict[str, int]:
        """The parts that run now, each with its pid."""
        processes = self._processes()
        found = {name: processes.pid(name) for name in processes.names()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def restart(self, part: str, *, kill: bool = False) -> None:
        """Stop one part (`kill`: without warning), start it again and wait until it is ready."""
        self._processes().restart(part, kill=kill)

    def stop_part(self, part: str, *, kill: bool = False) -> None:
        """Stop one part and leave it stopped."""
        self._known(part)
        self._processes().stop(part, kill=kill)

    def start_part(self, part: str) -> None:
        """Start a stopped part again and wait until it is ready."""
        record = self._processes().record(self._known(part))
        assert record is not None
        self._processes().start(record.part)

    def signal(self, part: str, number: int) -> None:
        """Send a signal to one part: SIGSTOP and SIGCONT make an API server that hangs."""
        pid = self.pids.get(self._known(part))
        if pid is None:
            raise ClusterError(f"{part} does not run")
        os.kill(pid, number)

    def _known(self, part: str) -> str:
        if part not in self._processes().names():
            raise ClusterError(f"cluster {self.name} has no part {part!r}")
        return part

    def _processes(self) -> Processes:
        if self.provider != "local":
            raise ClusterError(f"single parts can only be stopped with the local provider, not with {self.provider}")
        return Processes(Layout.of(self.name))
