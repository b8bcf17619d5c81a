"""Volumes on a real node, where nothing provisions any: folders below the cluster's directory, gone with `down`.

They are of the type `local`, not `hostPath`: only then does the kubelet give a volume to a pod's `fsGroup`. A volume
whose claim was deleted stays Released, with what is in it, and goes to nobody else until `renew` has emptied it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.layout import Layout
from cluster.node_init import VOLUMES

CLASS = "local"
READY_MADE = 6
SIZE = "10Gi"


def provide(cluster: Cluster, node: str, count: int = READY_MADE) -> None:
    """See to it that there are `count` volumes, and that a claim gets one without naming a class."""
    names = [f"volume-{number}" for number in range(count)]
    for name in names:
        (_folder(cluster) / name).mkdir(parents=True, exist_ok=True)
    cluster.kubectl.apply([_class(), *(_volume(name, node) for name in names)])


def renew(cluster: Cluster) -> list[str]:
    """Empty each volume whose claim is gone, and offer it anew; returns their names."""
    if cluster.provider != "local" or cluster.nodes != "real":
        raise ClusterError(f"{cluster.name} has no volumes of ours: it is no local cluster with a real node")
    volumes = cluster.kubectl.get("persistentvolumes")["items"]
    ours = [volume for volume in volumes if volume["spec"]["storageClassName"] == CLASS]
    released = [volume for volume in ours if volume["status"]["phase"] == "Released"]
    for volume in released:
        name, (node,) = volume["metadata"]["name"], _nodes(volume)
        cluster.kubectl.run("delete", "persistentvolume", name, "--wait")
        shutil.rmtree(_folder(cluster) / name)
        (_folder(cluster) / name).mkdir()
        cluster.kubectl.apply([_volume(name, node)])
    return [volume["metadata"]["name"] for volume in released]


def _folder(cluster: Cluster) -> Path:
    return Layout.of(cluster.name).node / VOLUMES.name


def _nodes(volume: dict[str, Any]) -> list[str]:
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return [value for expression in term["matchExpressions"] for value in expression["values"]]


def _class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def _volume(name: str, node: str) -> dict[str, Any]:
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(VOLUMES / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}},
        },
    }
