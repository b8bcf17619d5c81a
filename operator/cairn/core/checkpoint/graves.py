"""What is left of a deleted checkpoint, and the object that remembers a delete until the database knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairn import names
from cairn.core.checkpoint.objects import Body, CheckpointObject
from cairn.core.checkpoint.state import Grave, Parent


def grave_of(seen: CheckpointObject, namespace_uid: str) -> Grave:
    """What is to be left of it."""
    return Grave(seen.id, namespace_uid, seen.execution_uid, seen.digest, seen.parent)


def remembered(grave: Grave, namespace: str, name: str) -> Body:
    """The object that remembers a delete."""
    parent = grave.parent
    return {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {names.LABEL_REMEMBERED: "true", names.LABEL_MANAGED_BY: "cairn"},
        },
        "data": {
            "id": grave.id, "namespaceUid": grave.namespace_uid, "executionUid": grave.execution_uid,
            "digest": grave.digest, "parentId": parent.id if parent else "",
            "parentDigest": parent.digest if parent else "",
        },
    }  # fmt: skip


def remembered_grave(body: Mapping[str, Any]) -> Grave:
    """The delete that an object remembers."""
    data = body["data"]
    parent = Parent(data["parentId"], data["parentDigest"]) if data.get("parentId") else None
    return Grave(data["id"], data["namespaceUid"], data["executionUid"], data["digest"], parent)
