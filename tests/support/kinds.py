"""Cairn's kinds, installed into a cluster."""

from __future__ import annotations

from pathlib import Path

from cluster import Cluster

_CRDS = Path(__file__).resolve().parents[2] / "crds"


def with_kinds(there: Cluster) -> Cluster:
    """The cluster, once its API server serves them."""
    there.kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(_CRDS))
    there.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(_CRDS))
    # Established, and yet its storage may still be initializing: lists are answered with 429 for a moment.
    kinds = "checkpoints,dagexecutions,jobresults"
    there.kubectl.wait("the new kinds can be listed", lambda: there.kubectl.works("get", kinds, "--all-namespaces"))
    return there
