"""How long checkpoints live: retention while their execution is there, and their time after it is gone.

Rules:
- A checkpoint goes only by the delete of its object; the row follows through the finalizer.
- That an execution is gone is believed only after a live read; views may be late.
- Pinned ones stay, whatever happens to the execution.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from cairn.app.checkpoints.views import CheckpointViews, Lane
from cairn.app.events import EventWriter
from cairn.app.executions import ExecutionView
from cairn.app.views import Views
from cairn.core.actions import Note
from cairn.core.checkpoint import objects, retention
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.settings import DeletionPolicy
from cairn.core.draft import Execution
from cairn.errors import Conflict, Gone
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)


class Lifetimes:
    """Removes checkpoints whose time is over."""

    def __init__(
        self, cluster: Cluster, views: Views, clock: Clock, events: EventWriter, look_at: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._views = views
        self._checkpoints: CheckpointViews = views.checkpoints
        self._clock = clock
        self._events = events
        self._look_at = look_at
        self.needed_elsewhere: Callable[[CheckpointObject], Awaitable[bool]] = _not_needed  # by what is not seen here
        self.removed: set[str] = set()  # UIDs of what was removed from here, which has been told already

    async def look(self, lane: Lane) -> float | None:
        """Apply retention and expiry in one lane; returns in how many seconds to look again, if at all."""
        waits: list[float] = []
        by_execution: dict[str, list[CheckpointObject]] = {}
        for seen in self._checkpoints.lane(lane):
            if seen.is_settled and not seen.deleting and not seen.is_broken:
                by_execution.setdefault(seen.execution_uid, []).append(seen)
        for uid, found in by_execution.items():
            view = self._views.execution(uid)
            if view is not None:
                waits += await self._retire(view, found)
            elif not await self._exists(lane, uid):
                waits += [w for seen in found if (w := await self._outlive(seen)) is not None]
        return min(waits, default=None)

    async def _retire(self, view: ExecutionView, found: Iterable[CheckpointObject]) -> list[float]:
        found = list(found)
        by_name = {seen.name: seen for seen in found}
        for retired in self._plan(view, found):
            seen = by_name[retired.name]
            if await self.needed_elsewhere(seen):
                continue
            if self._is_due(view.key.uid, retired, found) and await self._delete(seen):
                note = Note("CheckpointRetired", f"checkpoint {retired.name} is removed: {retired.reason}")
                self._events.write(view.execution.identity, [note])
        most = view.execution.spec.checkpoint.max_age_seconds if view.execution.spec else 0
        ages = [(self._clock() - (seen.taken_at or seen.created_at)).total_seconds() for seen in found]
        return [max(most - age, 1.0) for age in ages if age < most]

    def _is_due(self, uid: str, retired: retention.Retired, found: Iterable[CheckpointObject]) -> bool:
        """Whether it still is, by what has been heard since: a restore may have come to need it."""
        view = self._views.execution(uid)
        return view is not None and any(each.name == retired.name for each in self._plan(view, found))

    def _plan(self, view: ExecutionView, found: Iterable[CheckpointObject]) -> tuple[retention.Retired, ...]:
        restores = self._views.restored_from(view.key.namespace)
        return retired(view.execution, list(found), restores, self._clock())

    # --- After the execution

    async def _exists(self, lane: Lane, uid: str) -> bool:
        """Whether the execution is there after all, by a live read."""
        try:
            body = await self._cluster.get_execution(lane.namespace, lane.execution)
        except Gone:
            return False
        if self._views.see_execution(body) is not None:
            self._look_at(body["metadata"]["uid"])  # its event will bring nothing new any more
        return bool(body["metadata"]["uid"] == uid)

    async def _outlive(self, seen: CheckpointObject) -> float | None:
        """One whose execution is gone: it goes with it, or after its time; seconds until then."""
        if seen.pinned:
            return None
        now = self._clock()
        if seen.deletion_policy is DeletionPolicy.DELETE and seen.execution_uid:
            await self._expire(seen, "deletionPolicy Delete")
            return None
        expires = seen.expires_at
        if expires is None:
            expires = now + timedelta(seconds=seen.after_deletion_seconds)
            await self._write_expiry(seen, expires)
        if now >= expires:
            await self._expire(seen, f"its execution has been gone for {seen.after_deletion_seconds} s")
            return None
        return max((expires - now).total_seconds(), 0.1)

    async def _write_expiry(self, seen: CheckpointObject, expires: datetime) -> None:
        try:
            body = await self._cluster.patch_checkpoint(
                seen.namespace, seen.name, objects.expiry_patch(seen, expires), status=True
            )  # fmt: skip
        except (Conflict, Gone):
            return  # the event that tells of it leads to another look
        self._checkpoints.wrote(objects.after_patch(seen, body, expires_at=expires))

    async def _expire(self, seen: CheckpointObject, why: str) -> None:
        if await self._delete(seen):
            note = Note("CheckpointExpired", f"checkpoint {seen.name} of {seen.execution} is removed: {why}")
            self._events.write(seen.identity, [note])

    async def _delete(self, seen: CheckpointObject) -> bool:
        """Delete a checkpoint as it was seen; whether that was done now."""
        if seen.uid in self.removed:
            return False
        try:
            await self._cluster.delete_checkpoint(seen.namespace, seen.name, seen.uid, seen.resource_version)
        except (Conflict, Gone):
            # It is gone, or has changed: a pin, say. The event that tells of that leads to another look.
            logger.debug("checkpoint %s/%s is not deleted: it has changed", seen.namespace, seen.name)
            return False
        self.removed.add(seen.uid)
        return True


async def _not_needed(seen: CheckpointObject) -> bool:
    return False


def retired(execution: Execution, found: Sequence[CheckpointObject], restores: Collection[str],
            now: datetime) -> tuple[retention.Retired, ...]:  # fmt: skip
    """What retention removes now of an execution's checkpoints; `restores`: names and ids that restores refer to."""
    if execution.spec is None:
        return ()  # a spec that is not accepted says nothing about how much is to be kept
    kept = [
        retention.Kept(c.name, c.id, c.taken_at or c.created_at, c.size_bytes, retention.Phase(c.phase), c.pinned)
        for c in found
    ]
    return retention.plan(kept, execution.spec.checkpoint, now=now, needed=_needed(execution, found, restores))


def _needed(execution: Execution, found: Sequence[CheckpointObject], restores: Collection[str]) -> frozenset[str]:
    """What a pause, a restore or a fork goes back to: its checkpoint is the only one that will do."""
    needed = {c.name for c in found if c.name in restores or (c.id and c.id in restores)}
    pause = execution.status.pause
    if pause is not None:
        since = [c for c in found if c.is_ready and c.taken_at is not None and c.taken_at >= pause.since]
        needed |= {min(since, key=lambda c: c.id).name} if since else set()
    return frozenset(needed)
