"""A Kubernetes cluster for tests and for the demo, on whatever machine they run on.

    cluster = start("fake")          # or "real"
    cluster.kubectl.run("get", "nodes")
    cluster.restart("kube-apiserver", kill=True)
    stop(cluster)

README.md says what the providers are and what their flags are for.
"""

from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.providers import find, start, stop

__all__ = ["Cluster", "ClusterError", "find", "start", "stop"]
