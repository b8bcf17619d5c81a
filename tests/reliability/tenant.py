"""A namespace as its user acts in it, straight to the API server: what is done to an operator's connection is not here.

Asynchronous and without a process per question, since many scenarios run at once on few cores.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from support.kube import Object, Objects
from support.proxies.api import Upstream

T = TypeVar("T")

_CAIRN = "/apis/cairn.dev/v1alpha1/namespaces/{}/"
_PATHS = {
    "dagexecutions": _CAIRN, "checkpoints": _CAIRN, "jobresults": _CAIRN,
    "jobs": "/apis/batch/v1/namespaces/{}/",
    "pods": "/api/v1/namespaces/{}/", "configmaps": "/api/v1/namespaces/{}/", "events": "/api/v1/namespaces/{}/",
}  # fmt: skip
_PATCH = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
POLL = 0.05
TIMEOUT = 45.0


class Tenant:
    """One namespace."""

    def __init__(self, upstream: Upstream, namespace: str) -> None:
        self._upstream = upstream
        self.namespace = namespace

    async def create(self) -> Tenant:
        """Make the namespace."""
        await self._ask("POST", "/api/v1/namespaces", body={"metadata": {"name": self.namespace}})
        return self

    async def remove(self) -> None:
        """Let it go, whenever that may be done."""
        await self._ask("DELETE", f"/api/v1/namespaces/{self.namespace}")

    async def itself(self) -> Object:
        """The namespace; empty if there is none."""
        status, found = await self._answer("GET", f"/api/v1/namespaces/{self.namespace}")
        return found if status == 200 else {}

    async def gone(self) -> bool:
        """Whether nothing of the namespace is left."""
        return not await self.itself()

    async def get(self, kind: str, name: str) -> Object:
        """An object; empty if there is none."""
        status, found = await self._answer("GET", f"{self._path(kind)}/{name}")
        assert status in (200, 404), found
        return found if status == 200 else {}

    async def list(self, kind: str, selector: str = "") -> Objects:
        """The objects of a kind."""
        found: Objects = (await self._ask("GET", self._path(kind), {"labelSelector": selector}))["items"]
        return found

    async def patch(self, kind: str, name: str, patch: Object, part: str = "") -> Object:
        """Merge-patch an object, or its `status`."""
        path = f"{self._path(kind)}/{name}" + (f"/{part}" if part else "")
        return await self._ask("PATCH", path, body=patch, content=_PATCH)

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object, and what it owns after it."""
        await self._ask("DELETE", f"{self._path(kind)}/{name}", {"propagationPolicy": "Background"})

    async def run(self, called: str, *jobs: Object, **spec: Any) -> None:
        """Apply an execution of those jobs."""
        given = {"jobs": list(jobs)} if jobs else {}
        await self._apply("dagexecutions", "DAGExecution", called, given | spec)

    async def checkpoint(self, called: str, execution: str, **spec: Any) -> None:
        """Ask for a checkpoint."""
        await self._apply("checkpoints", "Checkpoint", called, {"executionRef": {"name": execution}} | spec)

    async def _apply(self, plural: str, kind: str, name: str, spec: Object) -> None:
        body = {"apiVersion": "cairn.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        query = {"fieldManager": "user", "force": "true"}
        await self._ask("PATCH", f"{self._path(plural)}/{name}", query, body, _APPLY)

    def _path(self, kind: str) -> str:
        return _PATHS[kind].format(self.namespace) + kind

    async def _ask(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Object | None = None,
        content: str = "application/json",
    ) -> Object:  # fmt: skip
        status, found = await self._answer(method, path, query, body, content)
        assert status < 300, f"{method} {path}: {found}"
        return found

    async def _answer(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Object | None = None,
        content: str = "application/json",
    ) -> tuple[int, Object]:  # fmt: skip
        data = json.dumps(body) if body is not None else None
        url, headers = self._upstream.server + path, {"Content-Type": content}
        session = self._upstream.session
        async with session.request(method, url, params=query, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    # --- Waiting

    async def until(self, ask: Callable[[], Awaitable[T | None]], what: str, timeout: float = TIMEOUT) -> T:
        """Ask until there is an answer; when there is none in time, say what was waited for and how things stand."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while loop.time() < end:
            if answer := await ask():
                return answer
            await asyncio.sleep(POLL)
        shown = [(e["metadata"]["name"], e.get("status")) for e in await self.list("dagexecutions")]
        raise AssertionError(f"not after {timeout:.0f} s in {self.namespace}: {what}; now: {json.dumps(shown)}")

    async def condition(self, name: str, kind: str, timeout: float = TIMEOUT) -> Object:
        """Wait for a condition of an execution; what it is then."""

        async def found() -> Object | None:
            body = await self.get("dagexecutions", name)
            said = body.get("status", {}).get("conditions", ())
            return body if any(c["type"] == kind and c["status"] == "True" for c in said) else None

        return await self.until(found, f"{name} is {kind}", timeout)

    async def job(self, execution: str, job: str, timeout: float = TIMEOUT, **wanted: Any) -> Object:
        """Wait until a job's record has those values (`...`: any); what it is then."""

        async def found() -> Object | None:
            records = (await self.get("dagexecutions", execution)).get("status", {}).get("jobs", ())
            record: Object = next((r for r in records if r["id"] == job), {})
            fits = all(record.get(k) == v or (v is ... and k in record) for k, v in wanted.items())
            return record if fits else None

        return await self.until(found, f"job {job} with {wanted}", timeout)

    async def checkpoints(self, count: int, trigger: str = "") -> Objects:
        """Wait until at least so many are Ready, and the database has them all; oldest first."""

        async def enough() -> Objects | None:
            found = [c for c in await self.list("checkpoints") if trigger in ("", c["spec"].get("trigger", "manual"))]
            done = [c for c in found if stored(c)]
            return done if len(done) == len(found) >= count else None

        found = await self.until(enough, f"{count} checkpoints are stored")
        return sorted(found, key=lambda c: str(c["status"]["checkpointId"]))

    async def saved(self, execution: str) -> None:
        """Wait until nothing that was decided is still to be saved, and the database has it all."""

        async def done() -> bool:
            status = (await self.get("dagexecutions", execution)).get("status", {})
            return not status.get("checkpointing", {}).get("pending")

        await self.until(done, f"the checkpoints of {execution} are taken")
        await self.checkpoints(1)

    async def finish(self, execution: str, job: str, attempt: int = 1) -> None:
        """Let a hanging job end, once it runs."""
        await self.job(execution, job, attempt=attempt, startedAt=...)
        await self.release(execution, job)

    async def release(self, execution: str, job: str) -> None:
        """Let the hanging pods of a job end, of whatever attempt."""
        selector = f"cairn.dev/execution={execution},cairn.dev/job={job}"
        for pod in await self.list("pods", selector):
            note = {"metadata": {"annotations": {"fake.cairn.dev/hang": "false"}}}
            await self.patch("pods", pod["metadata"]["name"], note)


def stored(found: Object) -> bool:
    """Whether a checkpoint is Ready, and in the database too."""
    status = found.get("status", {})
    true = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
    return status.get("phase") == "Ready" and "Stored" in true
