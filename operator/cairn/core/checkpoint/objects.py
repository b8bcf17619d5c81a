"""Checkpoint objects: the compact view of one, and the bodies with which one is made and brought forward.

Rules:
- The object is the outbox of the row: it carries all that the row needs, and says by its condition `Stored` whether
  the row is there.
- Whoever may have a row gets the finalizer first, so that no delete of the object goes unnoticed.
- `checkpointId`, `digest` and `executionUid` are set once. The API server checks that, and every write names the
  version of the object that it was decided on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cairn import names
from cairn.core.checkpoint import payload, serializer
from cairn.core.checkpoint.settings import CheckpointSettings, DeletionPolicy
from cairn.core.checkpoint.state import Checkpoint, Label, Parent, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity, belonging
from cairn.core.naming import manual_name
from cairn.core.times import format_time, parse_time
from cairn.core.wire import UNREADABLE, broken_part
from cairn.errors import DamagedPayload

Body = dict[str, Any]

PENDING = "Pending"
READY = "Ready"
FAILED = "Failed"
_SALVAGED = frozenset({"checkpointId", "executionUid", "digest", "state"})  # of a status that is broken


@dataclass(frozen=True, slots=True)
class CheckpointObject:
    """A Checkpoint object as it was seen, without the state that it holds."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    execution: str
    execution_uid: str  # once bound, or as the operator made it for; empty before
    trigger: Trigger
    label: str
    pinned: bool
    created_by: str | None
    metadata: Mapping[str, str]
    phase: str
    id: str
    taken_at: datetime | None
    job_count: int
    ended_jobs: int
    execution_status: str
    size_bytes: int
    digest: str
    state_digest: str
    parent: Parent | None
    has_state: bool
    ready: tuple[str, str]  # reason and message of the condition
    stored: tuple[bool, str, str]  # status, reason and message of the condition
    finalizers: tuple[str, ...]
    deleting: bool
    deletion_policy: DeletionPolicy
    after_deletion_seconds: int
    expires_at: datetime | None
    imported: bool = False  # whoever has brought it in fills it

    @property
    def guarded(self) -> bool:
        """Whether a delete of it is seen before it goes."""
        return names.FINALIZER in self.finalizers

    @property
    def is_ready(self) -> bool:
        """Whether it can be restored now."""
        return self.phase == READY

    @property
    def is_failed(self) -> bool:
        """Whether it could not be taken."""
        return self.phase == FAILED

    @property
    def is_settled(self) -> bool:
        """Whether it was taken, or will not be."""
        return self.phase in (READY, FAILED)

    @property
    def is_broken(self) -> bool:
        """Whether other hands have made its status unreadable: it stays, since what it held may be there yet."""
        return self.ready[0] == names.STATUS_UNREADABLE

    @property
    def is_stored(self) -> bool:
        """Whether the database holds it too."""
        return self.stored[0]

    @property
    def identity(self) -> Identity:
        """Of the object itself."""
        return Identity(self.namespace, self.name, self.uid, names.CHECKPOINT_KIND)

    def summary(self, namespace_uid: str) -> Checkpoint:
        """What a list shows of it; only of one that is Ready."""
        assert self.taken_at is not None
        return Checkpoint(
            id=self.id, namespace=self.namespace, namespace_uid=namespace_uid, execution=self.execution,
            execution_uid=self.execution_uid, object_name=self.name, object_uid=self.uid,
            name=self.label or manual_name(self.taken_at), trigger=self.trigger, created_at=self.taken_at,
            created_by=self.created_by, metadata=self.metadata,
            job_count=self.job_count, execution_status=self.execution_status, size_bytes=self.size_bytes,
            digest=self.digest, state_digest=self.state_digest, parent=self.parent, pinned=self.pinned,
        )  # fmt: skip


def view(body: Mapping[str, Any]) -> CheckpointObject:
    """The compact view of a Checkpoint object."""
    meta, spec = body["metadata"], body.get("spec") or {}
    created_at = parse_time(meta.get("creationTimestamp"))
    assert created_at is not None
    told = _told(body.get("status") or {})
    labels = meta.get("labels") or {}
    told["execution_uid"] = told["execution_uid"] or labels.get(names.LABEL_EXECUTION_UID, "")
    return CheckpointObject(
        namespace=meta["namespace"], name=meta["name"], uid=meta["uid"], resource_version=meta["resourceVersion"],
        generation=meta.get("generation", 0), created_at=created_at, execution=spec["executionRef"]["name"],
        trigger=Trigger(spec.get("trigger", Trigger.MANUAL)), label=spec.get("name", ""),
        pinned=bool(spec.get("pinned")), created_by=spec.get("createdBy"), metadata=dict(spec.get("metadata") or {}),
        finalizers=tuple(meta.get("finalizers") or ()), deleting="deletionTimestamp" in meta,
        imported=names.ANNOTATION_IMPORTED in (meta.get("annotations") or {}), **told,
    )  # fmt: skip


def stored(body: Mapping[str, Any], namespace_uid: str) -> Stored:
    """A checkpoint as its object holds it, checked against its digests; of one that is Ready. Raises Unreadable."""
    found = unchecked(body, namespace_uid)
    serializer.verify(found.content, found.parent_digest)
    return found


def unchecked(body: Mapping[str, Any], namespace_uid: str) -> Stored:
    """A checkpoint as its object holds it, whatever that is. Raises Unreadable where it is no payload."""
    found = view(body)
    if found.is_broken:
        raise DamagedPayload(found.ready[1])
    content = payload.from_text(body["status"].get("state", ""), found.digest)
    return Stored(found.summary(namespace_uid), content)


def _told(status: Mapping[str, Any]) -> dict[str, Any]:
    """What the status tells, as fields of the view; one that other hands have broken tells that it is broken."""
    try:
        told = _read(status)
        if told["phase"] != READY or (told["id"] and told["digest"] and told["taken_at"]):
            return told
        why = "status: Ready, but without checkpointId, digest or createdAt"
    except UNREADABLE:
        why = broken_part(status, _read)
    given = {key: status[key] for key in _SALVAGED & status.keys()}
    return _read(given) | {"phase": FAILED, "ready": (names.STATUS_UNREADABLE, why)}


def _read(status: Mapping[str, Any]) -> dict[str, Any]:
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready, stored = conditions.get(names.CONDITION_READY, {}), conditions.get(names.CONDITION_STORED, {})
    retention, parent = status.get("retention") or {}, status.get("parent")
    defaults = CheckpointSettings()
    return {
        "execution_uid": status.get("executionUid", ""), "phase": status.get("phase", PENDING),
        "id": status.get("checkpointId", ""), "taken_at": parse_time(status.get("createdAt")),
        "job_count": status.get("jobCount", 0), "ended_jobs": status.get("endedJobs", 0),
        "execution_status": status.get("executionStatus", ""), "size_bytes": status.get("sizeBytes", 0),
        "digest": status.get("digest", ""), "state_digest": status.get("stateDigest", ""),
        "parent": Parent(parent["checkpointId"], parent["digest"]) if parent else None,
        "has_state": "state" in status, "ready": (ready.get("reason", ""), ready.get("message", "")),
        "stored": (stored.get("status") == "True", stored.get("reason", ""), stored.get("message", "")),
        "deletion_policy": DeletionPolicy(retention.get("deletionPolicy", defaults.deletion_policy)),
        "after_deletion_seconds": retention.get("afterDeletionSeconds", defaults.after_deletion_seconds),
        "expires_at": parse_time(status.get("expiresAt")),
    }  # fmt: skip


def after_write(seen: CheckpointObject, version: str, status: Mapping[str, Any]) -> CheckpointObject:
    """The view after an own write of the whole status."""
    told = _told(status)
    told["execution_uid"] = told["execution_uid"] or seen.execution_uid
    return replace(seen, resource_version=version, **told)


def after_patch(seen: CheckpointObject, body: Mapping[str, Any], **told: Any) -> CheckpointObject:
    """The view after an own patch, given the metadata that it was answered with and what it has changed of the rest."""
    meta = body["metadata"]
    return replace(
        seen, resource_version=meta["resourceVersion"], finalizers=tuple(meta.get("finalizers") or ()),
        deleting="deletionTimestamp" in meta, **told,
    )  # fmt: skip


def manifest(execution: Identity, name: str, trigger: Trigger, label: str, metadata: Mapping[str, str], *,
             guarded: bool) -> Body:  # fmt: skip
    """The Checkpoint object that the operator makes for one of its own decisions."""
    meta: Body = {
        "name": name, "namespace": execution.namespace,
        "labels": belonging(execution),
    }  # fmt: skip
    if guarded:
        meta["finalizers"] = [names.FINALIZER]
    return {
        "apiVersion": names.API_VERSION, "kind": names.CHECKPOINT_KIND, "metadata": meta,
        "spec": {
            "executionRef": {"name": execution.name}, "trigger": trigger.value, "name": label,
            "metadata": dict(metadata), "pinned": False,
        },
    }  # fmt: skip


# --- Status bodies ---------------------------------------------------------------------------------------------------


def condition(kind: str, status: bool, reason: str, message: str, *, generation: int, now: datetime) -> Body:
    """One condition as it is stored."""
    return {
        "type": kind, "status": "True" if status else "False", "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": format_time(now),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken for a Checkpoint object, as its status tells it."""

    label: Label
    execution_uid: str
    job_count: int
    ended_jobs: int
    execution_status: str
    size_bytes: int
    digest: str
    state_digest: str
    state: str | None  # the payload's text; None: too large for an object
    settings: CheckpointSettings

    def summary(self, seen: CheckpointObject, namespace_uid: str) -> Checkpoint:
        """What a list will show of it."""
        label = self.label
        return Checkpoint(
            id=label.id, namespace=seen.namespace, namespace_uid=namespace_uid, execution=seen.execution,
            execution_uid=self.execution_uid, object_name=seen.name, object_uid=seen.uid, name=label.name,
            trigger=label.trigger, created_at=label.created_at, created_by=label.created_by, metadata=label.metadata,
            job_count=self.job_count, execution_status=self.execution_status, size_bytes=self.size_bytes,
            digest=self.digest, state_digest=self.state_digest, parent=label.parent, pinned=seen.pinned,
        )  # fmt: skip

    @classmethod
    def of_row(cls, seen: CheckpointObject, found: Checkpoint, ended_jobs: int) -> Taken:
        """What only the database holds of a checkpoint that was bound to its execution and given its id."""
        settings = CheckpointSettings(
            deletion_policy=seen.deletion_policy, after_deletion_seconds=seen.after_deletion_seconds
        )  # fmt: skip
        label = Label(
            found.id, found.name, found.trigger, found.created_at, found.created_by, found.metadata, found.parent
        )  # fmt: skip
        return cls(
            label, found.execution_uid, found.job_count, ended_jobs, found.execution_status, found.size_bytes,
            found.digest, found.state_digest, None, settings,
        )  # fmt: skip


def bound_status(taken: Taken, *, generation: int, now: datetime, reason: str, message: str) -> Body:
    """Bound to its execution and given its id, and not more yet: the state is too large and must reach the row first.

    No digest: were the row never written, the state would be gathered anew, and would have another one.
    """
    return {
        "observedGeneration": generation, "phase": PENDING, "checkpointId": taken.label.id,
        "executionUid": taken.execution_uid, "retention": _retention(taken.settings),
        "conditions": [
            condition(names.CONDITION_READY, False, reason, message, generation=generation, now=now),
            condition(names.CONDITION_STORED, False, reason, message, generation=generation, now=now),
        ],
    }  # fmt: skip


def ready_status(taken: Taken, stored: tuple[bool, str, str], *, generation: int, now: datetime) -> Body:
    """The status of a checkpoint that can be restored."""
    label = taken.label
    body: Body = {
        "observedGeneration": generation, "phase": READY, "checkpointId": label.id,
        "createdAt": format_time(label.created_at), "jobCount": taken.job_count, "endedJobs": taken.ended_jobs,
        "executionStatus": taken.execution_status, "executionUid": taken.execution_uid,
        "sizeBytes": taken.size_bytes, "digest": taken.digest, "stateDigest": taken.state_digest,
        "retention": _retention(taken.settings),
        "conditions": [
            condition(names.CONDITION_READY, True, names.TAKEN, label.name, generation=generation, now=now),
            condition(names.CONDITION_STORED, *stored, generation=generation, now=now),
        ],
    }  # fmt: skip
    if label.parent is not None:
        body["parent"] = {"checkpointId": label.parent.id, "digest": label.parent.digest}
    if taken.state is not None:
        body["state"] = taken.state
    return body


def failed_status(
    reason: str, message: str, *, generation: int, execution_uid: str, now: datetime, id: str = ""
) -> Body:
    """The status of a checkpoint that could not be taken; with the id, if it was given one: a row may have it."""
    body: Body = {
        "observedGeneration": generation, "phase": FAILED,
        "conditions": [
            condition(names.CONDITION_READY, False, reason, message, generation=generation, now=now),
            condition(names.CONDITION_STORED, False, reason, "there is nothing to store", generation=generation,
                      now=now),
        ],
    }  # fmt: skip
    given = {"executionUid": execution_uid, "checkpointId": id}
    return body | {field: value for field, value in given.items() if value}


def waiting_patch(seen: CheckpointObject, reason: str, message: str, *, now: datetime) -> Body:
    """The patch that says why one that was bound cannot be Ready yet."""
    return _patch(seen) | {
        "status": {
            "conditions": [
                condition(kind, False, reason, message, generation=seen.generation, now=now)
                for kind in (names.CONDITION_READY, names.CONDITION_STORED)
            ],
        }
    }  # fmt: skip


def lost_status(seen: CheckpointObject, *, now: datetime) -> Body:
    """The patch for a checkpoint that only the database held, and does not hold any more."""
    patch = waiting_patch(seen, names.ROW_LOST, "only the database held the state, and its row is gone", now=now)
    return patch | {"status": patch["status"] | {"phase": FAILED}}


# --- Patches ---------------------------------------------------------------------------------------------------------


def _patch(seen: CheckpointObject, **metadata: Any) -> Body:
    return {"metadata": {"uid": seen.uid, "resourceVersion": seen.resource_version, **metadata}}


def stored_patch(seen: CheckpointObject, stored: tuple[bool, str, str], *, now: datetime) -> Body:
    """Change the condition `Stored` alone."""
    ready = condition(
        names.CONDITION_READY, seen.is_ready, *seen.ready, generation=seen.generation, now=seen.taken_at or now
    )  # fmt: skip
    told = condition(names.CONDITION_STORED, *stored, generation=seen.generation, now=now)
    return _patch(seen) | {"status": {"conditions": [ready, told]}}


def expiry_patch(seen: CheckpointObject, expires: datetime) -> Body:
    """Note when it goes, its execution being gone."""
    return _patch(seen) | {"status": {"expiresAt": format_time(expires)}}


def guard_patch(seen: CheckpointObject) -> Body:
    """Put the finalizer on it."""
    return _patch(seen, finalizers=[*seen.finalizers, names.FINALIZER])


def unguard_patch(seen: CheckpointObject) -> Body:
    """Take the finalizer off it, and leave those of others."""
    return _patch(seen, finalizers=[f for f in seen.finalizers if f != names.FINALIZER])


def _retention(settings: CheckpointSettings) -> Body:
    return {
        "afterDeletionSeconds": settings.after_deletion_seconds, "deletionPolicy": settings.deletion_policy.value,
    }  # fmt: skip
