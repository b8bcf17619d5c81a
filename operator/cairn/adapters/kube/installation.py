"""`ports.Installation` over the request helper."""

from __future__ import annotations

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.errors import Gone
from cairn.ports import Held

_GROUP = f"/apis/{names.API_VERSION}"
_KINDS = (names.EXECUTIONS, names.CHECKPOINTS, names.RESULTS)
_HELD = (names.CHECKPOINTS,)  # those that the operator puts finalizers on
_ENDED = ("Succeeded", "Failed")


class KubeInstallation:
    """An installation in a real cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def stop(self, namespace: str, deployment: str) -> str:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale"
        found = await self._api.get(path)
        await self._api.patch(path, {"metadata": {"uid": found["metadata"]["uid"]}, "spec": {"replicas": 0}})
        selector: str = found["status"]["selector"]
        return selector

    async def pods(self, namespace: str, selector: str) -> tuple[str, ...]:
        found = await self._api.list_all(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        return tuple(sorted(pod["metadata"]["name"] for pod in found if pod["status"].get("phase") not in _ENDED))

    async def held(self, namespace: str) -> list[Held]:
        return [held for kind in _HELD for held in await self._held(kind, namespace)]

    async def _held(self, kind: str, namespace: str) -> list[Held]:
        path = f"{_GROUP}/namespaces/{namespace}/{kind}" if namespace else f"{_GROUP}/{kind}"
        try:
            found = await self._api.list_metadata(path)
        except Gone:
            return []  # there is no such kind
        return [_as_held(kind, body["metadata"]) for body in found if body["metadata"].get("finalizers")]

    async def keep_finalizers(self, held: Held, finalizers: tuple[str, ...]) -> None:
        path = f"{_GROUP}/namespaces/{held.namespace}/{held.kind}/{held.name}"
        metadata = {"uid": held.uid, "resourceVersion": held.version, "finalizers": list(finalizers)}
        await self._api.patch(path, {"metadata": metadata}, metadata_only=True, fieldManager=names.MANAGER)

    async def served(self) -> frozenset[str]:
        try:
            found = await self._api.get(_GROUP)
        except Gone:
            return frozenset()
        return frozenset(resource["name"] for resource in found["resources"] if resource["name"] in _KINDS)

    async def missing(self) -> frozenset[str]:
        """Which of Cairn's kinds nobody finds who asks for all that there is: a server that has just started lists its
        groups late, and serves them later still. Raises Refused, Unavailable."""
        groups = await self._api.get("/apis")
        if all(group["name"] != names.GROUP for group in groups["groups"]):
            return frozenset(_KINDS)
        return frozenset(_KINDS) - await self.served()


def _as_held(kind: str, metadata: Body) -> Held:
    return Held(
        kind, metadata["namespace"], metadata["name"], metadata["uid"], metadata["resourceVersion"],
        tuple(metadata["finalizers"]),
    )  # fmt: skip
