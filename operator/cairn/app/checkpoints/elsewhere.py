"""Who needs a checkpoint of those that this operator is not told of: asked of the API server, before one is removed.

Retention leaves alone what a restore goes back to. A fork in another shard is in nobody's views here, so each time the
API server is asked for the executions that name the checkpoint, its id, or the execution it was taken of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cairn.app.executions import needed_by
from cairn.app.views import Views
from cairn.core import status_wire
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.sharding import plain_names
from cairn.ports import Cluster


class Elsewhere:
    """Asks about executions of other shards. `watched`: namespaces, or patterns of such; none: all."""

    def __init__(self, cluster: Cluster, views: Views, watched: Collection[str]) -> None:
        self._cluster = cluster
        self._views = views
        self._watched = watched

    async def needs(self, seen: CheckpointObject) -> bool:
        """Whether a restore of any execution goes back to a checkpoint. Raises the errors of the API."""
        for namespace in self._namespaces(seen):
            for field, value in _named(seen):
                for body in await self._cluster.find_executions(namespace, **{f"spec.restoreFrom.{field}": value}):
                    if refers_to(body, seen):
                        return True
        return False

    def _namespaces(self, seen: CheckpointObject) -> Collection[str]:
        if not self._watched:
            return ("",)
        return plain_names(self._watched) | self._views.namespaces() | {seen.namespace}


def _named(seen: CheckpointObject) -> list[tuple[str, str]]:
    asked = [("checkpointName", seen.name), ("checkpointId", seen.id), ("latestOf", seen.execution)]
    return [(field, value) for field, value in asked if value]


def refers_to(body: Mapping[str, Any], seen: CheckpointObject) -> bool:
    """Whether a restore of an execution, as it was read, still goes back to a checkpoint."""
    asks = (body.get("spec") or {}).get("restoreFrom") or {}
    if (asks.get("namespace") or body["metadata"]["namespace"]) != seen.namespace:
        return False
    needed = needed_by(status_wire.from_wire(body.get("status") or {}), asks)
    return bool(needed & {seen.name, seen.id})
