"""`ports.Leases` over the request helper: one `Lease` of coordination.k8s.io/v1."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.core.leading import Lease
from cairn.core.times import parse_time
from cairn.errors import Gone

_API_VERSION = "coordination.k8s.io/v1"
_KEPT = ("labels", "annotations", "ownerReferences", "finalizers")  # a PUT drops what it does not name


class KubeLeases:
    """The Lease of that name on a real API server."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._path = f"/apis/{_API_VERSION}/namespaces/{namespace}/leases"
        self._named: Body = {"name": name, "namespace": namespace}
        self._kept: Body = {}  # of its metadata, as they were read last

    async def get(self) -> Lease | None:
        try:
            body = await self._api.get(f"{self._path}/{self._named['name']}")
        except Gone:
            return None
        self._kept = {key: body["metadata"][key] for key in _KEPT if key in body["metadata"]}
        return _lease(body)

    async def create(self, lease: Lease) -> Lease:
        self._kept = {"labels": {names.LABEL_MANAGED_BY: "cairn"}}
        made = _body(self._named | self._kept, lease)
        return _lease(await self._api.create(self._path, made, fieldManager=names.MANAGER))

    async def update(self, lease: Lease) -> Lease:
        body = _body(self._named | self._kept | {"resourceVersion": lease.version}, lease)
        answer = await self._api.replace(f"{self._path}/{self._named['name']}", body, fieldManager=names.MANAGER)
        return replace(lease, version=answer["metadata"]["resourceVersion"])


def _lease(body: Body) -> Lease:
    spec = body.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "", seconds=spec.get("leaseDurationSeconds") or 0,
        transitions=spec.get("leaseTransitions") or 0, acquired_at=parse_time(spec.get("acquireTime")),
        renewed_at=parse_time(spec.get("renewTime")), version=body["metadata"]["resourceVersion"],
    )  # fmt: skip


def _body(metadata: Body, lease: Lease) -> Body:
    spec = {
        "holderIdentity": lease.holder or None, "leaseDurationSeconds": lease.seconds,
        "leaseTransitions": lease.transitions, "acquireTime": _micro(lease.acquired_at),
        "renewTime": _micro(lease.renewed_at),
    }  # fmt: skip
    set_ones = {key: value for key, value in spec.items() if value is not None}
    return {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": set_ones}


def _micro(at: datetime | None) -> str | None:
    """A MicroTime: the API server takes no other number of digits."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else None
