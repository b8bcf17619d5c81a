"""The checkpoints of each execution, one lane a name: made, taken, retired, outlived, said farewell to.

Rules:
- Level-triggered like the loop: every event, request and timer leads to the same `look`, which does what is next.
- One lane is worked on by one worker, so the chain of an execution has one end. A second operator is fenced off by
  the version that every write names; its checkpoint then has the other one's as parent, or the same one's: both verify.
- The object first: taken means that the object's status holds the state. The row follows through the outbox. Only a
  state too large for an object reaches the row first, and is Ready when it is there.
- What is brought in from a file is not taken: whoever brings it in fills it, or it fails.
- What belongs to another shard is given away before anything is done with it.
- Nothing here holds an execution up, but for the critical job that waits for its checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from cairn import names
from cairn.app import metrics
from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.lifetimes import Lifetimes
from cairn.app.checkpoints.outbox import Outbox, reason_of
from cairn.app.checkpoints.taking import Cut, cut, label_of
from cairn.app.checkpoints.views import CheckpointViews, Lane, about_checkpoint, about_lane, lane_of
from cairn.app.events import EventWriter
from cairn.app.executions import ExecutionView
from cairn.app.handover import AGAIN, Handover
from cairn.app.logfields import about
from cairn.app.queue import WorkQueue
from cairn.app.views import Views
from cairn.core.actions import Note, TakeCheckpoint
from cairn.core.checkpoint import objects, serializer
from cairn.core.checkpoint.book import Pending
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Parent, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.checkpoint.triggers import ended
from cairn.core.checkpointing import awaits_drain
from cairn.core.manifests import Identity
from cairn.core.naming import checkpoint_id
from cairn.core.observed import Refusal
from cairn.core.times import later
from cairn.errors import AlreadyExists, ApiError, CannotSave, Conflict, Gone, Refused, Rejected, StoreError
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

_CAUSES = {
    Trigger.JOB_COMPLETED: "jobs", Trigger.LEVEL_COMPLETED: "levels", Trigger.BEFORE_CRITICAL: "jobs",
    Trigger.TIME_BASED: "at", Trigger.MANUAL: "pause",
}  # fmt: skip
_NOTE_LIMIT = 4000
_AGAIN = 2.0  # seconds between tries to reach the database with a state that no object can hold
_FILLED_WITHIN = 300.0  # seconds that an imported checkpoint may take to be filled
_ROW_ALONE = (True, names.STORED, "only the database holds the state")
_JOBS_READ = 0.5  # seconds between looks at a fork whose jobs are being read
_DRAINING = 1.0  # seconds between looks at a pause; that it has drained leads to a look of its own


class Keeper:
    """Brings Checkpoint objects forward."""

    def __init__(
        self, cluster: Cluster, views: Views, archive: Archive, outbox: Outbox, clock: Clock, events: EventWriter,
        limit: int,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._views = views
        self._checkpoints: CheckpointViews = views.checkpoints
        self._archive = archive
        self._outbox = outbox
        self._clock = clock
        self._events = events
        self._limit = limit  # what an object may hold of a state
        self._wanted: dict[Lane, dict[str, tuple[ExecutionView, Pending]]] = {}
        self.look_at: Callable[[str], None] = lambda uid: None  # told of executions that there is news of
        self.taken: Callable[[Identity, CheckpointObject, datetime], None] = lambda *_: None  # told as well
        self.handover: Handover | None = None  # who gives away what is another shard's, where there are any
        self.lifetimes = Lifetimes(cluster, views, clock, events, lambda uid: self.look_at(uid))
        self.queue: WorkQueue[Lane] = WorkQueue("checkpoints", self.look, workers=8, about=about_lane)

    # --- What leads to a look

    def request(self, view: ExecutionView, action: TakeCheckpoint) -> None:
        """An execution has decided on a checkpoint; the state to be saved is the one it is stored with."""
        lane = Lane(view.key.namespace, view.key.name)
        self._wanted.setdefault(lane, {}).setdefault(action.pending.name, (view, action.pending))
        self.queue.add(lane)

    def gone(self, seen: CheckpointObject) -> None:
        """A checkpoint was deleted, and let go. By whom, only the API server's audit log knows."""
        if seen.uid in self.lifetimes.removed:
            self.lifetimes.removed.discard(seen.uid)
            return
        view = self._views.execution_as_seen(seen.execution_uid)
        about = view.execution.identity if view else seen.identity
        row = ", and its row" if seen.guarded or self._outbox.configured else ""
        self._events.write(about, [Note("CheckpointDeleted", f"checkpoint {seen.name} was deleted{row}: {seen.label}")])

    # --- One look

    async def look(self, lane: Lane) -> float | None:
        """Do what is next for every checkpoint of a lane; returns in how many seconds to look again, if at all."""
        wanted = self._wanted.pop(lane, {})
        try:
            elsewhere = await self._sort_out(lane)
            errors = await self._make_all(wanted)
        except ApiError:
            self._wanted[lane] = wanted | self._wanted.get(lane, {})
            raise
        if errors:
            self._wanted[lane] = wanted | self._wanted.get(lane, {})
        waits: list[float | None] = [AGAIN] if elsewhere else []
        for seen in self._checkpoints.lane(lane):
            if seen.uid in elsewhere:
                continue
            try:
                with about(about_checkpoint(seen)):
                    waits.append(await self._forward(seen, wanted.get(seen.name)))
            except ApiError as error:  # one that cannot be brought forward holds up no other
                errors.append(error)
        waits.append(await self.lifetimes.look(lane))
        if errors:
            raise errors[0]
        return min((w for w in waits if w is not None), default=None)

    async def _sort_out(self, lane: Lane) -> frozenset[str]:
        """The UIDs of those that are worked on elsewhere, and have been given away or will be."""
        if self.handover is None:
            return frozenset()
        return await self.handover.sort_out(lane, self._checkpoints.lane(lane))

    async def _forward(self, seen: CheckpointObject, wanted: tuple[ExecutionView, Pending] | None) -> float | None:
        try:
            if seen.deleting:
                await self._outbox.farewell(seen)
                return None
            if not seen.is_settled and seen.imported:
                return await self._await_import(seen)
            if not seen.is_settled:
                return await self._take(seen, wanted[0] if wanted else None)
            self._outbox.add(seen)
        except (Conflict, Gone):
            return await self._read_again(seen)
        return None

    async def _read_again(self, seen: CheckpointObject) -> float | None:
        try:
            body = await self._cluster.get_checkpoint(seen.namespace, seen.name)
        except Gone:
            self._checkpoints.forget(seen.uid)
            return None
        if body["metadata"]["uid"] != seen.uid:
            self._checkpoints.forget(seen.uid)
        self._take_in(body)
        return 0.0

    def _take_in(self, body: objects.Body) -> None:
        """Take in an object that was read or made; its event will bring nothing new any more."""
        if (news := self._checkpoints.see(body)) is not None and news.is_settled:
            self._settled(news)

    # --- Making and taking

    async def _make_all(self, wanted: Mapping[str, tuple[ExecutionView, Pending]]) -> list[ApiError]:
        """Create the objects of decided checkpoints, in order, up to the first that is refused: its error.

        That holds up none that is there: in a namespace that is being deleted nothing can be created any more, and it
        goes only once its checkpoints are let go.
        """
        for name, (view, pending) in wanted.items():
            try:
                await self._make(view, name, pending)
            except Gone:
                logger.info("checkpoint %s is not made: there is no namespace %s", name, view.key.namespace)
            except (Refused, Rejected) as error:
                return [error]
        return []

    async def _make(self, view: ExecutionView, name: str, pending: Pending) -> None:
        """Create the object of a decided checkpoint; a taken name means that it was created before."""
        if name in self._checkpoints.of_execution(view.key.namespace, view.key.name, view.key.uid):
            return
        causes = ", ".join(pending.causes) + (f" and {pending.more} more" if pending.more else "")
        notes = {_CAUSES[pending.trigger]: causes[:_NOTE_LIMIT]} if causes else {}
        identity, refused = view.execution.identity, self._views.seen(view.key.uid).refused
        body = objects.manifest(
            identity, name, pending.trigger, pending.label, notes, guarded=self._outbox.configured
        )  # fmt: skip
        try:
            made = await self._cluster.create(body)
        except AlreadyExists:
            made = await self._cluster.get_checkpoint(identity.namespace, name)
        except ApiError as error:
            refused[name] = Refusal(names.LAUNCH_REFUSED, error.message, self._clock())
            raise
        refused.pop(name, None)
        self._take_in(made)

    async def _take(self, seen: CheckpointObject, view: ExecutionView | None) -> float | None:
        """Save the state of its execution in a checkpoint, or say why it cannot be saved."""
        if seen.id and self._outbox.configured:  # a large one, and its row may have been written before a crash
            try:
                row = await self._outbox.find(seen)
            except StoreError as error:
                return await self._wait_for_database(seen, error)
            if row is not None:
                await self._adopt(seen, row)
                return None
        view = view or await self._live(seen)
        if view is None:
            text = f"there is no execution {seen.execution} in namespace {seen.namespace}"
            await self._fail(seen, names.EXECUTION_NOT_FOUND, text)
            return None
        if seen.execution_uid and seen.execution_uid != view.key.uid:
            text = f"the execution {seen.execution} it was made for is gone; another one has its name"
            await self._fail(seen, names.EXECUTION_NOT_FOUND, text)
            return None
        if awaits_drain(view.execution, seen.name):
            return _DRAINING
        if view.execution.lacks_jobs and view.execution.status.started_at is not None:
            self.look_at(view.key.uid)  # a fork's, not read here yet: without them nothing could be restored of it
            return _JOBS_READ
        found = await self._cut(seen, view)
        if found is None:
            return None
        if found.taken.state is None:
            return await self._take_large(seen, view, found)
        if self._outbox.configured:  # before the next one has it as its parent: its delete must leave a trace
            seen = await self._outbox.guard(seen)
        try:
            await self._ready(seen, view.execution.identity, found, self._outbox.promise)
        except Rejected as error:  # the API server will never take it
            await self._fail(seen, names.SERIALIZATION_FAILED, error.message, view, logged=str(error))
        return None

    async def _cut(self, seen: CheckpointObject, view: ExecutionView) -> Cut | None:
        """The state, written down; None: it cannot be, and the checkpoint has failed."""
        try:
            with metrics.CHECKPOINT_SECONDS.time():
                newest = self._newest(seen, view.key.uid)
                parent = self._parent(view, newest)
                label = label_of(seen, parent, self._moment(seen, view, newest))
                return await cut(view, label, self._archive, limit=self._limit)
        except CannotSave as error:
            await self._fail(seen, error.reason, str(error), view)
        except (ApiError, StoreError):
            raise
        except Exception as error:  # a bug must cost this checkpoint, not the execution
            logger.exception("%s/%s: its state cannot be written down", seen.namespace, seen.name)
            await self._fail(seen, names.SERIALIZATION_FAILED, type(error).__name__, view)
        return None

    async def _await_import(self, seen: CheckpointObject) -> float | None:
        """Leave one that is brought in to whoever fills it; seconds until it should have been."""
        left = _FILLED_WITHIN - (self._clock() - seen.created_at).total_seconds()
        if left > 0:
            return left
        text = "it was created to be imported, and not filled: delete it, and import it again"
        await self._fail(seen, names.IMPORT_INCOMPLETE, text)
        return None

    def _parent(self, view: ExecutionView, newest: CheckpointObject | None) -> Parent | None:
        """The checkpoint before; after a restore, the one that it went back to."""
        restored = view.execution.status.restored_from
        if newest is not None and (restored is None or (newest.taken_at or newest.created_at) > restored.at):
            return Parent(newest.id, newest.digest)
        return Parent(restored.origin.id, restored.origin.digest) if restored else None

    def _moment(self, seen: CheckpointObject, view: ExecutionView, newest: CheckpointObject | None) -> datetime:
        """Now, or just after the parent, or the restore, however the clock has been turned since.

        Ids of one execution sort in the order in which they were given, and what was taken after a restore says so.
        """
        now, restored = self._clock(), view.execution.status.restored_from
        before = [restored.at] if restored is not None and restored.at >= now else []
        if newest is not None and checkpoint_id(now, seen.uid) <= newest.id and newest.taken_at is not None:
            before.append(newest.taken_at)
        return max([now, *(later(at, milliseconds=1) for at in before)])

    def _newest(self, seen: CheckpointObject, uid: str) -> CheckpointObject | None:
        found = self._checkpoints.of_execution(seen.namespace, seen.execution, uid).values()
        return max((c for c in found if c.is_ready and c.uid != seen.uid), key=lambda c: c.id, default=None)

    async def _live(self, seen: CheckpointObject) -> ExecutionView | None:
        """The execution as it is stored now: whoever creates a checkpoint finds in it what they did before."""
        try:
            body = await self._cluster.get_execution(seen.namespace, seen.execution)
        except Gone:
            return None
        uid: str = body["metadata"]["uid"]
        if not self._views.selection.takes(body["metadata"]):
            raise Conflict("the execution is another shard's by now", status=409)
        if self._views.see_execution(body) is not None:
            self.look_at(uid)  # its event will bring nothing new any more
        return self._views.execution(uid)

    async def _ready(self, seen: CheckpointObject, identity: Identity, found: Cut,
                     stored: tuple[bool, str, str]) -> None:  # fmt: skip
        now = self._clock()
        status = objects.ready_status(found.taken, stored, generation=seen.generation, now=now)
        written = await self._write(seen, status)
        self._settled(written)
        metrics.CHECKPOINTS.labels(seen.trigger.value, "ready").inc()
        metrics.CHECKPOINT_BYTES.inc(found.content.size)
        self.taken(identity, written, now)
        note = Note("CheckpointTaken", f"checkpoint {seen.name} ({seen.trigger}): {found.taken.label.name}")
        with about(about_checkpoint(written)):
            self._events.write(identity, [note])
        if not stored[0]:
            tenant = await self._outbox.tenant(seen.namespace) if self._outbox.configured else ""
            self._outbox.add(written, Stored(found.taken.summary(written, tenant), found.content))

    async def _take_large(self, seen: CheckpointObject, view: ExecutionView, found: Cut) -> float | None:
        """A state that only the database can hold: the id, then the row, then Ready."""
        size = f"{found.content.size // 1000} KB of state are too much for an object"
        if not self._outbox.configured:
            text = f"{size}, even compressed, and there is no database"
            await self._fail(seen, names.TOO_LARGE, text, view)
            return None
        if not seen.id:
            seen = await self._bind(seen, found, f"{size}: it is being written to the database")
        seen = await self._outbox.guard(seen)
        try:
            row = Stored(found.taken.summary(seen, await self._outbox.tenant(seen.namespace)), found.content)
            await self._outbox.put_now(row)
        except StoreError as error:
            return await self._wait_for_database(seen, error)
        await self._ready(seen, view.execution.identity, found, _ROW_ALONE)
        return None

    async def _bind(self, seen: CheckpointObject, found: Cut, text: str) -> CheckpointObject:
        status = objects.bound_status(
            found.taken, generation=seen.generation, now=self._clock(), reason=names.NOT_STORED_YET, message=text
        )  # fmt: skip
        return await self._write(seen, status)

    async def _adopt(self, seen: CheckpointObject, row: Stored) -> None:
        """Its row is there: it is what was taken, whatever has become of the execution since."""
        state = serializer.deserialize(row.content)
        taken = objects.Taken.of_row(seen, row.checkpoint, ended(state.status.jobs))
        view = self._views.execution(taken.execution_uid)
        identity = view.execution.identity if view else seen.identity
        await self._ready(seen, identity, Cut(taken, row.content), _ROW_ALONE)

    async def _wait_for_database(self, seen: CheckpointObject, error: StoreError) -> float:
        """Say once why it is not Ready yet; seconds until the next try."""
        reason = reason_of(error)
        text = f"its state is too large for the object, and the database does not take it: {error}"
        if seen.ready[0] != reason:
            logger.error("checkpoint %s/%s: %s", seen.namespace, seen.name, text)
            patch = objects.waiting_patch(seen, reason, text, now=self._clock())
            body = await self._cluster.patch_checkpoint(seen.namespace, seen.name, patch, status=True)
            self._checkpoints.wrote(objects.after_patch(seen, body, ready=(reason, text)))
        return _AGAIN

    async def _fail(self, seen: CheckpointObject, reason: str, message: str,
                    view: ExecutionView | None = None, *, logged: str = "") -> None:  # fmt: skip
        """Say so in its status and in an Event; `logged` stands in for a message that quotes what others wrote."""
        uid = view.key.uid if view else seen.execution_uid
        status = objects.failed_status(
            reason, message, generation=seen.generation, execution_uid=uid, now=self._clock(), id=seen.id
        )  # fmt: skip
        logger.error("checkpoint %s/%s failed: %s: %s", seen.namespace, seen.name, reason, logged or message)
        written = await self._write(seen, status)
        metrics.CHECKPOINTS.labels(seen.trigger.value, "failed").inc()
        identity = view.execution.identity if view else seen.identity
        text = f"checkpoint {seen.name}: {reason}: "
        self._events.write(identity, [Note("CheckpointFailed", text + message, True, text + (logged or message))])
        self._settled(written)

    async def _write(self, seen: CheckpointObject, status: objects.Body) -> CheckpointObject:
        version = await self._cluster.write_checkpoint_status(
            seen.namespace, seen.name, seen.uid, seen.resource_version, status
        )  # fmt: skip
        written = objects.after_write(seen, version, status)
        self._checkpoints.wrote(written)
        return written

    def _settled(self, written: CheckpointObject) -> None:
        if written.execution_uid:
            self.look_at(written.execution_uid)
        self.queue.add(lane_of(written))  # retention follows
