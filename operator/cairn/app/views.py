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
from cairn.core.draft import Execution
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
from cairn.core.restore.progress import UNDER_WAY, Fork, Mode, Step
from cairn.core.restore.source import Found, NotFound
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec
from cairn.core.status import Status
from cairn.errors import InvalidSpec, Violation

ABSENCE_COUNTS_FOR = timedelta(seconds=5)
_OUTPUTS_KEPT_BYTES = 64 * 1024 * 1024
_BYTES_PER_RECORD = 330  # a status record with every field that a normal attempt sets
_BYTES_PER_PLANNED = 100  # what a restore plan tells of a job


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
    spec_text: bytes  # the spec as it is written and completed, compressed: a checkpoint holds it
    asks: Mapping[str, Any]  # `spec.restoreFrom`
    restores: frozenset[str] = frozenset()  # names and ids of the checkpoints that a restore of it needs
    without_jobs: bytes = b""  # the spec as it is written, compressed, where its jobs come from a checkpoint

    @property
    def source_namespace(self) -> str:
        """The namespace of the checkpoint that it is restored from."""
        return self.asks.get("namespace") or self.key.namespace

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as it is written, with the jobs that come from a checkpoint."""
        return _unpacked(self.spec_text)


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Jobs, jobDefaults and params that come from a checkpoint."""

    source: str  # what the spec starts from (`origin_of`); once it has begun, the name of the object that holds them
    configs: Mapping[str, Any]


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
    restore: Found | NotFound | None = None


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
        self._borrowed: dict[str, Borrowed] = {}
        self._forks: dict[str, dict[str, Fork]] = {}  # by UID of the execution that they were forked from
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
        view = self._executions[key.uid] = _view(key, body, old, self._borrowed.get(key.uid))
        self._note_fork(key, view.execution.status)
        return key

    def borrow(self, uid: str, borrowed: Borrowed) -> None:
        """Take in the jobs that an execution has from a checkpoint; its spec is complete with them."""
        before, self._borrowed[uid] = self._borrowed.get(uid), borrowed
        old = self._executions.get(uid)
        if old is not None and (old.execution.lacks_jobs or borrowed != before):
            self._executions[uid] = _completed(old, borrowed)

    def _note_fork(self, key: Key, status: Status) -> None:
        restored = status.restored_from
        if restored is not None and restored.mode is Mode.FORK:
            fork = Fork(key.namespace, key.name, key.uid, restored.origin.id, restored.at)
            self._forks.setdefault(restored.origin.execution_uid, {}).setdefault(key.uid, fork)

    def wrote_status(self, key: Key, resource_version: str, status: Status) -> None:
        """Take in the answer to an own status write."""
        old = self._executions.get(key.uid)
        if old is not None and int(old.resource_version) < int(resource_version):
            execution = replace(old.execution, status=status)
            needed = _needed(status, old.asks)
            self._executions[key.uid] = replace(
                old, resource_version=resource_version, execution=execution, restores=needed
            )
            if status.restore is not None and status.restore.step not in UNDER_WAY:
                self.seen(key.uid).restore = None  # it may be large, and is read again if it is needed
            self._note_fork(key, status)
            borrowed, restored = self._borrowed.get(key.uid), status.restored_from
            if borrowed is not None and restored is not None:
                self._borrowed[key.uid] = replace(borrowed, source=restored.configs)

    def forget_execution(self, uid: str) -> None:
        """The execution is gone; its objects follow by the garbage collector."""
        view = self._executions.pop(uid, None)
        self._seen.pop(uid, None)
        self._borrowed.pop(uid, None)
        self._forks.pop(uid, None)
        restored = view.execution.status.restored_from if view else None
        if restored is not None:
            self._forks.get(restored.origin.execution_uid, {}).pop(uid, None)

    def execution(self, uid: str) -> ExecutionView | None:
        """The execution with that UID, if it has been seen."""
        return self._executions.get(uid)

    def restored_from(self, namespace: str) -> frozenset[str]:
        """Names and ids of the checkpoints that restores of executions still need."""
        found = (v.restores for v in self._executions.values() if v.restores and v.source_namespace == namespace)
        return frozenset().union(*found)

    def knows(self, namespace: str) -> bool:
        """Whether executions of that namespace have been seen, so that what else is in it is seen too."""
        return any(key.namespace == namespace for key in self.keys())

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
            restore=seen.restore,
            forks=tuple(self._forks.get(uid, {}).values()),
        )


def _recent(noted: dict[str, datetime], now: datetime) -> frozenset[str]:
    return frozenset(name for name, at in noted.items() if now - at <= ABSENCE_COUNTS_FOR)


def _view(key: Key, body: Mapping[str, Any], old: ExecutionView | None, borrowed: Borrowed | None) -> ExecutionView:
    meta, written = body["metadata"], body.get("spec") or {}
    status = statuses.from_wire(body.get("status") or {})
    generation = meta["generation"]
    fields = {
        "generation": generation, "status": status, "deleting": "deletionTimestamp" in meta,
        "paused_by_operator": _wrote(meta, "f:paused"),
        "stale_pause_reason": _wrote(meta, "f:pause", "f:reason") and not _wrote(meta, "f:paused"),
    }  # fmt: skip
    asks = written.get("restoreFrom") or {}
    without_jobs = _packed(written) if _borrows(written) else b""
    if old is not None and old.execution.generation == generation:
        execution, shape, text = replace(old.execution, **fields), old.shape, old.spec_text
    else:
        given, lacks = _with_jobs(written, borrowed, status)
        begun = status.started_at is not None
        spec, violations = _parsed(given, len(json.dumps(body)), begun=begun)
        shape = Shape(spec) if spec else None
        text = _packed(given)
        execution = Execution(
            identity=Identity(key.namespace, key.name, key.uid), spec=spec, violations=violations,
            spec_digest=spec_digest(given), borrows_jobs=_borrows(written), lacks_jobs=lacks, **fields,
        )  # fmt: skip
    needed = _needed(status, asks)
    return ExecutionView(key, meta["resourceVersion"], execution, shape, text, asks, needed, without_jobs)


def _completed(view: ExecutionView, borrowed: Borrowed) -> ExecutionView:
    """The view of a spec without jobs, with these ones."""
    if not view.execution.borrows_jobs:
        return view
    given, lacks = _with_jobs(_unpacked(view.without_jobs), borrowed, view.execution.status)
    spec, violations = _parsed(given, 0, begun=view.execution.status.started_at is not None)
    execution = replace(
        view.execution, spec=spec, violations=violations, spec_digest=spec_digest(given), lacks_jobs=lacks
    )  # fmt: skip
    shape = Shape(spec) if spec else None
    return replace(view, execution=execution, shape=shape, spec_text=_packed(given))


def _packed(spec: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(spec).encode(), 1)


def _unpacked(text: bytes) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(zlib.decompress(text))
    return spec


def _borrows(spec: Mapping[str, Any]) -> bool:
    """Whether the jobs come from the checkpoint that the execution starts from."""
    return bool(spec.get("restoreFrom")) and not spec.get("jobs")


def _with_jobs(
    spec: Mapping[str, Any], borrowed: Borrowed | None, status: Status
) -> tuple[Mapping[str, Any], bool]:
    """The spec with the jobs that it has from a checkpoint, and whether those are missing yet.

    Params that are given lie over those of the checkpoint.
    """
    if not _borrows(spec):
        return spec, False
    restored = status.restored_from
    source = restored.configs if restored else origin_of(spec["restoreFrom"])
    if borrowed is None or borrowed.source != source:
        return spec, True
    params = {**(borrowed.configs.get("params") or {}), **(spec.get("params") or {})}
    return {**spec, **borrowed.configs, **({"params": params} if params else {})}, False


def origin_of(asks: Mapping[str, Any]) -> str:
    """What a `restoreFrom` starts from, as a text that tells one from the other."""
    return json.dumps([asks.get(field) for field in ("checkpointName", "checkpointId", "latestOf", "namespace")])


def _needed(status: Status, asks: Mapping[str, Any]) -> frozenset[str]:
    """Names and ids of the checkpoints that a restore goes back to and has not yet."""
    progress = status.restore
    if progress is not None and progress.step is Step.DONE and progress.request_id == asks.get("requestId", ""):
        return frozenset()
    named = {asks.get("checkpointName", ""), asks.get("checkpointId", "")}
    if progress is not None and progress.origin is not None:
        named |= {progress.origin.name, progress.origin.id, progress.undo}
    return frozenset(named - {""})


def _parsed(
    given: Mapping[str, Any], size: int, *, begun: bool
) -> tuple[ExecutionSpec | None, tuple[Violation, ...]]:
    try:
        spec = parse(given)
    except InvalidSpec as error:
        return None, error.violations
    size += len(spec.jobs) * (_BYTES_PER_RECORD + (_BYTES_PER_PLANNED if spec.restore else 0))
    if size > names.OBJECT_LIMIT and not begun:
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
