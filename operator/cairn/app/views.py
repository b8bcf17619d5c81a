"""What the operator has seen of the cluster: compact views, fed by watches and by the answers to its own calls.

Rules:
- Newest wins: an older `resourceVersion` never replaces a newer one (they are comparable integers within one resource,
  KEP-5504), so that the answer to an own write is not undone by a late event.
- Keyed by UID: an execution that was deleted and created again under its name is another one.
- Not seeing is not knowing: an absence counts only after a live read (`note_absent`), and only for a moment.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cairn import names
from cairn.app.checkpoints.views import CheckpointViews
from cairn.core import status as statuses
from cairn.core.checkpoint.serializer import spec_digest
from cairn.core.draft import Execution, Shape
from cairn.core.manifests import Identity
from cairn.core.observed import (
    Explanation,
    KubeJob,
    KubePod,
    LogRead,
    Observed,
    Refusal,
    kube_job,
    kube_pod,
)
from cairn.core.outputs import Outputs
from cairn.core.parse import parse
from cairn.core.spec import ExecutionSpec
from cairn.core.status import Status
from cairn.errors import InvalidSpec, Violation

ABSENCE_COUNTS_FOR = timedelta(seconds=5)
_OUTPUTS_KEPT_BYTES = 64 * 1024 * 1024
_BYTES_PER_RECORD = 330  # a status record with every field that a normal attempt sets


@dataclass(frozen=True, slots=True)
class Key:
    """What the work queue works on."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution as last seen, its spec parsed once per generation."""

    key: Key
    resource_version: str
    execution: Execution
    shape: Shape | None
    spec_text: bytes  # the spec as it is written, compressed: a checkpoint holds it
    restores: str = ""  # name or id of the checkpoint that it starts from

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as it is written."""
        spec: dict[str, Any] = json.loads(zlib.decompress(self.spec_text))
        return spec


@dataclass(slots=True)
class _Seen:
    """What has been seen of the attempts of one execution."""

    jobs: dict[str, KubeJob] = field(default_factory=dict)
    pods: dict[str, dict[str, KubePod]] = field(default_factory=dict)
    absent: dict[str, datetime] = field(default_factory=dict)
    absent_pods: dict[str, datetime] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    explained: dict[str, Explanation] = field(default_factory=dict)
    logs: dict[str, LogRead] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)


class OutputsCache:
    """Outputs by digest, the least recently used dropped beyond a total size; they can be read again."""

    def __init__(self, limit: int = _OUTPUTS_KEPT_BYTES) -> None:
        self._kept: OrderedDict[str, Outputs] = OrderedDict()
        self._size = 0
        self._limit = limit

    def put(self, out: Outputs) -> None:
        """Keep outputs at hand."""
        if out.digest in self._kept:
            return
        self._kept[out.digest] = out
        self._size += len(out.text)
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1].text)

    def pick(self, digests: set[str]) -> dict[str, Outputs]:
        """Those of the digests that are at hand."""
        found = {digest: self._kept[digest] for digest in digests if digest in self._kept}
        for digest in found:
            self._kept.move_to_end(digest)
        return found


class Views:
    """Everything seen, by execution UID."""

    def __init__(self) -> None:
        self._executions: dict[str, ExecutionView] = {}
        self._seen: dict[str, _Seen] = {}
        self.checkpoints = CheckpointViews()
        self.outputs = OutputsCache()

    # --- Executions

    def see_execution(self, body: Mapping[str, Any]) -> Key | None:
        """Take in a DAGExecution as an event or an answer shows it; its key, or None where that is nothing new."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"], meta["uid"])
        old = self._executions.get(key.uid)
        if old is not None and int(old.resource_version) >= int(meta["resourceVersion"]):
            return None
        self._executions[key.uid] = _view(key, body, old)
        return key

    def wrote_status(self, key: Key, resource_version: str, status: Status) -> None:
        """Take in the answer to an own status write."""
        old = self._executions.get(key.uid)
        if old is not None and int(old.resource_version) < int(resource_version):
            execution = replace(old.execution, status=status)
            self._executions[key.uid] = replace(old, resource_version=resource_version, execution=execution)

    def forget_execution(self, uid: str) -> None:
        """The execution is gone; its objects follow by the garbage collector."""
        self._executions.pop(uid, None)
        self._seen.pop(uid, None)

    def execution(self, uid: str) -> ExecutionView | None:
        """The execution with that UID, if it has been seen."""
        return self._executions.get(uid)

    def restored_from(self, namespace: str) -> frozenset[str]:
        """Names and ids of the checkpoints that executions which have not finished start from."""
        found = (v for v in self._executions.values() if v.restores and v.key.namespace == namespace)
        return frozenset(v.restores for v in found if not v.execution.status.finished)

    def keys(self) -> list[Key]:
        """All executions that are known."""
        return [view.key for view in self._executions.values()]

    # --- Attempts

    def seen(self, uid: str) -> _Seen:
        """What has been seen of an execution's attempts, to be noted in."""
        return self._seen.setdefault(uid, _Seen())

    def see_job(self, body: Mapping[str, Any]) -> str | None:
        """Take in a Kubernetes Job; the UID of its execution, or None where a plan would see nothing new."""
        job = kube_job(body)
        seen = self.seen(job.execution_uid)
        old = seen.jobs.get(job.name)
        if old is not None and old.uid == job.uid and int(old.resource_version) >= int(job.resource_version):
            return None
        seen.jobs[job.name] = job
        seen.absent.pop(job.name, None)
        seen.refused.pop(job.name, None)
        unchanged = old is not None and replace(old, resource_version=job.resource_version) == job
        return None if unchanged else job.execution_uid

    def forget_job(self, body: Mapping[str, Any]) -> str:
        """A Kubernetes Job was deleted; the UID of its execution."""
        job = kube_job(body)
        seen = self._seen.get(job.execution_uid)
        if seen is not None and (known := seen.jobs.get(job.name)) is not None and known.uid == job.uid:
            del seen.jobs[job.name]
            self._tidy(job.execution_uid)
        return job.execution_uid

    def see_pod(self, body: Mapping[str, Any]) -> str | None:
        """Take in a pod of a Kubernetes Job; the UID of its execution, or None where a plan would see nothing new."""
        pod = kube_pod(body)
        seen = self.seen(pod.execution_uid)
        pods = seen.pods.setdefault(pod.job_name, {})
        unchanged = pods.get(pod.uid) == pod
        pods[pod.uid] = pod
        seen.absent_pods.pop(pod.job_name, None)
        return None if unchanged else pod.execution_uid

    def forget_pod(self, body: Mapping[str, Any]) -> str:
        """A pod object is gone; the UID of its execution. How its containers ended stays a fact, and is remembered."""
        pod = kube_pod(body)
        seen = self._seen.get(pod.execution_uid)
        if seen is not None and (pods := seen.pods.get(pod.job_name)) is not None:
            if pod.ended and pod.execution_uid in self._executions:
                pods[pod.uid] = pod
            else:
                pods.pop(pod.uid, None)
            self._tidy(pod.execution_uid)
        return pod.execution_uid

    def _tidy(self, uid: str) -> None:
        """Keep nothing of an execution that is gone once what it owned is gone too."""
        if uid not in self._executions and not self._seen[uid].jobs and not any(self._seen[uid].pods.values()):
            del self._seen[uid]

    def note_absent(self, uid: str, name: str, now: datetime, *, pods: bool) -> None:
        """A live read did not find the Kubernetes Job (or any pod of it)."""
        seen = self.seen(uid)
        if pods:
            seen.absent_pods[name] = now
            seen.pods.pop(name, None)
        else:
            seen.absent[name] = now
            seen.jobs.pop(name, None)

    def observe(self, uid: str, now: datetime) -> Observed:
        """What the planner may look at."""
        view, seen = self._executions[uid], self.seen(uid)
        wanted = {r.result for r in view.execution.status.jobs.values() if r.result}
        return Observed(
            jobs=seen.jobs,
            pods={name: tuple(pods.values()) for name, pods in seen.pods.items() if pods},
            absent=_recent(seen.absent, now),
            absent_pods=_recent(seen.absent_pods, now),
            refused=seen.refused,
            explained=seen.explained,
            logs=seen.logs,
            outputs=self.outputs.pick(wanted),
            lost=frozenset(seen.lost),
            checkpoints=self.checkpoints.of_execution(view.key.namespace, view.key.name, uid),
        )


def _recent(noted: dict[str, datetime], now: datetime) -> frozenset[str]:
    return frozenset(name for name, at in noted.items() if now - at <= ABSENCE_COUNTS_FOR)


def _view(key: Key, body: Mapping[str, Any], old: ExecutionView | None) -> ExecutionView:
    meta = body["metadata"]
    identity = Identity(key.namespace, key.name, key.uid)
    generation = meta["generation"]
    if old is not None and old.execution.generation == generation:
        spec, violations, shape = old.execution.spec, old.execution.violations, old.shape
        text, digest = old.spec_text, old.execution.spec_digest
    else:
        spec, violations = _parsed(body)
        shape = Shape(spec) if spec else None
        written = body.get("spec") or {}
        text, digest = zlib.compress(json.dumps(written).encode(), 1), spec_digest(written)
    execution = Execution(
        identity=identity, generation=generation, status=statuses.from_wire(body.get("status") or {}), spec=spec,
        violations=violations, deleting="deletionTimestamp" in meta, paused_by_operator=_wrote(meta, "f:paused"),
        stale_pause_reason=_wrote(meta, "f:pause", "f:reason") and not _wrote(meta, "f:paused"), spec_digest=digest,
    )  # fmt: skip
    return ExecutionView(key, meta["resourceVersion"], execution, shape, text, _restores(body))


def _restores(body: Mapping[str, Any]) -> str:
    match (body.get("spec") or {}).get("restoreFrom"):
        case {"checkpointName": str(name)}:
            return name
        case {"checkpointId": str(id)}:
            return id
    return ""


def _parsed(body: Mapping[str, Any]) -> tuple[ExecutionSpec | None, tuple[Violation, ...]]:
    try:
        spec = parse(body.get("spec") or {})
    except InvalidSpec as error:
        return None, error.violations
    if "restoreFrom" in body["spec"]:
        text = "this version cannot restore: leave it out to run the jobs from the beginning"
        return None, (Violation("spec.restoreFrom", text),)
    size = len(json.dumps(body)) + len(spec.jobs) * _BYTES_PER_RECORD
    if size > names.OBJECT_LIMIT and not (body.get("status") or {}).get("startedAt"):
        text = (
            f"{names.TOO_LARGE}: with its status the object would come to about {size // 1000} KB, of "
            f"{names.OBJECT_LIMIT // 1000} KB allowed; use `group:` dependencies, jobDefaults, or split it"
        )
        return None, (Violation("spec", text),)
    return spec, ()


def _wrote(meta: Mapping[str, Any], *path: str) -> bool:
    """Whether the operator's pauses are the last writer of a field of `spec`, as the API server recorded it."""
    return any(
        entry.get("manager") == names.PAUSE_MANAGER and _has(entry.get("fieldsV1") or {}, ("f:spec", *path))
        for entry in meta.get("managedFields") or ()
    )


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether a field set holds a path."""
    return not path or (path[0] in fields and _has(fields[path[0]], path[1:]))
