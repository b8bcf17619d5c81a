"""The calls of the ways in: `ports.Desk` over the request helper."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from cairn import names
from cairn.adapters.kube.api import Api, Body
from cairn.adapters.kube.cluster import PATHS, KubeCluster
from cairn.adapters.kube.whereabouts import Where, Whereabouts
from cairn.errors import Gone
from cairn.ports import Listed

_WATCH_SECONDS = 3000
_LOG_SECONDS = 24 * 3600
_ALL_EXECUTIONS = f"/apis/{names.API_VERSION}/{names.EXECUTIONS}"


class KubeDesk(KubeCluster):
    """A real API server, as the user of a kubeconfig or as the account of the REST API."""

    def __init__(self, api: Api, manager: str) -> None:
        super().__init__(api, manager)
        self._whereabouts = Whereabouts(self._look)

    async def list_executions(
        self, namespace: str = "", *, selector: str = "", limit: int = 250, cursor: str = ""
    ) -> Listed:
        path = PATHS[names.EXECUTION_KIND].format(namespace) if namespace else _ALL_EXECUTIONS
        query = {"limit": str(limit), "labelSelector": selector, "continue": cursor}
        page = await self._api.get(path, **{key: value for key, value in query.items() if value})
        return Listed(tuple(page["items"]), page["metadata"].get("continue", ""))

    async def locate_execution(self, uid: str) -> tuple[str, str] | None:
        return await self._whereabouts.find(uid)

    async def _look(self) -> Mapping[str, Where]:
        metas = (body["metadata"] for body in await self._api.list_metadata(_ALL_EXECUTIONS))
        return {meta["uid"]: (meta["namespace"], meta["name"]) for meta in metas}

    async def apply(self, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        meta = body["metadata"]
        query = {"fieldManager": self._manager} | ({"force": "true"} if force else {})
        query |= {"dryRun": "All"} if dry_run else {}
        return await self._api.apply(f"{PATHS[body['kind']].format(meta['namespace'])}/{meta['name']}", body, **query)

    async def watch_execution(self, namespace: str, name: str) -> AsyncGenerator[Body, None]:
        path, selector = PATHS[names.EXECUTION_KIND].format(namespace), f"metadata.name={name}"
        there = await self._api.get(path, fieldSelector=selector)
        if not there["items"]:
            raise Gone(f"there is no execution {name} in namespace {namespace}", status=404)
        for body in there["items"]:
            yield body
        since = there["metadata"]["resourceVersion"]
        query = {"watch": "1", "fieldSelector": selector, "resourceVersion": since}
        chunks = self._api.stream(path, _WATCH_SECONDS, timeoutSeconds=str(_WATCH_SECONDS - 10), **query)
        async for line in _lines(chunks):
            event = json.loads(line)
            if event["type"] not in ("ADDED", "MODIFIED"):
                return
            yield event["object"]

    async def list_pods_of(self, namespace: str, execution_uid: str, job: str) -> list[Body]:
        selector = f"{names.LABEL_EXECUTION_UID}={execution_uid},{names.LABEL_JOB}={job}"
        return await self._api.list_all(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)

    async def follow_log(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail_lines: int | None
    ) -> AsyncIterator[bytes]:
        query = {"container": container} if container else {}
        query |= {"follow": "true"} if follow else {}
        query |= {"tailLines": str(tail_lines)} if tail_lines is not None else {}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        async for chunk in self._api.stream(path, _LOG_SECONDS, **query):
            yield chunk

    async def list_namespaces(self) -> dict[str, str]:
        items = await self._api.list_metadata("/api/v1/namespaces")
        return {body["metadata"]["name"]: body["metadata"]["uid"] for body in items}

    async def whoami(self) -> str:
        asked: Body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", asked)
        name: str = answer["status"]["userInfo"]["username"]
        return name


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
