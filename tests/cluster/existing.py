"""The existing provider: somebody's cluster, used only when asked for by name, and never changed by this package.

Nothing is started, stopped, labelled or deleted here. Which cluster it is, the user says with KUBECONFIG; its current
context counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.layout import BIN, Layout
from cluster.state import Nodes

PROVIDER = "existing"


def kubeconfig(environment: Mapping[str, str]) -> Path:
    """The one file that KUBECONFIG names; a missing or a joined value is refused rather than guessed at."""
    value = environment.get("KUBECONFIG", "")
    if not value or os.pathsep in value:
        raise ClusterError("CLUSTER=existing needs KUBECONFIG to name exactly one file")
    path = Path(value)
    if not path.is_file():
        raise ClusterError(f"KUBECONFIG names {path}, which is not a file")
    return path


def start(name: str, nodes: Nodes, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Make sure that the cluster answers."""
    cluster = Cluster(name, nodes, PROVIDER, kubeconfig(environment), Layout.of(name).logs, BIN)
    cluster.kubectl.run("get", "--raw", "/readyz")
    return cluster
