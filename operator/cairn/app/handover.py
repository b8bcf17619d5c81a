"""Gives executions and checkpoints to the shards that they belong to; each by one patch, which names what was read.

Rules:
- An execution that has not begun goes to a shard before anything is done with it; one that has, stays.
- A Checkpoint is worked on where its execution is. One without the right label, as a user makes it, is labelled by
  whoever has it; one whose execution is gone stays with whoever has it.
- What is being deleted is not given away: whoever has it says farewell to it. Nor is what is being brought in from a
  file, until it is filled: whoever fills it names the version that it was made with.
- A patch that is refused (409) was decided on what is no longer so: it is decided anew.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from cairn.app.checkpoints.views import Lane
from cairn.app.executions import ExecutionView, Key
from cairn.app.views import Views
from cairn.core import status_wire
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.sharding import chosen, label_patch, may_have_begun, shard_of
from cairn.errors import Conflict, Gone
from cairn.ports import Body, Cluster

logger = logging.getLogger(__name__)

AGAIN = 1.0  # seconds between looks at a checkpoint whose execution is being given away


class Handover:
    """Gives away what is another shard's."""

    def __init__(self, cluster: Cluster, views: Views) -> None:
        self._cluster = cluster
        self._views = views
        self._selection = views.selection

    # --- Executions

    def concerns(self, view: ExecutionView) -> bool:
        """Whether an execution of the own views is to be given away."""
        return self._selection.hands_over and not may_have_begun(view.execution.status)

    async def give(self, view: ExecutionView) -> float | None:
        """Label an execution for its shard; in how many seconds to look again. Raises the errors of the API."""
        key = view.key
        shard = chosen(self._selection.shards, key.uid, await self._origin(view))
        patch = label_patch({"uid": key.uid, "resourceVersion": view.resource_version}, shard)
        try:
            body = await self._cluster.patch_execution(key.namespace, key.name, patch)
        except (Conflict, Gone):
            return await self._look_again(key)
        self._views.see_execution(body)  # which forgets it
        logger.info("handed over to shard %s", shard)
        return None

    async def _look_again(self, key: Key) -> float | None:
        try:
            body = await self._cluster.get_execution(key.namespace, key.name)
        except Gone:
            return None  # the watch tells of it, and what follows follows
        if body["metadata"]["uid"] == key.uid:
            self._views.see_execution(body)
        return 0.0 if self._views.execution(key.uid) is not None and body["metadata"]["uid"] == key.uid else None

    async def _origin(self, view: ExecutionView) -> str:
        """The shard of the execution that a fork starts from, as far as that can be read."""
        asks, namespace = view.asks, view.source_namespace
        execution = asks.get("latestOf", "")
        try:
            if asks.get("checkpointName"):
                execution, shard = _belongs(await self._cluster.get_checkpoint(namespace, asks["checkpointName"]))
            elif asks.get("checkpointId"):
                wanted = {"status.checkpointId": asks["checkpointId"]}
                found = await self._cluster.find_checkpoints(namespace, **wanted)
                execution, shard = _belongs(found[0]) if found else ("", "")
            else:
                shard = ""
            if execution and not shard:
                shard = shard_of((await self._cluster.get_execution(namespace, execution))["metadata"])
        except Gone:
            return ""
        return shard

    # --- Checkpoints

    async def sort_out(self, lane: Lane, there: Collection[CheckpointObject]) -> frozenset[str]:
        """The UIDs of those checkpoints of a lane that are not to be worked on here; they are given away.

        Raises the errors of the API.
        """
        doubtful = [seen for seen in there if self._is_doubtful(seen)]
        if not doubtful:
            return frozenset()
        try:
            body = await self._cluster.get_execution(lane.namespace, lane.execution)
        except Gone:
            return frozenset()
        meta = body["metadata"]
        strays = [seen for seen in doubtful if seen.execution_uid in ("", meta["uid"])]
        if not self._selection.takes(meta):
            for seen in strays:
                await self._give_checkpoint(seen, shard_of(meta))
        elif not self._is_leaving(meta, body):
            return frozenset()
        return frozenset(seen.uid for seen in strays)

    def _is_doubtful(self, seen: CheckpointObject) -> bool:
        held = seen.deleting or (seen.imported and not seen.is_settled)
        view = self._views.execution_as_seen(seen.execution_uid)
        return not held and (view is None or self.concerns(view))

    def _is_leaving(self, meta: Mapping[str, Any], body: Body) -> bool:
        return self._selection.gives_away(meta, status_wire.from_wire(body.get("status") or {}))

    async def _give_checkpoint(self, seen: CheckpointObject, shard: str) -> None:
        meta = {"uid": seen.uid, "resourceVersion": seen.resource_version}
        try:
            await self._cluster.patch_checkpoint(seen.namespace, seen.name, label_patch(meta, shard))
        except (Conflict, Gone):
            return  # the event that tells of it leads to another look
        self._views.checkpoints.move_away(seen.uid)
        logger.info("checkpoint %s/%s: handed over to %s", seen.namespace, seen.name, shard or "the default operator")


def _belongs(checkpoint: Body) -> tuple[str, str]:
    """The execution of a Checkpoint object, and the shard that it is labelled for."""
    return checkpoint["spec"]["executionRef"]["name"], shard_of(checkpoint["metadata"])
