"""Which cluster a command gets.

Rules: `CLUSTER` names a provider and wins. Without it: `kind` where a Docker engine answers, else `local`. `existing`
is never chosen by itself, so that nobody's current context is used by accident.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from cluster import existing, kind, local
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.layout import Layout
from cluster.state import Nodes, State

Provider = Literal["existing", "kind", "local"]
_DOCKER_PATIENCE = 10


def docker_answers() -> bool:
    """Is there a Docker engine? The client alone says nothing, hence `docker info`."""
    if shutil.which("docker") is None:
        return False
    try:
        result = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=_DOCKER_PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0


def select(environment: Mapping[str, str], docker: Callable[[], bool] = docker_answers) -> Provider:
    """Choose the provider."""
    match environment.get("CLUSTER", ""):
        case "existing" | "kind" | "local" as named:
            return named
        case "":
            return "kind" if docker() else "local"
        case other:
            raise ClusterError(f"CLUSTER={other}: there are existing, kind and local")


def start(nodes: Nodes, name: str | None = None) -> Cluster:
    """Bring a cluster up, or reuse the running one; a name stays with the provider that it was started with."""
    chosen = name or nodes
    state = State.load(Layout.of(chosen))
    provider = select(os.environ) if state is None or os.environ.get("CLUSTER") else state.provider
    if state is not None and provider != "existing" and state.provider != provider:
        raise ClusterError(f"cluster {chosen} was started with CLUSTER={state.provider}; stop it first")
    match provider:
        case "existing":
            return existing.start(chosen, nodes)
        case "kind":
            return kind.start(chosen, nodes)
        case _:
            return local.start(chosen, nodes)


def find(name: str) -> Cluster:
    """The handle of a cluster that was started, from this or from another process."""
    layout = Layout.of(name)
    state = State.load(layout)
    if state is None:
        raise ClusterError(f"there is no cluster {name}; start it with: python -m cluster up --name {name}")
    return kind.handle(layout, state) if state.provider == kind.PROVIDER else local.handle(layout, state)


def stop(cluster: Cluster | str) -> None:
    """Stop a cluster and leave nothing behind; an existing one is left alone."""
    if isinstance(cluster, Cluster) and cluster.provider == existing.PROVIDER:
        return
    name = cluster if isinstance(cluster, str) else cluster.name
    state = State.load(Layout.of(name))
    if state is not None and state.provider == kind.PROVIDER:
        kind.stop(name)
    else:
        local.stop(name)


def load_image(cluster: Cluster, archive: Path) -> None:
    """Bring an image archive onto the cluster's node."""
    match cluster.provider:
        case kind.PROVIDER:
            kind.load_image(cluster.name, archive)
        case local.PROVIDER if cluster.nodes == "real":
            local.load_image(cluster.name, archive)
        case _:
            raise ClusterError(f"cluster {cluster.name} ({cluster.provider}, {cluster.nodes} nodes) takes no images")
