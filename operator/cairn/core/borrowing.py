"""The Secrets and service accounts that the pods of an execution use: Cairn makes these pods with its own rights.

Whoever writes an execution must be able to use them without Cairn. The admission policy `borrowing` asks that of who
writes with kubectl; this is for what writes on behalf of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cairn.core.spec import JobSpec

DEFAULT_ACCOUNT = "default"

_TOKENS = {"serviceAccountToken", "podCertificate"}  # sources of projected volumes by which a pod shows who it is

# The sources of volumes that name a Secret, and the path to its name.
_VOLUMES = {
    "secret": ("secretName",), "csi": ("nodePublishSecretRef", "name"), "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"), "cinder": ("secretRef", "name"), "flexVolume": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"), "rbd": ("secretRef", "name"), "scaleIO": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """Names in the namespace of the execution, in order."""

    secrets: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


def borrowed(jobs: Iterable[JobSpec]) -> Credentials:
    """What the pods of those jobs use."""
    secrets: set[str] = set()
    accounts: set[str] = set()
    for job in jobs:
        pod = job.pod_template.get("spec", {})
        secrets.update(_secrets(pod))
        accounts.update(_accounts(pod))
    return Credentials(tuple(sorted(secrets - {""})), tuple(sorted(accounts)))


def _secrets(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in (*_items(pod, "initContainers"), *_items(pod, "containers")):
        for variable in _items(container, "env"):
            yield _at(variable, "valueFrom", "secretKeyRef", "name")
        for source in _items(container, "envFrom"):
            yield _at(source, "secretRef", "name")
    for volume in _items(pod, "volumes"):
        for kind, path in _VOLUMES.items():
            yield _at(volume, kind, *path)
        for source in _projected(volume):
            yield _at(source, "secret", "name")
    for reference in _items(pod, "imagePullSecrets"):
        yield _at(reference, "name")


def _accounts(pod: Mapping[str, Any]) -> Iterator[str]:
    """The account whose token the pod may hold: one that it does not name is `default`."""
    named = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if named:
        yield str(named)
    elif pod.get("automountServiceAccountToken") or any(
        _TOKENS & source.keys() for volume in _items(pod, "volumes") for source in _projected(volume)
    ):
        yield DEFAULT_ACCOUNT


def _projected(volume: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _items(volume.get("projected") or {}, "sources")


def _items(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The maps in a list, which may be missing or, since the API server does not check a pod template, no list."""
    found = holder.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _at(holder: Mapping[str, Any], *path: str) -> str:
    found: Any = holder
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""
