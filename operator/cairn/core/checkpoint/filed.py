"""A checkpoint as a file, and as the object that is made of one.

Rules:
- A file is the manifest of a Checkpoint with its state; what `kubectl get ckpt -o yaml` shows is one, too. What belongs
  to the one cluster it was in (UID, versions, conditions, expiry) is left out.
- Nothing is brought in that is not whole: every byte under its digest, readable by this version, and what stands beside
  the state is what the state says.
- An object that is brought in says so before it holds anything, so that no operator takes or fails it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cairn import names
from cairn.core.checkpoint import objects, payload, serializer
from cairn.core.checkpoint.chain import mislabelled
from cairn.core.checkpoint.objects import READY, Body, Taken
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.state import Label, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity
from cairn.core.times import parse_time
from cairn.errors import DamagedPayload, InvalidSpec, Violation

_SPEC = ("executionRef", "name", "metadata", "trigger", "createdBy")
_STATUS = (
    "phase", "checkpointId", "createdAt", "executionUid", "jobCount", "endedJobs", "executionStatus", "sizeBytes",
    "digest", "stateDigest", "parent", "state",
)  # fmt: skip
_TYPES: Mapping[str, type] = {
    "metadata.name": str, "spec.executionRef.name": str, "status.checkpointId": str, "status.createdAt": str,
    "status.executionUid": str, "status.jobCount": int, "status.executionStatus": str, "status.sizeBytes": int,
    "status.digest": str, "status.stateDigest": str, "status.state": str,
}  # fmt: skip
_OPTIONAL: Mapping[str, type] = {"spec.name": str, "spec.metadata": dict, "spec.createdBy": str, "status.parent": dict}
_CALLED = {str: "a text", int: "a number", dict: "an object"}


def to_file(body: Mapping[str, Any]) -> Body:
    """The file of a Checkpoint object that is Ready and holds its state."""
    return {
        "apiVersion": names.API_VERSION, "kind": names.CHECKPOINT_KIND, "metadata": {"name": body["metadata"]["name"]},
        "spec": {key: body["spec"][key] for key in _SPEC if key in body["spec"]},
        "status": {key: body["status"][key] for key in _STATUS if key in body["status"]},
    }  # fmt: skip


def from_file(document: Any, *, namespace: str, name: str = "", pinned: bool) -> Stored:
    """The checkpoint in a file, to be kept in a namespace; by default under the name that it had.

    Raises InvalidSpec (no file of a checkpoint that is Ready), NewerSchema, DamagedPayload, WrongDigest.
    """
    if wrong := tuple(_wrong(document)):
        raise InvalidSpec(wrong)
    spec, status = document["spec"], document["status"]
    meta = {
        "name": name or document["metadata"]["name"], "namespace": namespace, "uid": "", "resourceVersion": "",
        "creationTimestamp": status["createdAt"],
    }  # fmt: skip
    kept = {key: status[key] for key in _STATUS if key in status}
    body = {"metadata": meta, "spec": spec | {"pinned": pinned}, "status": kept}
    content = payload.from_text(status["state"], status["digest"])
    found = Stored(objects.view(body).summary(""), content)
    serializer.verify(content, found.parent_digest)
    differs = list(mislabelled(found.checkpoint, content, serializer.deserialize(content)))
    if differs:
        raise DamagedPayload("; ".join(differs))
    return found


def _wrong(document: Any) -> Iterator[Violation]:
    """What keeps a document from being the file of a checkpoint."""
    kind, version = _at(document, "kind"), _at(document, "apiVersion")
    if kind != names.CHECKPOINT_KIND or not isinstance(version, str) or not version.startswith(f"{names.GROUP}/"):
        text = f"must be {names.CHECKPOINT_KIND} of {names.API_VERSION}, as `cairn export` writes it"
        yield Violation("kind", text)
    elif version != names.API_VERSION:
        text = f"is {version}, but this version of Cairn reads {names.API_VERSION}: use the version that has written it"
        yield Violation("apiVersion", text)
    elif (phase := _at(document, "status.phase")) != READY:
        yield Violation("status.phase", f"is {phase}: only a checkpoint that is {READY} can be imported")
    else:
        yield from _fields(document)


def _fields(document: Any) -> Iterator[Violation]:
    for path, kind in {**_TYPES, **_OPTIONAL}.items():
        value = _at(document, path)
        if value is None and path in _OPTIONAL:
            continue
        if type(value) is not kind:
            missing = "is missing: " if value is None else ""
            yield Violation(path, f"{missing}must be {_CALLED[kind]}, as `cairn export` writes it")
    if _at(document, "spec.trigger") not in list(Trigger):
        yield Violation("spec.trigger", f"must be one of {', '.join(Trigger)}")
    if not _is_time(_at(document, "status.createdAt")):
        yield Violation("status.createdAt", "must be a time such as 2026-01-31T08:00:00.000Z")
    parent = _at(document, "status.parent")
    if isinstance(parent, dict) and {type(parent.get(key)) for key in ("checkpointId", "digest")} != {str}:
        yield Violation("status.parent", "must have checkpointId and digest")


def _at(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False


# --- The object ------------------------------------------------------------------------------------------------------


def manifest(stored: Stored) -> Body:
    """The object of a checkpoint that is brought in: whoever creates it fills it next, with `status`."""
    found = stored.checkpoint
    origin = Identity(found.namespace, found.execution, found.execution_uid)
    body = objects.manifest(origin, found.object_name, found.trigger, found.name, found.metadata, guarded=False)
    body["metadata"]["annotations"] = {names.ANNOTATION_IMPORTED: "true"}
    body["spec"] |= {"pinned": found.pinned} | ({"createdBy": found.created_by} if found.created_by else {})
    return body


def status(stored: Stored, *, generation: int, now: datetime) -> Body:
    """Its status. How many of its jobs had ended is not known any more."""
    found = stored.checkpoint
    label = Label(
        found.id, found.name, found.trigger, found.created_at, found.created_by, found.metadata, found.parent
    )  # fmt: skip
    taken = Taken(
        label=label, execution_uid=found.execution_uid, job_count=found.job_count, ended_jobs=0,
        execution_status=found.execution_status, size_bytes=found.size_bytes, digest=found.digest,
        state_digest=found.state_digest, state=payload.to_text(stored.content), settings=CheckpointSettings(),
    )  # fmt: skip
    return objects.ready_status(taken, (False, names.NOT_STORED_YET, ""), generation=generation, now=now)
