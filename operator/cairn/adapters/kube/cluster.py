"""The calls Cairn makes to Kubernetes: `ports.Cluster` over the request helper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.core.sharding import selecting
from cairn.ports import Roll

PATHS = {
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    names.EXECUTION_KIND: f"/apis/{names.API_VERSION}/namespaces/{{}}/{names.EXECUTIONS}",
    names.CHECKPOINT_KIND: f"/apis/{names.API_VERSION}/namespaces/{{}}/{names.CHECKPOINTS}",
    names.RESULT_KIND: f"/apis/{names.API_VERSION}/namespaces/{{}}/{names.RESULTS}",
}

# What is watched, and of it what is worth asking for again: what has ended changes no more, and is by far the most.
WATCHED: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    names.EXECUTIONS: (f"/apis/{names.API_VERSION}", "", {}),
    names.CHECKPOINTS: (f"/apis/{names.API_VERSION}", "", {}),
    "jobs": ("/apis/batch/v1", names.LABEL_EXECUTION_UID, {"fieldSelector": "status.successful=0"}),
    "pods": ("/api/v1", names.LABEL_EXECUTION_UID, {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}),
}


def one_step(name: str) -> str:
    """A name that a user gave, as one step of a path: it leads to no subresource of another object."""
    return name.replace("/", "%2F")


def execution_path(namespace: str, name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.EXECUTIONS}/{one_step(name)}"


def _checkpoint(namespace: str, name: str) -> str:
    return f"{PATHS[names.CHECKPOINT_KIND].format(namespace)}/{one_step(name)}"


def _listed(kind: str, namespace: str) -> str:
    """Where the objects of a kind are listed, of a namespace or of all."""
    return PATHS[kind].format(namespace) if namespace else PATHS[kind].replace("/namespaces/{}", "")


def _with_fields(fields: Mapping[str, str]) -> dict[str, str]:
    selector = ",".join(f"{field}={value}" for field, value in fields.items())
    return {"fieldSelector": selector} if selector else {}


def _job(namespace: str, name: str) -> str:
    return f"{PATHS['Job'].format(namespace)}/{name}"


class KubeCluster:
    """A real API server. `selector`: the labels of what is watched, which a roll is called of."""

    def __init__(self, api: Api, manager: str = names.MANAGER, selector: str = "") -> None:
        self._api = api
        self._manager = manager
        self._selector = selector

    async def get_execution(self, namespace: str, name: str) -> Body:
        return await self._api.get(execution_path(namespace, name))

    async def write_status(self, namespace: str, name: str, uid: str, resource_version: str, status: Body) -> str:
        body: Body = {
            "apiVersion": names.API_VERSION, "kind": names.EXECUTION_KIND, "status": status,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": resource_version},
        }  # fmt: skip
        answer = await self._api.replace(
            f"{execution_path(namespace, name)}/status", body, fieldManager=self._manager
        )
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def patch_paused(self, namespace: str, name: str, resource_version: str, spec: Body) -> None:
        body: Body = {"metadata": {"resourceVersion": resource_version}, "spec": spec}
        await self._api.patch(execution_path(namespace, name), body, fieldManager=names.PAUSE_MANAGER)

    async def patch_execution(self, namespace: str, name: str, patch: Body) -> Body:
        return await self._api.patch(execution_path(namespace, name), patch, fieldManager=self._manager)

    async def find_executions(self, namespace: str = "", **fields: str) -> list[Body]:
        return await self._api.list_all(_listed(names.EXECUTION_KIND, namespace), **_with_fields(fields))

    async def delete_execution(self, namespace: str, name: str, uid: str, resource_version: str = "") -> None:
        await self._api.delete(execution_path(namespace, name), uid=uid, resource_version=resource_version)

    async def create(self, manifest: Body) -> Body:
        path = PATHS[manifest["kind"]].format(manifest["metadata"]["namespace"])
        return await self._api.create(path, manifest, fieldManager=self._manager)

    async def get_job(self, namespace: str, name: str) -> Body:
        return await self._api.get(_job(namespace, name))

    async def patch_job(self, namespace: str, name: str, patch: Body) -> Body:
        return await self._api.patch(_job(namespace, name), patch, fieldManager=self._manager)

    async def list_pods(self, namespace: str, job_name: str) -> list[Body]:
        selector = f"batch.kubernetes.io/job-name={job_name}"
        return await self._api.list_all(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)

    async def get_result(self, namespace: str, name: str) -> Body:
        return await self._api.get(f"{PATHS[names.RESULT_KIND].format(namespace)}/{name}")

    async def patch_result_status(self, namespace: str, name: str, status: Body) -> None:
        path = f"{PATHS[names.RESULT_KIND].format(namespace)}/{name}"
        found = await self._api.get(path)
        body: Body = {"metadata": {"uid": found["metadata"]["uid"]}, "status": status}
        await self._api.patch(path, body, fieldManager=self._manager)

    async def list_results(self, namespace: str, execution_uid: str) -> list[Body]:
        path, selector = PATHS[names.RESULT_KIND].format(namespace), f"{names.LABEL_EXECUTION_UID}={execution_uid}"
        return await self._api.list_all(path, labelSelector=selector)

    async def get_checkpoint(self, namespace: str, name: str) -> Body:
        return await self._api.get(_checkpoint(namespace, name))

    async def list_checkpoints(self, namespace: str) -> list[Body]:
        return await self._api.list_all(PATHS[names.CHECKPOINT_KIND].format(namespace))

    async def find_checkpoints(self, namespace: str, **fields: str) -> list[Body]:
        return await self._api.list_all(_listed(names.CHECKPOINT_KIND, namespace), **_with_fields(fields))

    async def checkpoint_names(self, namespace: str = "") -> frozenset[tuple[str, str]]:
        found = await self._api.list_metadata(_listed(names.CHECKPOINT_KIND, namespace))
        return frozenset((body["metadata"]["namespace"], body["metadata"]["name"]) for body in found)

    async def write_checkpoint_status(
        self, namespace: str, name: str, uid: str, resource_version: str, status: Body
    ) -> str:
        body: Body = {
            "apiVersion": names.API_VERSION, "kind": names.CHECKPOINT_KIND, "status": status,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": resource_version},
        }  # fmt: skip
        path = f"{_checkpoint(namespace, name)}/status"
        answer = await self._api.replace(path, body, fieldManager=self._manager)
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def patch_checkpoint(self, namespace: str, name: str, patch: Body, *, status: bool = False) -> Body:
        path = _checkpoint(namespace, name) + ("/status" if status else "")
        return await self._api.patch(path, patch, metadata_only=True, fieldManager=self._manager)

    async def delete_checkpoint(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        await self._api.delete(_checkpoint(namespace, name), uid=uid, resource_version=resource_version)

    async def call_roll(self, resource: str, namespace: str = "") -> Roll:
        group, labels, query = WATCHED[resource]
        scope = f"/namespaces/{namespace}" if namespace else ""
        query = {**query, **selecting(labels, self._selector)}
        return await self._api.list_uids(f"{group}{scope}/{resource}", **query)

    async def get_namespace_uid(self, name: str) -> str:
        uid: str = (await self._api.get(f"/api/v1/namespaces/{name}"))["metadata"]["uid"]
        return uid

    async def list_config_maps(self, namespace: str, selector: str) -> list[Body]:
        return await self._api.list_all(PATHS["ConfigMap"].format(namespace), labelSelector=selector)

    async def delete_config_map(self, namespace: str, name: str, uid: str) -> None:
        await self._api.delete(f"{PATHS['ConfigMap'].format(namespace)}/{name}", uid=uid)

    async def newest_warnings(self, namespace: str) -> Mapping[str, tuple[str, str]]:
        newest: dict[str, tuple[str, str, str]] = {}
        async for page in self._api.pages(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning"):
            for event in page["items"]:
                told = (_event_time(event), event.get("reason") or "", event.get("message") or "")
                uid = event["involvedObject"].get("uid") or ""
                newest[uid] = max(newest.get(uid, told), told)
        return {uid: (reason, message) for uid, (_, reason, message) in newest.items()}

    async def stream_log(
        self, namespace: str, pod: str, container: str, *, tail_lines: int
    ) -> AsyncIterator[bytes]:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        query = {"tailLines": str(tail_lines)} | ({"container": container} if container else {})
        async for chunk in self._api.stream(path, **query):
            yield chunk

    async def post_event(self, event: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        await self._api.create(path, dict(event))


def _event_time(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
