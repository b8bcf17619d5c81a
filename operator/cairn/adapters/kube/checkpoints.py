"""Checkpoint objects as a store: for programs that read, pin, delete or bring in checkpoints without a database.

The operator itself takes checkpoints with finer steps (`app.checkpoints.keeper`); this is the same objects behind the
contract that every store keeps, so that whoever reads need not know where a checkpoint lies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.core.checkpoint import filed, objects
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Checkpoint, Stored
from cairn.errors import AlreadyExists, Conflict, Gone, IdTaken
from cairn.ports import Clock, Page, Query, Stats

_ALL = f"/apis/{names.API_VERSION}/{names.CHECKPOINTS}"


def _path(namespace: str, name: str = "") -> str:
    path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.CHECKPOINTS}"
    return f"{path}/{name}" if name else path


class ObjectStore:
    """The Checkpoint objects of one cluster. Besides its own, each call raises the errors of the API."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def put(self, stored: Stored) -> None:
        found = stored.checkpoint
        for body in await self._with_id(found.id):
            if body["metadata"]["namespace"] != found.namespace or body["status"].get("digest") != found.digest:
                raise IdTaken(f"another checkpoint has the id {found.id}")
            return
        manifest = filed.manifest(stored)
        try:
            body = await self._api.create(_path(found.namespace), manifest, fieldManager=names.MANAGER)
        except AlreadyExists:  # made, but not filled
            body = await self._api.get(_path(found.namespace, found.object_name))
        await self._fill(objects.view(body), stored)

    async def _fill(self, seen: CheckpointObject, stored: Stored) -> None:
        if seen.is_settled:
            raise IdTaken(f"the checkpoint {seen.namespace}/{seen.name} holds something else")
        status = filed.status(stored, generation=seen.generation, now=self._clock())
        meta = {"name": seen.name, "namespace": seen.namespace, "uid": seen.uid,
                "resourceVersion": seen.resource_version}  # fmt: skip
        body: Body = {
            "apiVersion": names.API_VERSION, "kind": names.CHECKPOINT_KIND, "metadata": meta, "status": status,
        }  # fmt: skip
        await self._api.replace(f"{_path(seen.namespace, seen.name)}/status", body, fieldManager=names.MANAGER)

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        found = await self._find(tenants, id)
        return objects.stored(*found) if found else None

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        found = await self._find(tenants, id)
        return objects.unchecked(*found) if found else None

    async def list(self, query: Query) -> Page:
        return Page.of(await self._all(query.tenants, query.execution_uid, query.execution), query)

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        found = await self._find(tenants, id)
        if found is None:
            return False
        meta = found[0]["metadata"]
        try:
            await self._api.delete(_path(meta["namespace"], meta["name"]), uid=meta["uid"])
        except (Conflict, Gone):
            return False
        return True

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        found = await self._find(tenants, id)
        if found is None:
            return False
        meta = found[0]["metadata"]
        patch: Body = {"metadata": {"uid": meta["uid"]}, "spec": {"pinned": pinned}}
        await self._api.patch(
            _path(meta["namespace"], meta["name"]), patch, metadata_only=True, fieldManager=names.MANAGER
        )  # fmt: skip
        return True

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        return Stats.of(await self._all(tenants, execution_uid))

    # --- Reading

    async def _namespaces(self, tenants: Collection[str]) -> dict[str, str]:
        """The namespaces of some tenants, and whose UID each has."""
        if not tenants:
            return {}
        items = await self._api.list_all("/api/v1/namespaces")
        found = {body["metadata"]["name"]: body["metadata"]["uid"] for body in items}
        return {name: uid for name, uid in found.items() if uid in tenants}

    async def _with_id(self, id: str) -> Sequence[Body]:
        return await self._api.list_all(_ALL, fieldSelector=f"status.checkpointId={id}")

    async def _find(self, tenants: Collection[str], id: str) -> tuple[Body, str] | None:
        namespaces = await self._namespaces(tenants)
        for body in await self._with_id(id) if namespaces else ():
            if (tenant := namespaces.get(body["metadata"]["namespace"])) and objects.view(body).is_ready:
                return body, tenant
        return None

    async def _all(
        self, tenants: Collection[str], execution_uid: str | None, execution: str | None = None
    ) -> Sequence[Checkpoint]:
        """Every checkpoint that is Ready."""
        wanted = {"status.executionUid": execution_uid, "spec.executionRef.name": execution}
        fields = [f"{field}={value}" for field, value in wanted.items() if value is not None]
        selector = {"fieldSelector": ",".join(fields)} if fields else {}
        found = []
        for namespace, tenant in (await self._namespaces(tenants)).items():
            for body in await self._api.list_all(_path(namespace), **selector):
                seen = objects.view(body)
                found += [seen.summary(tenant)] if seen.is_ready and not seen.deleting else []
        return found
