"""Rows follow objects: the Checkpoint objects that are not stored yet are the outbox, and this carries them over.

Rules:
- The backlog is the objects themselves, bounded by retention; nothing in memory is needed to carry one over.
- The finalizer comes before the row, so that no delete of the object goes unseen.
- While the database is away one try in a while is made for all, and what waits says why in its condition `Stored`.
- A delete with the database away is remembered in an object of the operator's namespace, and the finalizer goes at
  once: nothing hangs, and the row goes when the database is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from cairn import names
from cairn.app import metrics
from cairn.app.checkpoints.farewells import Farewells
from cairn.app.checkpoints.views import CheckpointViews, about_checkpoint
from cairn.app.logfields import Fields
from cairn.app.queue import WorkQueue
from cairn.core.checkpoint import graves, objects
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Stored
from cairn.errors import Conflict, Gone, IdTaken, NotMigrated, StoreError, StoreUnavailable, Unreadable
from cairn.ports import Clock, Cluster, Rows

logger = logging.getLogger(__name__)

_HELD_BYTES = 32 * 1024 * 1024  # of contents at hand; what is not is read from its object
_AGAIN_FIRST = 1.0  # seconds
_AGAIN_MOST = 30.0
_AGAIN_WRONG = 60.0  # after what only a person can put right

Told = tuple[bool, str, str]


def reason_of(error: StoreError) -> str:
    """The reason for the condition `Stored`."""
    match error:
        case StoreUnavailable():
            return error.reason
        case NotMigrated():
            return names.NOT_MIGRATED
        case IdTaken():
            return names.ID_TAKEN
        case _:
            return names.DATABASE_UNAVAILABLE


class Gate:
    """Whether the database is believed to be there. While it is not, one probe in a while is let through."""

    def __init__(self) -> None:
        self._until = 0.0
        self._delay = _AGAIN_FIRST
        self.told: Told | None = None  # why it is closed
        self.opened: Callable[[], None] = lambda: None

    @property
    def closed(self) -> bool:
        """Whether the last try has failed."""
        return self.told is not None

    def wait(self) -> float:
        """Seconds until a try may be made; the one who gets 0 makes it, and the next must wait for what comes of it."""
        if not self.closed:
            return 0.0
        now = asyncio.get_running_loop().time()
        if now < self._until:
            return self._until - now
        self._until = now + self._delay
        return 0.0

    def fail(self, error: StoreError) -> Told:
        """A try has failed."""
        if not self.closed:
            logger.error("the database is away, checkpoints stay in their objects: %s", error)
        self.told = (False, reason_of(error), str(error))
        self._until = asyncio.get_running_loop().time() + self._delay
        self._delay = min(self._delay * 2, _AGAIN_MOST)
        return self.told

    def succeed(self) -> None:
        """A try has succeeded."""
        was_closed, self.told, self._delay = self.closed, None, _AGAIN_FIRST
        if was_closed:
            logger.warning("the database is back")
            self.opened()


class Outbox:
    """Carries checkpoints over to the database, and deletes as well."""

    def __init__(self, cluster: Cluster, checkpoints: CheckpointViews, rows: Rows | None, clock: Clock,
                 home: str) -> None:  # fmt: skip
        self._cluster = cluster
        self._checkpoints = checkpoints
        self._rows = rows
        self._clock = clock
        self._tenants: dict[str, str] = {}
        self._contents: OrderedDict[str, Stored] = OrderedDict()
        self._held = 0
        self._pinned: dict[str, bool] = {}  # as the row is believed to be
        self.changed: Callable[[CheckpointObject], None] = lambda seen: None  # told of what was read anew
        self.gate = Gate()
        self.queue: WorkQueue[str] = WorkQueue("rows", self._carry, workers=4, about=self._about)
        self.farewells = Farewells(cluster, home, clock)

    @property
    def configured(self) -> bool:
        """Whether there is a database at all."""
        return self._rows is not None

    @property
    def promise(self) -> Told:
        """What a checkpoint says about its row when it has just been taken."""
        if self._rows is None:
            return (False, names.NO_DATABASE, "no database is configured: this object is the only copy")
        return self.gate.told or (False, names.NOT_STORED_YET, "the row is being written")

    def add(self, seen: CheckpointObject, stored: Stored | None = None) -> None:
        """A checkpoint that is Ready; its row is written if it is not there, and pinned as it is."""
        if self._rows is None or not seen.is_ready or seen.deleting:
            return
        if seen.is_stored and self._pinned.setdefault(seen.uid, seen.pinned) == seen.pinned:
            return
        if stored is not None:
            self._hold(seen.uid, stored)
        self.queue.add(seen.uid)

    def consider_all(self) -> None:
        """The database is back, or may be: everything that is not stored yet is looked at."""
        for seen in self._checkpoints:
            self.add(seen)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._drop(uid)
        self._pinned.pop(uid, None)

    def backlog(self) -> int:
        """How many checkpoints wait for their row."""
        return sum(c.is_ready and not c.is_stored and not c.deleting for c in self._checkpoints)

    async def tenant(self, namespace: str) -> str:
        """The UID of a namespace; a namespace created again under its name has another one."""
        if namespace not in self._tenants:
            self._tenants[namespace] = await self._cluster.get_namespace_uid(namespace)
        return self._tenants[namespace]

    def forget_tenant(self, namespace: str) -> None:
        """The namespace may have been deleted and created again."""
        self._tenants.pop(namespace, None)

    # --- Carrying over

    def _hold(self, uid: str, stored: Stored) -> None:
        self._drop(uid)  # or it would count twice
        self._contents[uid] = stored
        self._held += stored.content.size
        while self._held > _HELD_BYTES and len(self._contents) > 1:
            self._held -= self._contents.popitem(last=False)[1].content.size

    def _about(self, uid: str) -> Fields:
        seen = self._checkpoints.get(uid)
        return about_checkpoint(seen) if seen else {}

    async def _carry(self, uid: str) -> float | None:
        """Write the row of one checkpoint; returns in how many seconds to try again, if at all."""
        seen, rows = self._checkpoints.get(uid), self._rows
        if rows is None or seen is None or not seen.is_ready or seen.deleting:
            self._drop(uid)
            return None
        if wait := self.gate.wait():
            if self.gate.told is not None:
                await self._tell(seen, self.gate.told)
            return wait
        try:
            seen = await self._store(rows, seen)
        except (Conflict, Gone):
            return await self._refresh(seen)
        except Unreadable as error:
            await self._tell(seen, (False, names.DAMAGED, str(error)))
            return None
        except StoreUnavailable as error:
            await self._tell(seen, self.gate.fail(error))
            return self.gate.wait() or _AGAIN_FIRST
        except StoreError as error:
            logger.error("checkpoint %s/%s cannot be stored: %s", seen.namespace, seen.name, error)
            await self._tell(seen, (False, reason_of(error), str(error)))
            return _AGAIN_WRONG
        self.gate.succeed()
        self._drop(uid)
        await self._tell(seen, (True, names.STORED, ""))
        return None

    async def _store(self, rows: Rows, seen: CheckpointObject) -> CheckpointObject:
        """Write the row, or bring its pin up to date. Raises StoreError, Unreadable, and the errors of the API."""
        tenant = await self.tenant(seen.namespace)
        if not seen.is_stored:
            stored = self._contents.get(seen.uid) or await read_object(self._cluster, seen, tenant)
            seen = await self.guard(seen)
            await rows.put(stored)
            if seen.imported and await rows.graves([tenant], None, [seen.id]):
                raise IdTaken("a checkpoint of that id was deleted here: the database does not take it back")
            metrics.ROWS_WRITTEN.inc()
        if seen.pinned != self._pinned.get(seen.uid, seen.is_stored and not seen.pinned):
            await rows.pin([tenant], seen.id, seen.pinned)
        self._pinned[seen.uid] = seen.pinned
        return seen

    def _drop(self, uid: str) -> None:
        if (stored := self._contents.pop(uid, None)) is not None:
            self._held -= stored.content.size

    async def guard(self, seen: CheckpointObject) -> CheckpointObject:
        """The object with the finalizer on it."""
        if seen.guarded:
            return seen
        body = await self._cluster.patch_checkpoint(seen.namespace, seen.name, objects.guard_patch(seen))
        guarded = objects.after_patch(seen, body)
        self._checkpoints.wrote(guarded)
        return guarded

    async def _tell(self, seen: CheckpointObject, told: Told) -> None:
        """Say in the condition whether the row is there, and why not. A row that is there outlasts any outage."""
        if seen.is_stored or seen.stored[:2] == told[:2]:
            return
        patch = objects.stored_patch(seen, told, now=self._clock())
        try:
            body = await self._cluster.patch_checkpoint(seen.namespace, seen.name, patch, status=True)
        except (Conflict, Gone):
            await self._refresh(seen)
            return
        self._checkpoints.wrote(objects.after_patch(seen, body, stored=told))

    async def _refresh(self, seen: CheckpointObject) -> float | None:
        try:
            body = await self._cluster.get_checkpoint(seen.namespace, seen.name)
        except Gone:
            self._checkpoints.forget(seen.uid)
            self._drop(seen.uid)
            return None
        if (news := self._checkpoints.see(body)) is not None:
            self.changed(news)  # its event will bring nothing new any more: that it is being deleted, say
        return 0.05

    # --- States too large for an object

    async def find(self, seen: CheckpointObject) -> Stored | None:
        """The row of a checkpoint. Raises StoreError."""
        assert self._rows is not None
        return await self._rows.get([await self.tenant(seen.namespace)], seen.id)

    async def put_now(self, stored: Stored) -> None:
        """Write a row and wait for it. Raises StoreError."""
        assert self._rows is not None
        try:
            await self._rows.put(stored)
        except StoreUnavailable as error:
            self.gate.fail(error)
            raise
        self.gate.succeed()

    async def store_again(self, seen: CheckpointObject) -> None:
        """Its row is gone though nobody deleted it. Raises StoreError, Unreadable, and the errors of the API."""
        assert self._rows is not None
        if seen.has_state:
            await self._rows.put(await read_object(self._cluster, seen, await self.tenant(seen.namespace)))
            return
        patch = objects.lost_status(seen, now=self._clock())
        body = await self._cluster.patch_checkpoint(seen.namespace, seen.name, patch, status=True)
        self._checkpoints.wrote(objects.after_patch(seen, body, phase=objects.FAILED))

    # --- Deletes

    async def farewell(self, seen: CheckpointObject) -> None:
        """The object is being deleted: bury its row, or remember to, and let the object go."""
        if not seen.guarded:
            return
        if seen.id:
            await self._bury(seen)
        try:
            body = await self._cluster.patch_checkpoint(seen.namespace, seen.name, objects.unguard_patch(seen))
        except Gone:
            return
        self._checkpoints.wrote(objects.after_patch(seen, body))

    async def _bury(self, seen: CheckpointObject) -> None:
        grave = graves.grave_of(seen, await self.tenant(seen.namespace))
        if self._rows is not None and not self.gate.wait():
            try:
                await self._rows.bury(grave)
                self.gate.succeed()
                return
            except StoreUnavailable as error:
                self.gate.fail(error)
            except StoreError as error:
                logger.error("the row of checkpoint %s/%s stays: %s", seen.namespace, seen.name, error)
        await self.farewells.remember(grave)


async def read_object(cluster: Cluster, seen: CheckpointObject, tenant: str) -> Stored:
    """A checkpoint as its object holds it, checked. Raises Unreadable, and the errors of the API."""
    return objects.stored(await cluster.get_checkpoint(seen.namespace, seen.name), tenant)
