"""An execution as it was seen: parsed once a generation, its jobs taken from a checkpoint where its spec has none.

Parsing takes milliseconds, and a process that starts sees everything at once. So a view comes with its spec unread, and
it is read when somebody looks at the execution (`read`): those that work is waiting for first.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cairn import names
from cairn.app.logfields import Fields
from cairn.core import status_wire
from cairn.core.checkpoint.serializer import spec_digest
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.parse import parse
from cairn.core.restore.progress import Step
from cairn.core.shape import Shape
from cairn.core.sharding import shard_of
from cairn.core.spec import ExecutionSpec
from cairn.core.status import Status
from cairn.errors import InvalidSpec, Violation

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


def about_execution(key: Key) -> Fields:
    """What a log record about an execution names."""
    return {"namespace": key.namespace, "execution": key.name}


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution as last seen, its spec parsed once per generation, by `read`."""

    key: Key
    resource_version: str
    execution: Execution
    shape: Shape | None
    spec_text: bytes  # the spec as it is written and completed, compressed: a checkpoint holds it
    asks: Mapping[str, Any]  # `spec.restoreFrom`
    restores: frozenset[str] = frozenset()  # names and ids of the checkpoints that a restore of it needs
    without_jobs: bytes = b""  # the spec as it is written, compressed, where its jobs come from a checkpoint
    unread: int | None = None  # while the spec is not parsed: how large the object was, in bytes

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


def viewed(key: Key, body: Mapping[str, Any], old: ExecutionView | None, borrowed: Borrowed | None) -> ExecutionView:
    """The view of a DAGExecution; what its spec comes to is taken over from an older view of the same generation."""
    meta, written = body["metadata"], body.get("spec") or {}
    status = status_wire.from_wire(body.get("status") or {})
    generation = meta["generation"]
    identity = Identity(key.namespace, key.name, key.uid, shard=shard_of(meta))
    fields = {
        "identity": identity, "generation": generation,
        "status": status, "found": body["status"] if status.unreadable else {},
        "deleting": "deletionTimestamp" in meta,
        "paused_by_operator": _wrote(meta, "f:paused"),
        "stale_pause_reason": _wrote(meta, "f:pause", "f:reason") and not _wrote(meta, "f:paused"),
    }  # fmt: skip
    asks = written.get("restoreFrom") or {}
    if old is not None and old.execution.generation == generation and not _begun_anew(old, status):
        execution, shape, text = replace(old.execution, **fields), old.shape, old.spec_text
        without_jobs, unread = old.without_jobs, old.unread
    else:
        without_jobs = _packed(written) if _borrows(written) else b""
        given, lacks = _with_jobs(written, borrowed, status)
        shape, text, unread = None, _packed(given), 0 if status.started_at is not None else len(json.dumps(body))
        execution = Execution(spec=None, borrows_jobs=_borrows(written), lacks_jobs=lacks, **fields)
    needed = needed_by(status, asks)
    return ExecutionView(key, meta["resourceVersion"], execution, shape, text, asks, needed, without_jobs, unread)


def read(view: ExecutionView) -> ExecutionView:
    """The view with its spec parsed; the same one if it is."""
    if view.unread is None:
        return view
    return _with_spec(view, view.spec, size=view.unread, lacks_jobs=view.execution.lacks_jobs)


def _with_spec(view: ExecutionView, given: Mapping[str, Any], *, size: int, lacks_jobs: bool) -> ExecutionView:
    spec, violations = _parsed(given, size, begun=view.execution.status.started_at is not None)
    execution = replace(
        view.execution, spec=spec, violations=violations, spec_digest=spec_digest(given), lacks_jobs=lacks_jobs
    )  # fmt: skip
    return replace(view, execution=execution, shape=Shape(spec) if spec else None, unread=None)


def _begun_anew(old: ExecutionView, status: Status) -> bool:
    """Whether a spec without jobs has begun from a checkpoint, perhaps another one than its jobs were read from here:
    another replica may have led meanwhile."""
    return old.execution.borrows_jobs and old.execution.status.restored_from != status.restored_from


def completed(view: ExecutionView, borrowed: Borrowed) -> ExecutionView:
    """The view of a spec without jobs, with these ones."""
    if not view.execution.borrows_jobs:
        return view
    given, lacks = _with_jobs(_unpacked(view.without_jobs), borrowed, view.execution.status)
    return _with_spec(replace(view, spec_text=_packed(given)), given, size=0, lacks_jobs=lacks)


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


def needed_by(status: Status, asks: Mapping[str, Any]) -> frozenset[str]:
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
