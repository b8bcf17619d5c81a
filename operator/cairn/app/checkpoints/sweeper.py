"""Closes what gaps there are between objects and rows; deletes nothing but what was explicitly deleted.

A gap comes of a crash between two writes, of a restored backup of either side, or of a time without the other. The
sweep goes through the rows of every namespace that has checkpoints: an object that says Stored and has no row gets one
again; a row pinned otherwise than its object is set right; a row without an object stays, listed and restorable.

With shards each operator closes the gaps of the objects that it sees, and says nothing about rows of others. Only the
default operator looks for rows without an object, and it asks the API server for the names of all objects: what is not
in its views is not lost (`Roster`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from cairn.app import metrics
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.views import CheckpointViews
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Checkpoint
from cairn.core.sharding import Selection, plain_names
from cairn.errors import ApiError, Gone, StoreError, StoreUnavailable, Unreadable
from cairn.ports import Cluster, Query, Rows

logger = logging.getLogger(__name__)

_PAGE = 1000


class Roster:
    """Who else may claim a row: nobody, where everything there is is in the views."""

    async def namespaces(self) -> Collection[str]:
        """Where there are objects that are not in the views. Raises the errors of the API."""
        return ()

    async def orphans(self, namespace: str, unclaimed: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        """Of rows without an object in the views, those that have none at all. Raises the errors of the API."""
        return unclaimed


class OthersRows(Roster):
    """That of a shard: what it does not see is none of its business."""

    async def orphans(self, namespace: str, unclaimed: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        return ()


class LiveRoster(Roster):
    """That of the default operator beside shards: asked of the API server. `watched`: namespaces, or patterns."""

    def __init__(self, cluster: Cluster, watched: Collection[str]) -> None:
        self._cluster = cluster
        self._watched = plain_names(watched)
        self._everywhere = not watched

    async def namespaces(self) -> Collection[str]:
        asked = {""} if self._everywhere else self._watched
        return {namespace for each in asked for namespace, _ in await self._cluster.checkpoint_names(each)}

    async def orphans(self, namespace: str, unclaimed: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        """By the names of the objects that there are now: read after the rows, so that what is new is there."""
        if not unclaimed:
            return ()
        there = {name for _, name in await self._cluster.checkpoint_names(namespace)}
        return [row for row in unclaimed if row.object_name not in there]


def roster_for(selection: Selection, cluster: Cluster, watched: Collection[str]) -> Roster:
    """Who tells an operator of the objects that it does not see."""
    if not selection.complete:
        return OthersRows()
    return LiveRoster(cluster, watched) if selection.partial else Roster()


class Sweeper:
    """Goes through everything now and then."""

    def __init__(
        self, outbox: Outbox, checkpoints: CheckpointViews, rows: Rows, seconds: float, roster: Roster | None = None
    ) -> None:
        self._outbox = outbox
        self._checkpoints = checkpoints
        self._rows = rows
        self._seconds = seconds
        self._roster = roster or Roster()
        self._due = asyncio.Event()

    def soon(self) -> None:
        """Sweep as soon as possible: the database is back."""
        self._due.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except StoreUnavailable as error:
                self._outbox.gate.fail(error)
            except (StoreError, ApiError) as error:
                logger.warning("a sweep of the checkpoints has ended early: %s", error)
            except Exception:
                logger.exception("a sweep of the checkpoints has ended early")
            try:
                await asyncio.wait_for(self._due.wait(), self._seconds)
            except TimeoutError:
                pass
            self._due.clear()

    async def sweep(self) -> None:
        """One pass. Raises StoreError, and the errors of the API."""
        if self._outbox.farewells.any:
            await self._outbox.farewells.carry_out(self._rows)
        by_namespace: dict[str, dict[str, CheckpointObject]] = {}
        for seen in self._checkpoints:
            if seen.is_ready and not seen.deleting:
                by_namespace.setdefault(seen.namespace, {})[seen.id] = seen
        for namespace in await self._roster.namespaces():
            by_namespace.setdefault(namespace, {})
        orphans = 0
        for namespace, objects in by_namespace.items():
            try:
                tenant = await self._outbox.tenant(namespace)
            except Gone:  # and so is what was in it; its events were missed
                for seen in objects.values():
                    self._checkpoints.forget(seen.uid)
                continue
            unclaimed = await self._sweep_namespace(tenant, objects)
            orphans += len(await self._roster.orphans(namespace, unclaimed))
        metrics.ORPHANED_ROWS.set(orphans)
        self._outbox.gate.succeed()
        self._outbox.consider_all()

    async def _sweep_namespace(self, tenant: str, objects: dict[str, CheckpointObject]) -> list[Checkpoint]:
        """Close the gaps of a namespace's objects; the rows that none of these claims."""
        missing, unclaimed, after = dict(objects), list[Checkpoint](), None
        while True:
            page = await self._rows.list(Query([tenant], limit=_PAGE, after=after))
            for row in page.items:
                seen = missing.pop(row.id, None)
                if seen is None and row.id not in objects:
                    unclaimed.append(row)
                if seen is not None:
                    await self._set_right(seen, row)
            if (after := page.next) is None:
                break
        for seen in missing.values():
            if seen.is_stored and self._checkpoints.get(seen.uid) is seen:
                await self._write_again(seen)
        await self._rows.collect_results(tenant)
        return unclaimed

    async def _write_again(self, seen: CheckpointObject) -> None:
        logger.warning("checkpoint %s/%s has lost its row; it is written again", seen.namespace, seen.name)
        try:
            await self._outbox.store_again(seen)
        except Gone:  # its delete was missed
            self._checkpoints.forget(seen.uid)
        except Unreadable as error:
            logger.error("checkpoint %s/%s cannot be written again: %s", seen.namespace, seen.name, error)

    async def _set_right(self, seen: CheckpointObject, row: Checkpoint) -> None:
        if seen.pinned != row.pinned:
            await self._rows.pin([row.namespace_uid], row.id, seen.pinned)
