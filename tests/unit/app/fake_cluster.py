"""A Kubernetes API in memory, as far as `ports.Cluster` needs one: versions, occupied names, UIDs, and faults."""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from cairn.errors import AlreadyExists, ApiError, Conflict, Gone
from cairn.ports import Roll

Body = dict[str, Any]


class FakeCluster:
    """Answers as an API server does. `calls` tells what was asked; `fail` makes the next calls of a kind fail."""

    def __init__(self) -> None:
        self.executions: dict[str, Body] = {}
        self.objects: dict[tuple[str, str], Body] = {}  # by kind and name
        self.pods: list[Body] = []
        self.logs: dict[str, list[bytes]] = {}
        self.warnings: dict[str, tuple[str, str]] = {}
        self.events: list[Body] = []
        self.calls: list[tuple[str, str]] = []
        self._faults: dict[str, list[ApiError]] = defaultdict(list)
        self._serial = itertools.count(100)
        self._created = itertools.count()

    def fail(self, method: str, *errors: ApiError) -> None:
        """Let the next calls of a method fail, one error each."""
        self._faults[method].extend(errors)

    def called(self, method: str) -> list[str]:
        """The names that a method was called with."""
        return [name for called, name in self.calls if called == method]

    def add_execution(self, name: str, spec: Body, **metadata: Any) -> Body:
        """Create an execution, as a user does."""
        meta = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "generation": 1} | metadata
        self.executions[name] = {"metadata": meta | {"resourceVersion": self._version()}, "spec": spec}
        return copy.deepcopy(self.executions[name])

    def edit(self, name: str, **spec: Any) -> Body:
        """Change an execution's spec, as a user does."""
        body = self.executions[name]
        body["spec"] = body["spec"] | spec
        body["metadata"]["generation"] += 1
        body["metadata"]["resourceVersion"] = self._version()
        return copy.deepcopy(body)

    def _version(self) -> str:
        return str(next(self._serial))

    def _call(self, method: str, name: str) -> None:
        self.calls.append((method, name))
        if self._faults[method]:
            raise self._faults[method].pop(0)

    def _execution(self, name: str) -> Body:
        if name not in self.executions:
            raise Gone("there is no such execution", status=404)
        return self.executions[name]

    # --- ports.Cluster

    async def get_execution(self, namespace: str, name: str) -> Body:
        self._call("get_execution", name)
        return copy.deepcopy(self._execution(name))

    async def write_status(self, namespace: str, name: str, uid: str, resource_version: str, status: Body) -> str:
        self._call("write_status", name)
        meta = self._execution(name)["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (uid, resource_version):
            raise Conflict("the object has been modified", status=409)
        self.executions[name]["status"] = copy.deepcopy(status)
        meta["resourceVersion"] = self._version()
        return str(meta["resourceVersion"])

    async def patch_paused(self, namespace: str, name: str, resource_version: str, spec: Body) -> None:
        self._call("patch_paused", name)
        if self._execution(name)["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("the object has been modified", status=409)
        self.edit(name, **spec)

    async def patch_execution(self, namespace: str, name: str, patch: Body) -> Body:
        self._call("patch_execution", name)
        meta, wanted = self._execution(name)["metadata"], patch["metadata"]
        if any(wanted.get(key) not in (None, meta[key]) for key in ("uid", "resourceVersion")):
            raise Conflict("another UID or version", status=409)
        _relabel(meta, wanted)
        meta["resourceVersion"] = self._version()
        return copy.deepcopy(self.executions[name])

    async def find_executions(self, namespace: str = "", **fields: str) -> list[Body]:
        self._call("find_executions", ",".join(f"{key}={value}" for key, value in fields.items()))
        return _with(fields, namespace, self.executions.values())

    async def delete_execution(self, namespace: str, name: str, uid: str, resource_version: str = "") -> None:
        self._call("delete_execution", name)
        meta = self._execution(name)["metadata"]
        if meta["uid"] != uid or resource_version not in ("", meta["resourceVersion"]):
            raise Conflict("the UID in the precondition does not match", status=409)
        del self.executions[name]

    async def create(self, manifest: Body) -> Body:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._call(f"create {kind}", name)
        if (kind, name) in self.objects:
            raise AlreadyExists(f"{name} exists", status=409)
        body = copy.deepcopy(manifest)
        body["metadata"] |= {"uid": f"uid-{self._version()}", "resourceVersion": self._version(), "generation": 1,
                             "creationTimestamp": f"2026-01-31T08:00:{next(self._created) % 60:02}Z"}  # fmt: skip
        self.objects[kind, name] = body
        return copy.deepcopy(body)

    def _object(self, kind: str, name: str) -> Body:
        if (kind, name) not in self.objects:
            raise Gone(f"there is no {kind} {name}", status=404)
        return self.objects[kind, name]

    async def get_job(self, namespace: str, name: str) -> Body:
        self._call("get_job", name)
        return copy.deepcopy(self._object("Job", name))

    async def patch_job(self, namespace: str, name: str, patch: Body) -> Body:
        self._call("patch_job", name)
        body = self._object("Job", name)
        meta, wanted = body["metadata"], patch["metadata"]
        if any(wanted.get(key) not in (None, meta[key]) for key in ("uid", "resourceVersion")):
            raise Conflict("another UID or version", status=409)
        annotations = meta.get("annotations", {}) | wanted.get("annotations", {})
        meta["annotations"] = {key: value for key, value in annotations.items() if value is not None}
        meta["resourceVersion"] = self._version()
        body["spec"] |= patch["spec"]
        return copy.deepcopy(body)

    async def list_pods(self, namespace: str, job_name: str) -> list[Body]:
        self._call("list_pods", job_name)
        label = "batch.kubernetes.io/job-name"
        return [copy.deepcopy(p) for p in self.pods if p["metadata"]["labels"][label] == job_name]

    async def get_result(self, namespace: str, name: str) -> Body:
        self._call("get_result", name)
        return copy.deepcopy(self._object("JobResult", name))

    async def patch_result_status(self, namespace: str, name: str, status: Body) -> None:
        self._call("patch_result_status", name)
        self._object("JobResult", name)["status"] = status

    async def list_results(self, namespace: str, execution_uid: str) -> list[Body]:
        self._call("list_results", execution_uid)
        found = (body for (kind, _), body in self.objects.items() if kind == "JobResult")
        return [copy.deepcopy(b) for b in found if b["spec"]["executionUid"] == execution_uid]

    # Checkpoints

    async def get_checkpoint(self, namespace: str, name: str) -> Body:
        self._call("get_checkpoint", name)
        return copy.deepcopy(self._object("Checkpoint", name))

    async def list_checkpoints(self, namespace: str) -> list[Body]:
        self._call("list_checkpoints", namespace)
        return [copy.deepcopy(b) for (kind, _), b in self.objects.items() if kind == "Checkpoint"]

    async def find_checkpoints(self, namespace: str, **fields: str) -> list[Body]:
        self._call("find_checkpoints", ",".join(f"{key}={value}" for key, value in fields.items()))
        return _with(fields, namespace, (body for (kind, _), body in self.objects.items() if kind == "Checkpoint"))

    async def checkpoint_names(self, namespace: str = "") -> frozenset[tuple[str, str]]:
        self._call("checkpoint_names", namespace)
        metas = [body["metadata"] for (kind, _), body in self.objects.items() if kind == "Checkpoint"]
        return frozenset((m["namespace"], m["name"]) for m in metas if namespace in ("", m["namespace"]))

    async def write_checkpoint_status(
        self, namespace: str, name: str, uid: str, resource_version: str, status: Body
    ) -> str:
        self._call("write_checkpoint_status", name)
        body = self._at_version("Checkpoint", name, {"uid": uid, "resourceVersion": resource_version})
        body["status"] = copy.deepcopy(status)
        body["metadata"]["resourceVersion"] = self._version()
        return str(body["metadata"]["resourceVersion"])

    async def patch_checkpoint(self, namespace: str, name: str, patch: Body, *, status: bool = False) -> Body:
        self._call("patch_checkpoint", name)
        body = self._at_version("Checkpoint", name, patch["metadata"])
        meta = body["metadata"]
        if "finalizers" in patch["metadata"]:
            meta["finalizers"] = patch["metadata"]["finalizers"]
        _relabel(meta, patch["metadata"])
        body["status"] = body.get("status", {}) | patch.get("status", {})
        meta["resourceVersion"] = self._version()
        self._let_go(name)
        return {"metadata": copy.deepcopy(meta)}

    async def delete_checkpoint(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        self._call("delete_checkpoint", name)
        wanted = {"uid": uid, "resourceVersion": resource_version}
        meta = self._at_version("Checkpoint", name, wanted)["metadata"]
        meta |= {"deletionTimestamp": "2026-01-31T09:00:00Z", "resourceVersion": self._version()}
        self._let_go(name)

    def _let_go(self, name: str) -> None:
        meta = self.objects["Checkpoint", name]["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            del self.objects["Checkpoint", name]

    def _at_version(self, kind: str, name: str, wanted: Mapping[str, Any]) -> Body:
        body = self._object(kind, name)
        if any(wanted.get(key) not in (None, "", body["metadata"][key]) for key in ("uid", "resourceVersion")):
            raise Conflict("another UID or version", status=409)
        return body

    async def call_roll(self, resource: str, namespace: str = "") -> Roll:
        self._call("call_roll", resource)
        there = {
            "dagexecutions": [*self.executions.values()],
            "checkpoints": [body for (kind, _), body in self.objects.items() if kind == "Checkpoint"],
            "jobs": [body for (kind, _), body in self.objects.items() if kind == "Job"],
            "pods": self.pods,
        }  # fmt: skip
        return Roll(frozenset(body["metadata"]["uid"] for body in there[resource]), int(self._version()))

    async def get_namespace_uid(self, name: str) -> str:
        self._call("get_namespace_uid", name)
        return f"uid-of-namespace-{name}"

    async def list_config_maps(self, namespace: str, selector: str) -> list[Body]:
        self._call("list_config_maps", selector)
        label = selector.split("=")[0]
        found = (body for (kind, _), body in self.objects.items() if kind == "ConfigMap")
        return [copy.deepcopy(b) for b in found if label in (b["metadata"].get("labels") or {})]

    async def delete_config_map(self, namespace: str, name: str, uid: str) -> None:
        self._call("delete_config_map", name)
        del self.objects["ConfigMap", name]

    async def newest_warnings(self, namespace: str) -> Mapping[str, tuple[str, str]]:
        self._call("newest_warnings", namespace)
        return self.warnings

    async def stream_log(self, namespace: str, pod: str, container: str, *, tail_lines: int) -> AsyncIterator[bytes]:
        self._call("stream_log", pod)
        if pod not in self.logs:
            raise Gone(f"there is no pod {pod}", status=404)
        for chunk in self.logs[pod]:
            yield chunk

    async def post_event(self, event: Mapping[str, Any]) -> None:
        self._call("post_event", event["reason"])
        self.events.append(dict(event))


def _relabel(meta: Body, wanted: Mapping[str, Any]) -> None:
    """Merge labels as a merge patch does."""
    if "labels" in wanted:
        labels = {**(meta.get("labels") or {}), **wanted["labels"]}
        meta["labels"] = {key: value for key, value in labels.items() if value is not None}


def _with(fields: Mapping[str, str], namespace: str, bodies: Iterable[Body]) -> list[Body]:
    """Those of a namespace, or of all, that have these values, by paths."""

    def at(body: Any, path: str) -> Any:
        for step in path.split("."):
            body = body.get(step) or {}
        return body or ""

    found = [b for b in bodies if namespace in ("", b["metadata"]["namespace"])]
    return [copy.deepcopy(b) for b in found if all(at(b, path) == value for path, value in fields.items())]
