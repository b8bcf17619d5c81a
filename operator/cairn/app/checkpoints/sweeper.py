"""Closes what gaps there are between objects and rows; deletes nothing but what was explicitly deleted.

A gap comes of a crash between two writes, of a restored backup of either side, or of a time without the other. The
sweep goes through the rows of every namespace that has checkpoints: an object that says Stored and has no row gets one
again; a row pinned otherwise than its object is set right; a row without an object stays, listed and restorable.
"""

from __future__ import annotations

import asyncio
import logging

from cairn.app import metrics
from cairn.app.checkpoints.outbox import Outbox
from cairn.app.checkpoints.views import CheckpointViews
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Checkpoint
from cairn.errors import ApiError, Gone, StoreError, StoreUnavailable, Unreadable
from cairn.ports import Query, Rows

logger = logging.getLogger(__name__)

_PAGE = 1000


class Sweeper:
    """Goes through everything now and then."""

    def __init__(self, outbox: Outbox, checkpoints: CheckpointViews, rows: Rows, seconds: float) -> None:
        self._outbox = outbox
        self._checkpoints = checkpoints
        self._rows = rows
        self._seconds = seconds
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
        orphans = 0
        for namespace, objects in by_namespace.items():
            try:
                tenant = await self._outbox.tenant(namespace)
            except Gone:  # and so is what was in it; its events were missed
                for seen in objects.values():
                    self._checkpoints.forget(seen.uid)
                continue
            orphans += await self._sweep_namespace(tenant, objects)
        metrics.ORPHANED_ROWS.set(orphans)
        self._outbox.gate.succeed()
        self._outbox.consider_all()

    async def _sweep_namespace(self, tenant: str, objects: dict[str, CheckpointObject]) -> int:
        missing, orphans, after = dict(objects), 0, None
        while True:
            page = await self._rows.list(Query([tenant], limit=_PAGE, after=after))
            for row in page.items:
                seen = missing.pop(row.id, None)
                orphans += seen is None and row.id not in objects
                if seen is not None:
                    await self._set_right(seen, row)
            if (after := page.next) is None:
                break
        for seen in missing.values():
            if seen.is_stored and self._checkpoints.get(seen.uid) is seen:
                await self._write_again(seen)
        await self._rows.collect_results(tenant)
        return orphans

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
